"""Picture of a step gate: the weakest steps of right and of wrong answers, and the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .figures import new_figure, save_figure
from .step_fit import StepFit, Walked

__all__ = ["plot_steps"]

_BINS = 25


def plot_steps(drafts: Sequence[Walked], fit: StepFit, path: Path) -> None:
    """Write the picture as PNG. Answers of one step, which no gate can stop, are left out.

    Raises:
        MissingExtra: matplotlib is not installed.
        StoreError: the folder cannot be written.
    """
    figure = new_figure(7.0, 3.6)
    axes = figure.subplots()
    edges = [i / _BINS for i in range(_BINS + 1)]
    for correct, color, words in ((True, "tab:blue", "right"), (False, "tab:orange", "wrong")):
        shown = [one.weakest for one in drafts if one.correct is correct and one.values]
        label = f"{words} answers ({len(shown):,})"
        axes.hist(shown, edges, color=color, alpha=0.55, label=label, density=bool(shown))
    if fit.threshold > 0.0:
        axes.axvline(fit.threshold, color="black", linewidth=1.2)
        axes.annotate(
            f" stopped below {fit.threshold:.3f}",
            (fit.threshold, 1.0),
            xycoords=("data", "axes fraction"),
            va="top",
        )
    axes.set_xlabel("signal of the weakest step that ends before the answer does")
    axes.set_ylabel("density")
    axes.legend(frameon=False)
    save_figure(figure, path)
