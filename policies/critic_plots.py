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
_COLORS = 10
_CURVE = "stop at a threshold of p(accept)"
_BEST = "best with hindsight"
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
    figure = new_figure(4.6 * len(judged), 4.9)
    panels = figure.subplots(1, len(judged), squeeze=False)[0]
    for axes, (target, rows) in zip(panels, judged.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=_GRAY, linestyle="--", linewidth=1)
        for round_ in sorted({row.record.state.round for row in rows}):
            _draw_round(axes, [row for row in rows if row.record.state.round == round_], round_)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set(xlabel=f"p({target})", ylabel="share observed, 95 % Wilson intervals")
        axes.set_title(f"P({_WORDS[target]}), by round", fontsize=10)
        axes.grid(alpha=0.25)
    # Below the panels: a curve may pass through any of their corners.
    figure.legend(*_of_all(panels), fontsize=8, loc="outside lower center", ncols=5, frameon=False)
    return figure


def _draw_round(axes: Any, rows: Sequence[JudgedRow], round_: int) -> None:
    bins = equal_mass_bins([row.p for row in rows], [row.label for row in rows], _BINS)
    stated = [one.mean_probability for one in bins]
    shares = [one.share_correct for one in bins]
    color = f"C{round_ % _COLORS}"  # the same in both panels, though a round may miss in one
    axes.plot(stated, shares, "o-", color=color, markersize=4, label=f"round {round_}")
    for x, one in zip(stated, bins, strict=True):
        low, high = wilson_interval(round(one.share_correct * one.n), one.n)
        axes.plot([x, x], [low, high], color=color, alpha=0.35)


def _of_all(panels: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """The legend's handles and names over all panels, each name once, in order."""
    found: dict[str, Any] = {}
    for axes in panels:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    names = sorted(found, key=lambda name: int(name.split()[-1]))
    return [found[name] for name in names], names


def _within(document: Mapping[str, Any], targets: Sequence[str]) -> Any:
    """A dot for each group of comparable states, and the mean over them; .5 is a coin."""
    most = max(len(document[f"{target}_strata"]) for target in targets)
    figure = new_figure(max(4.6, 1.6 + 0.3 * most) * len(targets), 4.4)
    panels = figure.subplots(1, len(targets), squeeze=False)[0]
    for axes, target in zip(panels, targets, strict=True):
        strata = [one for one in document[f"{target}_strata"] if one["auroc"] is not None]
        names = [f"{one['round']} / {one['passages']}" for one in strata]
        areas = [one["auroc"] for one in strata]
        axes.axhline(0.5, color=_GRAY, linestyle="--", linewidth=1, label="a coin, the round alone")
        axes.plot(range(len(strata)), areas, "o", color=_BLUE, label="states of a round")
        mean, interval = document[f"{target}_auroc_within"], _interval(document, target)
        if mean is not None:
            axes.axhline(mean, color=_ORANGE, linewidth=1.2, label=f"mean, {mean:.3f}{interval}")
        axes.set_xticks(range(len(strata)), names, rotation=45, ha="right", fontsize=8)
        axes.set(xlim=(-0.6, max(len(strata), 1) - 0.4), ylim=(min([0.4, *areas]) - 0.03, 1.03))
        axes.set(xlabel="round / passages shown", ylabel="AUROC among these")
        axes.set_title(_WORDS[target], fontsize=10, pad=44)
        axes.grid(alpha=0.25)
        axes.legend(
            fontsize=8, loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=1, frameon=False
        )
    return figure


def _interval(document: Mapping[str, Any], target: str) -> str:
    found = document[f"{target}_auroc_within_interval"]
    return "" if found is None else f" [{found[0]:.3f}, {found[1]:.3f}]"


def _stopping(document: Mapping[str, Any]) -> Any:
    """Share right over model calls: the critic's thresholds beside fixed rules."""
    figure = new_figure(6.8, 4.6)
    axes = figure.subplots()
    curve = sorted(document["stop_curve"], key=lambda point: point["calls"])
    calls = [point["calls"] for point in curve]
    right = [100.0 * point["quality"] for point in curve]
    # Dots: between them lie thresholds that were not tried, or that do not exist.
    axes.plot(calls, right, "o-", color=_BLUE, markersize=3.5, linewidth=1.2, label=_CURVE)
    rules = dict(document["stop_rules"])
    best = rules.pop(_BEST)
    fixed = [(point["calls"], 100.0 * point["quality"]) for point in rules.values()]
    axes.plot(
        *zip(*fixed, strict=True), "s", color=_ORANGE, markersize=12, label="always round ..."
    )
    for place, name in zip(fixed, rules, strict=True):
        number = name.rsplit(" ", 1)[-1]
        axes.annotate(number, place, fontsize=8, color="white", ha="center", va="center")
    axes.plot(best["calls"], 100.0 * best["quality"], "*", color=_GRAY, markersize=11, label=_BEST)
    axes.margins(x=0.08, y=0.12)
    axes.set(xlabel="model calls a question", ylabel="questions answered right (%)")
    axes.grid(alpha=0.25)
    figure.legend(fontsize=8, loc="outside upper center", ncols=3, frameon=False)
    return figure
