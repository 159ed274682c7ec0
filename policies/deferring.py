"""Asking a tier above the first for a wanted share of the requests: by a gate, a prior, or a lot.

Thresholds come from scores alone, so that unlabeled traffic serves as well as a table, and better
where there is more of it. Equal scores are cut at a draw: however many tie, the share is met.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .paths import Cuts, Path, Stage, Stages, walk
from .question_counts import count_blocks, middle
from .reached import fold_places
from .target_settings import Setting
from .targets import ShareDeferred, TargetReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Floats

    Ints = NDArray[np.int64]

__all__ = ["Deferral", "DeferralWays", "cut_at", "reach_deferral"]

_REPS = 1000
_LEVEL = 0.95
_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class DeferralWays:
    """What decides which requests are deferred from the first tier to another; by question.

    Attributes:
        stages: of the path of the two tiers, the last one not gated.
        prior_gain: P(other right) - P(first right) before any draft, over the mean difference of
            their answers' prices; None without a prior.
        traffic: scores of the first tier on unlabeled requests, NaN where missing; None takes
            those of `stages`.
    """

    stages: Stages
    prior_gain: Floats | None = None
    traffic: Floats | None = None


@dataclass(frozen=True, slots=True)
class Deferral:
    """The way that was chosen.

    Attributes:
        quality: mean quality out of fold; `cost` likewise.
        ways: of every way, its name with its share deferred, quality and cost out of fold.
    """

    setting: Setting
    report: TargetReport
    quality: float
    cost: float
    ways: tuple[tuple[str, float, float, float], ...]


def cut_at(score: Floats, u: Floats, keep: float) -> tuple[float, float]:
    """The threshold and tie that let a share of the scores through.

    An attempt passes at a score above the threshold, or at an equal one with a draw of at least
    `tie`. The share is exact over the draws, which are uniform, for any number of ties.

    Args:
        score: NaN never passes and counts as a request all the same.
        keep: in [0, 1]; where more scores are missing than that allows, all others pass.
    """
    import numpy as np

    known = score[~np.isnan(score)]
    if not len(known) or keep <= 0.0:
        return 1.0, 1.0
    values, counts = np.unique(known, return_counts=True)
    values, passing = values[::-1], np.cumsum(counts[::-1]) / len(score)
    at = min(int(np.searchsorted(passing, keep - 1e-12)), len(values) - 1)
    before = float(passing[at - 1]) if at else 0.0
    part = min(1.0, (keep - before) / (float(passing[at]) - before))
    return float(values[at]), 1.0 - part


class _Served(NamedTuple):
    """What one way does on each question; arrays are (questions,)."""

    deferred: Floats
    loss: Floats
    cost: Floats


class _Way(NamedTuple):
    name: str
    setting: Callable[[Ints], Setting]
    serve: Callable[[Setting], _Served]


def reach_deferral(target: ShareDeferred, ways: DeferralWays, *, seed: int = 0) -> Deferral:
    """The way of deferring the wanted share that has the most quality.

    Of ways whose quality is within a standard error of the best, the cheapest: a gate whose signal
    tells nothing loses to a lot, which asks for no draft before it defers.
    """
    import numpy as np

    found = _ways(target, ways)
    n = len(ways.stages.u)
    held = [_out_of_fold(way, n, ways.traffic is not None, seed) for way in found]
    usable = [at for at, one in enumerate(held) if _is_met(target, one)]
    best = min((held[at] for at in usable), key=lambda one: float(one.loss.mean()))

    def is_close(one: _Served) -> bool:
        worse = one.loss - best.loss
        return float(worse.mean()) <= float(worse.std()) / math.sqrt(n) + 1e-12

    close = [at for at in usable if is_close(held[at])]
    at = min(close, key=lambda one: float(held[one].cost.mean()))
    chosen, setting = held[at], found[at].setting(np.arange(n))
    achieved = float(chosen.deferred.mean())
    draws = [w @ chosen.deferred / n for w in count_blocks(n, seed=seed, reps=_REPS)]
    source = "that the thresholds were not taken from"
    if ways.traffic is not None:
        source = f"with thresholds from {len(ways.traffic)} requests of traffic"
    report = TargetReport(
        "share deferred",
        target.share,
        achieved,
        middle(np.concatenate(draws), _LEVEL),
        f"{n} questions {source}",
    )
    return Deferral(
        setting,
        report,
        1.0 - float(chosen.loss.mean()),
        float(chosen.cost.mean()),
        tuple(
            (way.name, float(o.deferred.mean()), 1.0 - float(o.loss.mean()), float(o.cost.mean()))
            for way, o in zip(found, held, strict=True)
        ),
    )


def _is_met(target: ShareDeferred, served: _Served) -> bool:
    """Within two standard errors; a gate cannot keep a request whose score is missing."""
    slack = 2.0 * math.sqrt(0.25 / len(served.deferred))
    return abs(float(served.deferred.mean()) - target.share) <= _TOLERANCE + slack


def _score(stages: Stages) -> Floats:
    """What the first stage compares: what was bought, where nothing is free."""
    import numpy as np

    free = stages.free[:, 0]
    score = stages.paid[:, 0] if np.isnan(free).all() else free
    return np.where(stages.whole[:, 0], score, np.nan)


def _ways(target: ShareDeferred, ways: DeferralWays) -> list[_Way]:
    found = [_lot(target, ways.stages), _gate(target, ways)]
    if ways.prior_gain is not None:
        found.append(_prior(target, ways.stages, ways.prior_gain))
    return found


def _lot(target: ShareDeferred, stages: Stages) -> _Way:
    """A random share enters at the other tier; the rest are answered by the first, ungated."""
    import numpy as np

    first: Path = (Stage(stages.path[0].tier, 0),)
    setting = Setting("one tier", 1.0 - target.share, 0, first, Cuts.of(np.zeros((1, 1))))
    w = target.share

    def serve(_: Setting) -> _Served:
        return _Served(
            np.full(len(stages.u), w),
            (1.0 - w) * stages.loss[:, 0] + w * stages.loss[:, 1],
            (1.0 - w) * stages.cost[:, 0] + w * stages.cost[:, 1],
        )

    return _Way("lot", lambda _: setting, serve)


def _gate(target: ShareDeferred, ways: DeferralWays) -> _Way:
    import numpy as np

    stages, score = ways.stages, _score(ways.stages)
    bought = bool(np.isnan(stages.free[:, 0]).all())

    def setting(rows: Ints) -> Setting:
        known = score[rows] if ways.traffic is None else ways.traffic
        t, tie = cut_at(known, stages.u, 1.0 - target.share)
        low, high = (0.0, 1.0) if bought else (np.nan, np.nan)
        columns = ([[t, 0.0]], [[tie, 0.0]], [[low, np.nan]], [[high, np.nan]])
        return Setting("gate", 1.0, 0, stages.path, Cuts(*(np.array(c) for c in columns)))

    def serve(chosen: Setting) -> _Served:
        assert chosen.cuts is not None
        walked = walk(stages, chosen.cuts)
        loss = np.where(walked.stage[0] >= 0, walked.loss[0], 1.0)
        return _Served((walked.reached[0] > 0).astype(float), loss, walked.cost[0])

    return _Way("gate", setting, serve)


def _prior(target: ShareDeferred, stages: Stages, gain: Floats) -> _Way:
    import numpy as np

    def setting(rows: Ints) -> Setting:
        trade = float(np.quantile(gain[rows], 1.0 - target.share, method="higher"))
        among = tuple(stage.tier for stage in stages.path)
        return Setting("prior", 1.0, trade=max(0.0, trade), among=among)

    def serve(chosen: Setting) -> _Served:
        assert chosen.trade is not None
        above = gain > chosen.trade
        return _Served(
            above.astype(float),
            np.where(above, stages.loss[:, 1], stages.loss[:, 0]),
            np.where(above, stages.cost[:, 1], stages.cost[:, 0]),
        )

    return _Way("prior", setting, serve)


def _out_of_fold(way: _Way, n: int, given: bool, seed: int) -> _Served:
    """Each question by a setting made without it; with traffic, all by the same one."""
    import numpy as np

    if given:
        return way.serve(way.setting(np.arange(n)))
    parts = _Served(*(np.empty(n) for _ in range(3)))
    for held in fold_places(n, seed):
        served = way.serve(way.setting(np.setdiff1d(np.arange(n), held)))
        for whole, part in zip(parts, served, strict=True):
            whole[held] = part[held]
    return parts
