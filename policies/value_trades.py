"""Which trades to walk, and walks by models that have not seen the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from .fit_values import CrossFittedValues
from .ladders import Ladders
from .paths import RungScores
from .prices import Prices
from .value_models import ValueModels
from .value_walk import ValueWalk, walk_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Floats

    Ints = NDArray[np.int64]

__all__ = ["some_questions", "some_scores", "spread_trades", "walk_values_out_of_fold"]


def walk_values_out_of_fold(
    ladders: Ladders,
    scores: RungScores,
    fitted: CrossFittedValues,
    prices: Prices,
    trades: Sequence[float],
    prior: Floats | None = None,
    *,
    enters: bool = True,
) -> ValueWalk:
    """As `walk_values`, each question by models that were fitted without it."""
    import numpy as np

    shape = len(trades), len(ladders.queries)
    whole = ValueWalk(
        np.zeros(shape, dtype=int),
        np.zeros(shape, dtype=bool),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape, dtype=int),
    )
    for held, models in enumerate(fitted.by_fold):
        rows = np.flatnonzero(fitted.fold == held)
        known = None if prior is None else prior[rows]
        part = walk_values(
            some_questions(ladders, rows),
            some_scores(scores, rows),
            models,
            prices,
            trades,
            known,
            enters=enters,
        )
        for column in fields(ValueWalk):
            getattr(whole, column.name)[:, rows] = getattr(part, column.name)
    return whole


def spread_trades(
    ladders: Ladders,
    scores: RungScores,
    models: ValueModels,
    prices: Prices,
    prior: Floats | None = None,
    *,
    count: int = 64,
    enters: bool = True,
) -> tuple[float, ...]:
    """Trades from 0 up at which mean costs lie about evenly; no loss is looked at.

    Half of them are spaced by factors, the others halve the widest gaps in cost.
    """
    import numpy as np

    costs = [one.answer for one in models.costs]
    most = max(costs) or 1.0
    step = max(most - min(costs), 1e-12 * most)
    unit = prices.error / step
    trades = [0.0, *(unit * np.geomspace(0.01, 100.0, count // 2)).tolist()]
    blind = replace(ladders, loss=np.zeros_like(ladders.loss))

    def mean_costs(some: list[float]) -> list[float]:
        walked = walk_values(blind, scores, models, prices, some, prior, enters=enters)
        return [float(cost) for cost in walked.cost.mean(axis=1)]

    known = dict(zip(trades, mean_costs(trades), strict=True))
    while len(known) < count:
        order = sorted(known)
        gaps = [(abs(known[a] - known[b]), a, b) for a, b in pairwise(order)]
        room = min(max(1, count // 8), count - len(known))
        widest = sorted(gaps, reverse=True)[:room]
        middles = [(a * b) ** 0.5 if a else b / 2.0 for _, a, b in widest]
        new = [trade for trade in middles if trade not in known]
        if not new:
            break
        known.update(zip(new, mean_costs(new), strict=True))
    return tuple(sorted(known))


def some_questions(ladders: Ladders, rows: Ints) -> Ladders:
    """The ladders of some questions, by their places."""
    return Ladders(
        tuple([ladders.queries[row] for row in rows]),
        ladders.rungs,
        ladders.present[rows],
        ladders.whole[rows],
        ladders.loss[rows],
        ladders.cost[rows],
        ladders.latency_s[rows],
        {name: values[rows] for name, values in ladders.signals.items()},
        {name: values[rows] for name, values in ladders.prices.items()},
    )


def some_scores(scores: RungScores, rows: Ints) -> RungScores:
    """The scores of the same questions."""
    return replace(scores, free=scores.free[rows], paid=scores.paid[rows], price=scores.price[rows])
