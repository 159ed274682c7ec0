"""How well a score tells which questions need the strong tier, whatever that costs.

The surest drafts are kept, the least sure are deferred first. A curve over the share deferred
judges the order alone; `cost_quality` charges for it too. Questions with equal scores are one
step everywhere: a share inside the step is a random part of them, a straight line of the curve.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import UsageError
from ..signals import Unavailable
from .cost_quality import Point, pgr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["DeferralPoint", "DeferralRows", "apgr", "apgr_draws", "cpt", "deferral_curve"]

_SLACK = 1e-12


class DeferralPoint(NamedTuple):
    """One attainable setting: share deferred, then mean cost and mean quality per question."""

    share: float
    cost: float
    quality: float

    @property
    def point(self) -> Point:
        """Cost and quality, as `cost_quality` takes them."""
        return self.cost, self.quality


class DeferralRows(NamedTuple):
    """Questions in the order in which they are deferred, as sums over many draws need them.

    Attributes:
        order: rows from the least sure up, indices into the weights.
        starts: the place at which each tie group begins.
        drafts: (cost, quality) of the small draft by place, shape (rows, 2).
        gains: what deferring adds to both, by place, shape (rows, 2).
    """

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    drafts: Floats
    gains: Floats

    @classmethod
    def of(
        cls,
        scores: Sequence[float | None],
        drafts: Sequence[Point],
        escalations: Sequence[Point],
    ) -> DeferralRows:
        """Sorted by score; a missing score is below every other, so it is deferred first.

        Args:
            scores: confidence in the draft, higher is surer, finite.
            drafts: cost and quality of each draft; the cost includes the signal that is read.
            escalations: cost and quality of the strong tier's answer alone.

        Raises:
            UsageError: no rows, lengths that differ, or a number that is not finite.
        """
        import numpy as np

        if not scores or not len(scores) == len(drafts) == len(escalations):
            raise UsageError(
                "expected as many scores as drafts and escalations and at least one, got "
                f"{len(scores)}, {len(drafts)} and {len(escalations)}"
            )
        known = np.array([0.0 if score is None else score for score in scores], dtype=np.float64)
        priced = np.array(drafts, dtype=np.float64), np.array(escalations, dtype=np.float64)
        for row in range(len(scores)):
            if not math.isfinite(known[row]):
                raise UsageError(f"expected a finite score or None, got {scores[row]} in row {row}")
        if not all(np.isfinite(numbers).all() for numbers in priced):
            raise UsageError("expected finite costs and qualities")
        missing = np.array([score is None for score in scores])
        order = np.lexsort((known, ~missing))
        first, absent = known[order], missing[order]
        change = (first[1:] != first[:-1]) | (absent[1:] != absent[:-1])
        starts = np.flatnonzero(np.concatenate([[True], change]))
        small, large = (numbers[order] for numbers in priced)
        # A deferred question still pays its draft, but is answered by the strong tier.
        gains = np.column_stack([large[:, 0], large[:, 1] - small[:, 1]])
        return cls(order, starts, small, gains)

    def curves(self, weights: NDArray[np.intp] | Floats) -> tuple[Floats, Floats, Floats]:
        """Share, cost and quality of each draw, each of shape (draws, tie groups + 1).

        Args:
            weights: how often each row is in each draw, shape (draws, rows), not all 0.
        """
        import numpy as np

        placed = np.take(weights, self.order, axis=1).astype(np.float64)
        total = placed.sum(axis=1)[:, None]
        base = placed @ self.drafts / total
        zero = np.zeros_like(total)

        def grown(values: Floats) -> Floats:
            steps = np.add.reduceat(values, self.starts, axis=1)
            return np.concatenate([zero, np.cumsum(steps, axis=1) / total], axis=1)

        cost = base[:, :1] + grown(placed * self.gains[:, 0])
        quality = base[:, 1:] + grown(placed * self.gains[:, 1])
        return grown(placed), cost, quality


def deferral_curve(
    scores: Sequence[float | None],
    drafts: Sequence[Point],
    escalations: Sequence[Point],
) -> tuple[DeferralPoint, ...]:
    """Every attainable deferral by one threshold, from none to all; as `DeferralRows.of`."""
    import numpy as np

    rows = DeferralRows.of(scores, drafts, escalations)
    found = rows.curves(np.ones((1, len(scores)), dtype=np.intp))
    columns = (numbers[0].tolist() for numbers in found)
    return tuple(DeferralPoint(*numbers) for numbers in zip(*columns, strict=True))


def apgr(
    curve: Sequence[tuple[float, float]], weak_quality: float, strong_quality: float
) -> float | Unavailable:
    """Average performance gap recovered: the area under PGR over the share deferred.

    0.5 for a random order, higher is better. Where the curve does not say what no deferral or full
    deferral gives, that is the weak and the strong tier's quality.

    Args:
        curve: (share of strong calls in [0, 1], mean quality), in any order; equal shares keep
            the order given.

    Raises:
        UsageError: a share outside [0, 1] or a quality that is not finite.

    Source: Ong et al. 2024, "RouteLLM: Learning to Route LLMs with Preference Data".
    """
    import numpy as np

    ordered = _whole(curve, weak_quality, strong_quality)
    numbers = np.array(ordered, dtype=np.float64)
    ends = np.array([weak_quality]), np.array([strong_quality])
    found = float(apgr_draws(numbers[None, :, 0], numbers[None, :, 1], *ends)[0])
    return pgr(0.0, weak_quality, strong_quality) if math.isnan(found) else found


def apgr_draws(share: Floats, quality: Floats, weak: Floats, strong: Floats) -> Floats:
    """`apgr` of many whole curves of rising share from 0 to 1; NaN where it does not exist.

    Args:
        share: shape (draws, points); `quality` likewise.
        weak: the weak tier's quality in each draw, shape (draws,); `strong` likewise.
    """
    import numpy as np

    steps = np.diff(share, axis=1) * (quality[:, 1:] + quality[:, :-1]) / 2.0
    gap = strong - weak
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(gap > _SLACK, (steps.sum(axis=1) - weak) / gap, np.nan)
    return found


def cpt(
    curve: Sequence[tuple[float, float]], x: float, weak_quality: float, strong_quality: float
) -> float | Unavailable:
    """Call-performance threshold: the least share of strong calls that recovers `x` of the gap.

    Lower is better; a random order needs a share of x. Else as `apgr`.

    Args:
        x: a performance gap recovered, such as 0.5 for CPT(50 %).

    Source: Ong et al. 2024, "RouteLLM: Learning to Route LLMs with Preference Data".
    """
    if isinstance(problem := pgr(0.0, weak_quality, strong_quality), Unavailable):
        return problem
    wanted = weak_quality + x * (strong_quality - weak_quality) - _SLACK
    ordered = _whole(curve, weak_quality, strong_quality)
    before = ordered[0]
    for share, quality in ordered:
        if quality >= wanted:
            rise = quality - before[1]
            part = max(0.0, (wanted - before[1]) / rise) if rise > 0.0 else 1.0
            return before[0] + part * (share - before[0])
        before = share, quality
    return Unavailable(f"never recovers {x:g} of the gap")


def _whole(
    curve: Sequence[tuple[float, float]], weak_quality: float, strong_quality: float
) -> list[tuple[float, float]]:
    """The curve by rising share, from 0 to 1."""
    for place, (share, quality) in enumerate(curve):
        if not -_SLACK <= share <= 1.0 + _SLACK or not math.isfinite(quality):
            raise UsageError(
                f"expected a share in [0, 1] and a finite quality, got {share} and {quality} in "
                f"point {place}"
            )
    ordered = sorted(curve, key=lambda point: point[0])
    if not ordered or ordered[0][0] > _SLACK:
        ordered.insert(0, (0.0, weak_quality))
    if ordered[-1][0] < 1.0 - _SLACK:
        ordered.append((1.0, strong_quality))
    return ordered
