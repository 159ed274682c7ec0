"""The Brier score taken apart into calibration, resolution and what nobody can help."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..signals import Unavailable
from .reliability import mean_bin, rows_by_probability, rows_by_width

__all__ = ["BrierParts", "brier_parts"]


@dataclass(frozen=True, slots=True)
class BrierParts:
    """What a Brier score is made of; the parts add up to it exactly (up to rounding).

    brier = reliability - resolution + uncertainty + within_variance - within_covariance.

    Attributes:
        reliability: mean squared gap of the bins, in [0, 1]; 0 is perfectly calibrated.
        resolution: how far the bins' shares right are from the overall one; higher is better.
        uncertainty: share right * share wrong, in [0, 1/4]; the score of always saying the share.
        within_variance: of the probabilities inside their bins; 0 over distinct probabilities.
        within_covariance: twice that of probability and outcome inside the bins; 0 likewise.
        non_empty: how many bins have rows.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float
    non_empty: int

    @property
    def brier(self) -> float:
        """The score again, from its parts."""
        return math.fsum(
            [
                self.reliability,
                -self.resolution,
                self.uncertainty,
                self.within_variance,
                -self.within_covariance,
            ]
        )


def brier_parts(
    probabilities: Sequence[float], correct: Sequence[int], bins: int | None = None
) -> BrierParts | Unavailable:
    """The parts of the Brier score over each distinct probability, or over equal-width bins.

    Over distinct probabilities (`bins=None`) the three parts of Murphy are exact, but say little
    where hardly any two are equal: then every row is its own bin. Over bins the two terms inside
    the bins are needed too, without which the sum is not the score.

    Raises:
        UsageError: a probability outside [0, 1], a label that is not 0 or 1, or no bins.

    Sources: Murphy 1973, "A New Vector Partition of the Probability Score"; Stephenson, Coelho and
    Jolliffe 2008, "Two Extra Components in the Brier Score Decomposition".
    """
    if any(label not in (0, 1) for label in correct):
        raise UsageError("expected labels of 0 or 1: the parts do not add up for graded ones")
    members = (
        rows_by_probability(probabilities, correct)
        if bins is None
        else rows_by_width(probabilities, correct, bins)
    )
    if not members:
        return Unavailable("no rows")
    n, overall = len(correct), sum(correct) / len(correct)
    found = [mean_bin(rows) for rows in members]
    away = [
        (p - one.mean_probability, y - one.share_correct)
        for one, rows in zip(found, members, strict=True)
        for p, y in rows
    ]
    return BrierParts(
        math.fsum(one.n * one.gap**2 for one in found) / n,
        math.fsum(one.n * (one.share_correct - overall) ** 2 for one in found) / n,
        overall * (1.0 - overall),
        math.fsum(dp * dp for dp, _ in away) / n,
        math.fsum(2.0 * dp * dy for dp, dy in away) / n,
        len(found),
    )
