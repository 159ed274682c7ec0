"""Fits of the calibrators of few numbers: temperature, Platt, beta."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .curves import CLIP, logit, sigmoid
from .fit_rows import Block, check_values, positives_of, tie_groups
from .logistic import LogisticProblem, fit_logistic
from .smooth_calibrators import BetaCalibrator, PlattCalibrator, TemperatureCalibrator

__all__ = ["fit_beta", "fit_platt", "fit_temperature"]

_LEAST_TAU, _LARGEST_TAU = 0.01, 100.0


def fit_temperature(
    values: Sequence[float],
    labels: Sequence[float],
    *,
    signal: str,
    version: int = 1,
    weights: Sequence[float] | None = None,
    k: int | None = None,
) -> TemperatureCalibrator:
    """The temperature of least log loss.

    In beta = 1 / tau the loss is convex, so its derivative is bisected; tau stays in [0.01, 100].

    Args:
        values: signal values in [0, 1].
        labels: 1 for right, 0 for wrong, or how good the answer is, in [0, 1].
        weights: above 0, one a row; all 1 by default.
        k: alternatives a position that the signal was read from, where that matters.

    Raises:
        UsageError: labels that are all equal, lengths that differ, or a number out of its range.
    """
    ties = tie_groups(values, labels, weights)
    check_values(ties)
    points = [(logit(tie.low), tie.weight, tie.positive) for tie in ties]

    def slope(beta: float) -> float:
        return math.fsum([z * (w * sigmoid(beta * z) - y) for z, w, y in points])

    beta = _root(slope, 1.0 / _LARGEST_TAU, 1.0 / _LEAST_TAU)
    return TemperatureCalibrator(
        signal, version, len(labels), positives_of(labels), 1.0 / beta, k=k
    )


def fit_platt(
    values: Sequence[float],
    labels: Sequence[float],
    *,
    signal: str,
    version: int = 1,
    weights: Sequence[float] | None = None,
    k: int | None = None,
) -> PlattCalibrator:
    """The slope and offset of least cross-entropy to Platt's smoothed targets, a >= 0.

    A right answer's target is (n+ + 1) / (n+ + 2), a wrong one's 1 / (n- + 2), which keeps the fit
    finite where one value separates right from wrong. A graded answer's target lies between the
    two, at its label's share of the way, and n+ and n- are sums of labels and of what they lack of
    1. There is no penalty: it would shrink the slope to 0 on few rows.

    Args and raises as `fit_temperature`.
    """
    ties = tie_groups(values, labels, weights)
    check_values(ties)
    b, a = _fitted(ties, [[1.0, logit(tie.low)] for tie in ties], slopes=1)
    return PlattCalibrator(signal, version, len(labels), positives_of(labels), a, b, k=k)


def fit_beta(
    values: Sequence[float],
    labels: Sequence[float],
    *,
    signal: str,
    version: int = 1,
    weights: Sequence[float] | None = None,
    k: int | None = None,
) -> BetaCalibrator:
    """The three numbers of least cross-entropy, a, b >= 0: where one is negative it is set to 0
    and the others are fitted again.

    Departure from Kull et al.: the targets are Platt's smoothed ones, as in `fit_platt`, since 0
    and 1 have no finite fit where one value separates right from wrong.

    Args and raises as `fit_temperature`.
    """
    ties = tie_groups(values, labels, weights)
    check_values(ties)
    clipped = [min(max(tie.low, CLIP), 1.0 - CLIP) for tie in ties]
    rows = [[1.0, math.log(v), -math.log1p(-v)] for v in clipped]
    c, a, b = _fitted(ties, rows, slopes=2)
    return BetaCalibrator(signal, version, len(labels), positives_of(labels), a, b, c, k=k)


def _fitted(ties: Sequence[Block], rows: Sequence[Sequence[float]], slopes: int) -> Any:
    """Intercept, then slopes at 0 or above, of the unpenalized fit to Platt's targets."""
    import numpy as np

    positive = math.fsum([tie.positive for tie in ties])
    negative = math.fsum([tie.weight - tie.positive for tie in ties])
    right, wrong = (positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0)
    weights = np.array([tie.weight for tie in ties])
    shares = np.array([tie.positive for tie in ties]) / weights
    targets = shares * right + (1.0 - shares) * wrong
    problem = LogisticProblem(np.array(rows), targets, weights, np.zeros(1 + slopes))
    found: list[float] = fit_logistic(problem, range(1, 1 + slopes)).tolist()
    return found


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a non-decreasing function crosses zero, or the end that is nearer to it."""
    if rising(low) >= 0.0:
        return low
    if rising(high) <= 0.0:
        return high
    while True:
        middle = low + (high - low) / 2.0
        if not low < middle < high:
            return middle
        if rising(middle) < 0.0:
            low = middle
        else:
            high = middle
