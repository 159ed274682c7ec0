"""LM-Polygraph's own estimators on an evidence file: values, and what they cost.

    PEER/bin/python benchmarks/peers/run_lmp.py EVIDENCE OUT [--repeats N]

Runs in an environment with lm-polygraph. No model is loaded: its estimators are called with the
statistics that its models would have supplied, which is not part of the times.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from measuring import Call, Record, Report, arguments, resident_mb

Stats = dict[str, Any]

_MOST_ALTERNATIVES = 10  # its greedy_probs calculator keeps so many for CCP


def main() -> None:
    """Import, call, write."""
    records, out, repeats = arguments(__doc__ or "")
    start = time.process_time()
    import lm_polygraph.estimators

    cost = time.process_time() - start
    report = Report(
        {
            "library": "LM-Polygraph",
            "version": version("lm-polygraph"),
            "python": sys.version.split()[0],
            "numpy": version("numpy"),
            "import_cpu_s": cost,
            "import_rss_mb": resident_mb(),
        }
    )
    report.facts["outside_estimators"] = _outside_estimators()
    calls = _calls(lm_polygraph.estimators)
    if repeats:
        report.time(calls, records, repeats)
    else:
        report.value(calls, records)
    report.write(out)


def _outside_estimators() -> dict[str, Any]:
    """Its metrics on ties and on confidences, and its wrapper on an answer without tokens."""
    from lm_polygraph.ue_metrics.ece import ECE
    from lm_polygraph.ue_metrics.pred_rej_area import PredictionRejectionArea
    from lm_polygraph.ue_metrics.risk_cov_curve import RiskCoverageCurveAUC
    from lm_polygraph.utils.api_with_uncertainty import APIWithUncertainty

    tied, right = [0.5] * 4, [1, 1, 0, 0]
    areas = [PredictionRejectionArea(), RiskCoverageCurveAUC()]
    return {
        **{str(area): [area(tied, right), area(tied, right[::-1])] for area in areas},
        # Its Verbalized1S gives 1 - confidence, of which its ECE takes the negative.
        "ece of confidences .3 and .7": ECE()([1 - 0.3, 1 - 0.7], [0, 0]),
        "wrapper without tokens": APIWithUncertainty().score([], []),
    }


def _calls(library: Any) -> list[Call]:
    found = [
        *[library.MaximumSequenceProbability(), library.Perplexity(), library.MeanTokenEntropy()],
        *[library.SelfCertainty(), library.RenyiNeg(), library.FisherRao()],
        *[library.MonteCarloSequenceEntropy(), library.MonteCarloNormalizedSequenceEntropy()],
        *[library.LexicalSimilarity(one) for one in ("rougeL", "rouge1", "rouge2", "BLEU")],
        *[library.TokenSAR(), library.SentenceSAR(), library.SAR()],
        *[library.ClaimConditionedProbability(), library.CocoaMSP(), library.CocoaPPL()],
        *[library.CocoaMTE(), library.NumSemSets(), library.LabelProb()],
        *[library.KernelLanguageEntropy(), library.LUQ()],
        *[library.SemanticEntropy(), library.SemanticDensity(concat_input=False)],
        library.SemanticEntropy(class_probability_estimation="frequency"),
        library.SemanticEntropy(
            class_probability_estimation="frequency", entropy_estimation="direct"
        ),
    ]
    graphs = [library.DegMat, library.EigValLaplacian, library.Eccentricity]
    found += [graph("Jaccard_score") for graph in graphs]
    judged = [graph("NLI_score", kind) for kind in ("entail", "contra") for graph in graphs]
    calls = [_call(str(one), one, _stats) for one in [*found, *judged]]
    calls += [_call(f"{one}, unit diagonal", one, _with_unit_diagonal) for one in judged]
    bleu = library.LexicalSimilarity("BLEU")
    calls.append(_call(f"{bleu}, samples reversed", bleu, _reversed))
    calls.append(Call("Eccentricity, second output", _stats, _second_output(library)))
    return [*calls, *_with_calculators(library)]


def _call(label: str, estimator: Any, prepare: Callable[[Sequence[Record]], Stats]) -> Call:
    return Call(label, prepare, lambda stats: {label: estimator(stats)})


def _with_calculators(library: Any) -> list[Call]:
    """Its estimators together with its own code that works out, without a model, what they take."""
    from lm_polygraph.stat_calculators.entropy import EntropyCalculator
    from lm_polygraph.stat_calculators.semantic_classes import SemanticClassesCalculator

    def call(estimator: Any, calculator: Any) -> Call:
        label = f"{estimator}, calculator included"
        return Call(
            label,
            _stats,
            lambda stats: {label: estimator({**stats, **calculator(stats, [], None)})},
        )

    frequency = library.SemanticEntropy(class_probability_estimation="frequency")
    return [
        call(library.MeanTokenEntropy(), EntropyCalculator()),
        call(frequency, SemanticClassesCalculator()),
        call(library.SemanticEntropy(), SemanticClassesCalculator()),
    ]


def _second_output(library: Any) -> Callable[[Stats], dict[str, list[int]]]:
    """How many numbers its per-response output of eccentricity has."""
    graph = library.Eccentricity("Jaccard_score")

    def run(stats: Stats) -> dict[str, list[int]]:
        size = len(stats["sample_texts"])
        counts = [len(graph.U_Eccentricity(i, stats)[1]) for i in range(size)]
        return {"Eccentricity, second output": counts}

    return run


def _stats(records: Sequence[Record]) -> Stats:
    """What its calculators would have found; its own code where that needs no model."""
    import numpy as np
    from lm_polygraph.stat_calculators.entropy import EntropyCalculator
    from lm_polygraph.stat_calculators.semantic_classes import SemanticClassesCalculator

    nli = [np.array([row[1:] for row in one["nli"][1:]]).reshape(-1, 3) for one in records]
    sizes = [len(one["samples"]) for one in records]
    square = [one.reshape(m, m, 3) for one, m in zip(nli, sizes, strict=True)]
    forward = [np.array(one["nli"][0][1:]).reshape(-1, 3) for one in records]
    sampled = [[_logprobs(sample) for sample in one["samples"]] for one in records]
    stats: Stats = {
        "greedy_log_likelihoods": [_logprobs(one["greedy"]) for one in records],
        "greedy_log_probs": [_distributions(one["greedy"]) for one in records],
        "greedy_tokens": [[t["token"] for t in one["greedy"]["tokens"]] for one in records],
        "greedy_tokens_alternatives": [_alternatives(one) for one in records],
        "greedy_tokens_alternatives_nli": [_alternatives_nli(one) for one in records],
        "token_similarity": [np.array(one["greedy_token_similarity"]) for one in records],
        "sample_log_likelihoods": sampled,
        "sample_log_probs": [[float(np.sum(one)) for one in many] for many in sampled],
        "sample_tokens": [[s["tokens"] for s in one["samples"]] for one in records],
        "sample_texts": [[s["text"] for s in one["samples"]] for one in records],
        "sample_token_similarity": [
            [np.array(row) for row in one["sample_token_similarity"]] for one in records
        ],
        "sample_sentence_similarity": [np.array(one["sample_similarity"]) for one in records],
        "greedy_sentence_similarity": [np.array(one["greedy_similarity"]) for one in records],
        "semantic_matrix_entail": np.array([one[..., 2] for one in square]),
        "semantic_matrix_contra": np.array([one[..., 0] for one in square]),
        "semantic_matrix_entail_logits": [np.log(one[..., 2]) for one in square],
        "semantic_matrix_contra_logits": [np.log(one[..., 0]) for one in square],
        "semantic_matrix_classes": np.array([one.argmax(-1) for one in square]),
        "entailment_id": 2,
        "greedy_semantic_matrix_contra_forward": [one[:, 0] for one in forward],
        "greedy_semantic_matrix_neutral_forward": [one[:, 1] for one in forward],
    }
    stats.update(EntropyCalculator()(stats))
    stats.update(SemanticClassesCalculator()(stats, [], None))
    return stats


def _with_unit_diagonal(records: Sequence[Record]) -> Stats:
    """The same where each sample entails itself for certain."""
    import numpy as np

    stats = _stats(records)
    for name, own in (("semantic_matrix_entail", 1.0), ("semantic_matrix_contra", 0.0)):
        places = np.arange(stats[name].shape[1])
        stats[name][:, places, places] = own
    return stats


def _reversed(records: Sequence[Record]) -> Stats:
    stats = _stats(records)
    stats["sample_texts"] = [texts[::-1] for texts in stats["sample_texts"]]
    return stats


def _logprobs(generation: Record) -> list[float]:
    return [token["logprob"] for token in generation["tokens"]]


def _distributions(generation: Record) -> list[Any]:
    import numpy as np

    return [
        np.array([other["logprob"] for other in token["top_logprobs"]])
        for token in generation["tokens"]
    ]


def _alternatives(record: Record) -> list[list[tuple[str, float]]]:
    return [
        [(o["token"], o["logprob"]) for o in token["top_logprobs"][:_MOST_ALTERNATIVES]]
        for token in record["greedy"]["tokens"]
    ]


def _alternatives_nli(record: Record) -> list[list[list[str]]]:
    """Per token its labels of (original, alternative) in the first row, back in the column."""
    found = []
    for pairs in record["alternatives_nli"]:
        kept = pairs[:_MOST_ALTERNATIVES]
        labels = [["entail"] * len(kept) for _ in kept]
        for i, (there, back) in enumerate(kept):
            if i:
                labels[i][0], labels[0][i] = _label(there), _label(back)
        found.append(labels)
    return found


def _label(triple: Sequence[float]) -> str:
    return ("contra", "neutral", "entail")[max(range(3), key=lambda i: triple[i])]


if __name__ == "__main__":
    main()
