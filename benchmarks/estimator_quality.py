"""How well each signal tells right answers from wrong ones, and what combining signals adds.

    python benchmarks/estimator_quality.py [--evidence FILE ...] [--data ../shared/data/uq]

Reads recorded outputs of real models where they are present (sets that are absent are named and
left out), and evidence files with labels as `benchmarks/record_evidence.py` writes them. AUROC with
95 % question-bootstrap intervals; combinations are judged out of fold (five folds by question).
CPU is per record in one batch, on this machine. No model is loaded.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surefoot.policies.signal_quality import SignalQuality, judge
from surefoot.router.answers import answer_class
from surefoot.router.calibration.combination import CombinationKind
from surefoot.router.calibration.combination_report import CombinationReport, evaluate_combination
from surefoot.router.estimators.catalogue import CATALOGUE, Options, estimator
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.reading import read_signals
from surefoot.router.signals import Signal, Unavailable
from surefoot.router.wire import decode

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "uq"
_KINDS: tuple[CombinationKind, ...] = ("logistic", "boosted")
_ANSWER = re.compile(r"<answer>\s*([A-E])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A set: per record what is known of it, and whether its answer was right.

    Attributes:
        recorded: signals that came with the data, by name: value in [0, 1], higher is surer.
        wanted: the estimators that the records can feed; empty takes what is available.
    """

    name: str
    records: Sequence[Evidence]
    labels: Sequence[int]
    recorded: dict[str, list[float]]
    wanted: tuple[str, ...] = ()


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file, gzipped or not."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def triviaqa(folder: Path, m: int) -> Labelled:
    """LLaMA-13B, m samples; what is judged is the first sample of the largest class."""
    rows = rows_of(folder / "triviaqa_llama13b_dev.jsonl.gz")
    records, labels = [], []
    for row in rows:
        texts = row["samples"][:m]
        classes = [answer_class(text) for text in texts]
        served = classes.index(Counter(classes).most_common(1)[0][0])
        labels.append(int(row["correct_heuristic"][served]))
        samples = tuple(map(Generation, texts))
        records.append(Evidence(row["question"], samples[served], str(row["id"]), samples))
    return Labelled(f"TriviaQA, LLaMA-13B, M={m}", records, labels, {})


def whitebox(folder: Path) -> Labelled:
    """NQ, a Llama-3 8B-class model: four recorded scalars."""
    rows = rows_of(folder / "whitebox_dev.jsonl.gz")
    records = [Evidence("", Generation(row["answer"]), str(row["row"])) for row in rows]
    maps: dict[str, Callable[[float], float]] = {
        "perplexity": lambda x: 1.0 / x,
        "ln_entropy": lambda x: math.exp(-x),
        "eigen_score": lambda x: 1.0 / (1.0 + math.exp(x)),
        "energy_score": lambda x: x / (x + 20.0),
    }
    recorded = {name: [to_value(row[name]) for row in rows] for name, to_value in maps.items()}
    labels = [int(row["correct_heuristic"]) for row in rows]
    return Labelled("NQ, Llama-3 8B class, recorded scalars", records, labels, recorded)


def simpleqa(folder: Path) -> Labelled:
    """GPT-4o: a trustworthiness score; how long and how certain the wording is beside it."""
    rows = rows_of(folder / "simpleqa_gpt4o_dev.jsonl.gz")
    rows = [row for row in rows if row["tlm_trustworthiness"] is not None]
    records = [
        Evidence(row["question"], Generation(row["response"]), str(number))
        for number, row in enumerate(rows)
    ]
    recorded = {
        "tlm": [float(row["tlm_trustworthiness"]) for row in rows],
        "brevity": [1.0 / max(len(row["response"].split()), 1) for row in rows],
    }
    return Labelled(
        "SimpleQA, GPT-4o", records, [int(row["correct_heuristic"]) for row in rows], recorded
    )


def csqa(folder: Path) -> Labelled:
    """CommonsenseQA, Qwen2.5-7B tuned with RLVR: its answer, two scores of it, and two peers."""
    rows = rows_of(folder / "rlcr_csqa_dev.jsonl.gz")
    records, labels = [], []
    recorded: dict[str, list[float]] = {"answer_prob": [], "classifier": []}
    for number, row in enumerate(rows):
        methods = row["methods"]
        peers = {name: _option(methods[name]["output"]) for name in ("Base", "RLCR")}
        answer = _option(methods["RLVR"]["output"])
        records.append(Evidence(row["problem"], answer, str(number), peers=peers))
        labels.append(int(methods["RLVR"]["correct"]))
        recorded["answer_prob"].append(float(methods["Answer-Prob"]["confidence"]))
        recorded["classifier"].append(float(methods["RLVR-Classifier"]["confidence"]))
    return Labelled("CommonsenseQA, Qwen2.5-7B RLVR", records, labels, recorded)


def _option(output: str) -> Generation:
    found = _ANSWER.findall(output)
    return Generation(found[-1].upper() if found else "none")


def from_evidence(path: Path) -> Labelled:
    """Evidence recorded with labels."""
    rows = rows_of(path)
    records = [decode(Evidence, row) for row in rows]
    name = f"{path.stem}, {len(rows)} questions"
    return Labelled(name, records, [int(row["correct"]) for row in rows], {})


def sets(folder: Path, evidence: Sequence[Path]) -> Iterator[Labelled]:
    """Every set that is there."""
    makers: list[tuple[str, Callable[[], Labelled]]] = [
        *((f"triviaqa M={m}", lambda m=m: triviaqa(folder, m)) for m in (3, 5, 10, 20)),
        ("whitebox", lambda: whitebox(folder)),
        ("simpleqa", lambda: simpleqa(folder)),
        ("rlcr_csqa", lambda: csqa(folder)),
        *((str(path), lambda path=path: from_evidence(path)) for path in evidence),
    ]
    for name, make in makers:
        try:
            yield make()
        except FileNotFoundError as error:
            print(f"\n({name} left out: {error.filename} is not here)")


def columns_of(found: Labelled) -> dict[str, tuple[list[float | None], list[float | None], float]]:
    """Per signal its scores (for ranking), its values and the CPU microseconds a record took."""
    columns: dict[str, tuple[list[float | None], list[float | None], float]] = {
        name: (list(values), list(values), 0.0) for name, values in found.recorded.items()
    }
    for name, entry in CATALOGUE.items():
        if entry.compatible_with is not None:
            continue
        chosen = estimator(name, Options())
        if isinstance(chosen.estimate(found.records[0]), Unavailable):
            usable = any(isinstance(chosen.estimate(r), Signal) for r in found.records[1:20])
            if not usable:
                continue
        began = time.process_time()
        readings = [signals[name] for signals in read_signals([chosen], found.records)]
        cpu_us = (time.process_time() - began) / len(found.records) * 1e6
        scores = [one.score if isinstance(one, Signal) else None for one in readings]
        values = [one.value if isinstance(one, Signal) else None for one in readings]
        columns[name] = (scores, values, cpu_us)
    return columns


def report(found: Labelled) -> dict[CombinationKind, CombinationReport]:
    """One set: a table of signals, then combinations."""
    columns = columns_of(found)
    right = sum(found.labels) / len(found.labels)
    groups = [record.id for record in found.records]
    judged = judge(
        {name: scores for name, (scores, _, _) in columns.items()},
        found.labels,
        groups,
        seed=0,
        values={name: values for name, (_, values, _) in columns.items()},
    )
    print(f"\n### {found.name} (n = {len(found.labels)}, {right:.1%} right)\n")
    print("| signal | available | AUROC | 95 % | PRR | ECE10 out of fold | ACE | CPU us |")
    print("|---|---|---|---|---|---|---|---|")
    for one in judged:
        if isinstance(one.auroc, Unavailable) or isinstance(one.prr, Unavailable):
            continue
        low, high = one.auroc.interval or (math.nan, math.nan)
        cpu_us = columns[one.name][2]
        cells = [
            f"`{one.name}`",
            f"{1.0 - one.share_unavailable:.0%}",
            f"{one.auroc.value:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{one.prr.value:.3f}",
            *_calibrated(one),
            f"{cpu_us:.0f}" if cpu_us else "recorded",
        ]
        print(f"| {' | '.join(cells)} |")
    return combine(found, {name: values for name, (_, values, _) in columns.items()})


def _calibrated(one: SignalQuality) -> tuple[str, str]:
    found = one.calibrated
    if isinstance(found, Unavailable):
        return "", ""
    return f"{found.ece.value:.3f}", f"{found.ace.value:.3f}"


def combine(
    found: Labelled, columns: dict[str, list[float | None]]
) -> dict[CombinationKind, CombinationReport]:
    """Combinations of all signals that are there for every whole answer and not constant."""
    whole = [i for i, record in enumerate(found.records) if record.greedy.text.strip()]
    columns = {name: [values[i] for i in whole] for name, values in columns.items()}
    labels = [found.labels[i] for i in whole]
    names = [
        name for name, values in columns.items() if None not in values and len(set(values)) > 1
    ]
    if len(names) < 2:
        print("\nOne signal: nothing to combine.")
        return {}
    rows = list(zip(*(columns[name] for name in names), strict=True))
    groups = [found.records[i].id for i in whole]
    reports: dict[CombinationKind, CombinationReport] = {}
    for kind in _KINDS:
        result = reports[kind] = evaluate_combination(
            rows, labels, groups, signals=names, kind=kind
        )
        best, chosen = result.over_best, result.over_chosen
        print(
            f"\n{kind} combination of {len(names)} signals, {len(whole)} rows: AUROC "
            f"{result.auroc:.3f} out of fold ({result.pooled_auroc:.3f} over pairs of all folds); "
            f"over `{best.over}` ({best.auroc:.3f}, the best on these rows) "
            f"{best.difference:+.3f} {_shown(best.interval)}; "
            f"over the signal chosen out of fold ({chosen.auroc:.3f}) {chosen.difference:+.3f} "
            f"{_shown(chosen.interval)}; "
            f"ECE10 {result.ece:.3f}, ACE {result.ace:.3f}, Brier {result.brier:.3f}"
        )
    return reports


def _shown(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"[{interval[0]:+.3f}, {interval[1]:+.3f}]"


def average(reports: Sequence[dict[CombinationKind, CombinationReport]]) -> None:
    """The mean gain over sets that share no question, with a normal interval."""
    print(f"\n### Mean over {len(reports)} sets (of TriviaQA M=5 only)\n")
    for kind in _KINDS:
        for title, gains in (
            ("best on the same rows", [one[kind].over_best for one in reports]),
            ("chosen out of fold", [one[kind].over_chosen for one in reports]),
        ):
            mean = sum(gain.difference for gain in gains) / len(gains)
            # A 95 % interval of a normal is 3.92 standard errors wide.
            errors = [
                (high - low) / 3.92 for low, high in filter(None, (g.interval for g in gains))
            ]
            half = 1.96 * math.sqrt(sum(e * e for e in errors)) / len(gains)
            print(
                f"- {kind} over the single signal {title}: {mean:+.3f} "
                f"[{mean - half:+.3f}, {mean + half:+.3f}]"
            )


def main() -> None:
    """Print every set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--evidence", type=Path, nargs="*", default=[])
    given = parser.parse_args()
    reports = {found.name: report(found) for found in sets(given.data, given.evidence)}
    alone = [
        one
        for name, one in reports.items()
        if one and (not name.startswith("TriviaQA") or name.endswith("M=5"))
    ]
    if alone:
        average(alone)


if __name__ == "__main__":
    main()
