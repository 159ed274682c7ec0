"""Which thresholds to test: chosen from scores alone, strict to loose, labels unseen.

A row is accepted iff (score, u) >= (threshold, tie), compared in this order, where u is its draw
(`tie_break`). A missing score (nan) lies below every threshold.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "COVERAGES",
    "TOLERANCE",
    "Cut",
    "GridPoint",
    "accepted",
    "count_grid",
    "coverage_cut",
    "coverage_grid",
    "grid_hash",
    "largest_block",
]

COVERAGES = tuple(round(0.02 * step, 2) for step in range(2, 51))
"""Shares of the rows to accept: .04, .06, ..., 1."""

TOLERANCE = 0.05
"""Coverage that a block of equal scores may cost before ties are drawn."""


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """A threshold: scores above pass, and of those that equal it the ones that draw `tie` or more.

    Attributes:
        tie: in [0, 1]; 0 lets all of them pass, 1 none.
    """

    score: float
    tie: float = 0.0

    def passes(self, score: float, draw: float = 0.0) -> bool:
        """Whether one row is accepted; never if its score is missing."""
        return score > self.score or (score == self.score and draw >= self.tie)


@dataclass(frozen=True, slots=True)
class GridPoint:
    """A cut, the share of the rows it was to accept, and how many it does accept.

    Attributes:
        requested: in [0, 1].
        count: rows accepted among those that the grid was laid over.
        coverage: `count` over all of those rows, with missing scores among them.
    """

    cut: Cut
    requested: float
    count: int
    coverage: float

    def warning(self, tolerance: float = TOLERANCE) -> str | None:
        """What to tell if equal or missing scores kept it from what was asked for."""
        if abs(self.coverage - self.requested) <= tolerance + 1e-12:
            return None
        return (
            f"a coverage of {self.requested:.1%} was asked for and {self.coverage:.1%} is the "
            "nearest there is: scores are equal or missing; break ties with a second signal or a "
            "seeded draw"
        )


def accepted(cut: Cut, scores: ArrayLike, draws: ArrayLike | None = None) -> NDArray[np.bool_]:
    """`Cut.passes` for many rows; without draws, ties all pass where `cut.tie` is 0, else none."""
    import numpy as np

    values = np.asarray(scores, np.float64)
    drawn = np.zeros(values.shape) if draws is None else np.asarray(draws, np.float64)
    passes: NDArray[np.bool_] = (values > cut.score) | ((values == cut.score) & (drawn >= cut.tie))
    return passes


def coverage_cut(
    scores: ArrayLike,
    coverage: float,
    draws: ArrayLike | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> GridPoint:
    """The cut that accepts this share of the rows, or the nearest that equal scores allow.

    A block of equal scores larger than `tolerance` is split by the draws if there are any, so that
    the share is met to a row. Of two equally near, the stricter; never nobody, unless 0 was asked
    for or every score is missing. See `GridPoint.warning`.

    Raises:
        UsageError: no rows, or a coverage outside of [0, 1].
    """
    if not 0.0 <= coverage <= 1.0:
        raise UsageError(f"expected a coverage in [0, 1], got {coverage}")
    return _Rows(scores, draws).at(coverage, tolerance)


def coverage_grid(
    scores: ArrayLike,
    draws: ArrayLike | None = None,
    *,
    coverages: Sequence[float] = COVERAGES,
    tolerance: float = TOLERANCE,
) -> tuple[GridPoint, ...]:
    """Cuts at these coverages of unlabelled traffic, by rising coverage, each acceptance set once.

    Requests beyond the share of rows with a score, and such as fall into one block, are one point.
    For thresholds that the tested rows' own scores set, `count_grid` finds more, and there is an
    argument why it holds.

    Raises:
        UsageError: as `coverage_cut`.
    """
    rows = _Rows(scores, draws)
    points: dict[int, GridPoint] = {}
    for coverage in sorted(coverages):
        point = rows.at(coverage, tolerance)
        if point.count:
            points.setdefault(point.count, point)
    return tuple([points[count] for count in sorted(points)])


def count_grid(
    scores: ArrayLike, counts: Sequence[int], draws: ArrayLike | None = None
) -> tuple[GridPoint, ...]:
    """Cuts that accept these numbers of the tested rows themselves, by rising number.

    A cut lies just above the first row that it leaves out, whose own label is not among the tested
    ones. Given that row, those above it are independent draws of what the cut accepts, and their
    errors are binomial. Where the risk rises through alpha once, the first count with too high a
    risk depends on no label either, and beyond the crossing rows are worse than alpha on average,
    so that a fixed sequence over the counts keeps its level exactly. Where it crosses alpha several
    times there is no such argument; a search over 300 step-shaped risks at n = 200 and 500, the
    worst ones run again 40,000 times, broke the promise of .1 in at most .098 of the trials, as a
    risk that lies at alpha throughout does (.094 to .098).

    Without draws a block of equal scores is taken whole: the next count that there is.

    Args:
        counts: such as `sample_size.critical_counts`, fixed by the number of rows alone.
    """
    rows = _Rows(scores, draws)
    points: dict[int, GridPoint] = {}
    for count in sorted(counts):
        if 0 < count <= rows.present:
            point = rows.above(count, requested=count / rows.total)
            points.setdefault(point.count, point)
    return tuple([points[count] for count in sorted(points)])


def largest_block(scores: ArrayLike) -> float:
    """The share of the rows in the largest block of equal scores; missing ones are none. 0 to 1."""
    import numpy as np

    values = np.asarray(scores, np.float64)
    present = values[~np.isnan(values)]
    if not present.size:
        return 0.0
    return float(np.unique(present, return_counts=True)[1].max()) / values.size


def grid_hash(cuts: Sequence[Cut]) -> str:
    """SHA-256 in hex of the cuts in their order, to the last bit of each: what was tested."""
    lines = [f"{float(cut.score).hex()} {float(cut.tie).hex()}\n" for cut in cuts]
    return hashlib.sha256("".join(lines).encode("ascii")).hexdigest()


class _Rows:
    """Rows in order, surest first; missing scores are counted and left out."""

    def __init__(self, scores: ArrayLike, draws: ArrayLike | None) -> None:
        import numpy as np

        values = np.asarray(scores, np.float64)
        if values.ndim != 1 or values.size == 0:
            raise UsageError(f"expected one score per row, got an array of shape {values.shape}")
        drawn = np.zeros(values.shape) if draws is None else np.asarray(draws, np.float64)
        if drawn.shape != values.shape:
            raise UsageError(f"expected {values.size} draws, got an array of shape {drawn.shape}")
        known = ~np.isnan(values)
        order = np.lexsort((-drawn[known], -values[known]))
        self.scores = values[known][order]
        self.draws = None if draws is None else drawn[known][order]
        self.total = int(values.size)
        self.present = int(known.sum())

    def block(self, place: int) -> tuple[int, int]:
        """Rows surer than the one at `place`, and rows at least as sure, by score alone."""
        import numpy as np

        lowered = -self.scores
        score = lowered[place]
        return int(np.searchsorted(lowered, score, "left")), int(
            np.searchsorted(lowered, score, "right")
        )

    def at(self, coverage: float, tolerance: float) -> GridPoint:
        wanted = min(self.present, math.ceil(coverage * self.total - 1e-9))
        if wanted == 0:
            return self._point(Cut(math.inf), coverage, 0)
        surer, as_sure = self.block(wanted - 1)
        score = float(self.scores[wanted - 1])
        if self.draws is not None and as_sure - surer > tolerance * self.total:
            tie = 0.0 if wanted == as_sure else float(self.draws[wanted - 1])
            return self._point(Cut(score, tie), coverage, wanted)
        if surer and wanted - surer <= as_sure - wanted:
            return self._point(Cut(float(self.scores[surer - 1])), coverage, surer)
        return self._point(Cut(score), coverage, as_sure)

    def above(self, count: int, requested: float) -> GridPoint:
        """The cut just above the row after the first `count`."""
        if self.draws is None:
            count = self.block(count - 1)[1]
        if count == self.present:
            # Nothing is left out: down to the lowest value of a confidence.
            return self._point(Cut(min(0.0, float(self.scores[-1]))), requested, count)
        score = float(self.scores[count])
        if self.draws is None:
            return self._point(Cut(math.nextafter(score, math.inf)), requested, count)
        tie = math.nextafter(float(self.draws[count]), math.inf)
        return self._point(Cut(score, tie), requested, count)

    def _point(self, cut: Cut, requested: float, count: int) -> GridPoint:
        return GridPoint(cut, requested, count, count / self.total)
