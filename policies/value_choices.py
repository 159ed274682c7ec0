"""What `UtilityPolicy` decides, over many questions and trades at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..router.decisions import Rung
from .ladders import Ladders
from .prices import Prices
from .value_arrays import ArrayValues, Cells, logits
from .value_models import ValueModels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Flags, Floats

    Ints = NDArray[np.int64]

__all__ = ["ABSTAIN", "ANSWER", "ANSWER_OTHER", "NOTHING", "RETRIEVE", "ValueChoices"]

NOTHING = -1
ABSTAIN, ANSWER_OTHER, ANSWER, RETRIEVE = -1, -2, -3, -4  # else the tier to escalate to


class ValueChoices:
    """Choices by values under several trades, and the best answer of each question so far.

    Attributes:
        best: its estimate, (trades, questions); -1 for a whole answer without one, -inf for none.
        best_at: the column of its rung in the ladders.
    """

    def __init__(
        self,
        ladders: Ladders,
        models: ValueModels,
        prices: Prices,
        trades: Floats,
        prior: Floats | None,
    ) -> None:
        import numpy as np

        self.ladders, self.trades = ladders, trades
        self.values = ArrayValues(models, prices, trades, prior)
        self.error, self.abstain, self.slack = prices.error, -prices.abstain, self.values.slack
        shape = len(trades), len(ladders.queries)
        self.best = np.full(shape, -np.inf)
        self.best_at = np.full(shape, NOTHING)

    def best_source(self, here: Cells) -> Ints:
        import numpy as np

        best, at = self.best[here.k, here.q], self.best_at[here.k, here.q]
        found: Ints = np.where(best >= 0.0, at, NOTHING)
        return found

    def chosen(self, here: Cells, place: int, rung: Rung, at: int) -> tuple[Ints, Flags, Flags]:
        """What each cell does, whether an answer is gated, and who buys the rung's signal.

        Args:
            at: the rung whose estimate tells of the others; -1 for none.
        """
        import numpy as np

        known = self.best[here.k, here.q]
        source = None if at == NOTHING else self.ladders.rungs[at]
        p = here.p if at == place else known
        x = logits(p) if source is not None else np.zeros(len(here.k))
        otherwise = np.full(len(here.k), self.abstain)
        if source is not None:
            otherwise = np.maximum(otherwise, self.error * (known - 1.0))
        options = [(ABSTAIN, np.full(len(here.k), self.abstain))]
        options += self._step_values(here, rung, source, x, otherwise)
        answer, kind, gated = self._answers(here, place, rung, source, x)
        options.append((ANSWER, answer))
        most = np.max([value for _, value in options], axis=0)
        action = np.full(len(here.k), ABSTAIN)
        for name, value in reversed(options):  # the safer is written later
            action = np.where(value >= most - self.slack, name, action)
        action = np.where(action == ANSWER, kind, action)
        buys = self._buys(here, place, rung, source, x, otherwise, most)
        return action, gated, buys

    def _step_values(
        self, here: Cells, rung: Rung, source: Rung | None, x: Floats, otherwise: Floats
    ) -> list[tuple[int, Floats]]:
        import numpy as np

        tier, round, seen = rung
        above = range(tier + 1, self.ladders.tiers)
        found: list[tuple[int, Floats]] = []
        for target in above:
            model = self.values.model(source, Rung(target, round, seen))
            if model is None:
                continue
            onward: list[tuple[Rung, Flags | None]] = [
                (Rung(other, round, seen), None) for other in above if other > target
            ]
            onward.append((Rung(target, round + 1, True), here.searches))
            level = self.values.level(model, x, here.q)
            found.append((target, self.values.going(model, level, here, onward, otherwise)))
        model = self.values.model(source, Rung(tier, round + 1, True))
        if model is not None:
            onward = [(Rung(other, round + 1, True), None) for other in above]
            level = self.values.level(model, x, here.q)
            value = self.values.going(model, level, here, onward, otherwise)
            found.append((RETRIEVE, np.where(here.searches, value, -np.inf)))
        return found

    def _answers(
        self, here: Cells, place: int, rung: Rung, source: Rung | None, x: Floats
    ) -> tuple[Floats, Ints, Flags]:
        """The best answer's value, whose it is, and whether an estimate vouches for it."""
        import numpy as np

        best, best_at = self.best[here.k, here.q], self.best_at[here.k, here.q]
        whole, judged = self.ladders.whole[here.q, place], ~np.isnan(here.p)
        unread = self.values.unread(rung, source, x, here.q)
        own = np.where(judged, self.error * (here.p - 1.0), np.where(whole, unread, -np.inf))
        other = np.where(best >= 0.0, self.error * (best - 1.0), -np.inf)
        first = (best == -1.0) & ~whole  # nothing was judged, and the current one is not whole
        for at in np.unique(best_at[first]).tolist():
            here_at = first & (best_at == at)
            value = self.values.unread(self.ladders.rungs[at], source, x, here.q)
            other = np.where(here_at, value, other)
        is_other = best_at != place
        takes = is_other & np.where(judged, best > here.p, ~(own > other)) & (best > -np.inf)
        takes &= (best >= 0.0) | first
        value = np.where(takes, other, own)
        kind = np.where(takes, ANSWER_OTHER, ANSWER)
        return value, kind, np.where(takes, best >= 0.0, judged)

    def _buys(
        self,
        here: Cells,
        place: int,
        rung: Rung,
        source: Rung | None,
        x: Floats,
        otherwise: Floats,
        most: Floats,
    ) -> Flags:
        import numpy as np

        costs, nobody = self.values.costs.get(rung), np.zeros(len(here.k), dtype=bool)
        if costs is None or costs.signal is None or not here.can_buy.any():
            return nobody
        model = self.values.model(source, rung)
        assert model is not None  # whatever has costs has a model
        tier, round, seen = rung
        onward: list[tuple[Rung, Flags | None]] = [
            (Rung(other, round, seen), None) for other in range(tier + 1, self.ladders.tiers)
        ]
        onward.append((Rung(tier, round + 1, True), here.searches))
        level = self.values.level(model, x, here.q)
        if source == rung:
            others = self.best_at[here.k, here.q] != place
            earlier = self.error * (self.best[here.k, here.q] - 1.0)
            base = np.where(others, np.maximum(self.abstain, earlier), self.abstain)
            saving = self.values.looked(model, level, here, onward, base)
            saving = saving - self.values.looked(model, level, here, onward, base, (0.0,))
        else:
            saving = self.values.looked(model, level, here, onward, otherwise) - most
        found: Flags = here.can_buy & (saving > self.trades[here.k] * costs.price + self.slack)
        return found
