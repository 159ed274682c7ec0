"""Figures of matplotlib without its window system: how all pictures begin and are saved."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from ..router.errors import MissingExtra
from ..router.tables import write_atomically

__all__ = ["new_figure", "save_figure"]


def new_figure(width: float, height: float) -> Any:
    """An empty `matplotlib.figure.Figure` of so many inches, its parts laid out without overlap.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        # Without pyplot: no window, no figure that someone would have to close.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "fit") from error
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, path: Path) -> None:
    """Write the figure as PNG, whole or not at all.

    Raises:
        StoreError: the folder cannot be written.
    """
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomically(path, picture.getvalue())
