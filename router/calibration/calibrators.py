"""Calibrators: frozen maps from one signal to the probability that the answer is right.

Each is non-decreasing and gives equal signals equal probabilities. They are made by the fits of
`router.calibration` and travel as JSON inside a profile. The five kinds stand in
`smooth_calibrators` and `step_calibrators`, and are named here too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..protocols import Calibrator
from ..signals import Estimate, Reading, Unavailable
from ..wire import decode
from .curves import Curve, logit, sigmoid
from .smooth_calibrators import BetaCalibrator, PlattCalibrator, TemperatureCalibrator
from .step_calibrators import HistogramCalibrator, IsotonicCalibrator

__all__ = [
    "BetaCalibrator",
    "Curve",
    "FittedCurve",
    "HistogramCalibrator",
    "IsotonicCalibrator",
    "PlattCalibrator",
    "TemperatureCalibrator",
    "calibrated",
    "calibrator_from_data",
    "calibrator_from_json",
    "logit",
    "sigmoid",
]

FittedCurve = (
    TemperatureCalibrator
    | PlattCalibrator
    | BetaCalibrator
    | IsotonicCalibrator
    | HistogramCalibrator
)
"""Any of the calibrators that a profile can hold."""

_KINDS: Mapping[str, type[FittedCurve]] = {
    "temperature": TemperatureCalibrator,
    "platt": PlattCalibrator,
    "beta": BetaCalibrator,
    "isotonic": IsotonicCalibrator,
    "histogram": HistogramCalibrator,
}


def calibrator_from_json(text: str | bytes) -> FittedCurve:
    """The calibrator that `to_json` wrote, number for number.

    Raises:
        UsageError: not JSON, of an unknown kind, or with numbers that make no calibrator.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise UsageError(f"expected a calibrator as JSON: {error}") from error
    return calibrator_from_data(data)


def calibrator_from_data(data: Any) -> FittedCurve:
    """The calibrator in JSON-plain values; unknown fields are ignored. Raises as above."""
    kind = data.get("kind") if isinstance(data, Mapping) else None
    record = _KINDS.get(kind) if isinstance(kind, str) else None
    if record is None:
        raise UsageError(f"expected a calibrator of kind {', '.join(_KINDS)}, got {kind!r}")
    return decode(record, data)


def calibrated(calibrator: Calibrator, reading: Reading) -> Estimate | Unavailable:
    """The estimate that a calibrator makes of a reading; Unavailable where they do not fit."""
    if isinstance(reading, Unavailable):
        return reading
    try:
        p = calibrator.probability(reading)
    except UsageError as error:
        return Unavailable(str(error))
    return Estimate(p, reading.name, calibrated=True, calibrator=calibrator.fingerprint)
