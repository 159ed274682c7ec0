"""Fitting calibrators to labelled history, and judging them out of fold.

No fit depends on the order of its rows, and rows of equal score are one group. The fits stand in
`router.fit_smooth` and `router.fit_steps`, the fitted records in `router.calibrators`; all are
named here too.
"""

from __future__ import annotations

from .calibrators import (
    BetaCalibrator,
    Curve,
    FittedCurve,
    HistogramCalibrator,
    IsotonicCalibrator,
    PlattCalibrator,
    TemperatureCalibrator,
    calibrated,
    calibrator_from_json,
)
from .cross_fitting import cross_fitted
from .fit_rows import Block
from .fit_smooth import fit_beta, fit_platt, fit_temperature
from .fit_steps import fit_histogram, fit_isotonic, pool_adjacent_violators

__all__ = [
    "BetaCalibrator",
    "Block",
    "Curve",
    "FittedCurve",
    "HistogramCalibrator",
    "IsotonicCalibrator",
    "PlattCalibrator",
    "TemperatureCalibrator",
    "calibrated",
    "calibrator_from_json",
    "cross_fitted",
    "fit_beta",
    "fit_histogram",
    "fit_isotonic",
    "fit_platt",
    "fit_temperature",
    "pool_adjacent_violators",
]
