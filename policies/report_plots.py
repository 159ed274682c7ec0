"""Two pictures of a report: what quality costs, and what coverage risks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from .report_content import CostQuality, NamedPoint, RiskCoverage
from .report_theme import CARD, MUTED, SERIES, draw_svg, percent_tick
from .report_words import shown

__all__ = ["cost_quality_svg", "risk_coverage_svg"]

_WIDE, _HIGH = 5.6, 3.8
_MARKERS = "osv^P*DXph<>"
_OFFSETS = (
    *((9, 5), (9, -12), (-9, 5), (-9, -12), (0, 11), (0, -18), (9, 16), (-9, 16), (9, -24)),
    *((-9, -24), (0, 22), (0, -30), (9, 28), (-9, 28), (9, -36), (-9, -36)),
)


def cost_quality_svg(told: CostQuality) -> str:
    """The achieved curve, the chosen point with its intervals, the baselines beside it."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        _draw_mix(axes, told)
        if told.curve:
            axes.plot(*zip(*told.curve, strict=True), color=SERIES["blue"], linewidth=1.8)
        for place, baseline in enumerate(_merged(told.baselines)):
            marker = _MARKERS[place % len(_MARKERS)]
            axes.plot(baseline.cost, baseline.quality, marker, color=MUTED, markersize=7)
        _draw_chosen(axes, told)
        money = f" ({told.currency})" if told.currency else ""
        axes.set(xlabel=f"mean cost per question{money}", ylabel="quality")
        axes.yaxis.set_major_formatter(percent_tick)
        axes.margins(0.1)
        _limit_quality(axes)
        _label_points(figure, axes, told)

    points = [*told.baselines, told.chosen]
    words = "; ".join(
        f"{one.name}: cost {one.cost:.4g}, quality {one.quality:.1%}" for one in points
    )
    return draw_svg("cost-quality", f"Cost against quality. {words}.", _WIDE, _HIGH, draw)


def _merged(baselines: Sequence[NamedPoint]) -> list[NamedPoint]:
    """Rules that come to the same, such as the best single tier and the dearest, as one point."""
    names: dict[tuple[float, float], list[str]] = {}
    for one in baselines:
        names.setdefault((one.cost, one.quality), []).append(one.name)
    return [NamedPoint(", ".join(same), *place) for place, same in names.items()]


def _limit_quality(axes: Any) -> None:
    """A little room around the points, but no ticks below 0 or above 1."""
    low, high = axes.get_ylim()
    if high - low < 0.1:
        low, high = low - 0.05, high + 0.05
    low, high = max(low, -0.02), min(high, 1.02)
    axes.set_ylim(low, high)
    axes.set_yticks([tick for tick in axes.get_yticks() if max(low, 0.0) <= tick <= min(high, 1.0)])


def _draw_mix(axes: Any, told: CostQuality) -> None:
    """The straight line on which a random mix of the cheapest and the dearest tier lies."""
    known = {one.name: one for one in reversed(told.baselines)}
    small, large = known.get("always-small"), known.get("always-large")
    if small is not None and large is not None:
        line = [small.cost, large.cost], [small.quality, large.quality]
        axes.plot(*line, color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)), alpha=0.8)


def _draw_chosen(axes: Any, told: CostQuality) -> None:
    chosen, color = told.chosen, SERIES["blue"]
    low, high = told.quality_interval or (chosen.quality, chosen.quality)
    axes.plot([chosen.cost] * 2, [low, high], color=color, linewidth=2.6, alpha=0.7)
    low, high = told.cost_interval or (chosen.cost, chosen.cost)
    axes.plot([low, high], [chosen.quality] * 2, color=color, linewidth=2.6, alpha=0.7)
    axes.plot(
        chosen.cost,
        chosen.quality,
        "D",
        color=color,
        markersize=8.5,
        markeredgecolor=CARD,
        markeredgewidth=1.5,
    )


def _label_points(figure: Any, axes: Any, told: CostQuality) -> None:
    """Each name beside its point, at the first of a few places where it covers no other one."""
    figure.dpi = 72  # offsets and letters are measured in points: let these be pixels
    figure.draw_without_rendering()
    points = [told.chosen, *_merged(told.baselines)]
    places = [axes.transData.transform((one.cost, one.quality)).tolist() for one in points]
    taken = [_box(x, y, 12, 12) for x, y in places]
    lines = [_box(x, y, 5, 5) for line in axes.get_lines() for x, y in _along(axes, line)]
    frame = axes.get_window_extent()
    for place, one in enumerate(points):
        x, y = places[place]
        wide = (5.7 if place else 6.3) * len(one.name)
        best, fewest = _OFFSETS[0], math.inf
        for dx, dy in _OFFSETS:
            center = x + dx + wide / 2 * ((dx > 0) - (dx < 0))
            box = _box(center, y + dy + 4, wide, 11)
            outside = box[0] < frame.x0 or box[2] > frame.x1
            outside = outside or box[1] < frame.y0 or box[3] > frame.y1
            hits = sum(_overlap(box, other) for other in taken) + 2.0 * outside
            hits += 0.1 * sum(_overlap(box, other) for other in lines)
            if hits < fewest:
                best, fewest, chosen_box = (dx, dy), hits, box
        taken.append(chosen_box)
        axes.annotate(
            one.name,
            (one.cost, one.quality),
            xytext=best,
            textcoords="offset points",
            ha={1: "left", -1: "right", 0: "center"}[(best[0] > 0) - (best[0] < 0)],
            fontsize=9.5 if place else 10.5,
            fontweight="normal" if place else "bold",
            color=MUTED if place else SERIES["blue"],
        )


def _along(axes: Any, line: Any) -> list[tuple[float, float]]:
    """Spots every few pixels along a line, in pixels; none of a single point."""
    corners = axes.transData.transform(line.get_xydata()).tolist()
    spots = []
    for (x, y), (x_next, y_next) in pairwise(corners):
        steps = max(1, round(math.hypot(x_next - x, y_next - y) / 8))
        spots += [
            (x + (x_next - x) * i / steps, y + (y_next - y) * i / steps) for i in range(steps)
        ]
    return spots


Box = tuple[float, float, float, float]


def _box(x: float, y: float, width: float, height: float) -> Box:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def risk_coverage_svg(told: RiskCoverage) -> str:
    """The risk of the surest answers by the share of them, the target, and where the policy is."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        if told.curve:
            coverage, risk = zip(*told.curve, strict=True)
            axes.plot(coverage, risk, color=SERIES["blue"], linewidth=1.8)
            axes.fill_between(coverage, risk, color=SERIES["blue"], alpha=0.1, linewidth=0)
        top = max([risk for _, risk in told.curve], default=0.0)
        if told.alpha is not None:
            axes.axhline(told.alpha, color=SERIES["red"], linewidth=1.3, linestyle=(0, (5, 3)))
            is_left = _is_crowded_right(told, told.alpha)
            axes.annotate(
                f"target {shown(told.alpha, 'share')}",
                (0.0 if is_left else 1.0, told.alpha),
                xytext=(4 if is_left else 0, 4),
                textcoords="offset points",
                ha="left" if is_left else "right",
                color=SERIES["red"],
                fontsize=9.5,
            )
        if told.point is not None:
            _draw_certified(axes, told)
            top = max([top, told.point.risk, *(told.point.interval or ())])
        top = max(top, (told.alpha or 0.0) * 1.25, 0.02)
        axes.set(xlim=(0, 1.005), ylim=(0, top * 1.12), xlabel="coverage", ylabel="risk")
        axes.xaxis.set_major_formatter(percent_tick)
        axes.yaxis.set_major_formatter(percent_tick)

    return draw_svg("risk-coverage", _risk_words(told), _WIDE, _HIGH, draw)


def _is_crowded_right(told: RiskCoverage, alpha: float) -> bool:
    """Whether the target's name has more room at the left end of its line."""
    spots = [*told.curve, *([] if told.point is None else [(told.point.coverage, alpha)])]

    def room(low: float, high: float) -> float:
        near = [abs(risk - alpha) for coverage, risk in spots if low <= coverage <= high]
        return min(near, default=math.inf)

    return room(0.0, 0.25) > room(0.75, 1.0)


def _draw_certified(axes: Any, told: RiskCoverage) -> None:
    point = told.point
    assert point is not None
    color = SERIES["green"] if point.certified else SERIES["orange"]
    if point.interval is not None:
        axes.plot([point.coverage] * 2, point.interval, color=color, linewidth=2.4, alpha=0.6)
    axes.plot(
        point.coverage,
        point.risk,
        "D",
        color=color,
        markersize=8.5,
        markeredgecolor=CARD,
        markeredgewidth=1.5,
        clip_on=False,
    )
    is_right = point.coverage > 0.6
    # Off the line of the target, and off the axis.
    is_below = told.alpha is not None and told.alpha / 2 < point.risk <= told.alpha
    rise = -16 if is_below else 9
    axes.annotate(
        "certified" if point.certified else "the gates, risk not certified",
        (point.coverage, point.risk),
        xytext=(-11, rise) if is_right else (11, rise),
        textcoords="offset points",
        ha="right" if is_right else "left",
        color=color,
        fontweight="bold",
        fontsize=10.5,
    )


def _risk_words(told: RiskCoverage) -> str:
    words = ["Risk against coverage"]
    if told.curve:
        words.append(f"{told.curve[-1][1]:.1%} at full coverage")
    if told.alpha is not None:
        words.append(f"target {told.alpha:.1%}")
    if told.point is not None:
        state = "certified" if told.point.certified else "not certified"
        at = f"{told.point.risk:.1%} at coverage {told.point.coverage:.1%}"
        words.append(f"the policy, {state}: {at}")
    return "; ".join(words) + "."
