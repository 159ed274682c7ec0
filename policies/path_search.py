"""Candidate paths and thresholds, what each is predicted to do, and the front worth testing.

Losses are predicted by models fitted on a part of the questions; the grid of thresholds and all
predictions rest on scores alone. So a front may be drawn over any questions, tested ones included,
without a look at their losses.

Source: Laufer-Goldshtein et al., "Efficiently Controlling Multiple Risks with Pareto Testing"
(arXiv 2210.07913). Departure: the front is predicted, not counted on the part that was set aside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TYPE_CHECKING

from ..router.calibration.logistic import LogisticProblem, fit_logistic
from .paths import Cuts, Path, Stage, Stages, walk
from .prices import Prices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Floats

    Ints = NDArray[np.int64]

__all__ = [
    "LEVELS",
    "Front",
    "LossModels",
    "Outlook",
    "candidate_cuts",
    "candidate_paths",
    "fit_losses",
    "gate_cuts",
    "outlook_of",
    "pareto_front",
    "score_levels",
]

_Option = tuple[float, float, float, float]

LEVELS = (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98)
"""Shares of questions that score below a stage's threshold."""

_MOST_CUTS = 1331
_MOST_CELLS = 4_000_000  # configurations x questions that are walked at once
_MOST_STAGES = 3  # of paths that leave tiers out, where there are many tiers
_RIDGE = 1e-2
_BAND_WIDTHS = (0.05, 0.15)
_CLIP = 1e-6


def candidate_paths(tiers: int, rounds: int) -> tuple[Path, ...]:
    """Every choice of tiers, with the searches made at any one of them, or none.

    With many tiers only short choices are tried beside the whole ladder: a chain of more models
    than that has hardly ever paid in published comparisons, and the search stays quick.
    """
    chosen = [
        subset
        for size in range(1, tiers + 1)
        for subset in combinations(range(tiers), size)
        if size <= _MOST_STAGES or size == tiers
    ]
    paths: dict[Path, None] = {}
    for subset in chosen:
        for searching in (None, *subset) if rounds else (None,):
            stages: list[Stage] = []
            before = 0
            for tier in subset:
                stages.append(Stage(tier, before))
                if tier == searching:
                    stages += [Stage(tier, round) for round in range(1, rounds + 1)]
                    before = rounds
            paths[tuple(stages)] = None
    return tuple(paths)


def candidate_cuts(stages: Stages, *, seed: int, levels: Sequence[float] = LEVELS) -> Cuts:
    """Thresholds at quantiles of each stage's scores, in every combination.

    Where these would be too many, a drawn sample of them stands for all. Equal scores are cut at
    the draw of the question that the quantile falls on, so that ties never jump over a level.
    """
    import numpy as np

    gates = len(stages.path) - (not stages.last_is_gated)
    found = [_options(stages, at, levels) for at in range(gates)]
    if not stages.last_is_gated:
        found.append([(0.0, 0.0, np.nan, np.nan)])
    total = math.prod(map(len, found))
    if total <= _MOST_CUTS:
        chosen = list(product(*found))
    else:
        rng = np.random.default_rng(seed)
        drawn = {
            tuple(int(rng.integers(len(options))) for options in found) for _ in range(_MOST_CUTS)
        }
        chosen = [
            tuple(options[i] for options, i in zip(found, places, strict=True))
            for places in sorted(drawn)
        ]
    numbers = np.array(chosen, dtype=float).reshape(len(chosen), len(stages.path), 4)
    return Cuts(*(numbers[:, :, i].copy() for i in range(4)))


def score_levels(stages: Stages, at: int, levels: Sequence[float]) -> list[tuple[float, float]]:
    """Thresholds and ties at these shares of the questions that score below, strict ones last."""
    return _levels(stages, at, levels)


def gate_cuts(stages: Stages, pairs: Sequence[tuple[float, float]]) -> Cuts:
    """The first stage under these thresholds and ties, the rest of the path open."""
    import numpy as np

    blind = np.isnan(stages.free[:, 0]).all()
    shape = (len(pairs), len(stages.path))
    numbers = [np.zeros(shape), np.zeros(shape), np.full(shape, np.nan), np.full(shape, np.nan)]
    for column, value in zip(numbers[:2], zip(*pairs, strict=True), strict=True):
        column[:, 0] = value
    if blind:  # nothing says how sure it is unless it is bought
        numbers[2][:, 0], numbers[3][:, 0] = 0.0, 1.0
    return Cuts(*numbers)


def _options(stages: Stages, at: int, levels: Sequence[float]) -> list[_Option]:
    """Threshold, tie, and the band in which the stage's signal is bought.

    Where nothing is free, it is always bought; where it would tell nothing more, never. Else the
    price of the purchase decides, with the band around the threshold among the candidates.
    """
    import numpy as np

    free, paid = stages.free[:, at], stages.paid[:, at]
    pairs = _levels(stages, at, levels)
    never, always = (np.nan, np.nan), (0.0, 1.0)
    if np.isnan(paid).all() or np.array_equal(free, paid, equal_nan=True):
        return [(t, tie, *never) for t, tie in pairs]
    if np.isnan(free).all():
        return [(t, tie, *always) for t, tie in pairs]
    return [
        (t, tie, *band)
        for t, tie in pairs
        for band in (never, always, *((max(0.0, t - w), min(1.0, t + w)) for w in _BAND_WIDTHS))
    ]


def _levels(stages: Stages, at: int, levels: Sequence[float]) -> list[tuple[float, float]]:
    import numpy as np

    score = np.where(np.isnan(stages.free[:, at]), stages.paid[:, at], stages.free[:, at])
    known = np.flatnonzero(~np.isnan(score))
    if not len(known):
        return [(1.0, 1.0)]  # nothing passes a gate that has nothing to go by
    order = known[np.lexsort((stages.u[known], score[known]))]
    cut: dict[tuple[float, float], None] = {}
    for level in levels:
        item = order[min(len(order) - 1, int(level * len(order)))]
        tied = float(np.count_nonzero(score[known] == score[item]) / len(known))
        cut[float(score[item]), float(stages.u[item]) if tied > 0.02 else 0.0] = None
    return list(cut)


@dataclass(frozen=True, slots=True)
class LossModels:
    """Expected loss at each stage of a path from the scores seen up to it; (stages,) models.

    Each is (weights, intercept) over the logits of the scores of all stages so far.
    """

    weights: tuple[Floats, ...]

    def predicted(self, stages: Stages) -> Floats:
        """(questions, stages), in [0, 1]."""
        import numpy as np

        columns = [_features(stages, at) @ weights for at, weights in enumerate(self.weights)]
        return 1.0 / (1.0 + np.exp(-np.stack(columns, axis=1)))


def fit_losses(stages: Stages) -> LossModels:
    """Logistic models of the loss, on the rows that somebody has judged."""
    import numpy as np

    weights: list[Floats] = []
    for at in range(len(stages.path)):
        features = _features(stages, at)
        judged = ~np.isnan(stages.loss[:, at]) & stages.whole[:, at]
        targets = stages.loss[judged, at]
        # A pseudo-question on either side keeps a part of all right or all wrong answers finite.
        rows = np.vstack([features[judged], np.zeros((2, features.shape[1]))])
        rows[-2:, -1] = 1.0
        problem = LogisticProblem(
            rows,
            np.concatenate([targets, [0.0, 1.0]]),
            np.concatenate([np.ones(len(targets)), [0.5, 0.5]]),
            np.array([_RIDGE] * (features.shape[1] - 1) + [0.0]),
        )
        weights.append(fit_logistic(problem))
    return LossModels(tuple(weights))


def _features(stages: Stages, at: int) -> Floats:
    """(questions, at + 2): logits of the scores so far, 0 where there is none, and a one."""
    import numpy as np

    columns = []
    for place in range(at + 1):
        paid, free = stages.paid[:, place], stages.free[:, place]
        score = np.clip(np.where(np.isnan(paid), free, paid), _CLIP, 1.0 - _CLIP)
        logit = np.log(score / (1.0 - score))
        columns.append(np.where(np.isnan(logit) | stages.skipped[:, place], 0.0, logit))
    return np.stack([*columns, np.ones(len(stages.u))], axis=1)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What configurations are predicted to do; arrays are (C,).

    Attributes:
        risk: mean predicted loss of the gated answers; 1 where none is.
        coverage: share of questions that a gate answers.
        price: mean of what is spent, with the price of abstentions and of wrong answers.
    """

    risk: Floats
    coverage: Floats
    price: Floats


def outlook_of(stages: Stages, cuts: Cuts, predicted: Floats, prices: Prices) -> Outlook:
    """Every configuration on these questions, their losses replaced by predictions."""
    import numpy as np

    stages = replace(stages, loss=predicted)
    parts: list[tuple[Floats, Floats, Floats]] = []
    for some in _chunks(len(cuts), len(stages.u)):
        walked = walk(stages, cuts.some(some))
        accepted = walked.gated.sum(axis=1)
        lost = np.where(walked.gated, walked.loss, 0.0).sum(axis=1)
        wrong = np.where(walked.stage >= 0, walked.loss, 0.0).mean(axis=1)
        price = (
            walked.cost.mean(axis=1)
            + prices.abstain * (walked.stage < 0).mean(axis=1)
            + prices.error * wrong
        )
        risk = np.where(accepted > 0, lost / np.maximum(accepted, 1), 1.0)
        parts.append((risk, walked.gated.mean(axis=1), price))
    return Outlook(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _chunks(configurations: int, questions: int) -> Iterator[Ints]:
    import numpy as np

    size = max(1, _MOST_CELLS // max(1, questions))
    for start in range(0, configurations, size):
        yield np.arange(start, min(start + size, configurations))


@dataclass(frozen=True, slots=True)
class Front:
    """Places of the configurations that nothing is predicted to beat, the safest first."""

    places: tuple[int, ...]


def pareto_front(outlook: Outlook, *, most_risk: float, least_coverage: float) -> Front:
    """Those for which no other has at most the risk and a lower price, by rising risk.

    Args:
        most_risk: riskier ones are left out; nobody could certify them.
        least_coverage: so few answers that nothing could be learned from them are left out too.
    """
    import numpy as np

    usable = np.flatnonzero((outlook.risk <= most_risk) & (outlook.coverage >= least_coverage))
    order = usable[np.lexsort((outlook.price[usable], outlook.risk[usable]))]
    kept: list[int] = []
    least = np.inf
    for place in order:
        if outlook.price[place] < least - 1e-12:
            kept.append(int(place))
            least = outlook.price[place]
    return Front(tuple(kept))
