"""Is one signal better than another, on the rows that have both?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..signals import Unavailable
from .bootstrap import percentile_interval
from .draws import every_row_once, question_draws
from .ranked_rows import RANKING_MEASURES, RankedRows

__all__ = ["Difference", "paired_difference"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Two signals on the same rows, and what lies between them.

    Attributes:
        measure: one of `RANKING_MEASURES`.
        n: rows that have both signals.
        first: the measure of the first signal, on these rows.
        second: likewise.
        interval: of first - second, 95 %; None where it is undefined in most draws.
    """

    measure: str
    n: int
    first: float
    second: float
    interval: tuple[float, float] | None

    @property
    def value(self) -> float:
        """first - second."""
        return self.first - self.second


def paired_difference(
    first: Sequence[float | None],
    second: Sequence[float | None],
    labels: Sequence[int],
    groups: Sequence[str],
    *,
    seed: int,
    measure: str = "auroc",
    reps: int = 1000,
) -> Difference | Unavailable:
    """Both signals measured on the same draws of questions: the paired bootstrap of a difference.

    Args:
        first: scores, higher is surer, None where unavailable; `second` likewise.
        labels: 1 for right, 0 for wrong.
        groups: the question of each row; rows of one question are drawn together.
        measure: one of `RANKING_MEASURES`. Of `aurc` and `excess_aurc` less is better.

    Raises:
        UsageError: an unknown measure, no reps, lengths that differ, or a number out of range.
    """
    if measure not in RANKING_MEASURES:
        raise UsageError(f"expected one of {', '.join(RANKING_MEASURES)}, got '{measure}'")
    if not len(first) == len(second) == len(labels) == len(groups):
        raise UsageError(
            f"expected as many scores of both signals as labels and groups, got {len(first)}, "
            f"{len(second)}, {len(labels)} and {len(groups)}"
        )
    rows = [i for i, pair in enumerate(zip(first, second, strict=True)) if None not in pair]
    if not rows:
        return Unavailable("no row has both signals")
    known = [labels[i] for i in rows]
    ranked = [RankedRows.of([scores[i] for i in rows], known) for scores in (first, second)]
    points = [float(one.measures(every_row_once(len(rows)))[measure][0]) for one in ranked]
    if any(math.isnan(point) for point in points):
        return Unavailable("only one class" if len(set(known)) < 2 else "too few rows")
    found: list[float] = []
    for weights in question_draws([groups[i] for i in rows], seed=seed, reps=reps):
        one, other = (ranks.measures(weights)[measure] for ranks in ranked)
        found += [value for value in (one - other).tolist() if not math.isnan(value)]
    interval = percentile_interval(found, reps)
    return Difference(
        measure,
        len(rows),
        points[0],
        points[1],
        None if isinstance(interval, Unavailable) else interval,
    )
