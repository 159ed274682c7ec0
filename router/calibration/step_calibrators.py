"""Calibrators of many numbers: the isotonic curve and the histogram.

Both read a signal's `score` (`raw`, turned so that higher is surer) and are non-decreasing in it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from ..errors import UsageError
from ..signals import Signal
from ..wire import encode_json
from .curves import number_of, set_fingerprint

__all__ = ["HistogramCalibrator", "IsotonicCalibrator"]


@dataclass(frozen=True, slots=True)
class IsotonicCalibrator:
    """A non-decreasing curve over a signal's `score` (`raw`, turned so that higher is surer).

    Between knots it is interpolated linearly, outside it stays at the first or last knot.

    Source: Zadrozny and Elkan 2002, "Transforming Classifier Scores into Accurate Multiclass
    Probability Estimates". Departure: the two end blocks are smoothed, see `fit_isotonic`.

    Attributes:
        signal: canonical name of the signal it was fitted on.
        version: of that signal's estimator.
        n: labels it was fitted on; `positives` is their sum, how many were right unless graded.
        scores: of the knots, strictly increasing.
        probabilities: of the knots, non-decreasing, in [0, 1].
        k: alternatives a position that the signal was read from; None takes any.
    """

    signal: str
    version: int
    n: int
    positives: int | float
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    kind: Literal["isotonic"] = "isotonic"
    k: int | None = None
    fingerprint: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.scores or len(self.scores) != len(self.probabilities):
            raise UsageError(
                f"expected as many knots as probabilities, got {len(self.scores)} and "
                f"{len(self.probabilities)}"
            )
        _check_increasing(self.scores)
        _check_probabilities(self.probabilities)
        numbers = [list(map(float, self.scores)), list(map(float, self.probabilities))]
        set_fingerprint(self, [self.kind, self.signal, self.version, numbers], self.k)

    def at(self, x: float) -> float:
        """The probability at a score."""
        right = bisect_right(self.scores, x)
        if right == 0:
            return self.probabilities[0]
        low, below = self.scores[right - 1], self.probabilities[right - 1]
        if right == len(self.scores) or x == low:
            return below
        # Halves, since the distance of two large scores may not be a float.
        share = (x / 2 - low / 2) / (self.scores[right] / 2 - low / 2)
        above = self.probabilities[right]
        return min(below + (above - below) * share, above)

    def probability(self, signal: Signal) -> float:
        """P(correct), in [0, 1]. Raises UsageError for another signal or a score that is NaN."""
        return self.at(number_of(signal, signal.score, self.signal, self.k))

    def to_json(self) -> str:
        """One line of JSON, for `calibrator_from_json`."""
        return encode_json(self)


@dataclass(frozen=True, slots=True)
class HistogramCalibrator:
    """A step per bin of a signal's `score`: the share of right answers in it.

    Source: Zadrozny and Elkan 2001, "Obtaining calibrated probability estimates from decision trees
    and naive Bayesian classifiers". Departures: bins of equal mass that never split equal scores,
    and neighbors pooled until no step falls, see `fit_histogram`.

    Attributes:
        signal: canonical name of the signal it was fitted on.
        version: of that signal's estimator.
        n: labels it was fitted on; `positives` is their sum, how many were right unless graded.
        edges: between the bins, strictly increasing; a score on an edge belongs to the bin above.
        probabilities: of the bins, one more than edges, non-decreasing, in [0, 1].
        k: alternatives a position that the signal was read from; None takes any.
    """

    signal: str
    version: int
    n: int
    positives: int | float
    edges: tuple[float, ...]
    probabilities: tuple[float, ...]
    kind: Literal["histogram"] = "histogram"
    k: int | None = None
    fingerprint: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.probabilities) != len(self.edges) + 1:
            raise UsageError(
                f"expected a probability more than edges, got {len(self.probabilities)} and "
                f"{len(self.edges)}"
            )
        _check_increasing(self.edges)
        _check_probabilities(self.probabilities)
        numbers = [list(map(float, self.edges)), list(map(float, self.probabilities))]
        set_fingerprint(self, [self.kind, self.signal, self.version, numbers], self.k)

    def at(self, x: float) -> float:
        """The probability at a score."""
        return self.probabilities[bisect_right(self.edges, x)]

    def probability(self, signal: Signal) -> float:
        """P(correct), in [0, 1]. Raises UsageError for another signal or a score that is NaN."""
        return self.at(number_of(signal, signal.score, self.signal, self.k))

    def to_json(self) -> str:
        """One line of JSON, for `calibrator_from_json`."""
        return encode_json(self)


def _check_increasing(scores: Sequence[float]) -> None:
    if not all(map(math.isfinite, scores)) or any(a >= b for a, b in pairwise(scores)):
        raise UsageError("expected finite scores, each above the one before")


def _check_probabilities(probabilities: Sequence[float]) -> None:
    if any(not 0.0 <= p <= 1.0 for p in probabilities) or any(
        a > b for a, b in pairwise(probabilities)
    ):
        raise UsageError("expected probabilities in [0, 1], none below the one before")
