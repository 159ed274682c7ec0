"""How good the demo's gate is on held-out questions, in the tables of RESULTS.md.

    python benchmarks/demo_quality.py [OUTCOMES] [--profile PROFILE]

Reads recorded outcomes (see `surefoot record`); no model is loaded.
"""

import argparse
from collections import defaultdict
from pathlib import Path

from surefoot.graphs.config import demo_folder
from surefoot.policies.outcomes import Outcome, OutcomeTable, read_outcomes
from surefoot.policies.profile import Profile, load_profile
from surefoot.policies.replay import replay_profile
from surefoot.router.metrics import auroc, bootstrap_interval, selective_accuracy
from surefoot.router.metrics.reliability import ece
from surefoot.router.signals import Signal, Unavailable

HELD_OUT = Path(__file__).parent / "demo_outcomes_held_out.jsonl"


def kind(row: Outcome) -> str:
    """Questions about the standard library have ids that say so."""
    return "standard library" if row.query_id.startswith("std-") else "general facts"


def gain(rows: list[tuple[str, float, int]]) -> float | Unavailable:
    """Accuracy of the surer half, less that of all."""
    scores, right = [p for _, p, _ in rows], [label for _, _, label in rows]
    half, whole = selective_accuracy(scores, right, 0.5), selective_accuracy(scores, right, 1.0)
    if isinstance(half, Unavailable) or isinstance(whole, Unavailable):
        return Unavailable("no rows")
    return half - whole


def accuracies(table: OutcomeTable) -> None:
    """Accuracy per rung and kind of question."""
    found: dict[tuple[str, int, bool], list[float]] = defaultdict(list)
    for row in table.rows():
        found[kind(row), row.tier, row.retrieved].append(1.0 - (row.loss or 0.0))
    print("| questions | tier | passages | n | accuracy |\n|---|---|---|---|---|")
    for (name, tier, retrieved), right in sorted(found.items()):
        seen = "yes" if retrieved else "no"
        print(f"| {name} | {tier} | {seen} | {len(right)} | {sum(right) / len(right):.3f} |")


def calibration(table: OutcomeTable, profile: Profile) -> None:
    """The preferred signal of each rung: how well it orders, and how well it is calibrated."""
    print("| tier | passages | signal | n | AUROC | ECE10 | gain at 50 % coverage |")
    print("|---|---|---|---|---|---|---|")
    for rung in profile.rungs:
        if not rung.calibrators:
            continue
        fitted = rung.calibrators[0]
        name = fitted.curve.signal
        rows = [
            (row.query_id, fitted.probability(Signal(name, value, value)), int(row.loss == 0.0))
            for row in table.rows()
            if (row.tier, row.retrieved) == (rung.tier, rung.retrieved)
            and (value := row.signals.get(name)) is not None
        ]
        scores, labels = [p for _, p, _ in rows], [label for _, _, label in rows]
        interval = bootstrap_interval(gain, rows, lambda row: row[0], seed=0, reps=1000)
        words = "-" if isinstance(interval, Unavailable) else "[{:+.3f}, {:+.3f}]".format(*interval)
        seen = "yes" if rung.retrieved else "no"
        print(
            f"| {rung.tier} | {seen} | {name} | {len(rows)} | {auroc(scores, labels):.3f} "
            f"| {ece(scores, labels):.3f} | {gain(rows):+.3f} {words} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("outcomes", nargs="?", type=Path, default=HELD_OUT)
    parser.add_argument("--profile", type=Path, default=demo_folder() / "demo_profile.json")
    given = parser.parse_args()
    table, profile = read_outcomes(given.outcomes), load_profile(given.profile)
    accuracies(table)
    print()
    calibration(table, profile)
    report = replay_profile(table, profile)
    low, high = report.intervals["selective_gain"]
    print(
        f"\nthe whole gate, {report.n} questions: {report.selective_accuracy_50:.3f} right in the "
        f"surer half, {report.accuracy_100:.3f} of all: {report.selective_gain:+.3f} "
        f"[{low:+.3f}, {high:+.3f}]"
    )


if __name__ == "__main__":
    main()
