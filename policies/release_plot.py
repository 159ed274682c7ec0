"""Picture of a release gate: how many of the drafts that it lets be shown are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..router.risk.binomial import clopper_pearson
from .figures import new_figure, save_figure
from .release_fit import ReadDraft, ReleaseFit

__all__ = ["plot_release"]


def plot_release(drafts: Sequence[ReadDraft], fit: ReleaseFit, path: Path) -> None:
    """Write the picture as PNG; drafts of which nothing is judged before their end are never shown.

    Raises:
        MissingExtra: matplotlib is not installed.
        StoreError: the folder cannot be written.
    """
    figure = new_figure(7.0, 3.6)
    axes = figure.subplots()
    surest = sorted([one for one in drafts if one.values], key=lambda one: -one.best)
    shares, risks, lows, highs, wrong = [], [], [], [], 0
    for n, one in enumerate(surest, 1):
        wrong += not one.correct
        if n < len(surest) and surest[n].best == one.best:
            continue  # equally sure ones are shown together
        low, high = clopper_pearson(wrong, n)
        shares.append(n / len(drafts))
        risks.append(wrong / n)
        lows.append(low)
        highs.append(high)
    axes.fill_between(shares, lows, highs, color="tab:blue", alpha=0.18, linewidth=0)
    axes.plot(shares, risks, color="tab:blue", label="wrong among those shown, 95 % interval")
    overall = fit.wrong_overall.share
    if overall is not None:
        axes.axhline(overall, color="tab:gray", linestyle=":", label="wrong among all")
    axes.axhline(fit.alpha, color="black", linestyle="--", linewidth=1.0, label="allowed")
    if fit.threshold is not None and fit.shown.share is not None and fit.wrong.share is not None:
        chosen = f"shown from {fit.threshold:.3f} on"
        axes.plot([fit.shown.share], [fit.wrong.share], "o", color="tab:orange", label=chosen)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    axes.set_xlabel("share of drafts that are shown while they are written")
    axes.set_ylabel("share of wrong ones")
    axes.legend(frameon=False)
    save_figure(figure, path)
