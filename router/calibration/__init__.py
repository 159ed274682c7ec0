"""Fitting calibrators and combinations of signals to labelled history, judged out of fold."""

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
