"""Worse than at calibration? A bound on the old risk against one on the new."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..errors import UsageError

__all__ = ["SourceTarget", "lower_limit"]

_BETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_STEPS = 50  # halvings: a limit to 1e-15


@dataclass(frozen=True, slots=True)
class SourceTarget:
    """Alarm once the target risk is surely above the source risk by more than `tolerance`.

    U is an upper confidence limit of the source risk that fails with probability at most d_S,
    L_t a lower one of the target risk that fails *at any time* with probability at most d_T.
    An alarm at L_t > U + tolerance is false with probability at most d_S + d_T. Shifts that raise
    no risk pass. Whether the risk is above alpha is another question, and `EProcess` asks it.

    Attributes:
        upper: U, in [0, 1]; 1 never raises an alarm, and tracks L_t all the same.
        level: d_T, in (0, 1); d_S is that of `upper`.
        steps: labels so far.
        n: their weights, summed.
        total: their weighted losses, summed.
        lower: L_t, the highest so far.
        alarm: number of the label, from 1; None so far.

    Raises:
        UsageError: a parameter out of range.

    Source: Podkopaev and Ramdas 2022, "Tracking the risk of a deployed model and detecting harmful
    distribution shifts" (arXiv 2110.06177). Departure: L_t inverts a mixture of bets.
    """

    upper: float
    level: float = 0.025
    tolerance: float = 0.0
    steps: int = 0
    n: float = 0.0
    total: float = 0.0
    lower: float = 0.0
    alarm: int | None = None

    def __post_init__(self) -> None:
        if not (0.0 <= self.upper <= 1.0 and 0.0 < self.level < 1.0 and self.tolerance >= 0.0):
            raise UsageError(
                "expected an upper limit in [0, 1], a level in (0, 1) and a tolerance of at least "
                f"0, got {self.upper}, {self.level} and {self.tolerance}"
            )

    @property
    def mean(self) -> float | None:
        """Weighted mean of the losses (Hajek's estimate of the risk); None before the first."""
        return self.total / self.n if self.n else None

    def after(self, labels: Iterable[tuple[float, float]]) -> SourceTarget:
        """With these labels, in this order: pairs of a loss in [0, 1] and a weight in (0, 1].

        The weight is 1 where all labels were drawn alike, else least / pi: see `audit_gain`.

        Raises:
            UsageError: a number out of range.
        """
        steps, n, total, lower, alarm = self.steps, self.n, self.total, self.lower, self.alarm
        goal, limit = -math.log(self.level), self.upper + self.tolerance
        for loss, weight in labels:
            if not (0.0 <= loss <= 1.0 and 0.0 < weight <= 1.0):
                raise UsageError(
                    f"expected a loss in [0, 1] and a weight in (0, 1], got {loss} and {weight}"
                )
            steps, n, total = steps + 1, n + weight, total + weight * loss
            # One look at the wealth tells whether the limit has risen at all.
            if lower < 1.0 and _log_wealth(n, total, max(lower, 1e-12)) >= goal:
                lower = max(lower, lower_limit(n, total, self.level))
            if alarm is None and lower > limit:
                alarm = steps
        return replace(self, steps=steps, n=n, total=total, lower=lower, alarm=alarm)


def lower_limit(n: float, total: float, level: float) -> float:
    """Lower confidence limit of a mean after losses in [0, 1] that sum to `total`.

    The limits after each label hold together with probability 1 - level. It is the c at which

        mean over b of (1 + lambda_b (1 - c))^total (1 - lambda_b c)^(n - total), lambda_b c = b,

    falls to 1 / level. For 0/1 losses that is the wealth of bets against "the mean is at most c".
    For others, and for weights r_i <= 1 with n = sum r_i and total = sum r_i L_i, it is no more
    than that wealth, prod (1 + lambda_b r_i (L_i - c)), by the inequality between weighted
    arithmetic and geometric means, so the limit holds.

    In [0, 1], 0 where nothing can be said; rounded down.
    """
    goal = -math.log(level)
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _log_wealth(n, total, middle) >= goal else (low, middle)
    return low


def _log_wealth(n: float, total: float, c: float) -> float:
    """Falls with `c`, since lambda c is held fixed."""
    logs = [total * math.log1p(bet / c - bet) + (n - total) * math.log1p(-bet) for bet in _BETS]
    high = max(logs)
    return high + math.log(sum(math.exp(one - high) for one in logs) / len(logs))
