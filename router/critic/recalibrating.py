"""A critic's probabilities mended for other questions on few labels: its curves bent, not replaced.

On another corpus a critic still ranks states, while its probabilities are off, mostly all in one
direction. A hundred labels are too few for new curves and enough for two numbers: on the log odds

    logit p' = slope * logit p + offset

with the slope held near 1 by a prior, since with few labels the offset is what can be told. A beta
or Platt curve bent so is again one, and so the result is a calibration like any other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ..calibration.calibrators import BetaCalibrator, FittedCurve, PlattCalibrator
from ..calibration.cross_fitting import cross_fitted
from ..calibration.curves import logit, sigmoid
from ..errors import UsageError
from .round_calibration import LEAST_OF_A_CLASS, RoundCalibration, RoundPool, pooled_rounds

__all__ = ["Bend", "bend_at", "bent_calibration", "cross_bent", "fit_bends"]

SLOPE_SPREAD = 0.5
"""Standard deviation of the prior of ln(slope): most slopes lie between 0.4 and 2.7."""

OFFSET_SPREAD = 4.0
"""Standard deviation of the prior of the offset, wide: log odds from .02 to .98."""

_STEPS = 100
_CLOSE = 1e-10


@dataclass(frozen=True, slots=True)
class Bend:
    """A bend of log odds for the rounds from `first` to `last`.

    Attributes:
        slope: above 0, so that order is kept.
    """

    first: int
    last: int
    slope: float = 1.0
    offset: float = 0.0

    def at(self, p: float) -> float:
        """The bent probability."""
        return sigmoid(self.slope * logit(p) + self.offset)


def fit_bends(
    stated: Sequence[float],
    labels: Sequence[int],
    rounds: Sequence[int],
    *,
    least: int = LEAST_OF_A_CLASS,
) -> tuple[Bend, ...]:
    """A bend for each pool of rounds that has `least` states of either class, or one for all.

    Args:
        stated: the critic's own probabilities, at the natural prior.
        labels: 1 or 0.

    Raises:
        UsageError: lengths that differ, no states, or states of one class only.
    """
    if not len(stated) == len(labels) == len(rounds):
        raise UsageError("expected one label and one round a probability")
    if not labels or min(labels) == max(labels):
        what = "no labeled states" if not labels else f"{len(labels)} states that are all alike"
        raise UsageError(f"nothing can be recalibrated on {what}; label some of both kinds")
    bends = []
    for first, last in pooled_rounds(rounds, labels, least):
        rows = [i for i, one in enumerate(rounds) if first <= one <= last]
        slope, offset = _fitted([stated[i] for i in rows], [labels[i] for i in rows])
        bends.append(Bend(first, last, slope, offset))
    return tuple(bends)


def cross_bent(
    stated: Sequence[float],
    labels: Sequence[int],
    rounds: Sequence[int],
    groups: Sequence[str],
    *,
    seed: int = 0,
) -> tuple[float, ...]:
    """Out-of-fold bent probabilities, for what is reported of the calibration.

    Args:
        groups: the question of each state.

    Raises:
        UsageError: as `fit_bends`, or fewer questions than folds.
    """

    def fitted(rows: Sequence[tuple[float, int]], values: Sequence[float]) -> _Bent:
        ps, at = [p for p, _ in rows], [one for _, one in rows]
        return _Bent(fit_bends(ps, [int(value) for value in values], at))

    rows = list(zip(stated, rounds, strict=True))
    return cross_fitted(fitted, rows, labels, groups, seed=seed)


def bent_calibration(calibration: RoundCalibration, bends: Sequence[Bend]) -> RoundCalibration:
    """The calibration whose probabilities are the bent ones, for every score and round.

    Raises:
        UsageError: a curve is a step function, which cannot be bent.
    """
    last = max([pool.last for pool in calibration.pools] + [bend.last for bend in bends])
    pools: list[RoundPool] = []
    chosen: tuple[RoundPool, Bend] | None = None
    for round_ in range(last + 1):
        here = (bend_at(calibration.pools, round_), bend_at(bends, round_))
        if here == chosen:
            pools[-1] = replace(pools[-1], last=round_)
        else:
            pools.append(RoundPool(round_, round_, _bent_curve(here[0].curve, here[1])))
        chosen = here
    return RoundCalibration(tuple(pools))


@dataclass(frozen=True, slots=True)
class _Bent:
    """Bends as something that can be cross-fitted."""

    bends: tuple[Bend, ...]

    def at(self, row: tuple[float, int], /) -> float:
        p, round_ = row
        return bend_at(self.bends, round_).at(p)


Span = TypeVar("Span", RoundPool, Bend)


def bend_at(spans: Sequence[Span], round_: int) -> Span:
    """The span of a round; between two the earlier, beyond the ends the nearest."""
    chosen = spans[0]
    for span in spans[1:]:
        if span.first > round_:
            break
        chosen = span
    return chosen


def _bent_curve(curve: FittedCurve, bend: Bend) -> FittedCurve:
    slope, offset = bend.slope, bend.offset
    if isinstance(curve, BetaCalibrator):
        return replace(curve, a=slope * curve.a, b=slope * curve.b, c=slope * curve.c + offset)
    if isinstance(curve, PlattCalibrator):
        return replace(curve, a=slope * curve.a, b=slope * curve.b + offset)
    raise UsageError(
        f"a curve of kind {curve.kind} cannot be bent; train the critic again on these states"
    )


def _fitted(stated: Sequence[float], labels: Sequence[int]) -> tuple[float, float]:
    """Slope and offset of the highest posterior, by Newton's method on (ln slope, offset).

    The posterior's negative logarithm is sum ln(1 + exp(-(2y - 1) z)), z = e^t x + b, plus
    t^2 / (2 SLOPE_SPREAD^2) + b^2 / (2 OFFSET_SPREAD^2); steps that do not lessen it are halved.
    """
    x = [logit(p) for p in stated]
    t, b = 0.0, 0.0
    value = _loss(x, labels, t, b)
    for _ in range(_STEPS):
        step_t, step_b = _step(x, labels, t, b)
        share = 1.0
        while share > _CLOSE:
            tried = _loss(x, labels, t - share * step_t, b - share * step_b)
            if tried <= value:
                break
            share /= 2.0
        else:
            break
        t, b = t - share * step_t, b - share * step_b
        if value - tried < _CLOSE:
            break
        value = tried
    return math.exp(t), b


def _loss(x: Sequence[float], labels: Sequence[int], t: float, b: float) -> float:
    if abs(t) > 10.0:  # a slope beyond e^10 is none
        return math.inf
    slope = math.exp(t)
    total = t * t / (2.0 * SLOPE_SPREAD**2) + b * b / (2.0 * OFFSET_SPREAD**2)
    for value, label in zip(x, labels, strict=True):
        z = (slope * value + b) * (1.0 if label else -1.0)
        total += math.log1p(math.exp(-z)) if z > -30.0 else -z
    return total


def _step(x: Sequence[float], labels: Sequence[int], t: float, b: float) -> tuple[float, float]:
    """Newton's step, with the curvature in t that is never negative (Gauss-Newton)."""
    slope = math.exp(t)
    gt, gb = t / SLOPE_SPREAD**2, b / OFFSET_SPREAD**2
    tt, tb, bb = 1.0 / SLOPE_SPREAD**2, 0.0, 1.0 / OFFSET_SPREAD**2
    for value, label in zip(x, labels, strict=True):
        p = sigmoid(slope * value + b)
        along, weight = slope * value, p * (1.0 - p)
        gt += (p - label) * along
        gb += p - label
        tt += weight * along * along
        tb += weight * along
        bb += weight
    det = tt * bb - tb * tb
    return (bb * gt - tb * gb) / det, (tt * gb - tb * gt) / det
