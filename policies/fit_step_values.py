"""Fitting what each step is worth: models of every target tier, prices, bands for purchases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..router.calibration.logistic import LogisticProblem, fit_logistic
from .ladders import Ladders
from .paths import RungScores
from .prices import Prices
from .step_models import BuyRule, RungPrice, StepModel, StepValues
from .step_walk import chances

if TYPE_CHECKING:
    from .ladders import Floats

__all__ = ["fit_step_values"]

_PENALTY = 2.0  # of both slopes: worth a few questions
_CLIP = 1e-4
_EDGES = 21


def fit_step_values(
    ladders: Ladders,
    scores: RungScores,
    prices: Prices,
    *,
    prior: Floats | None = None,
    trade: float = 1.0,
) -> StepValues:
    """Models, prices and purchase bands from a judged table with out-of-fold estimates.

    Args:
        prior: P(right) before any draft, out of fold, (questions, tiers).
        trade: at which purchases are weighed.
    """
    places = {(rung.tier, rung.round): at for at, rung in enumerate(ladders.rungs)}
    costs = tuple(
        RungPrice(tier, retrieved, *_mean_price(ladders, scores, tier, retrieved))
        for tier, retrieved in sorted({(rung.tier, rung.retrieved) for rung in ladders.rungs})
    )
    steps = []
    for (tier, round_), at in places.items():
        if round_ > 1:
            continue  # with passages one model serves every round
        targets = [(j, r) for j, r in places if r == round_ and j > tier]
        if (tier, round_ + 1) in places:
            targets.append((tier, round_ + 1))
        for target in targets:
            model = _step(ladders, scores, at, places[target], prior)
            if model is not None:
                steps.append(model)
    values = StepValues(tuple(steps), costs)
    return replace(values, buys=_buys(ladders, scores, values, prices, trade, prior))


def _mean_price(
    ladders: Ladders, scores: RungScores, tier: int, retrieved: bool
) -> tuple[float, float]:
    """Of an answer, and of the signal where nothing free says how sure it is."""
    import numpy as np

    at = [i for i, r in enumerate(ladders.rungs) if (r.tier, r.retrieved) == (tier, retrieved)]
    answer = float(np.nanmean(ladders.cost[:, at]))
    last = tier == ladders.tiers - 1
    blind = bool(np.isnan(scores.free[:, at]).all())
    return answer, float(scores.price[:, at].mean()) if blind and not last else 0.0


def _logit(p: Floats) -> Floats:
    import numpy as np

    clipped = np.clip(p, _CLIP, 1.0 - _CLIP)
    z: Floats = np.log(clipped / (1.0 - clipped))
    return z


def _known(scores: RungScores, at: int) -> Floats:
    """The best that can be known on a rung."""
    import numpy as np

    known: Floats = np.where(np.isnan(scores.paid[:, at]), scores.free[:, at], scores.paid[:, at])
    return known


def _step(
    ladders: Ladders, scores: RungScores, at: int, to: int, prior: Floats | None
) -> StepModel | None:
    import numpy as np

    p = _known(scores, at)
    rows = ~np.isnan(p) & ~np.isnan(ladders.loss[:, to])
    if not rows.any():
        return None
    here, there = ladders.rungs[at], ladders.rungs[to]
    columns = [_logit(p[rows])]
    if prior is not None:
        columns.append(_logit(prior[rows, there.tier]))
    count = len(columns)
    features = np.stack([*columns, np.ones(int(rows.sum()))], axis=1)
    # A pseudo-question on either side keeps a tier that is always right finite.
    padding = np.zeros((2, count + 1))
    padding[:, -1] = 1.0
    problem = LogisticProblem(
        np.vstack([features, padding]),
        np.concatenate([1.0 - ladders.loss[rows, to], [1.0, 0.0]]),
        np.concatenate([np.ones(int(rows.sum())), [0.5, 0.5]]),
        np.array([_PENALTY] * count + [0.0]),
    )
    x = [float(one) for one in fit_logistic(problem, nonnegative=tuple(range(count)))]
    return StepModel(
        here.tier,
        here.retrieved,
        there.tier,
        there.retrieved,
        x[-1],
        x[0],
        x[1] if count > 1 else 0.0,
    )


def _buys(
    ladders: Ladders,
    scores: RungScores,
    values: StepValues,
    prices: Prices,
    trade: float,
    prior: Floats | None,
) -> tuple[BuyRule, ...]:
    """For each rung the band of what is known in which its signal saves more than it costs.

    What was realized with the purchase is weighed against what was realized without, question by
    question, each acting one step ahead on what it knows.
    """
    import numpy as np

    found: list[BuyRule] = []
    for at, rung in enumerate(ladders.rungs):
        signal = scores.signal[at]
        if signal is None or rung.round > 1:
            continue
        free, paid = scores.free[:, at], scores.paid[:, at]
        if np.isnan(free).all():
            if prior is None:
                found.append(BuyRule(rung.tier, rung.retrieved, signal, 0.0, 1.0))
                continue
            free = prior[:, rung.tier]  # what is known before the purchase
        rows = ~np.isnan(free) & ~np.isnan(paid) & ladders.present[:, at]
        without = _realized(ladders, values, prices, trade, at, free, prior)
        with_it = _realized(ladders, values, prices, trade, at, paid, prior)
        gain = np.where(rows, with_it - without - trade * scores.price[:, at], 0.0)
        band = _band(free, np.nan_to_num(gain))
        if band is not None:
            found.append(BuyRule(rung.tier, rung.retrieved, signal, *band))
    return tuple(found)


def _band(free: Floats, gain: Floats) -> tuple[float, float] | None:
    """The interval of the free estimate with the largest total gain, if that is above 0."""
    import numpy as np

    edges = np.unique(np.nanquantile(free, np.linspace(0.0, 1.0, _EDGES)))
    edges[-1] = 1.0
    place = np.searchsorted(edges, np.nan_to_num(free, nan=-1.0), side="right") - 1
    sums = np.bincount(np.clip(place, 0, len(edges) - 1), weights=gain, minlength=len(edges))
    best, span = 0.0, None
    for low in range(len(edges) - 1):
        total = 0.0
        for high in range(low, len(edges) - 1):
            total += float(sums[high])
            if total > best:
                best, span = total, (float(edges[low]), float(edges[high + 1]))
    return span


def _realized(
    ladders: Ladders,
    values: StepValues,
    prices: Prices,
    trade: float,
    at: int,
    p: Floats,
    prior: Floats | None,
) -> Floats:
    """The utility that each question got by the action that looks best at estimate p."""
    import numpy as np

    rung = ladders.rungs[at]
    expected = [-prices.error * (1.0 - p), np.full(len(p), -prices.abstain)]
    realized = [-prices.error * ladders.loss[:, at], np.full(len(p), -prices.abstain)]
    for step in values.steps:
        if (step.at_tier, step.at_retrieved) != (rung.tier, rung.retrieved):
            continue
        to = next(
            i
            for i, r in enumerate(ladders.rungs)
            if (r.tier, r.retrieved) == (step.tier, step.retrieved)
        )
        price = trade * values.price(step.tier, step.retrieved)
        expected.append(-prices.error * (1.0 - chances(step, p, prior)) - price)
        loss = np.nan_to_num(ladders.loss[:, to], nan=1.0)
        realized.append(-prices.error * loss - price)
    choice = np.argmax(np.nan_to_num(np.stack(expected), nan=-np.inf), axis=0)
    got: Floats = np.take_along_axis(np.stack(realized), choice[None], axis=0)[0]
    return got
