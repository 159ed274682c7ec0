"""How far the numbers of a cost-quality curve might be off.

Questions are drawn anew with their cost and quality at every point of the curve, and with those of
the weak and the strong tier: all ends of the curve move together, as they do with other questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.errors import UsageError
from ..router.metrics.cost_quality import Point, aiq, ibc_lift, nauc_draws
from ..router.metrics.routing_order import DeferralRows, apgr_draws
from ..router.signals import Unavailable
from .question_counts import by_question, count_blocks, middle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "CurveArrays",
    "CurveNumber",
    "CurvePoint",
    "cascade_numbers",
    "curve_numbers",
    "curve_points",
]


@dataclass(frozen=True, slots=True)
class CurveArrays:
    """Per question, by the questions' names, the price and quality of every point of a curve.

    Attributes:
        query_ids: sorted.
        cost: shape (questions, points), signals included.
        quality: shape (questions, points): 1 - loss of what is served, 0 where nothing is.
        deferred: shape (questions, points), 1 where a tier above the first is asked.
        weak: cost and quality of always asking the cheapest tier, shape (questions, 2).
        strong: of always asking the dearest, likewise.
        chosen: the point that the policy in question uses; None where it is none of them.
    """

    query_ids: tuple[str, ...]
    cost: Floats
    quality: Floats
    deferred: Floats
    weak: Floats
    strong: Floats
    chosen: int | None = None

    @classmethod
    def of(
        cls,
        query_ids: Sequence[str],
        *,
        cost: Floats,
        quality: Floats,
        deferred: Floats,
        weak: Floats,
        strong: Floats,
        chosen: int | None = None,
    ) -> CurveArrays:
        """Checked, and sorted by question; rows may come in any order.

        Raises:
            UsageError: no rows or points, shapes that do not fit, two rows of a question, a number
                that is not finite, or no such chosen point.
        """
        import numpy as np

        order = by_question(query_ids)
        curve, ends = (len(query_ids), cost.shape[-1]), (len(query_ids), 2)
        given = (cost, quality, deferred, weak, strong)
        if not all(curve) or [one.shape for one in given] != [curve] * 3 + [ends] * 2:
            shapes = ", ".join(str(one.shape) for one in given)
            raise UsageError(f"expected shapes of {curve} and, for both ends, {ends}, got {shapes}")
        if not all(np.isfinite(one).all() for one in given):
            raise UsageError("expected finite costs and qualities, got one that is not")
        if chosen is not None and not 0 <= chosen < curve[1]:
            raise UsageError(f"expected one of {curve[1]} points, got {chosen}")
        names = tuple([query_ids[row] for row in order])
        cost, quality, deferred, weak, strong = (
            np.asarray(one, dtype=np.float64)[order] for one in given
        )
        return cls(names, cost, quality, deferred, weak, strong, chosen)


@dataclass(frozen=True, slots=True)
class CurveNumber:
    """A number of a curve and its percentile interval; None where it is undefined in most draws."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point of a curve with the intervals of its cost and of its quality."""

    cost: float
    quality: float
    cost_interval: tuple[float, float]
    quality_interval: tuple[float, float]


def curve_numbers(
    curve: CurveArrays, *, seed: int, reps: int = 1000, level: float = 0.95
) -> Mapping[str, CurveNumber | Unavailable]:
    """`nauc`, `apgr`, `aiq` and `ibc_lift` of a curve.

    `apgr` takes the deferred share of each point as its share of strong calls. `aiq` is that of
    the curve's points and of both ends, over the costs between the ends. `ibc_lift` is that of the
    chosen point.

    Raises:
        UsageError: `reps` below 1 or `level` out of range.
    """
    import numpy as np

    _check_level(level)
    columns = np.hstack([curve.cost, curve.quality, curve.deferred, curve.weak, curve.strong])
    n = len(curve.query_ids)

    def measured(counts: Floats) -> dict[str, Floats]:
        means = counts @ columns / n
        return _measures(means, curve.cost.shape[1], curve.chosen)

    return _with_intervals(measured, n, seed=seed, reps=reps, level=level)


def curve_points(
    curve: CurveArrays, *, seed: int, reps: int = 1000, level: float = 0.95
) -> tuple[CurvePoint, ...]:
    """Every point of a curve with its intervals; errors as `curve_numbers`."""
    import numpy as np

    _check_level(level)
    columns, n = np.hstack([curve.cost, curve.quality]), len(curve.query_ids)
    draws = [counts @ columns / n for counts in count_blocks(n, seed=seed, reps=reps)]
    edges = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    low, high = np.quantile(np.concatenate(draws), edges, axis=0).tolist()
    means = columns.mean(axis=0).tolist()
    k = curve.cost.shape[1]
    return tuple(
        CurvePoint(means[i], means[k + i], (low[i], high[i]), (low[k + i], high[k + i]))
        for i in range(k)
    )


def cascade_numbers(
    query_ids: Sequence[str],
    scores: Sequence[float | None],
    weak: Sequence[Point],
    signal_costs: Sequence[float],
    strong: Sequence[Point],
    *,
    seed: int,
    reps: int = 1000,
    level: float = 0.95,
) -> Mapping[str, CurveNumber | Unavailable]:
    """`nauc` and `apgr` of a two-tier cascade at all its thresholds at once, ties averaged.

    Every question pays the weak answer and its signal, and the strong answer too where it is
    deferred; it is deferred the sooner, the lower its score.

    Args:
        scores: confidence in the weak answer, higher is surer; None where it is unavailable.
        weak: cost and quality of the weak answer alone; `strong` likewise.

    Raises:
        UsageError: as `DeferralRows.of` and `CurveArrays.of`.
    """
    import numpy as np

    _check_level(level)
    order = by_question(query_ids)
    paid = [
        (cost + signal, quality) for (cost, quality), signal in zip(weak, signal_costs, strict=True)
    ]
    rows = DeferralRows.of(
        [scores[i] for i in order], [paid[i] for i in order], [strong[i] for i in order]
    )
    ends = np.hstack([np.array(weak, dtype=np.float64), np.array(strong, dtype=np.float64)])[order]

    def measured(counts: Floats) -> dict[str, Floats]:
        share, cost, quality = rows.curves(counts)
        means = counts @ ends / len(order)
        return {
            "nauc": nauc_draws(cost, quality, means[:, :2], means[:, 2:]),
            "apgr": apgr_draws(share, quality, means[:, 1], means[:, 3]),
        }

    return _with_intervals(measured, len(order), seed=seed, reps=reps, level=level)


def _measures(means: Floats, points: int, chosen: int | None) -> dict[str, Floats]:
    import numpy as np

    cost, quality, share = (means[:, i * points : (i + 1) * points] for i in range(3))
    weak, strong = means[:, -4:-2], means[:, -2:]
    return {
        "nauc": nauc_draws(cost, quality, weak, strong),
        "apgr": _apgr_of_points(share, quality, weak[:, 1], strong[:, 1]),
        "aiq": np.array([_aiq_of(draw, points) for draw in means]),
        "ibc_lift": np.array([_lift_of(draw, points, chosen) for draw in means]),
    }


def _apgr_of_points(share: Floats, quality: Floats, weak: Floats, strong: Floats) -> Floats:
    """Points by rising share, with no deferral and full deferral added at the ends."""
    import numpy as np

    order = np.argsort(share, axis=1, kind="stable")
    x = [np.zeros((len(share), 1)), np.take_along_axis(share, order, 1), np.ones((len(share), 1))]
    y = [weak[:, None], np.take_along_axis(quality, order, 1), strong[:, None]]
    return apgr_draws(np.hstack(x), np.hstack(y), weak, strong)


def _aiq_of(draw: Floats, points: int) -> float:
    numbers = draw.tolist()
    weak, strong = (numbers[-4], numbers[-3]), (numbers[-2], numbers[-1])
    reached = list(zip(numbers[:points], numbers[points : 2 * points], strict=True))
    return _float(aiq([weak, *reached, strong], weak[0], strong[0]))


def _lift_of(draw: Floats, points: int, chosen: int | None) -> float:
    if chosen is None:
        return float("nan")
    numbers = draw.tolist()
    point = numbers[chosen], numbers[points + chosen]
    return _float(ibc_lift(point, (numbers[-4], numbers[-3]), (numbers[-2], numbers[-1])))


def _float(number: float | Unavailable) -> float:
    return float("nan") if isinstance(number, Unavailable) else number


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise UsageError(f"expected a level in (0, 1), got {level}")


def _with_intervals(
    measured: Callable[[Floats], dict[str, Floats]],
    questions: int,
    *,
    seed: int,
    reps: int,
    level: float,
) -> Mapping[str, CurveNumber | Unavailable]:
    """The numbers with every question once, and their middle over the draws."""
    import numpy as np

    once = {name: float(draws[0]) for name, draws in measured(np.ones((1, questions))).items()}
    blocks = [measured(counts) for counts in count_blocks(questions, seed=seed, reps=reps)]
    found: dict[str, CurveNumber | Unavailable] = {}
    for name, value in once.items():
        draws = np.concatenate([block[name] for block in blocks])
        found[name] = (
            Unavailable("the ends of the curve leave nothing to gain or to save, or no point does")
            if np.isnan(value)
            else CurveNumber(value, middle(draws, level))
        )
    return found
