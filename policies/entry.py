"""Where a request enters the ladder: always at one tier, or where the prior says it pays."""

from __future__ import annotations

from dataclasses import dataclass

from ..router.decisions import Comparison, Entry
from ..router.protocols import Opening

__all__ = ["FixedEntry", "PriorEntry"]


@dataclass(frozen=True, slots=True)
class FixedEntry:
    """Always the same tier, or the next one above it that can draft; else the highest that can.

    For deployments in which the tiers below it do not pay.
    """

    tier: int
    name: str

    def enter(self, opening: Opening) -> Entry:
        """The tier."""
        open_ = [tier for tier, _ in opening.tiers]
        tier = next((one for one in open_ if one >= self.tier), open_[-1])
        if tier == self.tier:
            return Entry(tier, f"the tiers below {self.name} do not pay")
        return Entry(tier, f"{self.name} cannot draft; this is the nearest tier that can")


@dataclass(frozen=True, slots=True)
class PriorEntry:
    """The tier of the best expected value before anything was generated, argmax q_j - trade c_j.

    Attributes:
        names: of the tiers.
        costs: c_j, the mean price of an answer by each tier, in the currency of the outcome table.
        trade: quality that one unit of cost is worth, from 0 (cost does not matter).
        offsets: added to q_j: what entering at a tier is worth beyond its own answer, since a gate
            may still send it on.

    Equal values go to the cheaper tier. Without a prior it enters at the cheapest open tier.

    Source: the routing rule of Dekoninck, Baader and Vechev, "A Unified Approach to Routing and
    Cascading for LLMs" (arXiv 2410.10347).
    """

    names: tuple[str, ...]
    costs: tuple[float, ...]
    trade: float
    offsets: tuple[float, ...] = ()

    def value(self, tier: int, prior: tuple[float, ...]) -> float:
        """What entering at a tier is worth."""
        bonus = self.offsets[tier] if self.offsets else 0.0
        return prior[tier] + bonus - self.trade * self.costs[tier]

    def enter(self, opening: Opening) -> Entry:
        """The tier of the best value among those that can draft."""
        prior = opening.prior
        if prior is None:
            tier = opening.tiers[0][0]
            return Entry(tier, f"nothing is known of the question: {self.names[tier]} is cheapest")
        values = [(self.value(tier, prior), tier) for tier, _ in opening.tiers]
        best, tier = max(values, key=lambda one: (one[0], -one[1]))
        compared = tuple(
            Comparison(f"value of {self.names[other]}", value, "<=", best)
            for value, other in values
            if other != tier
        )
        reason = f"{self.names[tier]} is worth most before any draft, {best:.3g}"
        return Entry(tier, reason, compared)
