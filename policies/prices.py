"""What a wrong answer and an abstention cost, beside what attempts cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..router.decisions import Rung
from ..router.errors import UsageError
from .outcomes import OutcomeTable

__all__ = ["Prices", "check_prices", "default_prices"]

_ERROR_IN_ATTEMPTS = 50.0


@dataclass(frozen=True, slots=True)
class Prices:
    """What a wrong answer and an abstention cost, in the table's currency."""

    error: float
    abstain: float

    @property
    def floor(self) -> float:
        """The estimate from which an answer is better than an abstention: 1 - abstain / error."""
        share = self.abstain / self.error if self.error else 0.0
        return min(1.0, max(0.0, 1.0 - share))


def default_prices(table: OutcomeTable) -> Prices:
    """A wrong answer costs as much as 50 attempts by the dearest rung, an abstention half of it.

    With costs of zero throughout: 1 and 0.5.
    """
    costs: dict[Rung, list[float]] = {}
    for row in table.rows():
        costs.setdefault(row.rung, []).append(row.cost)
    dearest = max(math.fsum(values) / len(values) for values in costs.values())
    error = _ERROR_IN_ATTEMPTS * dearest or 1.0
    return Prices(error, error / 2)


def check_prices(prices: Prices) -> Prices:
    """The prices, if they can be used.

    Raises:
        UsageError: a price is negative or not finite.
    """
    for name, price in (("error", prices.error), ("abstain", prices.abstain)):
        if not (math.isfinite(price) and price >= 0.0):
            raise UsageError(f"the {name} price is {price}; it must be a finite number from 0")
    return prices
