"""UQLM's own scorers on an evidence file: values, and what they cost.

    PEER/bin/python benchmarks/peers/run_uqlm.py EVIDENCE OUT [--repeats N]

Runs in an environment with uqlm. No model is loaded: its NLI class answers from its own cache,
filled with the record's matrix, and its cosine scorer takes embeddings at the given angles.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from measuring import Call, Record, Report, arguments, resident_mb

_ASKED = 15  # its default of top_k_logprobs


def main() -> None:
    """Import, call, write."""
    records, out, repeats = arguments(__doc__ or "")
    start = time.process_time()
    import uqlm  # noqa: F401  # its price is measured, and others of its modules need it

    cost = time.process_time() - start
    report = Report(
        {
            "library": "UQLM",
            "version": version("uqlm"),
            "python": sys.version.split()[0],
            "numpy": version("numpy"),
            "import_cpu_s": cost,
            "import_rss_mb": resident_mb(),
        }
    )
    if repeats:
        report.time(_calls(records), records, repeats)
    else:
        naps: list[float] = []
        time.sleep = naps.append  # type: ignore[assignment]  # recorded, and not waited for
        report.facts["sleeps_s"] = _sleeps(records[:1], naps)
        _value(report, records)
    report.write(out)


def _value(report: Report, records: Sequence[Record]) -> None:
    """Record by record, each with an NLI of its own: made-up records may contradict each other."""
    for number, record in enumerate(records):
        one = Report({})
        one.value(_calls([record]), [record])
        for name, found in one.values.items():
            report.values.setdefault(name, [None] * len(records))[number] = found[0]
        for label, errors in one.errors.items():
            report.errors.setdefault(label, {}).update(errors)


def _sleeps(records: Sequence[Record], naps: list[float]) -> dict[str, float]:
    """For how many seconds each call sleeps."""
    found = {}
    for call in _calls(records):
        naps.clear()
        call.run(call.prepare(records))
        found[call.label] = sum(naps)
    return found


def _calls(records: Sequence[Record]) -> list[Call]:
    from uqlm.black_box import CosineScorer, MatchScorer
    from uqlm.black_box.consistency import ConsistencyScorer
    from uqlm.nli.nli import NLI
    from uqlm.scorers.shortform.density import SemanticDensity
    from uqlm.scorers.shortform.entropy import SemanticEntropy
    from uqlm.white_box.p_true import PTrueScorer
    from uqlm.white_box.sampled_logprobs import SampledLogprobsScorer
    from uqlm.white_box.single_logprobs import SingleLogprobsScorer
    from uqlm.white_box.top_logprobs import TopLogprobsScorer

    nli = _judging(NLI, records)
    given = max([_k(one) for one in records], default=_ASKED)
    single, top = SingleLogprobsScorer(), TopLogprobsScorer(top_k_logprobs=given)
    asked, sampled, match = TopLogprobsScorer(), SampledLogprobsScorer(), MatchScorer()
    consistency = ConsistencyScorer(nli=nli)
    entropy = SemanticEntropy(use_best=False, prompts_in_nli=False, nli=nli)
    density = SemanticDensity(nli=nli)
    cosine = _looking_up(CosineScorer)
    sampled._cosine_scorer = cosine

    def semantic_entropy(args: dict[str, Any]) -> dict[str, Any]:
        data = entropy.score(**args, show_progress_bars=False, _display_header=False).data
        names = ("discrete_entropy_values", "tokenprob_entropy_values", "num_semantic_sets")
        return {name: data[name] for name in names}

    def semantic_density(args: dict[str, Any]) -> dict[str, Any]:
        data = density.score(**args, show_progress_bars=False, _display_header=False).data
        return {"semantic_density": data["semantic_density_values"]}

    def cosine_sim(pair: Any) -> dict[str, Any]:
        cosine.cosines = pair[0]
        return {"cosine_sim": cosine.evaluate(**pair[1])}

    def cocoa(pair: Any) -> dict[str, Any]:
        cosine.cosines = pair[0]
        scores = sampled.compute_consistency_confidence(**pair[1])
        return {"consistency_and_confidence": scores}

    def p_true(said: list[Any]) -> dict[str, Any]:
        read = PTrueScorer._extract_ptrue_from_logprobs_result
        return {"p_true": [read(one) for one in said]}

    def rename(scores: dict[str, Any]) -> dict[str, Any]:
        return {f"{name}, {_ASKED} asked": found for name, found in scores.items()}

    return [
        Call("sequence + min probability", _greedy_logprobs, single.evaluate),
        Call("negentropy mean + min + margin", _greedy_logprobs, top.evaluate),
        Call("the same, 15 asked", _greedy_logprobs, lambda a: rename(asked.evaluate(a))),
        Call("exact match", _texts, lambda a: {"exact_match": match.evaluate(**a)}),
        Call(
            "noncontradiction + entailment",
            _texts,
            lambda a: _only(consistency.evaluate(**a), "noncontradiction", "entailment"),
        ),
        Call("semantic entropy, both", _everything, semantic_entropy),
        Call("semantic density", _everything, semantic_density),
        Call(
            "monte carlo probability",
            lambda r: {k: v for k, v in _everything(r).items() if k not in _BLACK_BOX},
            lambda a: {"monte_carlo_probability": sampled.monte_carlo_probability(**a)},
        ),
        Call("cosine", lambda r: (_cosines(r), _texts(r)), cosine_sim),
        Call(
            "consistency and confidence",
            lambda r: (_cosines(r), {**_texts(r), "logprobs_results": _greedy_logprobs(r)}),
            cocoa,
        ),
        Call("p_true", _judgments, p_true),
    ]


_BLACK_BOX = ("prompts", "sampled_responses")


def _only(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: found[name] for name in names}


def _k(record: Record) -> int:
    return max([len(token["top_logprobs"]) for token in record["greedy"]["tokens"]], default=0)


def _judging(nli_class: Any, records: Sequence[Record]) -> Any:
    """Its NLI, which looks into a cache before it asks a model, with the cache filled."""
    import numpy as np

    nli = nli_class.__new__(nli_class)
    nli.label_mapping = ["contradiction", "neutral", "entailment"]
    nli.probabilities = {}
    for record in records:
        texts = [record["greedy"]["text"], *[sample["text"] for sample in record["samples"]]]
        for a, row in zip(texts, record["nli"], strict=True):
            for b, triple in zip(texts, row, strict=True):
                found = np.array([triple])
                nli.probabilities[a, b] = found
                question = record["question"]
                nli.probabilities[f"{question}\n{a}", f"{question}\n{b}"] = found
    return nli


def _looking_up(scorer_class: Any) -> Any:
    """Its cosine scorer with embeddings in the plane, at the angles that were given."""
    import numpy as np

    class LookingUp(scorer_class):  # type: ignore[misc]  # the class is known at run time only
        def __init__(self) -> None:
            self.max_length = 2000
            self.cosines: dict[tuple[str, str], float] = {}

        def _get_embeddings(self, texts1: list[str], texts2: list[str]) -> tuple[Any, Any]:
            found = [self.cosines[pair] for pair in zip(texts1, texts2, strict=True)]
            angled = [np.array([c, np.sqrt(1.0 - c * c)]) for c in found]
            return [np.array([1.0, 0.0])] * len(found), angled

    return LookingUp()


def _cosines(records: Sequence[Record]) -> dict[tuple[str, str], float]:
    return {
        (record["greedy"]["text"], sample["text"]): cosine
        for record in records
        for sample, cosine in zip(record["samples"], record["greedy_similarity"], strict=True)
    }


def _greedy_logprobs(records: Sequence[Record]) -> list[list[Record]]:
    return [record["greedy"]["tokens"] for record in records]


def _texts(records: Sequence[Record]) -> dict[str, Any]:
    return {
        "responses": [record["greedy"]["text"] for record in records],
        "sampled_responses": [[one["text"] for one in r["samples"]] for r in records],
    }


def _everything(records: Sequence[Record]) -> dict[str, Any]:
    return {
        "prompts": [record["question"] for record in records],
        **_texts(records),
        "logprobs_results": _greedy_logprobs(records),
        "sampled_logprobs_results": [[one["tokens"] for one in r["samples"]] for r in records],
    }


def _judgments(records: Sequence[Record]) -> list[list[Record]]:
    """What was said when asked whether the answer is right; of most records nothing was."""
    return [
        record["asked"]["p_true"][0]["tokens"] if record.get("asked") else [] for record in records
    ]


if __name__ == "__main__":
    main()
