"""Calibrators: frozen maps from one signal to the probability that the answer is right.

Each is non-decreasing and gives equal signals equal probabilities. They are made by the fits of
`router.calibration` and travel as JSON inside a profile.
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, Protocol

from .errors import UsageError
from .protocols import Calibrator
from .signals import Estimate, Reading, Signal, Unavailable
from .wire import decode, encode_json

__all__ = [
    "Curve",
    "IsotonicCalibrator",
    "TemperatureCalibrator",
    "calibrated",
    "calibrator_from_json",
    "logit",
    "sigmoid",
]

_CLIP = 1e-6  # a signal of exactly 0 or 1 has no logit; a saturated one must not rule the fit
_LARGEST_EXPONENT = 700.0  # exp(709.8) is the end of the floats


class Curve(Protocol):
    """A fitted map from a number to a probability."""

    def at(self, x: float) -> float:
        """The probability at `x`."""
        ...


@dataclass(frozen=True, slots=True)
class TemperatureCalibrator:
    """sigma(logit(v) / tau) of a signal's `value` v, clipped to [1e-6, 1 - 1e-6].

    Keeps 0.5 where it is: it can sharpen or flatten, but cannot mend a wrong base rate.

    Source: Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks".

    Attributes:
        signal: canonical name of the signal it was fitted on.
        version: of that signal's estimator.
        n: labels it was fitted on; `positives` of them were right.
        tau: above 1 flattens, below 1 sharpens; in [0.01, 100] as fitted. 100 means that the
            signal says nothing about being right, or the opposite.
    """

    signal: str
    version: int
    n: int
    positives: int
    tau: float
    kind: Literal["temperature"] = "temperature"
    fingerprint: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tau) and self.tau > 0.0):
            raise UsageError(f"expected a finite temperature above 0, got {self.tau}")
        numbers = [float(self.tau)]
        _set_fingerprint(self, [self.kind, self.signal, self.version, numbers])

    def at(self, x: float) -> float:
        """The probability at a signal value in [0, 1]."""
        return sigmoid(logit(x) / self.tau)

    def probability(self, signal: Signal) -> float:
        """P(correct), in [0, 1]. Raises UsageError for another signal or a value that is NaN."""
        return self.at(_number_of(signal, signal.value, self.signal))

    def to_json(self) -> str:
        """One line of JSON, for `calibrator_from_json`."""
        return encode_json(self)


@dataclass(frozen=True, slots=True)
class IsotonicCalibrator:
    """A non-decreasing curve over a signal's `score` (`raw`, turned so that higher is surer).

    Between knots it is interpolated linearly, outside it stays at the first or last knot.

    Source: Zadrozny and Elkan 2002, "Transforming Classifier Scores into Accurate Multiclass
    Probability Estimates". Departure: the two end blocks are smoothed, see `fit_isotonic`.

    Attributes:
        signal: canonical name of the signal it was fitted on.
        version: of that signal's estimator.
        n: labels it was fitted on; `positives` of them were right.
        scores: of the knots, strictly increasing.
        probabilities: of the knots, non-decreasing, in [0, 1].
    """

    signal: str
    version: int
    n: int
    positives: int
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    kind: Literal["isotonic"] = "isotonic"
    fingerprint: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _check_knots(self.scores, self.probabilities)
        numbers = [list(map(float, self.scores)), list(map(float, self.probabilities))]
        _set_fingerprint(self, [self.kind, self.signal, self.version, numbers])

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
        return self.at(_number_of(signal, signal.score, self.signal))

    def to_json(self) -> str:
        """One line of JSON, for `calibrator_from_json`."""
        return encode_json(self)


def calibrator_from_json(text: str | bytes) -> TemperatureCalibrator | IsotonicCalibrator:
    """The calibrator that `to_json` wrote, number for number.

    Raises:
        UsageError: not JSON, of an unknown kind, or with numbers that make no calibrator.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise UsageError(f"expected a calibrator as JSON: {error}") from error
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind == "temperature":
        return decode(TemperatureCalibrator, data)
    if kind == "isotonic":
        return decode(IsotonicCalibrator, data)
    raise UsageError(f"expected a calibrator of kind temperature or isotonic, got {kind!r}")


def calibrated(calibrator: Calibrator, reading: Reading) -> Estimate | Unavailable:
    """The estimate that a calibrator makes of a reading; Unavailable where they do not fit."""
    if isinstance(reading, Unavailable):
        return reading
    try:
        p = calibrator.probability(reading)
    except UsageError as error:
        return Unavailable(str(error))
    return Estimate(p, reading.name, calibrated=True, calibrator=calibrator.fingerprint)


def logit(value: float) -> float:
    """ln(v / (1 - v)) of a value clipped to [1e-6, 1 - 1e-6], so that it is always finite."""
    clipped = min(max(value, _CLIP), 1.0 - _CLIP)
    return math.log(clipped) - math.log1p(-clipped)


def sigmoid(z: float) -> float:
    """1 / (1 + exp(-z)), without overflow.

    In this one form for either sign: each step is monotone in floats, so the whole is.
    """
    return 1.0 / (1.0 + math.exp(min(-z, _LARGEST_EXPONENT)))


def _check_knots(scores: Sequence[float], probabilities: Sequence[float]) -> None:
    if not scores or len(scores) != len(probabilities):
        raise UsageError(
            f"expected as many knots as probabilities, got {len(scores)} and {len(probabilities)}"
        )
    if not all(map(math.isfinite, scores)) or any(a >= b for a, b in pairwise(scores)):
        raise UsageError("expected finite scores, each above the one before")
    if any(not 0.0 <= p <= 1.0 for p in probabilities) or any(
        a > b for a, b in pairwise(probabilities)
    ):
        raise UsageError("expected probabilities in [0, 1], none below the one before")


def _number_of(signal: Signal, number: float, expected: str) -> float:
    if signal.name != expected:
        raise UsageError(f"the calibrator is for '{expected}', the signal is '{signal.name}'")
    if math.isnan(number):
        raise UsageError(f"the signal '{expected}' is not a number")
    return number


def _set_fingerprint(record: object, content: object) -> None:
    canonical = json.dumps(content, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    object.__setattr__(record, "fingerprint", digest)  # the record is frozen from here on
