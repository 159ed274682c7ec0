"""Betting against "the risk is at most alpha", one audited label after the other.

Whoever bets on losses that are no larger than promised cannot expect to win: the wealth is a
nonnegative supermartingale, and reaches 1 / level with probability at most `level`, however often
one looks (Ville 1939). A wealth that large is the alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..errors import UsageError
from .restarts import share_left, share_of

__all__ = ["BETS", "EProcess", "audit_gain", "check_bets", "per_answer_gain"]

BETS = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Bet sizes lambda * alpha. Larger ones see a grave change sooner, smaller ones a slight one."""


def check_bets(alpha: float, bets: tuple[float, ...]) -> None:
    """Raises UsageError where a bet could ruin, or alpha is no risk that can be exceeded."""
    if not 0.0 < alpha < 1.0:
        raise UsageError(f"alpha: expected a number between 0 and 1, got {alpha}")
    if not bets or not all(0.0 < bet < 1.0 for bet in bets):
        raise UsageError(f"bets: expected numbers between 0 and 1, got {bets}")


@dataclass(frozen=True, slots=True)
class EProcess:
    """A mixture of bets and of the times they begin; a value, replaced by `after`.

    E_t = sum over j, b of w_j / B prod_{T_j < i <= t} (1 + lambda_b g_i), plus the w_j of restarts
    still to come, with g_i = L_i - alpha or a weighted form of it. What begins at once has the
    weight w_0 = `start`; restart j comes after j * `every` steps with the j-th share
    (`restarts.share_of`) of 1 - w_0.

    All restarts of one bet multiply by the same factor, so their sum is all there is to remember:
    one number a bet, whatever the age.

    Attributes:
        alpha: the promised risk, in (0, 1).
        level: probability of ever raising a false alarm, in (0, 1).
        bets: lambda * alpha of each bet, in (0, 1).
        start: weight of what begins at once, in (0, 1]; 1 never restarts.
        every: steps between restarts.
        steps: labels seen so far.
        log_wealth: natural logarithm of the wealth of each bet; empty before the first step.
        alarm: number of the label, from 1, at which E first reached 1 / level; None so far.

    Raises:
        UsageError: a parameter out of range.

    Source: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by
    betting"; Shin, Ramdas and Rinaldo 2023, "E-detectors", for mixing over the time of the change.
    """

    alpha: float
    level: float = 0.05
    bets: tuple[float, ...] = BETS
    start: float = 0.8
    every: int = 100
    steps: int = 0
    log_wealth: tuple[float, ...] = ()
    alarm: int | None = None

    def __post_init__(self) -> None:
        check_bets(self.alpha, self.bets)
        if not 0.0 < self.level < 1.0:
            raise UsageError(f"level: expected a number between 0 and 1, got {self.level}")
        if not 0.0 < self.start <= 1.0 or self.every < 1:
            raise UsageError(
                f"expected a start in (0, 1] and restarts at least 1 step apart, got {self.start} "
                f"and {self.every}"
            )
        if len(self.log_wealth) not in (0, len(self.bets)):
            raise UsageError(f"{len(self.log_wealth)} wealths for {len(self.bets)} bets")

    @property
    def log_e(self) -> float:
        """Natural logarithm of E_t: at 0 no evidence either way, at -log(level) an alarm."""
        return _log_sum(self._wealth(), self._to_come())

    def after(self, gains: Iterable[float]) -> EProcess:
        """The process after these steps, in this order.

        Args:
            gains: L - alpha of each label, `audit_gain` or `per_answer_gain`. At least -alpha, and
                of expectation at most 0, given the past, where the promise holds.

        Raises:
            UsageError: a gain is below -alpha, or not finite.
        """
        lambdas = [bet / self.alpha for bet in self.bets]
        goal, floor = -math.log(self.level), -self.alpha * (1.0 + 1e-9)
        # Unless one bet has this, all of them together fall short of the goal.
        near = math.log((1.0 / self.level - (1.0 - self.start)) / len(self.bets))
        wealth, steps, alarm, to_come = self._wealth(), self.steps, self.alarm, self._to_come()
        for gain in gains:
            if not floor <= gain < math.inf:
                raise UsageError(f"expected a gain of at least -{self.alpha}, got {gain}")
            if steps and steps % self.every == 0 and self.start < 1.0:
                wealth, to_come = self._restarted(wealth, steps // self.every)
            wealth = [
                held + math.log1p(size * gain) for held, size in zip(wealth, lambdas, strict=True)
            ]
            steps += 1
            if alarm is None and max(wealth) >= near and _log_sum(wealth, to_come) >= goal:
                alarm = steps
        return replace(self, steps=steps, log_wealth=tuple(wealth), alarm=alarm)

    def _wealth(self) -> list[float]:
        if self.log_wealth:
            return list(self.log_wealth)
        return [math.log(self.start / len(self.bets))] * len(self.bets)

    def _to_come(self) -> float:
        """Weight of the restarts that have not begun: held back, and worth itself."""
        return (1.0 - self.start) * share_left(max(0, self.steps - 1) // self.every)

    def _restarted(self, wealth: list[float], j: int) -> tuple[list[float], float]:
        """The wealth with restart `j` in it, and the weight left for later ones."""
        later = 1.0 - self.start
        fresh = math.log(later * share_of(j) / len(wealth))
        return [_log_add(held, fresh) for held in wealth], later * share_left(j)


def audit_gain(loss: float, alpha: float, propensity: float, least: float) -> float:
    """The step of an audited answer that was drawn with a probability of its own.

    g = (least / pi)(L - alpha); answers that were not drawn take no step. Over draw and label,
    E[1{drawn} g] = least (E[L] - alpha), so the promise of *all* answers is judged, also where
    unlikely ones are drawn more often. With one propensity throughout this is the plain L - alpha.

    The default: with one propensity it loses nothing against auditing everything, where
    `per_answer_gain` needed a sixth more answers until the alarm (.20 instead of .10, one in ten
    audited), and answers that nobody audited need not be fed at all. A process a stratum of equal
    propensities, their wealth averaged, would be wrong here: draws that favor unsure answers make
    strata that break the promise while the whole keeps it.

    Args:
        loss: in [0, 1].
        propensity: pi, probability of the draw, logged with it.
        least: a lower bound on all propensities, fixed before the draw. Taking the smallest of
            each batch instead would undo the weights.

    Raises:
        UsageError: a number out of range, or a propensity below `least`.
    """
    _check_audit(loss, propensity, least)
    return least / propensity * (loss - alpha)


def per_answer_gain(loss: float | None, alpha: float, propensity: float, least: float) -> float:
    """The step of any answer, audited or not: g = least (L 1{audited} / pi - alpha).

    Horvitz and Thompson's estimate in place of the loss; `loss` is None where not audited. `least`
    = 1 bets as boldly on L / pi as on a plain loss, which ruins the bold bets where pi is small.

    Raises:
        UsageError: as `audit_gain`.
    """
    _check_audit(loss or 0.0, propensity, min(least, propensity))
    return least * ((loss or 0.0) / propensity - alpha)


def _check_audit(loss: float, propensity: float, least: float) -> None:
    if not 0.0 <= loss <= 1.0:
        raise UsageError(f"the loss is {loss}; expected one in [0, 1]")
    if not 0.0 < least <= propensity <= 1.0:
        raise UsageError(
            f"the propensity is {propensity}, expected one from {least} to 1; state the least "
            "propensity of the audit's design before its draws are fed"
        )


def _log_add(a: float, b: float) -> float:
    high, low = (a, b) if a > b else (b, a)
    return high + math.log1p(math.exp(low - high))


def _log_sum(logs: list[float], weight: float) -> float:
    """log(weight + sum exp(logs))."""
    high = max(max(logs), 0.0)
    return high + math.log(weight * math.exp(-high) + sum(math.exp(one - high) for one in logs))
