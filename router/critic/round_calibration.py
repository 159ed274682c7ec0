"""From what a critic says to a probability, round by round, as often as it holds when it runs.

A critic is trained with weights and on whatever share of right answers practice had; its number
ranks states and is no probability. And the share of right answers falls from round to round, since
those that were accepted are gone. So each round has a curve of its own, fitted on states that the
critic was not trained on, at their natural prior; rounds with too few states share one.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from ..calibration.calibrators import FittedCurve, calibrator_from_data
from ..calibration.cross_fitting import cross_fitted
from ..calibration.fit_smooth import fit_beta
from ..errors import UsageError
from ..wire import encode

__all__ = [
    "LEAST_OF_A_CLASS",
    "RoundCalibration",
    "RoundPool",
    "cross_fitted_rounds",
    "fit_round_calibration",
    "pooled_rounds",
]

LEAST_OF_A_CLASS = 50
"""States of either class that a round needs for a curve of its own."""

Fit = Callable[..., FittedCurve]


@dataclass(frozen=True, slots=True)
class RoundPool:
    """Neighboring rounds that share a curve; both ends belong to it."""

    first: int
    last: int
    curve: FittedCurve


@dataclass(frozen=True, slots=True)
class RoundCalibration:
    """The curves of all rounds, in order.

    Attributes:
        pools: at least one. A round between two pools takes the earlier one, a round beyond the
            ends the nearest.
        fingerprint: changes whenever any fitted number or bound changes.
    """

    pools: tuple[RoundPool, ...]
    fingerprint: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        ends = [end for pool in self.pools for end in (pool.first, pool.last)]
        apart = all(one.last < later.first for one, later in pairwise(self.pools))
        if not self.pools or ends != sorted(ends) or not apart:
            raise UsageError("expected the rounds of a calibration in order and apart")
        parts = [[pool.first, pool.last, pool.curve.fingerprint] for pool in self.pools]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        object.__setattr__(self, "fingerprint", digest)  # frozen from here on

    def at(self, score: float, round_: int) -> float:
        """The probability, in [0, 1], at a critic's number in [0, 1] for a state of a round."""
        return self._pool(round_).curve.at(score)

    def _pool(self, round_: int) -> RoundPool:
        chosen = self.pools[0]
        for pool in self.pools[1:]:
            if pool.first > round_:
                break
            chosen = pool
        return chosen

    def data(self) -> dict[str, Any]:
        """In JSON-plain values, for `from_data`."""
        pools = [
            {"first": pool.first, "last": pool.last, "curve": encode(pool.curve)}
            for pool in self.pools
        ]
        return {"pools": pools, "fingerprint": self.fingerprint}

    @classmethod
    def from_data(cls, data: Any) -> RoundCalibration:
        """What `data` wrote.

        Raises:
            UsageError: another shape, numbers that make no curve, or another fingerprint.
        """
        try:
            found = cls(
                tuple(
                    RoundPool(
                        int(one["first"]), int(one["last"]), calibrator_from_data(one["curve"])
                    )
                    for one in data["pools"]
                )
            )
            noted = data["fingerprint"]
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"expected the curves of rounds: {error!r}") from error
        if noted != found.fingerprint:
            raise UsageError("the curves of the rounds are not those that their fingerprint names")
        return found


def pooled_rounds(
    rounds: Sequence[int], labels: Sequence[int], least: int = LEAST_OF_A_CLASS
) -> tuple[tuple[int, int], ...]:
    """Which rounds share a curve: (first, last) of each pool, in order.

    Every round is a pool at first. While one has fewer than `least` states of either class, the
    poorest is joined with that neighbor whose share of positives is nearest its own, the earlier
    one where both are as near.
    """
    counts: dict[int, list[int]] = {}
    for round_, label in zip(rounds, labels, strict=True):
        counts.setdefault(round_, [0, 0])[int(label)] += 1
    pools = [_Counted(one, one, *counts[one]) for one in sorted(counts)]
    while len(pools) > 1:
        poorest = min(range(len(pools)), key=lambda place: pools[place].least)
        if pools[poorest].least >= least:
            break
        beside = [place for place in (poorest - 1, poorest + 1) if 0 <= place < len(pools)]
        chosen = min(beside, key=lambda place: abs(pools[place].share - pools[poorest].share))
        low = min(poorest, chosen)
        pools[low : low + 2] = [pools[low].joined(pools[low + 1])]
    return tuple((pool.first, pool.last) for pool in pools)


@dataclass(frozen=True, slots=True)
class _Counted:
    first: int
    last: int
    negative: int
    positive: int

    @property
    def least(self) -> int:
        return min(self.negative, self.positive)

    @property
    def share(self) -> float:
        return self.positive / (self.negative + self.positive)

    def joined(self, later: _Counted) -> _Counted:
        return _Counted(
            self.first,
            later.last,
            self.negative + later.negative,
            self.positive + later.positive,
        )


def fit_round_calibration(
    scores: Sequence[float],
    labels: Sequence[int],
    rounds: Sequence[int],
    *,
    name: str,
    fit: Fit = fit_beta,
    least: int = LEAST_OF_A_CLASS,
) -> RoundCalibration:
    """A curve for each pool of rounds.

    Args:
        scores: in [0, 1], of states that the critic was not trained on (out of fold, or a part held
            back), one a state and none left out or drawn twice: the natural prior.
        labels: 1 or 0.
        name: of what is calibrated, "p_accept" say; curves carry it.
        fit: of a curve, with the signature of `fit_beta`.

    Raises:
        UsageError: lengths that differ, a score outside [0, 1], or states of one class only.
    """
    _check_lengths(scores, labels, rounds)
    pools = []
    for first, last in pooled_rounds(rounds, labels, least):
        rows = [place for place, one in enumerate(rounds) if first <= one <= last]
        curve = fit(
            [scores[place] for place in rows], [labels[place] for place in rows], signal=name
        )
        pools.append(RoundPool(first, last, curve))
    if not pools:
        raise UsageError(f"there are no states to calibrate {name} on")
    return RoundCalibration(tuple(pools))


def cross_fitted_rounds(
    scores: Sequence[float],
    labels: Sequence[int],
    rounds: Sequence[int],
    groups: Sequence[str],
    *,
    name: str,
    fit: Fit = fit_beta,
    least: int = LEAST_OF_A_CLASS,
    folds: int = 5,
    seed: int = 0,
) -> tuple[float, ...]:
    """Out-of-fold probabilities, one a state: for what is reported of the calibration.

    Args:
        groups: the question of each state.

    Raises:
        UsageError: as `fit_round_calibration`, or fewer questions than folds.
    """
    _check_lengths(scores, labels, rounds)
    rows = list(zip(scores, rounds, strict=True))
    fitted = partial(_fit_rows, name=name, fit=fit, least=least)
    return cross_fitted(fitted, rows, labels, groups, folds=folds, seed=seed)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A calibration as something that can be cross-fitted."""

    calibration: RoundCalibration

    def at(self, row: tuple[float, int], /) -> float:
        return self.calibration.at(*row)


def _fit_rows(
    rows: Sequence[tuple[float, int]],
    labels: Sequence[float],
    *,
    name: str,
    fit: Fit,
    least: int,
) -> _Rows:
    scores, rounds = [score for score, _ in rows], [round_ for _, round_ in rows]
    whole = [int(label) for label in labels]
    return _Rows(fit_round_calibration(scores, whole, rounds, name=name, fit=fit, least=least))


def _check_lengths(scores: Sequence[float], labels: Sequence[int], rounds: Sequence[int]) -> None:
    if not len(scores) == len(labels) == len(rounds):
        raise UsageError(
            f"expected one label and one round a score, got {len(labels)} and {len(rounds)} for "
            f"{len(scores)} scores"
        )
    if any(label not in (0, 1) for label in labels):
        raise UsageError("expected labels of 0 or 1")
    if not all(math.isfinite(score) and 0.0 <= score <= 1.0 for score in scores):
        raise UsageError("expected scores in [0, 1]")
