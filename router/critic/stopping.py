"""What a critic is worth as a stop policy: stop at the first round that it is sure enough of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..risk.binomial import upper_limit
from ..risk.fixed_sequence import fixed_sequence, start_index
from ..risk.p_values import exact_binomial

__all__ = [
    "CertifiedStop",
    "StopPoint",
    "Thread",
    "ThreadRound",
    "always_stop_at",
    "certify_stop",
    "oracle",
    "stop_at",
    "stop_curve",
]


@dataclass(frozen=True, slots=True)
class ThreadRound:
    """One round of a thread.

    Attributes:
        p_accept: None where there was no answer to judge, which never stops.
        right: whether its answer is right.
        calls: model calls made until then, those of earlier rounds included.
        passages: shown then.
    """

    p_accept: float | None
    right: bool
    calls: float
    passages: int


Thread = Sequence[ThreadRound]
"""The rounds of one question in order; at least one."""


@dataclass(frozen=True, slots=True)
class StopPoint:
    """How a stop policy does, over threads.

    Attributes:
        threshold: None for a rule without one.
        quality: share of threads that end right (exact match, where labels are that).
        calls: mean model calls.
        passages: mean passages shown at the end.
        stopped: share of threads that crossed the threshold.
        precision: share right among those; None where there are none.
    """

    threshold: float | None
    quality: float
    calls: float
    passages: float
    stopped: float
    precision: float | None


def _ends(
    thread: Thread, threshold: float, best_so_far: bool
) -> tuple[ThreadRound, ThreadRound, bool]:
    """The round that is served, the round that it ended in, and whether it crossed."""
    for one in thread:
        if one.p_accept is not None and one.p_accept >= threshold:
            return one, one, True
    last = thread[-1]
    judged = [one for one in thread if one.p_accept is not None]
    if best_so_far and judged:  # of equals the later one, which has seen more
        return max(reversed(judged), key=lambda one: one.p_accept or 0.0), last, False
    return last, last, False


def stop_at(threads: Sequence[Thread], threshold: float, *, best_so_far: bool = True) -> StopPoint:
    """Stop at the first round of at least this p(accept).

    Args:
        best_so_far: at the end serve the round with the highest p(accept), else the last one.
    """
    ends = [_ends(thread, threshold, best_so_far) for thread in threads]
    return _point(threshold, ends)


def _point(
    threshold: float | None, ends: Sequence[tuple[ThreadRound, ThreadRound, bool]]
) -> StopPoint:
    n = len(ends)
    crossed = [served for served, _, stopped in ends if stopped]
    return StopPoint(
        threshold,
        sum(served.right for served, _, _ in ends) / n,
        sum(last.calls for _, last, _ in ends) / n,
        sum(last.passages for _, last, _ in ends) / n,
        len(crossed) / n,
        sum(one.right for one in crossed) / len(crossed) if crossed else None,
    )


def stop_curve(
    threads: Sequence[Thread], *, points: int = 41, best_so_far: bool = True
) -> tuple[StopPoint, ...]:
    """From stopping at once to never stopping, at quantiles of p(accept)."""
    known = sorted(
        {one.p_accept for thread in threads for one in thread if one.p_accept is not None}
    )
    if not known:
        return ()
    places = sorted({round(i * (len(known) - 1) / (points - 1)) for i in range(points)})
    grid = [*(known[place] for place in places), 2.0]
    return tuple(stop_at(threads, threshold, best_so_far=best_so_far) for threshold in grid)


def always_stop_at(threads: Sequence[Thread], round_: int) -> StopPoint:
    """Every thread ends in the round with this place, or in its last one."""
    ends = [(one := thread[min(round_, len(thread) - 1)], one, False) for thread in threads]
    return _point(None, ends)


def oracle(threads: Sequence[Thread]) -> StopPoint:
    """Stop at the first right answer; where none is right, at once."""
    ends = []
    for thread in threads:
        one = next((one for one in thread if one.right), thread[0])
        ends.append((one, one, False))
    return _point(None, ends)


@dataclass(frozen=True, slots=True)
class CertifiedStop:
    """A threshold whose first-crossing precision was tested.

    Attributes:
        precision: at least this, with confidence 1 - delta, over threads like these.
        accepted: threads that crossed; `right` of them were right.
        lower_limit: exact one-sided limit (Clopper-Pearson) of the precision at this threshold.
    """

    threshold: float
    precision: float
    delta: float
    accepted: int
    right: int
    lower_limit: float


def certify_stop(threads: Sequence[Thread], precision: float, delta: float) -> CertifiedStop | None:
    """The lowest threshold that certifies: P(precision of what is accepted < target) <= delta.

    What is tested is the round in which a thread first crosses, not each state for itself: a
    critic that is asked again and again accepts an answer at its luckiest. Thresholds from .99 down
    are tested by the exact binomial test, from the first that lets through about 45 threads to the
    first that fails (fixed-sequence testing). None where none certifies.

    Args:
        threads: drawn anew: the critic was neither trained nor calibrated on them.
    """
    grid = [step / 100.0 for step in range(99, 0, -1)]
    crossed = [_crossings(threads, threshold) for threshold in grid]
    start = start_index([n / len(threads) for n, _ in crossed], len(threads)) if threads else None
    if start is None:
        return None
    p_values = [exact_binomial(n - right, n, 1.0 - precision) for n, right in crossed[start:]]
    certified = sum(fixed_sequence(p_values, delta))
    if not certified:
        return None
    place = start + certified - 1
    n, right = crossed[place]
    limit = 1.0 - upper_limit(n - right, n, delta)
    return CertifiedStop(grid[place], precision, delta, n, right, limit)


def _crossings(threads: Sequence[Thread], threshold: float) -> tuple[int, int]:
    """Threads that cross, and those of them that are right in the round where they do."""
    served = [one for one, _, crossed in (_ends(t, threshold, False) for t in threads) if crossed]
    return len(served), sum(one.right for one in served)
