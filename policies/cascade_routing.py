"""Cascade routing: the next tier by expected quality less what it costs, judged anew every time.

Routing chooses argmax_j q_j - t c_j before any draft; cascade routing estimates every q_j again
after each answer, stops where none of them pays, and may skip tiers.

Source: Dekoninck, Baader and Vechev, "A Unified Approach to Routing and Cascading for LLMs"
(arXiv 2410.10347). Departures: tiers only rise, as everywhere in the loop, and what a tier is worth
includes that its answer may be read and the question handed on (see `ActionValues`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..router.decisions import Choice, Comparison, Entry, Rung
from ..router.protocols import Opening, Situation
from .action_values import ActionValues, logits_of
from .prices import Prices
from .utility import UtilityPolicy
from .value_models import ValueModels

__all__ = ["QUALITY", "CascadeRoutingEntry", "CascadeRoutingPolicy"]

QUALITY = Prices(error=1.0, abstain=math.inf)
"""In units of quality: a wrong answer loses 1, and no answer is worse than any."""


class CascadeRoutingPolicy:
    """Goes on to the tier, or the search, that is worth most; else serves the best attempt.

    It abstains only where there is no whole answer and nothing else is open.

    Args:
        trade: quality that one unit of the table's currency is worth.

    Raises:
        ConfigurationError: the trade cannot be used.
    """

    def __init__(self, models: ValueModels, names: tuple[str, ...], trade: float) -> None:
        self._policy = UtilityPolicy(models, QUALITY, names, trade)

    def decide(self, situation: Situation) -> Choice:
        """As `UtilityPolicy`, in units of quality."""
        return self._policy.decide(situation)


class CascadeRoutingEntry:
    """Drafts first by the tier that is worth most, with and without a prior.

    Equal values go to the cheaper tier. Where the models know a search, it is taken to be open.

    Args:
        prices: as the policy has them that decides after the draft.

    Raises:
        ConfigurationError: a price or the trade cannot be used.
    """

    def __init__(
        self,
        models: ValueModels,
        names: tuple[str, ...],
        trade: float,
        prices: Prices = QUALITY,
    ) -> None:
        self.values = ActionValues(models, prices, trade)
        self.names = names
        self._names = tuple([f"value of entering at {name}" for name in names])

    def enter(self, opening: Opening) -> Entry:
        """The tier, with the value of every other."""
        tiers = [tier for tier, _ in opening.tiers]
        found = self._valued(tiers, opening.prior)
        if not found:
            return Entry(tiers[0], f"nothing was fitted: {self.names[tiers[0]]} is cheapest")
        most = max([value for value, _ in found])
        value, tier = next(one for one in found if one[0] >= most - self.values.slack)
        compared = tuple(
            [
                Comparison(self._names[other], worth, "<=", value)
                for worth, other in found
                if other != tier
            ]
        )
        known = "" if opening.prior is None else " of this question"
        reason = f"{self.names[tier]} is worth most{known} before any draft, {value:.3g}"
        return Entry(tier, reason, compared)

    def _valued(
        self, tiers: Sequence[int], prior: tuple[float, ...] | None
    ) -> list[tuple[float, int]]:
        values = self.values
        logits = None if prior is None or not values.informed else logits_of(prior)
        found = []
        for tier in tiers:
            leap = values.leap(None, Rung(tier, 0, False), informed=logits is not None)
            if leap is not None:
                onward = [Rung(other, 0, False) for other in tiers if other > tier]
                onward.append(Rung(tier, 1, True))
                level = leap.level(0.0, logits)
                found.append((values.going(leap, level, logits, onward, values.abstain), tier))
        return found
