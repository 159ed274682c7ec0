"""Pictures of signals: how well each ranks, what is risked at which coverage, how calibrated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..router.metrics.reliability import Bin, wilson_interval
from ..router.signals import Unavailable
from .figures import new_figure, save_figure
from .quality_records import Calibration, Measured, SignalQuality

__all__ = ["plot_signals"]

_BEFORE, _AFTER, _GRAY = "tab:orange", "tab:blue", "0.55"
_COLUMNS = 3


def plot_signals(
    quality: Sequence[SignalQuality], folder: Path, *, curves: int = 6, diagrams: int = 12
) -> None:
    """Write `auroc.png`, `risk_coverage.png` and `reliability.png` into the folder.

    The first shows every signal that has an AUROC, the others the best few. What cannot be drawn,
    since no signal has it, is left out.

    Args:
        curves: signals of the risk-coverage picture.
        diagrams: signals of the reliability picture.

    Raises:
        MissingExtra: matplotlib is not installed.
        StoreError: the folder cannot be written.
    """
    ranked = [one for one in quality if isinstance(one.auroc, Measured)]
    stated = [one for one in quality if isinstance(one.calibrated, Calibration)]
    if ranked:
        save_figure(_aurocs(ranked), folder / "auroc.png")
    if any(one.curve for one in quality):
        drawn = [one for one in quality if one.curve][:curves]
        save_figure(_risk_coverage(drawn), folder / "risk_coverage.png")
    if stated:
        save_figure(_reliability(stated[:diagrams]), folder / "reliability.png")


def _aurocs(quality: Sequence[SignalQuality]) -> Any:
    """One line a signal, the best on top: dot, interval, and the numbers beside them."""
    figure = new_figure(8.0, 1.3 + 0.21 * len(quality))
    axes = figure.subplots()
    places = range(len(quality) - 1, -1, -1)
    for place, one in zip(places, quality, strict=True):
        assert isinstance(one.auroc, Measured)
        low, high = one.auroc.interval or (one.auroc.value, one.auroc.value)
        axes.plot([low, high], [place, place], color=_AFTER, linewidth=1.4, alpha=0.6)
        axes.plot(one.auroc.value, place, "o", color=_AFTER, markersize=4)
        words = f"{_short(one.auroc.value)} [{_short(low)}, {_short(high)}]  n = {one.n:,}"
        axes.annotate(
            words,
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            family="monospace",
        )
    axes.axvline(0.5, color=_GRAY, linewidth=1.0, linestyle="--")
    axes.set_yticks(list(places), [one.name for one in quality], fontsize=8)
    axes.set(
        ylim=(-0.8, len(quality) - 0.2),
        xlabel="AUROC: P(a right answer scores above a wrong one); 95 % intervals over questions",
    )
    axes.grid(axis="x", alpha=0.25)
    return figure


def _risk_coverage(quality: Sequence[SignalQuality]) -> Any:
    figure = new_figure(8.0, 4.8)
    axes = figure.subplots()
    for one in quality:
        area = "" if isinstance(one.aurc, Unavailable) else f"AURC {_short(one.aurc.value)}  "
        axes.plot(*zip(*one.curve, strict=True), linewidth=1.4, label=f"{area}{one.name}")
    widest = max(quality, key=lambda one: one.n)
    best = _best_curve(widest)
    risk = 1.0 - (widest.share_correct or 0.0)
    least = math.fsum(share for _, share in best) / len(best)
    axes.plot(*zip(*best, strict=True), "k:", label=f"AURC {_short(least)}  best ranking")
    axes.plot([0, 1], [risk, risk], "--", color=_GRAY, label=f"AURC {_short(risk)}  random order")
    axes.set(
        xlim=(0, 1),
        ylim=(0, None),
        xlabel="coverage: share of answers kept, the surest first",
        ylabel="risk: share wrong among the kept",
    )
    axes.grid(alpha=0.25)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _best_curve(one: SignalQuality) -> list[tuple[float, float]]:
    """Risk by coverage where all right answers come first."""
    right = round(one.n * (one.share_correct or 0.0))
    return [(kept / one.n, max(0, kept - right) / kept) for kept in range(1, one.n + 1)]


def _reliability(quality: Sequence[SignalQuality]) -> Any:
    """A panel a signal, each with a strip of counts under it."""
    columns = min(_COLUMNS, len(quality))
    rows = math.ceil(len(quality) / columns)
    figure = new_figure(3.6 * columns, 4.3 * rows)
    heights = [3.2, 1.0] * rows
    grid = figure.subplots(
        2 * rows, columns, squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights}
    )
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        panel, strip = grid[2 * row][column], grid[2 * row + 1][column]
        if place < len(quality):
            _panel(panel, strip, quality[place])
        else:
            panel.set_axis_off()
            strip.set_axis_off()
    figure.supxlabel("stated probability", fontsize=9)
    figure.supylabel("share right, with 95 % Wilson intervals; below, rows per bin", fontsize=9)
    return figure


def _panel(panel: Any, strip: Any, one: SignalQuality) -> None:
    panel.plot([0, 1], [0, 1], color=_GRAY, linewidth=0.8)
    drawn = [(one.uncalibrated, _BEFORE, "o", -1), (one.calibrated, _AFTER, "s", 1)]
    for found, color, marker, side in drawn:
        if not isinstance(found, Calibration):
            continue
        name = "as it is" if found.method == "none" else f"{found.method}, out of fold"
        label = f"{name}: ECE {_short(found.ece.value)}"
        shares = [found_bin.share_correct for found_bin in found.bins]
        panel.errorbar(
            [found_bin.mean_probability for found_bin in found.bins],
            shares,
            yerr=_whiskers(found.bins),
            fmt=marker,
            color=color,
            markersize=4,
            elinewidth=0.9,
            label=label,
        )
        _counts(strip, found, color, side)
    panel.set_title(one.name, fontsize=9, pad=16)
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    # Above the panel: a curve may pass through any of its corners.
    panel.legend(
        fontsize=6.5,
        loc="lower left",
        bbox_to_anchor=(-0.02, 0.98),
        ncols=2,
        frameon=False,
        handletextpad=0.2,
        columnspacing=1.0,
    )
    panel.grid(alpha=0.25)
    strip.set(yticks=[])
    strip.margins(y=0.55)
    for axes in (panel, strip):
        axes.tick_params(labelsize=7)


def _whiskers(bins: Sequence[Bin]) -> list[list[float]]:
    """How far each share's interval reaches down and up."""
    reach = []
    for one in bins:
        low, high = wilson_interval(round(one.n * one.share_correct), one.n)
        reach.append((one.share_correct - low, high - one.share_correct))
    return [[down for down, _ in reach], [up for _, up in reach]]


def _counts(strip: Any, found: Calibration, color: str, side: int) -> None:
    width = 0.4 / found.ece.bins
    for one in found.bins:
        bin_number = max(0, math.ceil(one.mean_probability * found.ece.bins - 1e-9) - 1)
        center = (bin_number + 0.5) / found.ece.bins + side * width / 2
        strip.bar(center, one.n, width, color=color)
        strip.annotate(
            f"{one.n:,}",
            (center, one.n),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90,
            fontsize=5.5,
        )


def _short(number: float) -> str:
    """Three decimals, as in the tables: .711"""
    return f"{number:.3f}".removeprefix("0")
