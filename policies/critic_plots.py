"""Pictures of a critic: its calibration, its ranking within rounds, its worth as a stop policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..router.critic.evaluation import JudgedRow
from ..router.metrics.reliability import equal_mass_bins, wilson_interval
from .figures import new_figure, save_figure

__all__ = ["plot_critic"]

_BLUE, _ORANGE, _GRAY = "tab:blue", "tab:orange", "0.55"
_BINS = 8
_WORDS = {"accept": "the answer is right", "sufficient": "the passages suffice"}


def plot_critic(
    document: Mapping[str, Any], judged: Mapping[str, Sequence[JudgedRow]], folder: Path
) -> None:
    """Write `reliability.png`, `within_rounds.png` and `stopping.png` into the folder.

    What cannot be drawn, since no state has the label, is left out.

    Args:
        document: what `surefoot critic eval --json` prints.
        judged: the rows by target.

    Raises:
        MissingExtra: matplotlib is not installed.
        StoreError: the folder cannot be written.
    """
    known = {target: rows for target, rows in judged.items() if rows}
    if known:
        save_figure(_reliability(known), folder / "reliability.png")
        save_figure(_within(document, list(known)), folder / "within_rounds.png")
    if document["stop_curve"]:
        save_figure(_stopping(document), folder / "stopping.png")


def _reliability(judged: Mapping[str, Sequence[JudgedRow]]) -> Any:
    """One panel for each target, one line for each round."""
    figure = new_figure(4.6 * len(judged), 4.4)
    panels = figure.subplots(1, len(judged), squeeze=False)[0]
    for axes, (target, rows) in zip(panels, judged.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=_GRAY, linestyle="--", linewidth=1)
        for round_ in sorted({row.record.state.round for row in rows}):
            _draw_round(axes, [row for row in rows if row.record.state.round == round_], round_)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=f"p({target})", ylabel="share observed")
        axes.set_title(f"P({_WORDS[target]}), by round", fontsize=10)
        axes.legend(fontsize=8, loc="upper left")
    return figure


def _draw_round(axes: Any, rows: Sequence[JudgedRow], round_: int) -> None:
    bins = equal_mass_bins([row.p for row in rows], [row.label for row in rows], _BINS)
    stated = [one.mean_probability for one in bins]
    shares = [one.share_correct for one in bins]
    (line,) = axes.plot(stated, shares, "o-", markersize=4, label=f"round {round_}")
    for x, one in zip(stated, bins, strict=True):
        low, high = wilson_interval(round(one.share_correct * one.n), one.n)
        axes.plot([x, x], [low, high], color=line.get_color(), alpha=0.35)


def _within(document: Mapping[str, Any], targets: Sequence[str]) -> Any:
    """A bar for each group of comparable states; .5 is a coin."""
    figure = new_figure(4.6 * len(targets), 4.0)
    panels = figure.subplots(1, len(targets), squeeze=False)[0]
    for axes, target in zip(panels, targets, strict=True):
        strata = [one for one in document[f"{target}_strata"] if one["auroc"] is not None]
        strata.sort(key=lambda one: (one["round"], one["passages"]))
        names = [f"{one['round']} / {one['passages']}" for one in strata]
        axes.bar(range(len(strata)), [one["auroc"] for one in strata], color=_BLUE, width=0.7)
        axes.axhline(0.5, color=_GRAY, linestyle="--", linewidth=1)
        axes.set_xticks(range(len(strata)), names, rotation=45, ha="right", fontsize=8)
        axes.set(ylim=(0.4, 1.0), xlabel="round / passages shown", ylabel="AUROC among these")
        axes.set_title(_WORDS[target], fontsize=10)
    return figure


def _stopping(document: Mapping[str, Any]) -> Any:
    """Share right over model calls: the critic's thresholds beside fixed rules."""
    figure = new_figure(6.4, 4.4)
    axes = figure.subplots()
    curve = sorted(document["stop_curve"], key=lambda point: point["calls"])
    axes.plot(
        [point["calls"] for point in curve],
        [100.0 * point["quality"] for point in curve],
        color=_BLUE,
        label="stop at p(accept) of a threshold",
    )
    for name, point in document["stop_rules"].items():
        is_best = name == "best with hindsight"
        place = (point["calls"], 100.0 * point["quality"])
        color, marker, size = (_GRAY, "*", 11) if is_best else (_ORANGE, "o", 6)
        axes.plot(*place, marker, color=color, markersize=size)
        axes.annotate(name, place, xytext=(6, 6), fontsize=8, textcoords="offset points")
    axes.margins(x=0.35, y=0.15)  # room for the names
    axes.set(xlabel="model calls a question", ylabel="questions answered right (%)")
    axes.legend(fontsize=8, loc="lower right")
    return figure
