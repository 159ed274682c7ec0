"""Pictures of a report with a panel a rung: what estimates are worth, and how they are spread."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ..router.metrics.reliability import Bin, wilson_interval
from .report_content import Estimates, Reliability
from .report_theme import CARD, GRID, INK, MUTED, SERIES, draw_svg, percent_tick
from .report_words import shown

__all__ = ["estimates_svg", "reliability_svg"]

_ONE, _PANEL = 5.6, 2.75  # inches: a rung on its own, one among several


def reliability_svg(told: Sequence[Reliability]) -> str:
    """A panel a rung: share right against the stated probability, and how many rows a bin has."""

    def draw(figure: Any) -> None:
        grid = _panels(figure, len(told), strips=True)
        for (panel, strip), one in zip(grid, told, strict=True):
            _draw_reliability(panel, strip, one, len(told))
        grid[0][0].set_ylabel("share right")

    rows = 1 + (len(told) - 1) // _columns(len(told))
    words = "; ".join(
        f"{one.rung}: {len(one.bins)} bins"
        + (f", expected calibration error {one.ece:.3f}" if one.ece is not None else "")
        for one in told
    )
    width = _ONE if len(told) == 1 else _PANEL * _columns(len(told))
    return draw_svg(
        "reliability", f"Stated probability against share right. {words}.", width, 3.5 * rows, draw
    )


def _draw_reliability(panel: Any, strip: Any, one: Reliability, panels: int) -> None:
    blue = SERIES["blue"]
    panel.plot([0, 1], [0, 1], color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    stated = [each.mean_probability for each in one.bins]
    shares = [each.share_correct for each in one.bins]
    for x, (low, high) in zip(stated, map(_wilson, one.bins), strict=True):
        panel.plot([x, x], [low, high], color=blue, linewidth=2.0, alpha=0.45)
    panel.plot(stated, shares, color=blue, linewidth=1.2, alpha=0.7)
    panel.plot(stated, shares, "o", color=blue, markersize=6, markeredgecolor=CARD)
    panel.set_title(_short(one.rung, panels))
    if one.ece is not None:
        panel.annotate(
            f"ECE {one.ece:.3f}", (0.98, 0.04), xycoords="axes fraction", ha="right", color=MUTED
        )
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(percent_tick)
        axis.set_ticks([0.0, 0.5, 1.0])
    # Equal-mass bins may lie close together: no bar is wider than its neighbors are far.
    gaps = [high - low for low, high in pairwise(stated)]
    strip.bar(stated, [each.n for each in one.bins], min([0.06, *gaps]) * 0.8, color=blue)
    strip.set(yticks=[])
    strip.grid(False)
    strip.spines["left"].set_visible(False)
    strip.set_xlabel("stated probability")


def _wilson(one: Bin) -> tuple[float, float]:
    return wilson_interval(round(one.n * one.share_correct), one.n)


def estimates_svg(told: Sequence[Estimates]) -> str:
    """A panel a rung: how many attempts had which estimate, how many were right, the threshold."""

    def draw(figure: Any) -> None:
        grid = _panels(figure, len(told), strips=False)
        for place, ((panel, _), one) in enumerate(zip(grid, told, strict=True)):
            _draw_estimates(panel, one, len(told))
            if place == 0:
                panel.set_ylabel("attempts")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=3, labelcolor=MUTED)

    rows = 1 + (len(told) - 1) // _columns(len(told))
    words = "; ".join(
        f"{one.rung}: "
        + ("no gate" if one.threshold is None else f"answers from {one.threshold:.3f}")
        for one in told
    )
    width = _ONE if len(told) == 1 else _PANEL * _columns(len(told))
    return draw_svg(
        "estimates", f"How the estimates are spread. {words}.", width, 0.4 + 2.5 * rows, draw
    )


def _draw_estimates(panel: Any, one: Estimates, panels: int) -> None:
    width = 1.0 / len(one.right)
    left = [place * width for place in range(len(one.right))]
    floor = [0.0] * len(left)
    for name, counts, color in (
        ("right", one.right, SERIES["blue"]),
        ("wrong", one.wrong, SERIES["orange"]),
        ("not judged", one.unjudged, GRID),
    ):
        if name == "not judged" and not any(counts):
            continue
        panel.bar(left, counts, width * 0.88, bottom=floor, align="edge", color=color, label=name)
        floor = [low + count for low, count in zip(floor, counts, strict=True)]
    panel.set_title(_short(one.rung, panels))
    panel.yaxis.get_major_locator().set_params(integer=True, nbins=5)
    panel.set(xlim=(-0.01, 1.01), ylim=(0, max([*floor, 1.0]) * 1.18), xlabel="estimate")
    panel.grid(axis="x", visible=False)
    panel.xaxis.set_major_formatter(percent_tick)
    panel.xaxis.set_ticks([0.0, 0.5, 1.0])
    if one.threshold is not None:
        _draw_threshold(panel, one.threshold)


def _draw_threshold(panel: Any, threshold: float) -> None:
    inside = min(1.0, max(0.0, threshold))
    panel.axvline(inside, color=INK, linewidth=1.4)
    never = threshold > 1.0
    panel.annotate(
        "never answers" if never else f"≥ {shown(threshold, 'share')}",
        (inside, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if inside > 0.6 else 4, -10),
        textcoords="offset points",
        ha="right" if inside > 0.6 else "left",
        fontsize=9,
        color=INK,
    )


def _columns(panels: int) -> int:
    return min(panels, 4 if panels == 4 else 3)


def _panels(figure: Any, panels: int, *, strips: bool) -> list[tuple[Any, Any]]:
    """So many axes in rows of up to four, each with a flat strip under it where wanted."""
    columns = _columns(panels)
    rows = 1 + (panels - 1) // columns
    heights = [4.2, 1.0] * rows if strips else [1.0] * rows
    step = 2 if strips else 1
    grid = figure.subplots(
        step * rows,
        columns,
        squeeze=False,
        sharex="col" if strips else False,
        gridspec_kw={"height_ratios": heights},
    )
    found = []
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        pair = grid[step * row][column], grid[step * row + step - 1][column]
        if place < panels:
            found.append(pair)
        else:
            for axes in pair:
                axes.set_axis_off()
    return found


def _short(name: str, panels: int) -> str:
    """A name that fits above one of so many panels."""
    most = 26 if panels > 1 else 52
    return name if len(name) <= most else f"{name[: most - 1]}…"
