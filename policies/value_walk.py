"""Utility policies and cascade routing over all questions and many trades at once.

Tests hold it equal to the loop, rung by rung. Searches and curves use this form; what is certified
is replayed through the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.decisions import Rung
from ..router.errors import UsageError
from .ladders import Ladders
from .paths import RungScores
from .prices import Prices
from .value_arrays import Cells
from .value_choices import ABSTAIN, ANSWER, ANSWER_OTHER, NOTHING, RETRIEVE, ValueChoices
from .value_models import ValueModels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Flags, Floats

    Ints = NDArray[np.int64]

__all__ = ["ValueWalk", "walk_values"]


@dataclass(frozen=True, slots=True)
class ValueWalk:
    """How questions end under each trade; arrays are (trades, questions).

    Attributes:
        served: the column of the rung in the ladders; -1 on an abstention.
        gated: whether an estimate vouched for it.
        loss: of what was served; 0 on an abstention, NaN where nobody has judged it.
        cost: of everything that was drafted and bought.
        tier: the highest tier that was asked.
    """

    served: Ints
    gated: Flags
    loss: Floats
    cost: Floats
    tier: Ints


def walk_values(
    ladders: Ladders,
    scores: RungScores,
    models: ValueModels,
    prices: Prices,
    trades: Sequence[float],
    prior: Floats | None = None,
    *,
    enters: bool = True,
) -> ValueWalk:
    """Every question under every trade, as `UtilityPolicy` decides in a replay.

    Args:
        scores: calibrated estimates, free and after the rung's purchase.
        prior: P(right), (questions, tiers); None as if there were none.
        enters: where `CascadeRoutingEntry` says; else at the cheapest tier.

    Raises:
        UsageError: a question lacks a row that it would reach.
    """
    import numpy as np

    walking = _Walking(ladders, scores, models, prices, np.array(trades, dtype=float), prior)
    walking.enter(enters)
    while (walking.at >= 0).any():
        for place in range(len(ladders.rungs)):
            walking.visit(place)
    return ValueWalk(walking.served, walking.gated, walking.loss, walking.cost, walking.tier)


class _Walking(ValueChoices):
    """All questions on their way."""

    def __init__(
        self,
        ladders: Ladders,
        scores: RungScores,
        models: ValueModels,
        prices: Prices,
        trades: Floats,
        prior: Floats | None,
    ) -> None:
        import numpy as np

        super().__init__(ladders, models, prices, trades, prior)
        self.scores = scores
        rounds = np.array([rung.round for rung in ladders.rungs])
        self.found = np.where(ladders.present, rounds, 0).max(axis=1)
        shape = self.best.shape
        self.at = np.full(shape, NOTHING)
        self.served = np.full(shape, NOTHING)
        self.gated = np.zeros(shape, dtype=bool)
        self.loss, self.cost = np.zeros(shape), np.zeros(shape)
        self.tier = np.zeros(shape, dtype=int)
        self.before = self.best.copy()  # the best of what came before the current attempt
        self.before_at = self.best_at.copy()
        self.shut = np.zeros(shape, dtype=bool)  # a search found nothing: no more of them

    def enter(self, enters: bool) -> None:
        """Where the first draft is made."""
        import numpy as np

        k, n = self.at.shape
        every = Cells(
            np.repeat(np.arange(k), n),
            np.tile(np.arange(n), k),
            np.full(k * n, np.nan),
            np.ones(k * n, dtype=bool),
            np.ones(k * n, dtype=bool),
        )
        tiers = range(self.ladders.tiers)
        top, chosen = np.full(k * n, -np.inf), np.zeros(k * n, dtype=int)
        abstain = np.full(k * n, self.abstain)
        for tier in tiers if enters else ():
            model = self.values.model(None, Rung(tier, 0, False))
            if model is not None:
                onward: list[tuple[Rung, Flags | None]] = [
                    (Rung(other, 0, False), None) for other in tiers if other > tier
                ]
                onward.append((Rung(tier, 1, True), None))
                level = self.values.level(model, np.zeros(k * n), every.q)
                value = self.values.going(model, level, every, onward, abstain)
                better = value > top + self.slack
                top, chosen = np.where(better, value, top), np.where(better, tier, chosen)
        self._move(every, chosen, np.zeros(k * n, dtype=int))

    def visit(self, place: int) -> None:
        """Draft on a rung wherever it was gone to, and decide."""
        import numpy as np

        k, q = np.nonzero(self.at == place)
        if not len(k):
            return
        rung = self.ladders.rungs[place]
        self.cost[k, q] += self.ladders.cost[q, place]
        self.tier[k, q] = np.maximum(self.tier[k, q], rung.tier)
        whole = self.ladders.whole[q, place]
        p = np.where(whole, self.scores.free[q, place], np.nan)
        signal = self.scores.signal[place] is not None
        below = rung.round < self.ladders.rounds
        here = Cells(
            k, q, p, np.full(len(k), signal) & whole, np.full(len(k), below) & ~self.shut[k, q]
        )
        self.before[k, q], self.before_at[k, q] = self.best[k, q], self.best_at[k, q]
        while len(here.k):
            self._note_best(here, place)
            here = self._decide(here, place, rung)

    def _note_best(self, here: Cells, place: int) -> None:
        """As the loop ranks attempts: the surest; of those without an estimate the first."""
        import numpy as np

        whole = self.ladders.whole[here.q, place]
        score = np.where(np.isnan(here.p), np.where(whole, -1.0, -np.inf), here.p)
        before, at = self.before[here.k, here.q], self.before_at[here.k, here.q]
        better = score > before
        self.best[here.k, here.q] = np.where(better, score, before)
        self.best_at[here.k, here.q] = np.where(better, place, at)

    def _decide(self, here: Cells, place: int, rung: Rung) -> Cells:
        """Act, and return the cells that have to decide again: after a purchase, or a search that
        found nothing."""
        import numpy as np

        action, gated, buys = np.full(len(here.k), ABSTAIN), np.ones(len(here.k), bool), here.k < 0
        source = np.where(np.isnan(here.p), self.best_source(here), place)
        for at in np.unique(source).tolist():
            some = np.flatnonzero(source == at)
            action[some], gated[some], buys[some] = self.chosen(here.some(some), place, rung, at)
        self._serve(here, place, action, gated, buys)
        again = self._searched(here, rung, action, buys)
        up = ~buys & (action >= 0)
        self._move(here.some(up), action[up], np.full(int(up.sum()), rung.round))
        bought = here.some(buys)
        self.cost[bought.k, bought.q] += self.scores.price[bought.q, place]
        bought.p = self.scores.paid[bought.q, place]
        bought.can_buy[:] = False
        parts = (again, bought)
        return Cells(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("k", "q", "p", "can_buy", "searches")
            )
        )

    def _serve(self, here: Cells, place: int, action: Ints, gated: Flags, buys: Flags) -> None:
        import numpy as np

        ends = ~buys & ((action == ABSTAIN) | (action == ANSWER) | (action == ANSWER_OTHER))
        k, q = here.k[ends], here.q[ends]
        at = np.where(action[ends] == ANSWER, place, self.best_at[k, q])
        at = np.where(action[ends] == ABSTAIN, NOTHING, at)
        self.served[k, q] = at
        self.gated[k, q] = gated[ends] & (at >= 0)
        self.loss[k, q] = np.where(at >= 0, self.ladders.loss[q, np.maximum(at, 0)], 0.0)
        self.at[k, q] = NOTHING

    def _searched(self, here: Cells, rung: Rung, action: Ints, buys: Flags) -> Cells:
        """Go on with what was found; the cells for which nothing was found decide again."""
        import numpy as np

        searching = here.some(~buys & (action == RETRIEVE))
        found = self.found[searching.q] > rung.round
        hits, misses = searching.some(found), searching.some(~found)
        self._move(hits, np.full(len(hits.k), rung.tier), np.full(len(hits.k), rung.round + 1))
        self.shut[misses.k, misses.q] = True
        misses.searches[:] = False
        return misses

    def _move(self, here: Cells, tier: Ints, round: Ints) -> None:
        """Go to a rung, which every question has to have a row of."""
        import numpy as np

        columns = {(rung.tier, rung.round): at for at, rung in enumerate(self.ladders.rungs)}
        pairs = zip(tier.tolist(), round.tolist(), strict=True)
        at = np.array([columns.get(pair, NOTHING) for pair in pairs], dtype=int)
        lacking = np.flatnonzero((at < 0) | ~self.ladders.present[here.q, at])
        if len(lacking):
            one = int(lacking[0])
            raise UsageError(
                f"query {self.ladders.queries[int(here.q[one])]!r} has no row for tier "
                f"{tier[one]}, round {round[one]}, which the policy reaches; leaving it out would "
                "bias the result: record this attempt too"
            )
        self.at[here.k, here.q] = at
