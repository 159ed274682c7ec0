"""How far stated probabilities are from what came: Brier, log loss, ECE, ACE and their bins.

A label y is 1 for right and 0 for wrong, or in between, how good a graded answer is; "share right"
then is the mean label. Equal probabilities always share a bin, so no number depends on the order of
the rows. Without rows a number is `Unavailable`; a probability or a label outside [0, 1] raises
`UsageError`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from statistics import NormalDist

from ..errors import UsageError
from ..signals import Unavailable

__all__ = [
    "Bin",
    "ace",
    "brier",
    "cross_entropy",
    "ece",
    "equal_mass_bins",
    "equal_width_bins",
    "log_loss",
    "mce",
    "mean_bin",
    "rows_by_probability",
    "rows_by_width",
    "wilson_interval",
]

_NO_ROWS = Unavailable("no rows")
_CLIP = 1e-7


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of similar probability: how many, their mean probability, their share right."""

    n: int
    mean_probability: float
    share_correct: float

    @property
    def gap(self) -> float:
        """Distance of what was promised from what came, in [0, 1]."""
        return abs(self.share_correct - self.mean_probability)


def brier(probabilities: Sequence[float], correct: Sequence[float]) -> float | Unavailable:
    """Mean of (p - y)^2, in [0, 1], lower is better."""
    _check_probabilities(probabilities, correct)
    return _mean([(p - y) ** 2 for p, y in zip(probabilities, correct, strict=True)])


def log_loss(probabilities: Sequence[float], correct: Sequence[float]) -> float | Unavailable:
    """Mean of -ln(probability of what happened), p clipped to [1e-7, 1 - 1e-7].

    Of a graded row it is the cross-entropy -(y ln p + (1 - y) ln(1 - p)), least at p = y, where it
    is not 0.
    """
    _check_probabilities(probabilities, correct)
    return _mean([cross_entropy(p, y) for p, y in zip(probabilities, correct, strict=True)])


def cross_entropy(p: float, y: float) -> float:
    """-(y ln p + (1 - y) ln(1 - p)) in nats, p clipped as in `log_loss`."""
    p = min(max(p, _CLIP), 1.0 - _CLIP)
    return -(y * math.log(p) + (1.0 - y) * math.log(1.0 - p))


def equal_width_bins(
    probabilities: Sequence[float], correct: Sequence[float], bins: int = 10
) -> tuple[Bin, ...]:
    """The non-empty ones of `bins` bins (lo, hi] of equal width, the first one closed."""
    return tuple(mean_bin(rows) for rows in rows_by_width(probabilities, correct, bins))


def equal_mass_bins(
    probabilities: Sequence[float], correct: Sequence[float], bins: int = 10
) -> tuple[Bin, ...]:
    """At most `bins` bins of about n / bins rows each; equal probabilities are never split.

    From the lowest probability up, a bin is closed by the group of equal probabilities that
    reaches the next multiple of n / bins.
    """
    _check_bins(bins)
    n = len(probabilities)
    found: list[Bin] = []
    rows: list[tuple[float, float]] = []
    seen = closed = 0
    for equal in rows_by_probability(probabilities, correct):
        rows += equal
        seen += len(equal)
        if seen * bins >= (closed + 1) * n:
            found.append(mean_bin(rows))
            closed = seen * bins // n
            rows = []
    return tuple(found)


def ece(
    probabilities: Sequence[float], correct: Sequence[float], bins: int = 10
) -> float | Unavailable:
    """Expected calibration error over `equal_width_bins`, in [0, 1]: sum of n_b / n * gap_b.

    Source: Naeini, Cooper and Hauskrecht 2015, "Obtaining Well Calibrated Probabilities Using
    Bayesian Binning".
    """
    return _calibration_error(equal_width_bins(probabilities, correct, bins))


def ace(
    probabilities: Sequence[float], correct: Sequence[float], bins: int = 10
) -> float | Unavailable:
    """Adaptive calibration error: the same sum over `equal_mass_bins`, in [0, 1].

    Source: Nixon et al. 2019, "Measuring Calibration in Deep Learning". Departure: equal
    probabilities share a bin, so bins may be fewer and larger.
    """
    return _calibration_error(equal_mass_bins(probabilities, correct, bins))


def mce(
    probabilities: Sequence[float], correct: Sequence[float], bins: int = 10
) -> float | Unavailable:
    """Maximum calibration error, in [0, 1]: the largest gap of the `equal_width_bins`.

    A bin of one row counts as much as a bin of a thousand: look at the bins before you worry.
    Source: as of `ece`.
    """
    found = equal_width_bins(probabilities, correct, bins)
    return max(one.gap for one in found) if found else _NO_ROWS


def wilson_interval(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Bounds of a share of which `right` of `n` were seen; within [0, 1], never of no width.

    Raises:
        UsageError: not 0 <= right <= n with n above 0, or a level outside (0, 1).

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if not 0 <= right <= n or not n or not 0.0 < level < 1.0:
        raise UsageError(
            f"expected 0 <= right <= n, n above 0 and a level in (0, 1), got {right}, {n}, {level}"
        )
    z = NormalDist().inv_cdf((1.0 + level) / 2)
    share = right / n
    center = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1.0 - share) / n + z * z / (4 * n * n))
    scale = 1.0 + z * z / n
    # At 0 of n and n of n the bound is the end itself, which rounding would miss.
    low = 0.0 if right == 0 else (center - half) / scale
    high = 1.0 if right == n else (center + half) / scale
    return low, high


def mean_bin(rows: Sequence[tuple[float, float]]) -> Bin:
    """The bin that holds these rows of (probability, label), of which there is at least one."""
    n = len(rows)
    return Bin(n, math.fsum([p for p, _ in rows]) / n, math.fsum([y for _, y in rows]) / n)


def rows_by_width(
    probabilities: Sequence[float], correct: Sequence[float], bins: int
) -> list[list[tuple[float, float]]]:
    """The rows of each of the `equal_width_bins`, as (probability, label), lowest bin first."""
    _check_probabilities(probabilities, correct)
    _check_bins(bins)
    edges = [i / bins for i in range(1, bins + 1)]
    members: list[list[tuple[float, float]]] = [[] for _ in edges]
    for p, y in zip(probabilities, correct, strict=True):
        members[bisect_left(edges, p)].append((p, y))
    return [rows for rows in members if rows]


def rows_by_probability(
    probabilities: Sequence[float], correct: Sequence[float]
) -> list[list[tuple[float, float]]]:
    """The rows of each distinct probability, as (probability, label), lowest first."""
    _check_probabilities(probabilities, correct)
    ordered = sorted(zip(probabilities, correct, strict=True))
    return [list(equal) for _, equal in groupby(ordered, key=itemgetter(0))]


def _mean(numbers: Sequence[float]) -> float | Unavailable:
    return math.fsum(numbers) / len(numbers) if numbers else _NO_ROWS


def _calibration_error(bins: Sequence[Bin]) -> float | Unavailable:
    n = sum(found.n for found in bins)
    return math.fsum(found.n * found.gap for found in bins) / n if n else _NO_ROWS


def _check_probabilities(probabilities: Sequence[float], correct: Sequence[float]) -> None:
    if len(probabilities) != len(correct):
        raise UsageError(
            f"expected one label per probability, got {len(correct)} for {len(probabilities)}"
        )
    for row, (p, y) in enumerate(zip(probabilities, correct, strict=True)):
        if not 0.0 <= p <= 1.0 or not 0.0 <= y <= 1.0:
            raise UsageError(
                f"expected a probability in [0, 1] and a label in [0, 1], got {p} and {y} "
                f"in row {row}"
            )


def _check_bins(bins: int) -> None:
    if bins < 1:
        raise UsageError(f"expected one bin or more, got {bins}")
