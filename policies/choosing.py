"""Which calibrators and combinations are tried, and when a richer one is worth it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..router.calibration.combination import CombinationKind
from ..router.errors import UsageError
from ..router.metrics.reliability import cross_entropy
from .fitted import FittedCalibrator

__all__ = [
    "AUTOMATIC",
    "KINDS",
    "Calibrating",
    "CalibratorKind",
    "Judged",
    "Key",
    "is_clearly_better",
    "preferred_first",
]

CalibratorKind = Literal["temperature", "platt", "beta", "isotonic", "histogram"]
"""How one signal is calibrated."""

KINDS: tuple[CalibratorKind, ...] = ("temperature", "platt", "beta", "isotonic", "histogram")
"""From few fitted numbers to many."""

Key = tuple[str, int]
"""Query id and round: one row of a rung."""


@dataclass(frozen=True, slots=True)
class Calibrating:
    """What is tried on each rung.

    Attributes:
        kinds: of calibrators; the one of least cross-fitted log loss is kept for each signal.
        combine: which combinations are fitted. `auto` keeps one only where it is clearly better
            than its signals; a named one is kept wherever it can be fitted.
        one_standard_error: keep the simplest kind that is not clearly worse than the best.

    Raises:
        UsageError: no kind, or an unknown one.
    """

    kinds: tuple[CalibratorKind, ...] = ("isotonic", "temperature")
    combine: Literal["auto", "none"] | CombinationKind = "none"
    one_standard_error: bool = False

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if not self.kinds or unknown:
            raise UsageError(f"expected calibrators of kind {', '.join(KINDS)}, got {unknown}")


AUTOMATIC = Calibrating(KINDS, "auto", one_standard_error=True)
"""Every kind, and combinations where they are worth it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Something fitted, and its out-of-fold probability for every row that it can read."""

    fitted: FittedCalibrator
    out_of_fold: Mapping[Key, float]


def is_clearly_better(
    one: Mapping[Key, float], other: Mapping[Key, float], labels: Mapping[Key, float]
) -> bool:
    """Whether `one` has the smaller log loss on common rows, by more than a standard error.

    The error is that of the paired difference over questions. On fewer than two questions nothing
    is clear.

    Args:
        one: out-of-fold probabilities; `other` those of what it is compared with.
        labels: 1 for right, 0 for wrong, or how good the answer is, in [0, 1].

    Source: Breiman, Friedman, Olshen and Stone 1984, "Classification and Regression Trees": the
    rule of one standard error. Departure: the error is of the paired difference.
    """
    by_question: dict[str, list[float]] = {}
    for key in one.keys() & other.keys():
        y = labels[key]
        gain = cross_entropy(other[key], y) - cross_entropy(one[key], y)
        by_question.setdefault(key[0], []).append(gain)
    n = len(by_question)
    if n < 2:
        return False
    gains = [math.fsum(rows) / len(rows) for rows in by_question.values()]
    mean = math.fsum(gains) / n
    variance = math.fsum([(gain - mean) ** 2 for gain in gains]) / (n - 1)
    return mean > math.sqrt(variance / n)


def preferred_first(found: Sequence[Judged]) -> list[Judged]:
    """By cross-fitted log loss, the least first; a combination comes before all that it contains.

    Losses of signals that are missing on different rows are no clean comparison, but the place of
    a combination among its parts was decided on common rows, and stays.
    """

    def rank(one: Judged) -> tuple[float, int, str]:
        parts = set(one.fitted.parts)
        within = [other.fitted.log_loss for other in found if parts.issuperset(other.fitted.parts)]
        return min(within), -len(parts), one.fitted.name

    return sorted(found, key=rank)
