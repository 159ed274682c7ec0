"""A martingale that bets on p-values being anything but uniform."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from .restarts import share_left, share_of

__all__ = ["Jumper"]

_JUMP = 0.01
_EVERY = 100
_RICHEST = 1e300  # wealth above it is thrown away, which no bettor gains by


@dataclass(frozen=True, slots=True)
class Jumper:
    """The Simple Jumper, begun anew every 100 p-values; a value, replaced by `after`.

    Three bets e in {-1, 0, 1} multiply by 1 + e (p - 1/2). Before each p-value, a hundredth of the
    wealth is taken and shared among the three, so that a bet that begins to pay finds a stake.
    Eight tenths of the stake begin at once, the rest follows as `restarts` says: without it, the
    wealth lost over a long quiet time would have to be won back before a change shows.

    `value` is a nonnegative martingale from 1 while the p-values are independent and uniform.

    Attributes:
        steps: p-values so far.
        wealth: of the three bets; empty before the first.

    Source: Vovk, Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman 2021, "Retrain or not retrain:
    conformal test martingales for change-point detection". Departure: the restarts.
    """

    steps: int = 0
    wealth: tuple[float, ...] = ()
    start: float = 0.8

    @property
    def value(self) -> float:
        """The martingale now."""
        begun = max(0, self.steps - 1) // _EVERY
        return sum(self.wealth or [self.start]) + (1.0 - self.start) * share_left(begun)

    def after(self, p_values: Iterable[float]) -> tuple[Jumper, list[float]]:
        """The jumper after these p-values, each in [0, 1], and its value after each of them."""
        steps, later = self.steps, 1.0 - self.start
        down, flat, up = self.wealth or (self.start / 3.0,) * 3
        waiting = later * share_left(max(0, steps - 1) // _EVERY)
        path = []
        for p in p_values:
            if steps and steps % _EVERY == 0:
                j = steps // _EVERY
                fresh, waiting = later * share_of(j) / 3.0, later * share_left(j)
                down, flat, up = down + fresh, flat + fresh, up + fresh
            shared, lean = _JUMP * (down + flat + up) / 3.0, p - 0.5
            down = min(((1.0 - _JUMP) * down + shared) * (1.0 - lean), _RICHEST)
            flat = (1.0 - _JUMP) * flat + shared
            up = min(((1.0 - _JUMP) * up + shared) * (1.0 + lean), _RICHEST)
            steps += 1
            path.append(down + flat + up + waiting)
        return replace(self, steps=steps, wealth=(down, flat, up)), path
