"""What was fitted of a signal, or of several together: curve, combination, and their quality."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..router.calibration.calibrators import FittedCurve, calibrator_from_data
from ..router.calibration.combining import (
    CombinedCalibrator,
    FittedCombination,
    combination_from_data,
)
from ..router.calibration.curves import check_k
from ..router.signals import Signal
from ..router.wire import decode, encode

__all__ = ["FitNote", "FittedCalibrator", "Quality", "calibrator_entry", "calibrator_of"]


@dataclass(frozen=True, slots=True)
class Quality:
    """How far probabilities were from what came: ECE and ACE over ten bins, Brier, log loss."""

    ece: float
    ace: float
    brier: float
    log_loss: float


@dataclass(frozen=True, slots=True)
class FitNote:
    """Where fitted numbers come from; for people, and no part of a profile's fingerprint.

    Attributes:
        method: how it was fitted and judged, in words.
        cross_fitted: the honest numbers; `in_sample` are too good, the difference says how far.
        model: of the tier that the rows are of, None where the table names none.
        date: when it was fitted, None where nobody said.
    """

    method: str
    in_sample: Quality
    cross_fitted: Quality
    model: str | None = None
    date: str | None = None


@dataclass(frozen=True, slots=True)
class FittedCalibrator:
    """A calibrator over a signal's `value`, which is what outcome tables carry.

    Attributes:
        curve: over the signal's value; over sigma(log odds) where there is a combination, whose
            name is then the curve's signal.
        log_loss: cross-fitted, in nats; what the choice among signals rested on.
        auroc: of the raw signal on the same rows, or of the combination out of fold; None where
            undefined.
        combination: of several signals, None where the curve reads one.
    """

    curve: FittedCurve
    log_loss: float
    auroc: float | None = None
    combination: FittedCombination | None = None
    note: FitNote | None = None

    @property
    def name(self) -> str:
        """Of the signal, or `combined(...)`."""
        return self.curve.signal

    @property
    def parts(self) -> tuple[str, ...]:
        """The signals that it reads."""
        return (self.name,) if self.combination is None else self.combination.signals

    @property
    def fingerprint(self) -> str:
        """Changes whenever any fitted number changes."""
        if self.combination is None:
            return self.curve.fingerprint
        both = f"{self.combination.fingerprint} {self.curve.fingerprint}"
        return hashlib.sha256(both.encode()).hexdigest()

    def probability(self, signal: Signal) -> float:
        """P(correct) at the signal's value. Raises UsageError for another k."""
        if self.curve.k is not None:
            check_k(signal, self.curve.k)
        return self.curve.at(signal.value)

    def running(self) -> FittedCalibrator | CombinedCalibrator:
        """As an assessor takes it."""
        if self.combination is None:
            return self
        return CombinedCalibrator(self.combination, self.curve, self.fingerprint)


def calibrator_entry(fitted: FittedCalibrator, *, with_note: bool = True) -> dict[str, Any]:
    """As it stands in a profile. What is None is left out: older profiles keep their fingerprint.

    Args:
        with_note: also what does not decide anything.
    """
    curve = json.loads(fitted.curve.to_json())
    curve.pop("fingerprint", None)
    if curve.get("k") is None:
        curve.pop("k", None)
    entry = {**curve, "on": "value", "log_loss": fitted.log_loss, "auroc": fitted.auroc}
    if fitted.combination is not None:
        entry["combination"] = encode(fitted.combination)
        entry["combination"].pop("fingerprint", None)
    if with_note and fitted.note is not None:
        entry["fit"] = encode(fitted.note)
    return entry


def calibrator_of(entry: Mapping[str, Any]) -> FittedCalibrator:
    """The calibrator that `calibrator_entry` wrote.

    Raises:
        UsageError: numbers that make no calibrator.
        KeyError: a field is missing.
    """
    combination, note = entry.get("combination"), entry.get("fit")
    return FittedCalibrator(
        calibrator_from_data(entry),
        entry["log_loss"],
        entry["auroc"],
        None if combination is None else combination_from_data(combination),
        None if note is None else decode(FitNote, note),
    )
