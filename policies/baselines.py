"""What simple rules would have done on the same recorded outcomes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..router.decisions import Rung
from .outcomes import Outcome, OutcomeTable

__all__ = ["Baseline", "baselines"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Mean quality and mean cost per question; baselines read no signal and pay for none."""

    quality: float
    cost: float


def baselines(table: OutcomeTable, gate_cost: float) -> Mapping[str, Baseline]:
    """Simple rules beside a gate of mean cost `gate_cost`.

    ``always-small`` and ``always-large`` draft closed book; with ``+retrieve`` they draft from one
    round of passages, or closed book where the search found none. ``random-mix`` sends a random
    share to the large tier such that it costs what the gate costs (the nearer end where it cannot).
    ``best-single`` is the one rung that is right most often. ``oracle`` takes the cheapest right
    attempt, and the cheapest of all where none is right. A rule is left out where a question lacks
    its row, or nobody has judged it.
    """
    judged = [
        {rung: row for rung, row in ladder.items() if row.loss is not None}
        for ladder in table.queries.values()
    ]
    searched = {rung for ladder in judged for rung in ladder if rung.retrieved}
    ladders = [_with_empty_searches(ladder, searched) for ladder in judged]
    rungs = sorted(set.intersection(*(set(ladder) for ladder in ladders)))
    fixed = {rung: _always(ladders, rung) for rung in rungs}
    found: dict[str, Baseline] = {}
    top = table.tiers - 1
    for name, rung in (
        ("always-small", Rung(0, 0, False)),
        ("always-large", Rung(top, 0, False)),
        ("always-small+retrieve", Rung(0, 1, True)),
        ("always-large+retrieve", Rung(top, 1, True)),
    ):
        if rung in fixed:
            found[name] = fixed[rung]
    if "always-small" in found and "always-large" in found:
        found["random-mix"] = _mix(found["always-small"], found["always-large"], gate_cost)
    if fixed:
        found["best-single"] = max(fixed.values(), key=lambda b: (b.quality, -b.cost))
    if all(ladders):
        found["oracle"] = _oracle(ladders)
    return found


def _with_empty_searches(
    ladder: Mapping[Rung, Outcome], searched: Iterable[Rung]
) -> Mapping[Rung, Outcome]:
    """The ladder of a question for which nothing was found, as a rule that searches meets it."""
    if any(rung.retrieved for rung in ladder):
        return ladder
    closed = {rung: ladder.get(Rung(rung.tier, 0, False)) for rung in searched}
    return {**ladder, **{rung: row for rung, row in closed.items() if row is not None}}


def _right(row: Outcome) -> float:
    assert row.loss is not None
    return 1.0 - row.loss


def _always(ladders: Sequence[Mapping[Rung, Outcome]], rung: Rung) -> Baseline:
    rows = [ladder[rung] for ladder in ladders]
    return _mean([_right(row) for row in rows], [row.cost for row in rows])


def _mix(small: Baseline, large: Baseline, cost: float) -> Baseline:
    spread = large.cost - small.cost
    share = min(1.0, max(0.0, (cost - small.cost) / spread)) if spread else 0.0
    quality = small.quality + share * (large.quality - small.quality)
    return Baseline(quality, small.cost + share * spread)


def _oracle(ladders: Sequence[Mapping[Rung, Outcome]]) -> Baseline:
    picked = [min(ladder.values(), key=lambda row: (-_right(row), row.cost)) for ladder in ladders]
    return _mean([_right(row) for row in picked], [row.cost for row in picked])


def _mean(qualities: Sequence[float], costs: Sequence[float]) -> Baseline:
    n = len(qualities)
    return Baseline(math.fsum(qualities) / n, math.fsum(costs) / n)
