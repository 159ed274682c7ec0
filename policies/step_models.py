"""What another step would be worth: P(right) after it, given what is known, and its price.

One model for each rung that one may stand on and each step from it. The target tier's chance is
estimated for itself; a model of the difference between two tiers needs far more rows.

Source: Dekoninck, Baader and Vechev, "A Unified Approach to Routing and Cascading for LLMs"
(arXiv 2410.10347): quality is estimated anew after each answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BuyRule", "RungPrice", "StepModel", "StepValues", "logit_of"]

_CLIP = 1e-4


def logit_of(p: float) -> float:
    """ln(p / (1 - p)) of p clipped to [1e-4, 1 - 1e-4]."""
    p = min(max(p, _CLIP), 1.0 - _CLIP)
    return math.log(p / (1.0 - p))


@dataclass(frozen=True, slots=True)
class StepModel:
    """P(right on `tier`) = sigmoid(bias + here * logit(p) + prior * logit(prior of the tier)).

    Attributes:
        at_tier: with `at_retrieved` the rung that one stands on, with the estimate p.
        tier: with `retrieved` the attempt that the step leads to; the same tier after retrieving.
        here: at least 0: where this attempt is surer, no other is held for less sure.
        prior: at least 0, of the prior before any draft; 0 where there is none.
    """

    at_tier: int
    at_retrieved: bool
    tier: int
    retrieved: bool
    bias: float
    here: float
    prior: float

    def at(self, p: float, prior: Sequence[float] | None) -> float:
        """The chance, in (0, 1)."""
        z = self.bias + self.here * logit_of(p)
        if self.prior and prior is not None:
            z += self.prior * logit_of(prior[self.tier])
        return 1.0 / (1.0 + math.exp(-z)) if z >= 0.0 else 1.0 - 1.0 / (1.0 + math.exp(z))


@dataclass(frozen=True, slots=True)
class RungPrice:
    """Mean price of an answer on a rung, and of what has to be bought to judge it."""

    tier: int
    retrieved: bool
    answer: float
    signal: float = 0.0


@dataclass(frozen=True, slots=True)
class BuyRule:
    """Buy a signal on a rung where the estimate lies in [low, high): there it saves its price."""

    tier: int
    retrieved: bool
    signal: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class StepValues:
    """Everything that a value policy knows beside the situation. Frozen, plain and small.

    Prices are in the outcome table's currency.
    """

    steps: tuple[StepModel, ...]
    prices: tuple[RungPrice, ...]
    buys: tuple[BuyRule, ...] = ()

    def price(self, tier: int, retrieved: bool) -> float:
        """Of an answer there and of its signal; without passages where it is not known with."""
        known = {(one.tier, one.retrieved): one.answer + one.signal for one in self.prices}
        return known.get((tier, retrieved), known.get((tier, False), 0.0))
