"""Calibrators of one to three numbers: temperature, Platt and beta.

All three read a signal's `value`, clipped to [1e-6, 1 - 1e-6], and are non-decreasing in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from ..errors import UsageError
from ..signals import Signal
from ..wire import encode_json
from .curves import CLIP, logit, number_of, set_fingerprint, sigmoid

__all__ = ["BetaCalibrator", "PlattCalibrator", "TemperatureCalibrator"]


@dataclass(frozen=True, slots=True)
class TemperatureCalibrator:
    """sigma(logit(v) / tau) of a signal's `value` v, clipped to [1e-6, 1 - 1e-6].

    Keeps 0.5 where it is: it can sharpen or flatten, but cannot mend a wrong base rate.

    Source: Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks".

    Attributes:
        signal: canonical name of the signal it was fitted on.
        version: of that signal's estimator.
        n: labels it was fitted on; `positives` is their sum, how many were right unless graded.
        tau: above 1 flattens, below 1 sharpens; in [0.01, 100] as fitted. 100 means that the
            signal says nothing about being right, or the opposite.
        k: alternatives a position that the signal was read from; None takes any.
    """

    signal: str
    version: int
    n: int
    positives: int | float
    tau: float
    kind: Literal["temperature"] = "temperature"
    k: int | None = None
    fingerprint: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tau) and self.tau > 0.0):
            raise UsageError(f"expected a finite temperature above 0, got {self.tau}")
        numbers = [float(self.tau)]
        set_fingerprint(self, [self.kind, self.signal, self.version, numbers], self.k)

    def at(self, x: float) -> float:
        """The probability at a signal value in [0, 1]."""
        return sigmoid(logit(x) / self.tau)

    def probability(self, signal: Signal) -> float:
        """P(correct), in [0, 1]. Raises UsageError for another signal or a value that is NaN."""
        return self.at(number_of(signal, signal.value, self.signal, self.k))

    def to_json(self) -> str:
        """One line of JSON, for `calibrator_from_json`."""
        return encode_json(self)


@dataclass(frozen=True, slots=True)
class PlattCalibrator:
    """sigma(a logit(v) + b) of a signal's `value` v, clipped to [1e-6, 1 - 1e-6].

    Two numbers, so that it can mend sharpness and base rate.

    Source: Platt 1999, "Probabilistic Outputs for Support Vector Machines and Comparisons to
    Regularized Likelihood Methods". Departure: on logits of values instead of margins, and a >= 0,
    so that it never turns a signal around.

    Attributes:
        signal: canonical name of the signal it was fitted on.
        version: of that signal's estimator.
        n: labels it was fitted on; `positives` is their sum, how many were right unless graded.
        a: slope, from 0.
        b: log odds at a value of 0.5.
        k: alternatives a position that the signal was read from; None takes any.
    """

    signal: str
    version: int
    n: int
    positives: int | float
    a: float
    b: float
    kind: Literal["platt"] = "platt"
    k: int | None = None
    fingerprint: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.a) and self.a >= 0.0 and math.isfinite(self.b)):
            raise UsageError(f"expected a slope from 0 and an offset, got {self.a} and {self.b}")
        numbers = [float(self.a), float(self.b)]
        set_fingerprint(self, [self.kind, self.signal, self.version, numbers], self.k)

    def at(self, x: float) -> float:
        """The probability at a signal value in [0, 1]."""
        return sigmoid(self.a * logit(x) + self.b)

    def probability(self, signal: Signal) -> float:
        """P(correct), in [0, 1]. Raises UsageError for another signal or a value that is NaN."""
        return self.at(number_of(signal, signal.value, self.signal, self.k))

    def to_json(self) -> str:
        """One line of JSON, for `calibrator_from_json`."""
        return encode_json(self)


@dataclass(frozen=True, slots=True)
class BetaCalibrator:
    """sigma(a ln v - b ln(1 - v) + c) of a signal's `value` v, clipped to [1e-6, 1 - 1e-6].

    With a = b it is Platt's; with a unlike b it bends the two ends differently. a, b >= 0.

    Source: Kull, Silva Filho and Flach 2017, "Beta calibration: a well-founded and easily
    implemented improvement on logistic calibration for binary classifiers".

    Attributes:
        signal: canonical name of the signal it was fitted on.
        version: of that signal's estimator.
        n: labels it was fitted on; `positives` is their sum, how many were right unless graded.
        a: weight of ln v, from 0.
        b: weight of -ln(1 - v), from 0.
        c: offset of the log odds.
        k: alternatives a position that the signal was read from; None takes any.
    """

    signal: str
    version: int
    n: int
    positives: int | float
    a: float
    b: float
    c: float
    kind: Literal["beta"] = "beta"
    k: int | None = None
    fingerprint: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        numbers = [float(self.a), float(self.b), float(self.c)]
        if not all(map(math.isfinite, numbers)) or min(numbers[:2]) < 0.0:
            raise UsageError(f"expected two weights from 0 and an offset, got {numbers}")
        set_fingerprint(self, [self.kind, self.signal, self.version, numbers], self.k)

    def at(self, x: float) -> float:
        """The probability at a signal value in [0, 1]."""
        v = min(max(x, CLIP), 1.0 - CLIP)
        return sigmoid(self.a * math.log(v) - self.b * math.log1p(-v) + self.c)

    def probability(self, signal: Signal) -> float:
        """P(correct), in [0, 1]. Raises UsageError for another signal or a value that is NaN."""
        return self.at(number_of(signal, signal.value, self.signal, self.k))

    def to_json(self) -> str:
        """One line of JSON, for `calibrator_from_json`."""
        return encode_json(self)
