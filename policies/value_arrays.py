"""`ActionValues` over many trades and questions at once; tests hold the two equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.decisions import Rung
from .action_values import FARTHEST, SLACK
from .prices import Prices
from .value_models import CLIP, RungCosts, RungModel, ValueModels, evidence_steps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Flags, Floats

    Ints = NDArray[np.int64]

__all__ = ["ArrayValues", "Cells", "Onward", "logits"]

Onward = Sequence[tuple[Rung, "Flags | None"]]
"""Rungs that one further step may lead to, each with the cells that it is open to; None is all."""


@dataclass(slots=True)
class Cells:
    """Cells (a trade and a question each) that stand on one rung; arrays are (cells,).

    Attributes:
        k, q: of the trade and of the question.
        p: the current estimate; NaN where there is none.
        can_buy: whether the rung's signal was not bought yet.
        searches: whether a search is open.
    """

    k: Ints
    q: Ints
    p: Floats
    can_buy: Flags
    searches: Flags

    def some(self, which: Flags | Ints) -> Cells:
        """Those at these places."""
        return Cells(
            self.k[which], self.q[which], self.p[which], self.can_buy[which], self.searches[which]
        )


class ArrayValues:
    """Values under several trades.

    Args:
        trades: (trades,).
        prior: P(right), (questions, tiers); None as if there were none.
    """

    def __init__(
        self, models: ValueModels, prices: Prices, trades: Floats, prior: Floats | None
    ) -> None:
        self.trades, self.error = trades, prices.error
        self.slack = SLACK * prices.error
        known = prior is not None and len(models.informed) > 0
        self.logits = logits(prior) if known and prior is not None else None
        chosen = models.informed if known else models.bare
        self.models = {(model.source, model.target): model for model in chosen}
        self.costs: dict[Rung, RungCosts] = {one.rung: one for one in models.costs}
        for one in models.costs if chosen else ():
            if one.signal is not None:  # a purchase is a step to the same rung
                look = RungModel(one.rung, one.rung, 0.0, 1.0, spread=one.spread)
                self.models[one.rung, one.rung] = look

    def model(self, source: Rung | None, target: Rung) -> RungModel | None:
        """As `ActionValues.leap`."""
        found = self.models.get((source, target))
        return self.models.get((None, target)) if found is None and source != target else found

    def level(self, model: RungModel, x: Floats, q: Ints) -> Floats:
        """logit P(right) on the model's target, for the questions `q`."""
        import numpy as np

        level = model.intercept + model.slope * x
        if self.logits is not None:
            level = level + model.target_prior * self.logits[q, model.target.tier]
            if model.source is not None:
                level = level + model.source_prior * self.logits[q, model.source.tier]
        found: Floats = np.clip(level, -FARTHEST, FARTHEST)
        return found

    def looked(
        self,
        model: RungModel,
        level: Floats,
        here: Cells,
        onward: Onward,
        otherwise: Floats,
        steps: Sequence[float] | None = None,
    ) -> Floats:
        """As `ActionValues.looked`; each onward rung with the cells that it is open to."""
        import numpy as np

        against, total = np.exp(-level), np.zeros(len(level))
        m = 1.0 / (1.0 + against)
        hops = []
        for rung, is_open in onward:
            hop = self.models.get((model.target, rung))
            if hop is not None:
                odds = np.exp(-self.level(hop, level, here.q))
                price = self.trades[here.k] * self.costs[rung].answer
                if is_open is not None:
                    price = np.where(is_open, price, np.inf)
                hops.append((hop.slope, odds, price))
        weights = evidence_steps(model.spread) if steps is None else steps
        for step in weights:
            for weight in (step, -step):
                factor = np.exp(-weight)
                best = np.maximum(self.error * (1.0 / (1.0 + against * factor) - 1.0), otherwise)
                for slope, odds, price in hops:
                    value = self.error * (1.0 / (1.0 + odds * factor**slope) - 1.0) - price
                    best = np.maximum(best, value)
                speaks = 1.0 / (1.0 + factor)
                total += (m * speaks + (1.0 - m) * (1.0 - speaks)) * best
        return total / len(weights)

    def going(
        self,
        model: RungModel,
        level: Floats,
        here: Cells,
        onward: Onward,
        otherwise: Floats,
    ) -> Floats:
        """As `ActionValues.going`."""
        import numpy as np

        costs, trade = self.costs[model.target], self.trades[here.k]
        unread = np.maximum(self.error * (1.0 / (1.0 + np.exp(-level)) - 1.0), otherwise)
        read = self.looked(model, level, here, onward, otherwise) - trade * costs.reading
        found: Floats = np.maximum(unread, read) - trade * costs.answer
        return found

    def unread(self, rung: Rung, source: Rung | None, x: Floats, q: Ints) -> Floats:
        """Of an answer without an estimate: what else was seen tells how right it may be."""
        import numpy as np

        model = self.model(None if source == rung else source, rung)
        if model is None:
            return np.full(len(q), -self.error)
        found: Floats = self.error * (1.0 / (1.0 + np.exp(-self.level(model, x, q))) - 1.0)
        return found


def logits(p: Floats) -> Floats:
    """logit p, clipped as fits clip it."""
    import numpy as np

    clipped = np.clip(p, CLIP, 1.0 - CLIP)
    found: Floats = np.log(clipped / (1.0 - clipped))
    return found
