"""Pictures of a replay: cost against quality, risk against coverage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..router.metrics import risk_coverage
from .figures import new_figure, save_figure
from .replay import ReplayReport, Served

__all__ = ["plot_replay"]


def plot_replay(report: ReplayReport, served: Sequence[Served], folder: Path) -> None:
    """Write `cost_quality.png` and `risk_coverage.png` into the folder.

    Raises:
        MissingExtra: matplotlib is not installed.
        StoreError: the folder cannot be written.
    """
    save_figure(_cost_quality(report), folder / "cost_quality.png")
    save_figure(_risk_coverage(served), folder / "risk_coverage.png")


def _axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    figure = new_figure(6.4, 4.4)
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)
    return figure, axes


def _cost_quality(report: ReplayReport) -> Any:
    figure, axes = _axes(
        f"Cost and quality, {report.n} questions", "cost per question", "quality (share right)"
    )
    for name, baseline in report.baselines.items():
        axes.plot(baseline.cost, baseline.quality, "o", color="tab:gray")
        axes.annotate(
            name,
            (baseline.cost, baseline.quality),
            xytext=(5, 4),
            fontsize=8,
            textcoords="offset points",
        )
    quality = report.intervals.get("quality", (report.quality, report.quality))
    spread = [[report.quality - quality[0]], [quality[1] - report.quality]]
    axes.errorbar(report.cost, report.quality, yerr=spread, fmt="D", color="tab:blue", capsize=3)
    axes.annotate(
        "gate",
        (report.cost, report.quality),
        xytext=(6, -12),
        weight="bold",
        textcoords="offset points",
    )
    return figure


def _risk_coverage(served: Sequence[Served]) -> Any:
    figure, axes = _axes(
        "Risk and coverage by the best attempt's estimate", "coverage", "share wrong"
    )
    known = [one for one in served if one.best_p is not None and one.best_loss is not None]
    curve = risk_coverage(
        [one.best_p or 0.0 for one in known], [one.best_loss or 0.0 for one in known]
    )
    axes.plot([kept for kept, _ in curve], [risk for _, risk in curve], color="tab:blue")
    answered = [one for one in served if one.loss is not None]
    if answered:
        risk = sum(one.loss or 0.0 for one in answered) / len(answered)
        axes.plot(len(answered) / len(served), risk, "D", color="tab:orange", label="the policy")
        axes.legend()
    axes.set(xlim=(0, 1), ylim=(0, None))
    return figure
