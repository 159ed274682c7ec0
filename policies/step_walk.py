"""A value policy over all questions at once; tests hold it equal to the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.errors import UsageError
from .ladders import Ladders
from .paths import RungScores
from .prices import Prices
from .step_models import StepModel, StepValues

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Flags, Floats

    Ints = NDArray[np.int64]

__all__ = ["StepWalk", "chances", "step_walk"]

_CLIP = 1e-4
_NEVER = -1e300


@dataclass(frozen=True, slots=True)
class StepWalk:
    """How each question ends; arrays are (questions,).

    Attributes:
        served: the column of the rung in the ladders; -1 on an abstention.
        loss: of what was served; NaN on an abstention.
        cost: drafts and bought signals.
        tier: the highest tier that was asked.
    """

    served: Ints
    loss: Floats
    cost: Floats
    tier: Ints


def chances(step: StepModel, p: Floats, prior: Floats | None) -> Floats:
    """`StepModel.at` of many estimates."""
    import numpy as np

    z = step.bias + step.here * _logit(p)
    if step.prior and prior is not None:
        z = z + step.prior * _logit(prior[:, step.tier])
    found: Floats = 1.0 / (1.0 + np.exp(-z))
    return found


def step_walk(
    ladders: Ladders,
    scores: RungScores,
    values: StepValues,
    prices: Prices,
    trade: float,
    *,
    start: Ints,
    prior: Floats | None = None,
    abstains: bool = True,
) -> StepWalk:
    """Every question under one trade.

    Every rung that is reached must have its row and an estimate, free or bought.

    Args:
        start: the tier that each question enters at.
        prior: P(right) before any draft, (questions, tiers).

    Raises:
        UsageError: a row that is reached is missing.
    """
    import numpy as np

    n, everyone = len(ladders.queries), np.arange(len(ladders.queries))
    column = {(rung.tier, rung.round): place for place, rung in enumerate(ladders.rungs)}
    rounds = np.array([rung.round for rung in ladders.rungs])
    found = np.where(ladders.present, rounds, 0).max(axis=1)
    tier, round_ = start.copy(), np.zeros(n, dtype=int)
    served, top = np.full(n, -1), start.copy()
    cost, best, best_at = np.zeros(n), np.full(n, -np.inf), np.full(n, -1)
    open_ = np.ones(n, dtype=bool)
    while open_.any():
        at = np.array([column.get((int(t), int(r)), -1) for t, r in zip(tier, round_, strict=True)])
        if (at[open_] < 0).any() or not ladders.present[everyone, at][open_].all():
            raise UsageError("a question has no row for an attempt that the policy would make")
        cost[open_] += ladders.cost[everyone, at][open_]
        p = scores.free[everyone, at].copy()
        if prior is not None:  # all that is known until the signal is bought
            p = np.where(np.isnan(p), prior[everyone, tier], p)
        for rule in values.buys:
            here = open_ & (tier == rule.tier) & ((round_ > 0) == rule.retrieved)
            buys = here & (np.isnan(p) | ((p >= rule.low) & (p < rule.high)))
            buys &= abstains | (tier < ladders.tiers - 1)
            cost[buys] += scores.price[everyone, at][buys]
            p[buys] = scores.paid[everyone, at][buys]
        better = open_ & (p > best)
        best, best_at = np.where(better, p, best), np.where(better, at, best_at)
        value = -prices.error * (1.0 - best)
        step_to, searches = np.full(n, -1), np.zeros(n, dtype=bool)
        # In the order of safety: a later, less safe option has to be worth strictly more.
        top_value = np.full(n, -prices.abstain if abstains else _NEVER)
        options = _step_values(ladders, values, prices, trade, tier, round_, found, p, prior)
        for is_search, target, worth in options:
            wins = worth > top_value
            top_value = np.where(wins, worth, top_value)
            step_to = np.where(wins, target, step_to)
            searches = np.where(wins, is_search, searches)
        answers = open_ & (value > top_value)
        goes = open_ & ~answers & (step_to >= 0)
        served[answers] = best_at[answers]
        open_ &= goes
        tier = np.where(goes, step_to, tier)
        round_ = np.where(goes & searches, round_ + 1, round_)
        top = np.maximum(top, tier)
    loss = np.where(served >= 0, ladders.loss[everyone, np.maximum(served, 0)], np.nan)
    return StepWalk(served, loss, cost, top)


def _step_values(
    ladders: Ladders,
    values: StepValues,
    prices: Prices,
    trade: float,
    tier: Ints,
    round_: Ints,
    found: Ints,
    p: Floats,
    prior: Floats | None,
) -> list[tuple[bool, int, Floats]]:
    """Each step's worth to each question, escalations by tier first; minus infinity if closed."""
    import numpy as np

    options: list[tuple[bool, int, Floats]] = []
    ordered = sorted(values.steps, key=lambda one: (one.tier == one.at_tier, one.tier))
    for step in ordered:
        is_search = step.tier == step.at_tier
        here: Flags = (tier == step.at_tier) & ((round_ > 0) == step.at_retrieved)
        if is_search:
            here &= (round_ < found) & (round_ < ladders.rounds)
        elif step.retrieved != step.at_retrieved:
            continue
        worth = -prices.error * (1.0 - chances(step, p, prior)) - trade * values.price(
            step.tier, step.retrieved
        )
        options.append((is_search, step.tier, np.where(here, worth, _NEVER)))
    return options


def _logit(p: Floats) -> Floats:
    import numpy as np

    clipped = np.clip(p, _CLIP, 1.0 - _CLIP)
    z: Floats = np.log(clipped / (1.0 - clipped))
    return z
