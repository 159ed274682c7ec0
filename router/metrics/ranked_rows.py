"""How well one signal ranks, under many weightings of its rows at once.

Rows are sorted when a record is made; each weighting then costs a few passes over the tie groups.
With weights of one the numbers are those of `router.metrics`: AUROC to the last bit, the others up
to rounding. A weight is how often a row is in a draw (`draws`); copies of a row are ties. A
number that does not exist is NaN here: callers turn it into `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .tie_groups import ascending, ends_of, starts_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

__all__ = ["RANKING_MEASURES", "RankedRows"]

RANKING_MEASURES = ("auroc", "aurc", "excess_aurc", "prr", "prr_half")
"""What `RankedRows.measures` gives; `prr_half` rejects at most half of the rows."""


@dataclass(frozen=True, slots=True)
class RankedRows:
    """Rows of one signal from the surest down, with their tie groups.

    Attributes:
        order: for each place the row that stands there, an index into the weights.
        wrong: 1 for wrong, 0 for right, by place.
        first: the first place of each tie group that has wrong rows; all sums go over them.
        last: the last place of each.
    """

    order: Ints
    wrong: Ints
    first: Ints
    last: Ints

    @classmethod
    def of(cls, scores: Sequence[float | None], labels: Sequence[int]) -> RankedRows:
        """Sorted; a row whose score is None is left out.

        Args:
            scores: finite, higher is surer.
            labels: 1 for right, 0 for wrong.

        Raises:
            UsageError: as `ascending`.
        """
        import numpy as np

        rows, values, right = ascending(scores, labels)
        wrong = 1 - right[::-1]
        first = starts_of(values[::-1])
        last = ends_of(first, len(rows))
        lossy = np.add.reduceat(wrong, first) > 0
        return cls(rows[::-1], wrong, first[lossy], last[lossy])

    def measures(self, weights: Ints) -> Mapping[str, Floats]:
        """The `RANKING_MEASURES` of each draw.

        Args:
            weights: shape (draws, rows).
        """
        import numpy as np

        draws = _ranked_draws(self, weights)
        n, errors = draws.n, draws.errors
        half = n - n // 2
        with np.errstate(divide="ignore", invalid="ignore"):
            risk = np.where((errors > 0) & (errors < n), errors / n, np.nan)
            area, best = draws.area(np.zeros_like(n)), draws.best_area(np.zeros_like(n))
            from_half, best_from_half = draws.area(half), draws.best_area(half)
            return {
                "auroc": draws.wins() / (errors * (n - errors)),
                "aurc": area,
                "excess_aurc": np.maximum(area - best, 0.0),
                "prr": (risk - area) / (risk - best),
                # Of two or three rows half is one: nothing is rejected, and 0 / 0 is rounding.
                "prr_half": np.where(n < 4, np.nan, (risk - from_half) / (risk - best_from_half)),
            }


@dataclass(frozen=True, slots=True)
class _RankedDraws:
    """Tie groups with wrong rows, by draw and group: their first and last places, what is wrong.

    Attributes:
        n: rows of each draw; `errors` are the wrong ones.
        above: rows above the group; `ends` counts its own too.
        wrong: wrong rows of the group.
        share: of them in the group; any number where a draw has no row of it.
        harmonic: H(k) = 1 + 1/2 + ... + 1/k from k = 0 on.
        summed: H(0) + H(1) + ... + H(k - 1) = k H(k) - k likewise.
    """

    n: Ints
    errors: Ints
    above: Ints
    ends: Ints
    wrong: Ints
    share: Floats
    harmonic: Floats
    summed: Floats

    def wins(self) -> Floats:
        """Pairs in which the right row stands above the wrong one, and half of the tied pairs.

        The mean place of a wrong row in its group is the middle of the group. The sum of places
        counts each pair of wrong rows once too, which is taken off. All exact: whole numbers.
        """
        import numpy as np

        places = np.einsum("dg,dg->d", self.wrong, self.above + self.ends + 1)
        wins: Floats = (places - self.errors * (self.errors + 1)) / 2
        return wins

    def area(self, skipped: Ints) -> Floats:
        """Mean risk over the coverages above the `skipped` smallest, per draw.

        A wrong row in place j adds 1/k to the risk of each coverage k >= j, so H(n) - H(j - 1) in
        all, and H(n) - H(skipped) where that is less. In its group it has every place alike.
        """
        import numpy as np

        least = skipped[:, None]
        low, high = np.maximum(self.above, least), np.maximum(self.ends, least)
        spans = self.summed[high] - self.summed[low]
        if skipped.any():
            outside = (self.ends - high) - (self.above - low)
            spans += outside * self.harmonic[least]
        saved = np.einsum("dg,dg->d", self.share, spans)
        mean: Floats = (self.errors * self.harmonic[self.n] - saved) / (self.n - skipped)
        return mean

    def best_area(self, skipped: Ints) -> Floats:
        """The same of the ranking in which all errors come last."""
        import numpy as np

        right = self.n - self.errors
        first = np.maximum(skipped, right)
        inverse = self.harmonic[self.n] - self.harmonic[first]
        mean: Floats = (self.n - first - right * inverse) / (self.n - skipped)
        return mean


def _ranked_draws(rows: RankedRows, weights: Ints) -> _RankedDraws:
    import numpy as np

    kept = np.take(weights, rows.order, axis=1)
    running = np.cumsum(kept, axis=1)
    n, ends = running[:, -1], np.take(running, rows.last, axis=1)
    above = np.take(running, rows.first, axis=1) - np.take(kept, rows.first, axis=1)
    count = ends - above
    if (rows.first == rows.last).all():  # a group of one that has a wrong row has no other
        wrong, share = count, np.ones(count.shape)
    else:
        running_wrong = np.cumsum(kept * rows.wrong, axis=1)
        wrong = np.diff(np.take(running_wrong, rows.last, axis=1), axis=1, prepend=0)
        share = wrong / np.maximum(count, 1)
    steps = np.arange(int(n.max()) + 1)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / steps[1:])])
    summed = steps * harmonic - steps
    return _RankedDraws(n, wrong.sum(axis=1), above, ends, wrong, share, harmonic, summed)
