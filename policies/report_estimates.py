"""What the calibrators of a profile say of a table's attempts, beside what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..router.assessing import CalibratedAssessor
from ..router.metrics.reliability import ece, equal_width_bins
from ..router.signals import Estimate, Reading, Signal, Unavailable
from .outcomes import Outcome, OutcomeTable
from .profile import FittedRung, Profile
from .report_content import Estimates, Reliability
from .report_counts import bin_estimates

__all__ = ["estimates_of"]

_MOST = 20_000  # questions: more of them change no picture
_NULL = Unavailable("null in the outcome table")


def estimates_of(
    table: OutcomeTable, profile: Profile, names: Sequence[str]
) -> tuple[tuple[Reliability, ...], tuple[Estimates, ...]]:
    """Reliability and spread of the estimates on each gated rung, with every signal read.

    A rung that compares a raw signal shows the spread of that signal about its threshold. Of very
    many questions every k-th by name stands for all.

    Args:
        names: of the tiers.
    """
    assessor = profile.assessor()
    reliability: list[Reliability] = []
    estimates: list[Estimates] = []
    for rung in _gated(profile):
        rows = list(_rows(table, rung))
        if not rows:
            continue
        name = names[rung.tier] + (" with passages" if rung.retrieved else "")
        stated = [_estimate(assessor, row) for row in rows]
        if rung.calibrators and (found := _reliability(name, stated, rows)):
            reliability.append(found)
        read = stated if rung.score is None else [row.signals.get(rung.score) for row in rows]
        if rung.score is not None:
            name += f", by {rung.score}"
        losses = [row.loss for row in rows]
        threshold = rung.threshold if profile.values is None else None
        estimates.append(bin_estimates(name, read, losses, threshold=threshold))
    return tuple(reliability), tuple(estimates)


def _gated(profile: Profile) -> Iterator[FittedRung]:
    """The first rule of each kind of rung that can let anything through."""
    seen = set()
    for rung in profile.rungs:
        # A policy that weighs steps has no thresholds; its rules only carry the calibrators.
        shut = profile.values is None and rung.threshold >= 1.0 and rung.tie >= 1.0
        kind = rung.tier, rung.retrieved
        if rung.gated and not shut and kind not in seen and (rung.calibrators or rung.score):
            seen.add(kind)
            yield rung


def _rows(table: OutcomeTable, rung: FittedRung) -> Iterator[Outcome]:
    queries = sorted(table.queries)
    for query_id in queries[:: 1 + len(queries) // _MOST]:
        for row in table.queries[query_id].values():
            of_round = rung.round is None or row.round == rung.round
            if (row.tier, row.retrieved) == (rung.tier, rung.retrieved) and of_round:
                yield row


def _estimate(assessor: CalibratedAssessor, row: Outcome) -> float | None:
    readings: dict[str, Reading] = {
        name: _NULL if value is None else Signal(name, value, value)
        for name, value in row.signals.items()
    }
    estimate = assessor.assess(row.rung, readings)
    return estimate.p if isinstance(estimate, Estimate) else None


def _reliability(
    name: str, stated: Sequence[float | None], rows: Sequence[Outcome]
) -> Reliability | None:
    """None where no attempt has an estimate and a loss, or losses are graded."""
    known = [
        (p, row.loss)
        for p, row in zip(stated, rows, strict=True)
        if p is not None and row.loss is not None
    ]
    if not known or any(loss not in (0.0, 1.0) for _, loss in known):
        return None
    p, right = [p for p, _ in known], [int(loss == 0.0) for _, loss in known]
    error = ece(p, right)
    return Reliability(
        name, equal_width_bins(p, right), None if isinstance(error, Unavailable) else error
    )
