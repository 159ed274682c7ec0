"""What quality a router gets for its money: points of mean cost and mean quality.

A weak tier with cost c_w and quality q_w stands at one end, a strong one with c_s and q_s at the
other; a curve is what a router or cascade reached between them, a point per setting. Costs are
means per question in any one currency, qualities are means in [0, 1], higher is better. A number
that does not exist is `Unavailable`, or NaN where many draws are measured at once: where the
strong tier is not better (or not dearer) there is nothing to gain (or to save) by routing, and a
ratio with a negative denominator would read upside down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..signals import Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "Point",
    "aiq",
    "ibc_lift",
    "nauc",
    "nauc_draws",
    "pgr",
    "router_arena_score",
    "save_at",
]

Point = tuple[float, float]
"""(mean cost per question, mean quality)."""

_NOT_BETTER = Unavailable("the strong tier is not better than the weak one")
_NOT_DEARER = Unavailable("the strong tier is not dearer than the weak one")
_SLACK = 1e-12  # means of the same rows, summed in another order, differ by less


def pgr(quality: float, weak_quality: float, strong_quality: float) -> float | Unavailable:
    """Performance gap recovered: (q - q_w) / (q_s - q_w); 0 is the weak tier, 1 the strong one.

    Source: Ong et al. 2024, "RouteLLM: Learning to Route LLMs with Preference Data".
    """
    gap = strong_quality - weak_quality
    return (quality - weak_quality) / gap if gap > _SLACK else _NOT_BETTER


def nauc(curve: Sequence[Point], weak: Point, strong: Point) -> float | Unavailable:
    """Normalized area under the achieved curve on the cost axis; mixing at random gives 0.5.

    (m - q_w) / (q_s - q_w), where m is the mean quality over all costs in [c_w, c_s]. Between
    points the curve is a straight line, in the order of rising cost (points of equal cost in the
    order given); it is not replaced by its hull. Money that buys nothing yet is charged: a cascade
    pays its draft and its signal on every request, so its curve starts above c_w, and a budget
    below that start can only be spent on the weak tier, at q_w. Beyond its last point the curve
    keeps that point's quality; what lies outside [c_w, c_s] does not count. Usually in [0, 1],
    above 1 where routing beats the strong tier.

    This is the integral itself. A mean over a grid of costs differs from it by its spacing, .001
    with 201 costs.
    """
    import numpy as np

    _check(curve)
    if isinstance(problem := _problem(weak, strong), Unavailable):
        return problem
    points = np.asarray(curve, dtype=np.float64)
    ends = np.asarray([weak]), np.asarray([strong])
    return float(nauc_draws(points[None, :, 0], points[None, :, 1], *ends)[0])


def nauc_draws(cost: Floats, quality: Floats, weak: Floats, strong: Floats) -> Floats:
    """`nauc` of many curves at once, one per draw; NaN where it does not exist.

    Args:
        cost: shape (draws, points); `quality` likewise.
        weak: (cost, quality) per draw, shape (draws, 2); `strong` likewise.
    """
    import numpy as np

    order = np.argsort(cost, axis=1, kind="stable")
    x, y = np.take_along_axis(cost, order, 1), np.take_along_axis(quality, order, 1)
    low, high = weak[:, :1], strong[:, :1]
    inside = np.clip(x, low, high)
    run = np.diff(x, axis=1)
    slope = np.divide(np.diff(y, axis=1), run, out=np.zeros_like(run), where=run > 0.0)
    middle = (inside[:, 1:] + inside[:, :-1]) / 2.0
    area = (np.diff(inside, axis=1) * (y[:, :-1] + slope * (middle - x[:, :-1]))).sum(axis=1)
    area += (inside[:, 0] - low[:, 0]) * weak[:, 1] + (high[:, 0] - inside[:, -1]) * y[:, -1]
    span, gap = strong[:, 0] - weak[:, 0], strong[:, 1] - weak[:, 1]
    exists = (span > _SLACK * np.abs(strong[:, 0])) & (gap > _SLACK)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(exists, (area / span - weak[:, 1]) / gap, np.nan)
    return found


def aiq(points: Sequence[Point], least: float, greatest: float) -> float | Unavailable:
    """Average improvement in quality: the mean height of the upper hull over [least, greatest].

    The hull is convex and non-decreasing: any two points can be mixed at random, and nobody has to
    pay more for less. It needs a point at or below the least cost, such as the cheapest tier alone.

    Args:
        points: all settings of the router, in any order.
        least: cost of the cheapest tier, where the average begins; `greatest` where it ends.

    Raises:
        UsageError: a point is not a pair of finite numbers.

    Source: Hu et al. 2024, "RouterBench: A Benchmark for Multi-LLM Routing System".
    """
    _check(points)
    if not greatest - least > _SLACK * abs(greatest):
        return Unavailable("the greatest cost is not above the least")
    hull = _upper_hull(points)
    if hull[0][0] > least + _SLACK * abs(least):
        return Unavailable("no point is as cheap as the least cost")
    area = 0.0
    ends = [*hull, (max(greatest, hull[-1][0]), hull[-1][1])]
    for (x, y), (x_next, y_next) in pairwise(ends):
        low, high = max(x, least), min(x_next, greatest)
        if high > low:
            middle = (low + high) / 2.0
            area += (high - low) * (y + (y_next - y) * (middle - x) / (x_next - x))
    # A cheapest point above `least` by rounding only leaves a sliver out, which the slack covers.
    return area / (greatest - least)


def ibc_lift(point: Point, weak: Point, strong: Point) -> float | Unavailable:
    """How much more quality a unit of money buys than the strong tier's, less 1; 0 is no lift.

    Incremental benefit per cost is (q - q_w) / (c - c_w). It favors settings that hardly defer:
    read it beside the quality.

    Source: Aggarwal et al. 2024, "AutoMix: Automatically Mixing Language Models".
    """
    if isinstance(problem := _problem(weak, strong), Unavailable):
        return problem
    spent = point[0] - weak[0]
    if not spent > _SLACK * abs(strong[0]):
        return Unavailable("costs no more than the weak tier")
    gained = (point[1] - weak[1]) / spent
    return gained / ((strong[1] - weak[1]) / (strong[0] - weak[0])) - 1.0


def save_at(curve: Sequence[Point], strong: Point, share: float = 0.95) -> float | Unavailable:
    """1 - c / c_s, where c is the least cost at which the curve reaches `share` of q_s.

    Below 0 where that costs more than the strong tier. Points are joined as in `nauc`.

    Raises:
        UsageError: an empty curve, or a point that is not a pair of finite numbers.
    """
    _check(curve)
    if not strong[0] > 0.0:
        return Unavailable("the strong tier costs nothing")
    wanted = share * strong[1] - _SLACK
    ordered = sorted(curve, key=lambda point: point[0])
    before = ordered[0]
    for point in ordered:
        if point[1] >= wanted:
            rise = point[1] - before[1]
            part = 1.0 if rise <= 0.0 else min(1.0, max(0.0, (wanted - before[1]) / rise))
            return 1.0 - (before[0] + part * (point[0] - before[0])) / strong[0]
        before = point
    return Unavailable(f"never reaches {share:g} of the strong tier's quality")


def router_arena_score(
    accuracy: float, cost_per_1k: float, *, beta: float = 0.1
) -> float | Unavailable:
    """Accuracy A and cheapness C as one number: S = (1 + b) A C / (b A + C), in [0, 1].

    C = (log2 200 - log2 c) / (log2 200 - log2 .0044), clipped to [0, 1].

    Args:
        accuracy: in [0, 1].
        cost_per_1k: US$ per 1,000 queries, above 0.

    Source: Lu et al. 2025, "RouterArena: An Open Platform for Comprehensive Comparison of LLM
    Routers".
    """
    if not cost_per_1k > 0.0:
        return Unavailable("a price of nothing has no logarithm")
    dearest, cheapest = math.log2(200.0), math.log2(0.0044)
    cheapness = (dearest - math.log2(cost_per_1k)) / (dearest - cheapest)
    cheapness = min(1.0, max(0.0, cheapness))
    weighed = beta * accuracy + cheapness
    return (1.0 + beta) * accuracy * cheapness / weighed if weighed > 0.0 else 0.0


def _problem(weak: Point, strong: Point) -> Unavailable | None:
    if not strong[0] - weak[0] > _SLACK * abs(strong[0]):
        return _NOT_DEARER
    return None if strong[1] - weak[1] > _SLACK else _NOT_BETTER


def _check(points: Sequence[Point]) -> None:
    if not points:
        raise UsageError("expected at least one point of cost and quality, got none")
    for place, point in enumerate(points):
        if len(point) != 2 or not all(math.isfinite(number) for number in point):
            raise UsageError(f"expected finite cost and quality, got {point} in point {place}")


def _upper_hull(points: Sequence[Point]) -> list[Point]:
    """Corners by rising cost, each better than the one before and each step less steep."""
    hull: list[Point] = []
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if hull and quality <= hull[-1][1]:
            continue
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-2], (cost, quality)):
            hull.pop()
        hull.append((cost, quality))
    return hull


def _slope(one: Point, other: Point) -> float:
    return (other[1] - one[1]) / (other[0] - one[0])
