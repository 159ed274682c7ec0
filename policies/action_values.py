"""What each action is worth, by fitted value models, with one look ahead.

With w the price of an error and t the trade:

    answer with p right:  -w (1 - p)
    abstain:              -prices.abstain
    go on to a rung:      the larger of its answer unread and E[best after its estimate] - t signal,
                          less t answer

"Best after its estimate" is the best of that answer, an earlier one, an abstention and one further
step; the estimate is spread about what is known before it (see `RungModel.spread`).

Source: the value of a supermodel in Dekoninck, Baader and Vechev, "A Unified Approach to Routing
and Cascading for LLMs" (arXiv 2410.10347). Departure: the expectation is over what the next
estimate may say, one step deep, instead of over the noise of all quality estimates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..router.decisions import Rung
from ..router.errors import ConfigurationError
from .prices import Prices
from .value_models import CLIP, RungCosts, RungModel, ValueModels, evidence_steps

__all__ = ["FARTHEST", "SLACK", "ActionValues", "Leap", "logit_of", "logits_of"]

FARTHEST = 30.0
"""No level (logit of a chance) counts as farther from 0."""

SLACK = 1e-12
"""Values that differ by less, in units of the price of an error, are equal: sums are rounded."""

Nodes = tuple[tuple[float, float], ...]
"""What an estimate may say: (chance that this evidence speaks for the truth, e^-weight)."""

Logits = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Leap:
    """A model made ready: what does not depend on the question is computed already.

    Attributes:
        answer: t times the price of the answer; `reading` of what must be bought to judge it.
        onward: to each rung that one further step may lead to: its leap, and e^(-slope weight) for
            each node.
    """

    model: RungModel
    answer: float
    reading: float
    nodes: Nodes
    onward: dict[Rung, tuple[Leap, tuple[float, ...]]] = field(default_factory=dict)
    # The model's numbers once more: a decision reads them a dozen times, and attributes of
    # attributes are slow.
    bias: float = field(init=False)
    slope: float = field(init=False)
    priors: tuple[tuple[int, float], ...] = field(init=False)

    def __post_init__(self) -> None:
        model = self.model
        priors = [(model.target.tier, model.target_prior)]
        if model.source is not None:
            priors.append((model.source.tier, model.source_prior))
        object.__setattr__(self, "bias", model.intercept)
        object.__setattr__(self, "slope", model.slope)
        object.__setattr__(self, "priors", tuple([one for one in priors if one[1]]))

    def level(self, x: float, logits: Logits | None) -> float:
        """logit P(right), for a logit `x` of the estimate on the source."""
        level = self.bias + self.slope * x
        if logits is not None:
            for tier, weight in self.priors:
                level += weight * logits[tier]
        return FARTHEST if level > FARTHEST else -FARTHEST if level < -FARTHEST else level


class ActionValues:
    """Values of actions under one trade.

    Args:
        trade: utility that a unit of cost takes away, from 0.

    Raises:
        ConfigurationError: a price or the trade that cannot be used.
    """

    def __init__(self, models: ValueModels, prices: Prices, trade: float) -> None:
        if not (math.isfinite(trade) and trade >= 0.0):
            raise ConfigurationError(
                f"the trade is {trade}; it must be a finite number from 0", field="policy.trade"
            )
        if not (math.isfinite(prices.error) and prices.error > 0.0) or not prices.abstain >= 0.0:
            raise ConfigurationError(
                f"an error costs {prices.error} and an abstention {prices.abstain}; expected a "
                "finite price above 0, and one from 0",
                field="policy.prices",
            )
        self.models = models
        self.error = prices.error
        self.abstain = -prices.abstain
        self.trade = trade
        self.slack = SLACK * prices.error
        self.costs: dict[Rung, RungCosts] = {one.rung: one for one in models.costs}
        self.bare = self._leaps(models.bare)
        self.informed = self._leaps(models.informed)
        self.rungs = frozenset(self.costs)

    def leap(self, source: Rung | None, target: Rung, *, informed: bool) -> Leap | None:
        """From one rung to another; from nothing where no model knows this source.

        A leap to the same rung is the purchase of its signal.
        """
        leaps = self.informed if informed else self.bare
        known = leaps.get(source)
        found = None if known is None else known.get(target)
        if found is None and source != target:
            start = leaps.get(None)
            return None if start is None else start.get(target)
        return found

    def answer(self, p: float) -> float:
        """Of an answer that is right with probability p."""
        return self.error * (p - 1.0)

    def going(
        self,
        leap: Leap,
        level: float,
        logits: Logits | None,
        onward: Sequence[Rung],
        otherwise: float,
    ) -> float:
        """Of drafting on a rung.

        Args:
            level: of the rung's being right.
            onward: the rungs that one further step may lead to.
            otherwise: the best that is there in any case: an earlier answer, an abstention.
        """
        unread = max(self.answer(1.0 / (1.0 + math.exp(-level))), otherwise)
        read = self.looked(leap, level, logits, onward, otherwise) - leap.reading
        return max(unread, read) - leap.answer

    def looked(
        self,
        leap: Leap,
        level: float,
        logits: Logits | None,
        onward: Sequence[Rung],
        otherwise: float,
    ) -> float:
        """Mean of the best once the estimate on a drafted rung is known, before its price."""
        error, against = self.error, math.exp(-level)
        # In units of chances, since this is where a decision spends its time.
        floor = 1.0 + otherwise / error
        wrong = against / (1.0 + against)
        tilt = 1.0 - 2.0 * wrong
        further = []
        for rung in onward:
            known = leap.onward.get(rung)
            if known is not None:
                hop, factors = known
                odds = math.exp(-hop.level(level, logits))
                further.append((odds, factors, hop.answer / error))
        total, i = 0.0, 0
        for speaks, factor in leap.nodes:
            best = 1.0 / (1.0 + against * factor)
            if floor > best:
                best = floor
            for odds, factors, price in further:
                value = 1.0 / (1.0 + odds * factors[i]) - price
                if value > best:
                    best = value
            total += (wrong + tilt * speaks) * best
            i += 1
        return error * (total * 2.0 / len(leap.nodes) - 1.0)

    def at_once(
        self,
        leap: Leap,
        level: float,
        logits: Logits | None,
        onward: Sequence[Rung],
        otherwise: float,
    ) -> float:
        """The best as things stand: `looked` if the look told nothing."""
        best = max(self.error * (1.0 / (1.0 + math.exp(-level)) - 1.0), otherwise)
        for rung in onward:
            known = leap.onward.get(rung)
            if known is not None:
                hop = known[0]
                odds = math.exp(-hop.level(level, logits))
                best = max(best, self.error * (1.0 / (1.0 + odds) - 1.0) - hop.answer)
        return best

    def _leaps(self, models: Sequence[RungModel]) -> dict[Rung | None, dict[Rung, Leap]]:
        found: dict[Rung | None, dict[Rung, Leap]] = {}
        for model in models:
            costs = self.costs[model.target]
            found.setdefault(model.source, {})[model.target] = Leap(
                model,
                self.trade * costs.answer,
                self.trade * costs.reading,
                _signed_steps(model.spread),
            )
        if models:
            for rung, costs in self.costs.items():
                if costs.signal is not None:
                    look = RungModel(rung, rung, 0.0, 1.0, spread=costs.spread)
                    price = self.trade * costs.price
                    leap = Leap(look, 0.0, price, _signed_steps(costs.spread))
                    found.setdefault(rung, {})[rung] = leap
        for leaps in found.values():
            for rung, leap in leaps.items():
                for target, hop in found.get(rung, {}).items():
                    if target != rung:
                        slope = hop.model.slope
                        factors = tuple([factor**slope for _, factor in leap.nodes])
                        leap.onward[target] = hop, factors
        return found


def _signed_steps(spread: float) -> Nodes:
    """The nodes of a spread: evidence for and against, in pairs."""
    return tuple(
        [
            (1.0 / (1.0 + math.exp(-weight)), math.exp(-weight))
            for step in evidence_steps(spread)
            for weight in (step, -step)
        ]
    )


def logit_of(p: float) -> float:
    """logit p, clipped as fits clip it."""
    p = min(max(p, CLIP), 1.0 - CLIP)
    return math.log(p / (1.0 - p))


def logits_of(prior: Sequence[float]) -> Logits:
    """The logits of a prior."""
    return tuple([logit_of(q) for q in prior])
