"""A detector judged by the mean time between its false alarms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..errors import UsageError
from .e_process import BETS, check_bets

__all__ = ["EDetector"]


@dataclass(frozen=True, slots=True)
class EDetector:
    """Shiryaev-Roberts over bets; a value, replaced by `after`.

    M_t = (M_{t-1} + 1)(1 + lambda g_t) for each bet, averaged over the bets; an alarm at
    M >= `between`, after which it begins anew. M_t - t falls in expectation while the promise
    holds, so the **mean number of labels between false alarms is at least `between`**. That is
    not "no false alarm ever, with probability 1 - level" (`EProcess`): over a long enough time it
    does raise one. In exchange a long healthy past delays nothing.

    Attributes:
        alpha: the promised risk, in (0, 1).
        between: labels from one false alarm to the next, on average at least; above 1.
        sums: M of each bet; empty before the first step.
        since: labels since the last alarm, or since the beginning.
        alarm: number of the label, from 1, at the first alarm; None so far.
        alarms: how many there were.

    Raises:
        UsageError: a parameter out of range.

    Source: Shin, Ramdas and Rinaldo 2023, "E-detectors: a nonparametric framework for sequential
    change detection"; Shiryaev 1963 and Roberts 1966.
    """

    alpha: float
    between: float = 10_000.0
    bets: tuple[float, ...] = BETS
    steps: int = 0
    sums: tuple[float, ...] = ()
    since: int = 0
    alarm: int | None = None
    alarms: int = 0

    def __post_init__(self) -> None:
        check_bets(self.alpha, self.bets)
        if not self.between > 1.0:
            raise UsageError(f"between: expected more than 1 label, got {self.between}")
        if len(self.sums) not in (0, len(self.bets)):
            raise UsageError(f"{len(self.sums)} sums for {len(self.bets)} bets")

    @property
    def statistic(self) -> float:
        """M averaged over the bets; an alarm comes at `between`."""
        return sum(self.sums) / len(self.bets)

    def after(self, gains: Iterable[float]) -> EDetector:
        """The detector after these steps, in this order; gains as `EProcess.after` takes them.

        Raises:
            UsageError: a gain is below -alpha, or not finite.
        """
        lambdas = [bet / self.alpha for bet in self.bets]
        floor, limit = -self.alpha * (1.0 + 1e-9), self.between * len(lambdas)
        sums = list(self.sums) or [0.0] * len(lambdas)
        steps, since, alarm, alarms = self.steps, self.since, self.alarm, self.alarms
        for gain in gains:
            if not floor <= gain < float("inf"):
                raise UsageError(f"expected a gain of at least -{self.alpha}, got {gain}")
            sums = [
                (total + 1.0) * (1.0 + size * gain)
                for total, size in zip(sums, lambdas, strict=True)
            ]
            steps, since = steps + 1, since + 1
            if sum(sums) >= limit:
                alarm, alarms = alarm or steps, alarms + 1
                sums, since = [0.0] * len(lambdas), 0
        return replace(self, steps=steps, sums=tuple(sums), since=since, alarm=alarm, alarms=alarms)
