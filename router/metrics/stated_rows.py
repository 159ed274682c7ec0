"""How well stated probabilities are calibrated, under many weightings of their rows at once.

As `ranked_rows`; with weights of one the numbers are those of `reliability` up to
rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError
from .tie_groups import ascending, ends_of, starts_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

__all__ = ["CALIBRATION_MEASURES", "StatedRows"]

CALIBRATION_MEASURES = ("brier", "log_loss", "ece", "ace")
"""What `StatedRows.measures` gives."""

_CLIP = 1e-7


@dataclass(frozen=True, slots=True)
class StatedRows:
    """Rows with a stated probability of being right, from the lowest up, with their tie groups.

    Attributes:
        order: for each place the row that stands there, an index into the weights.
        last: the last place of each tie group.
        right: 1 for right, 0 for wrong, by place.
        p: the probability of each tie group.
        width_starts: the tie groups at which a new equal-width bin begins.
        bins: how many bins there are of both kinds.
    """

    order: Ints
    last: Ints
    right: Ints
    p: Floats
    width_starts: Ints
    bins: int

    @classmethod
    def of(
        cls, probabilities: Sequence[float | None], labels: Sequence[int], bins: int = 10
    ) -> StatedRows:
        """Sorted; a row whose probability is None is left out.

        Args:
            probabilities: in [0, 1].
            labels: 1 for right, 0 for wrong.

        Raises:
            UsageError: a probability outside [0, 1], no bins, and as `ascending`.
        """
        import numpy as np

        rows, values, right = ascending(probabilities, labels)
        if values[0] < 0.0 or values[-1] > 1.0 or bins < 1:
            raise UsageError(
                f"expected probabilities in [0, 1] and one bin or more, got {values[0]} to "
                f"{values[-1]} and {bins} bins"
            )
        starts = starts_of(values)
        p = values[starts]
        edges = np.array([i / bins for i in range(1, bins + 1)])
        width_starts = starts_of(np.searchsorted(edges, p, side="left"))
        return cls(rows, ends_of(starts, len(rows)), right, p, width_starts, bins)

    def measures(self, weights: Ints) -> Mapping[str, Floats]:
        """The `CALIBRATION_MEASURES` of each draw. Equal-mass bins are formed anew in each.

        Args:
            weights: shape (draws, rows).
        """
        import numpy as np

        kept = np.take(weights, self.order, axis=1)
        ends = np.take(np.cumsum(kept, axis=1), self.last, axis=1)
        right_ends = np.take(np.cumsum(kept * self.right, axis=1), self.last, axis=1)
        count, right = np.diff(ends, axis=1, prepend=0), np.diff(right_ends, axis=1, prepend=0)
        wrong, gaps = count - right, right - self.p * count
        p = np.clip(self.p, _CLIP, 1.0 - _CLIP)
        with np.errstate(divide="ignore", invalid="ignore"):
            n = ends[:, -1]
            in_width = np.abs(np.add.reduceat(gaps, self.width_starts, axis=1)).sum(axis=1)
            return {
                "brier": (_weighted((1.0 - self.p) ** 2, right) + _weighted(self.p**2, wrong)) / n,
                "log_loss": (_weighted(-np.log(p), right) + _weighted(-np.log1p(-p), wrong)) / n,
                "ece": in_width / n,
                "ace": self._in_mass(ends, count, gaps) / n,
            }

    def _in_mass(self, ends: Ints, count: Ints, gaps: Floats) -> Floats:
        """Sum over the equal-mass bins of |right - promised|, per draw."""
        import numpy as np

        draws = len(ends)
        # A group closes its bin where it reaches the next multiple of n / bins: what stands before
        # a group says how many have been closed.
        closed = (ends - count) * self.bins // np.maximum(ends[:, -1:], 1)
        cell = np.minimum(closed, self.bins - 1) + self.bins * np.arange(draws)[:, None]
        sums = np.bincount(cell.ravel(), weights=gaps.ravel(), minlength=self.bins * draws)
        total: Floats = np.abs(sums.reshape(draws, self.bins)).sum(axis=1)
        return total


def _weighted(values: Floats, weights: Ints) -> Floats:
    """Sums over the groups; not `@`, since threads of a BLAS cost more than they bring here."""
    import numpy as np

    sums: Floats = np.einsum("g,dg->d", values, weights)
    return sums
