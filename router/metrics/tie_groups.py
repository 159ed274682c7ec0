"""Arrays of sorted rows in which equal neighbors belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ascending", "ends_of", "starts_of"]


def ascending(
    numbers: Sequence[float | None], labels: Sequence[int]
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
    """Rows that have a number, by rising number: their indices, numbers and labels.

    Raises:
        UsageError: no row has a number, one is not finite, a label is not 0 or 1, or there are
            more labels than numbers or fewer.
    """
    import numpy as np

    if len(numbers) != len(labels):
        raise UsageError(f"expected one label per row, got {len(labels)} for {len(numbers)}")
    rows = [i for i, number in enumerate(numbers) if number is not None]
    if not rows:
        raise UsageError("expected a row that has a number, got none")
    values = np.array([numbers[i] for i in rows], dtype=np.float64)
    right = np.array([labels[i] for i in rows], dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values) | ((right != 0) & (right != 1)))
    if len(bad):
        row = rows[int(bad[0])]
        raise UsageError(
            f"expected a finite number and a label of 0 or 1, got {numbers[row]} and "
            f"{labels[row]} in row {row}"
        )
    order = np.argsort(values, kind="stable")
    return np.array(rows, dtype=np.intp)[order], values[order], right[order].astype(np.intp)


def starts_of(ordered: NDArray[Any]) -> NDArray[np.intp]:
    """The places at which a new value begins."""
    import numpy as np

    return np.flatnonzero(np.concatenate([ordered[:1] == ordered[:1], ordered[1:] != ordered[:-1]]))


def ends_of(starts: NDArray[np.intp], rows: int) -> NDArray[np.intp]:
    """The last place before each next start."""
    import numpy as np

    return np.append(starts[1:], rows) - 1
