"""The numbers of a replay, how far they might be off, and whether two replays differ.

All numbers are ratios of weighted sums over questions, with the weight of a question how often a
draw has it; so the numbers of the replay itself (weights of one) and of a thousand draws are the
same few lines, and each draw costs one pass over the questions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.errors import UsageError
from .question_counts import count_blocks, middle
from .replay_arrays import ReplayArrays

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "REPLAY_NUMBERS",
    "ReplayDifference",
    "replay_differences",
    "replay_intervals",
    "replay_numbers",
]

REPLAY_NUMBERS = (
    "gated_share",
    "selective_risk",
    "joint_risk",
    "system_risk",
    "abstained_share",
    "deferred_share",
    "quality",
    "cost",
    "latency_s",
    "selective_accuracy_50",
    "accuracy_100",
    "selective_gain",
)
"""What a replay tells, G = let through by a gate, V = served at all, L = loss, n questions:

P(G); E[L | G]; E[L 1{G}]; E[L 1{V}] + a P(not V); P(not V); P(a tier above the first was asked);
E[(1 - L) 1{V}]; mean cost; mean latency; accuracy of the surer half by the best attempt's estimate,
and of all, over questions whose best attempt has an estimate and was judged; their difference.
"""


@dataclass(frozen=True, slots=True)
class ReplayDifference:
    """One number of two replays of the same questions.

    Attributes:
        first: of the first replay; `second` of the other one.
        interval: of first - second.
        share_above: of draws in which first - second is above 0, equality counted half. 0.5 says
            that neither is larger; it is no probability that one is better.
    """

    first: float
    second: float
    interval: tuple[float, float]
    share_above: float

    @property
    def value(self) -> float:
        """first - second."""
        return self.first - self.second


def replay_numbers(arrays: ReplayArrays) -> Mapping[str, float | None]:
    """The `REPLAY_NUMBERS` of a replay; None where one does not exist."""
    import numpy as np

    columns, ranked = _columns(arrays), _Ranked.of(arrays)
    found = _numbers(arrays, columns, ranked, np.ones((1, len(arrays.query_ids))))
    values = {name: float(draws[0]) for name, draws in found.items()}
    return {name: None if value != value else value for name, value in values.items()}


def replay_intervals(
    arrays: ReplayArrays, *, seed: int, reps: int = 1000, level: float = 0.95
) -> Mapping[str, tuple[float, float]]:
    """Percentile intervals over questions drawn anew.

    A number that does not exist in most draws has none. Depends on the questions' names and the
    seed, not on the order of the rows.

    Args:
        level: in (0, 1).

    Raises:
        UsageError: `reps` below 1 or `level` out of range.
    """
    found = _draws([arrays], seed=seed, reps=reps, level=level)[0]
    intervals = {name: middle(draws, level) for name, draws in found.items()}
    return {name: interval for name, interval in intervals.items() if interval is not None}


def replay_differences(
    first: ReplayArrays, second: ReplayArrays, *, seed: int, reps: int = 1000, level: float = 0.95
) -> Mapping[str, ReplayDifference]:
    """Both replays on the same draws of questions: the paired bootstrap of every number.

    What makes a draw easy for one makes it easy for the other: these intervals are narrower than
    two intervals side by side suggest. A number is left out where it does not exist in one of the
    replays, or in most draws.

    Raises:
        UsageError: the questions differ, `reps` is below 1 or `level` out of range.
    """
    import numpy as np

    if first.query_ids != second.query_ids:
        odd = sorted(set(first.query_ids) ^ set(second.query_ids))
        raise UsageError(
            "expected two replays of the same questions to compare, but "
            f"{len(odd)} are in one of them only, such as {odd[0]!r}"
        )
    points = replay_numbers(first), replay_numbers(second)
    draws = _draws([first, second], seed=seed, reps=reps, level=level)
    found: dict[str, ReplayDifference] = {}
    for name in REPLAY_NUMBERS:
        one, other = points[0][name], points[1][name]
        apart = draws[0][name] - draws[1][name]
        interval = middle(apart, level)
        if one is not None and other is not None and interval is not None:
            known = apart[~np.isnan(apart)]
            above = float((known > 0.0).mean() + (known == 0.0).mean() / 2.0)
            found[name] = ReplayDifference(one, other, interval, above)
    return found


def _draws(
    replays: Sequence[ReplayArrays], *, seed: int, reps: int, level: float
) -> list[dict[str, Floats]]:
    """The numbers of each replay, all on the same draws."""
    import numpy as np

    if not 0.0 < level < 1.0:
        raise UsageError(f"expected a level in (0, 1), got {level}")
    prepared = [(one, _columns(one), _Ranked.of(one)) for one in replays]
    parts: list[list[dict[str, Floats]]] = [[] for _ in replays]
    for counts in count_blocks(len(replays[0].query_ids), seed=seed, reps=reps):
        for part, (arrays, columns, ranked) in zip(parts, prepared, strict=True):
            part.append(_numbers(arrays, columns, ranked, counts))
    return [
        {name: np.concatenate([block[name] for block in part]) for name in REPLAY_NUMBERS}
        for part in parts
    ]


def _columns(arrays: ReplayArrays) -> Floats:
    """What is summed over questions, shape (questions, 7)."""
    import numpy as np

    times = np.full_like(arrays.cost, np.nan) if arrays.latency_s is None else arrays.latency_s
    return np.column_stack(
        [
            arrays.gated,
            arrays.loss * arrays.gated,
            arrays.loss * arrays.served,
            arrays.served,
            arrays.deferred,
            arrays.cost,
            times,
        ]
    )


def _numbers(
    arrays: ReplayArrays, columns: Floats, ranked: _Ranked, counts: Floats
) -> dict[str, Floats]:
    """Every number in every draw; NaN where it does not exist."""
    import numpy as np

    gated, lost_gated, lost, served, deferred, cost, latency = (counts @ columns).T
    n = float(len(arrays.query_ids))
    half, whole = ranked.accuracies(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        selective = lost_gated / gated
    silent = (n - served) / n
    numbers = (
        gated / n,
        selective,
        lost_gated / n,
        lost / n + arrays.abstention_loss * silent,
        silent,
        deferred / n,
        (served - lost) / n,
        cost / n,
        latency / n,
        half,
        whole,
        half - whole,
    )
    return dict(zip(REPLAY_NUMBERS, numbers, strict=True))


@dataclass(frozen=True, slots=True)
class _Ranked:
    """Questions whose best attempt has an estimate and was judged, from the surest down.

    Attributes:
        order: indices into the questions.
        starts: by place, where the group of equal estimates begins; `ends` where it is over.
        right: 1 - loss, by place.
    """

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    ends: NDArray[np.intp]
    right: Floats

    @classmethod
    def of(cls, arrays: ReplayArrays) -> _Ranked:
        import numpy as np

        known = np.flatnonzero(~np.isnan(arrays.best_p) & ~np.isnan(arrays.best_loss))
        order = known[np.argsort(-arrays.best_p[known], kind="stable")]
        falling = -arrays.best_p[order]
        starts = np.searchsorted(falling, falling, side="left")
        ends = np.searchsorted(falling, falling, side="right")
        return cls(order, starts, ends, 1.0 - arrays.best_loss[order])

    def accuracies(self, counts: Floats) -> tuple[Floats, Floats]:
        """Accuracy of the surest ceil(m / 2) of the m rows of each draw, and of all of them."""
        import numpy as np

        # Draw by draw: all places of one draw fit into the cache, those of a block do not.
        found = np.array([self._accuracies_of(draw) for draw in counts])
        return found[:, 0], found[:, 1]

    def _accuracies_of(self, draw: Floats) -> tuple[float, float]:
        """A group of equal estimates at the edge counts by its mean, as `selective_accuracy`."""
        import numpy as np

        placed = draw[self.order]
        seen = np.cumsum(placed)
        if not len(seen) or not seen[-1]:
            return math.nan, math.nan
        kept = math.ceil(seen[-1] / 2.0)
        edge = int(np.searchsorted(seen, kept))
        start, end = self.starts[edge], self.ends[edge]
        before = float(seen[start - 1]) if start else 0.0
        share = (kept - before) / (float(seen[end - 1]) - before)
        sums = [
            float(placed[part] @ self.right[part]) for part in (slice(start), slice(start, end))
        ]
        half = (sums[0] + share * sums[1]) / kept
        return half, float(placed @ self.right) / float(seen[-1])
