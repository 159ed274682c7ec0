"""Worlds with a known error rate per score, the gates fitted in them, and gates that must fail.

Everything is vectorized over trials: scores and losses have the shape (trials, rows), sorted by
falling score, and a gate is the number of rows that it accepts in each trial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from surefoot.router.risk.betting import betting_p_values
from surefoot.router.risk.binomial import lower_tails
from surefoot.router.risk.fixed_sequence import fixed_sequence
from surefoot.router.risk.score_grid import Cut, count_grid

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Draw = Callable[[np.random.Generator, tuple[int, int]], tuple[Floats, Floats]]

ALPHA = DELTA = 0.1


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


@dataclass(frozen=True)
class World:
    """Draws (scores, losses) of independent rows, or (scores, expected losses)."""

    name: str
    draw: Draw
    expected: Draw


def _score(rng: np.random.Generator, z: Floats) -> Floats:
    logit = 1.25 + 1.5 * z
    return _sigmoid(1.4 * logit + 0.6 + 0.9 * rng.standard_normal(z.shape))


def _chance(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    z = rng.standard_normal(shape)
    return _score(rng, z), 1.0 - _sigmoid(1.25 + 1.5 * z)


def _binary(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    scores, chance = _chance(rng, shape)
    return scores, (rng.random(shape) < chance).astype(np.float64)


def _graded(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    z = rng.standard_normal(shape)
    q = _sigmoid(2.2 + 1.5 * z)
    return _score(rng, z), 1.0 - rng.beta(6 * q + 0.05, 6 * (1 - q) + 0.05)


def stepwise(name: str, edges: list[float], errors: list[float], blocks: int = 0) -> World:
    """The chance of an error by depth, 0 the surest row and 1 the least sure.

    Args:
        blocks: of equal scores; 0 keeps all scores apart.
    """

    def expected(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Floats, Floats]:
        depth = rng.random(shape)
        chance = np.asarray(errors)[np.searchsorted(np.asarray(edges), depth, side="right")]
        if blocks:
            depth = np.floor(depth * blocks) / blocks
        return 1.0 - depth, chance

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Floats, Floats]:
        scores, chance = expected(rng, shape)
        return scores, (rng.random(shape) < chance).astype(np.float64)

    return World(name, draw, expected)


BINARY = World("two tiers, right or wrong", _binary, _chance)
GRADED = World("two tiers, graded", _graded, _graded)

ADVERSARIAL = (
    stepwise("always just too high", [0.5], [0.1001, 0.1001]),
    stepwise("safe, then a cliff", [0.3], [0.08, 1.0]),
    stepwise("worst on top", [0.05, 0.25], [0.4, 0.03, 0.3]),
    stepwise("a little too high after a good top", [0.052, 0.249], [0.1, 0.101, 0.107]),
    stepwise("back and forth", [0.1, 0.2, 0.3, 0.4], [0.1, 0.13, 0.06, 0.2, 0.02]),
    stepwise("ten blocks of ties", [0.35], [0.07, 0.2], blocks=10),
    stepwise("crosses three times", [0.2, 0.3, 0.5, 0.6], [0.09, 0.13, 0.08, 0.17, 0.09]),
)


@dataclass(frozen=True)
class Sample:
    """Trials of a world, rows by falling score."""

    scores: Floats
    losses: Floats
    draws: Floats


def sample(world: World, trials: int, rows: int, seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    scores, losses = world.draw(rng, (trials, rows))
    draws = rng.random((trials, rows))
    order = np.lexsort((-draws, -scores), axis=1)
    return Sample(*(np.take_along_axis(one, order, axis=1) for one in (scores, losses, draws)))


@lru_cache(maxsize=16)
def _truth(world: World, rows: int = 1_000_000) -> tuple[Floats, Floats]:
    """Falling scores of many rows, and the expected loss down to each."""
    scores, losses = world.expected(np.random.default_rng(987), (1, rows))
    order = np.argsort(-scores[0], kind="stable")
    return scores[0][order], np.cumsum(losses[0][order]) / np.arange(1, rows + 1)


def true_risk(world: World, cuts: Sequence[Cut | None]) -> tuple[Floats, Floats]:
    """Selective risk and coverage of each cut, its ties drawn; (0, 0) for None."""
    scores, risk = _truth(world)
    losses = np.concatenate([[0.0], risk * np.arange(1, scores.size + 1)])
    thresholds = np.asarray([np.inf if cut is None else cut.score for cut in cuts])
    ties = np.asarray([0.0 if cut is None else cut.tie for cut in cuts])
    surer = np.searchsorted(-scores, -thresholds, side="left")
    as_sure = np.searchsorted(-scores, -thresholds, side="right")
    passed = surer + (1.0 - ties) * (as_sure - surer)
    lost = losses[surer] + (1.0 - ties) * (losses[as_sure] - losses[surer])
    return lost / np.maximum(passed, 1e-9), passed / scores.size


@dataclass(frozen=True)
class Verdict:
    """How often the promise was broken, what share was accepted, how often nothing was."""

    violation: float
    coverage: float
    nothing: float


def judge(world: World, cuts: Sequence[Cut | None]) -> Verdict:
    """Args: cuts: one per trial, None where nothing was certified."""
    risk, coverage = true_risk(world, cuts)
    return Verdict(
        float((risk > ALPHA).mean()), float(coverage.mean()), cuts.count(None) / len(cuts)
    )


def at_counts(drawn: Sample, accepted: Counts) -> list[Cut | None]:
    """The score of the last accepted row of each trial as a threshold; None for no row."""
    return [
        Cut(float(scores[count - 1])) if count else None
        for scores, count in zip(drawn.scores, accepted, strict=True)
    ]


def naive(drawn: Sample) -> list[Cut | None]:
    """The largest coverage whose observed risk is at most alpha: no test at all."""
    rows = drawn.losses.shape[1]
    observed = np.cumsum(drawn.losses, axis=1) / np.arange(1, rows + 1)
    passing = observed <= ALPHA
    last = rows - np.argmax(passing[:, ::-1], axis=1)
    return at_counts(drawn, np.where(passing.any(axis=1), last, 0))


def conformal_on_correct(drawn: Sample) -> list[Cut | None]:
    """The score that all but alpha of the correct rows exceed."""
    found: list[Cut | None] = []
    for scores, losses in zip(drawn.scores, drawn.losses, strict=True):
        correct = np.sort(scores[losses == 0])
        rank = int(np.floor((correct.size + 1) * ALPHA))
        found.append(Cut(float(correct[rank - 1]) if rank >= 1 else 0.0))
    return found


def conformal_risk_control(drawn: Sample) -> list[Cut | None]:
    """The loosest threshold with (n R + 1) / (n + 1) <= alpha for the *joint* risk R."""
    rows = drawn.losses.shape[1]
    allowed = (np.cumsum(drawn.losses, axis=1) + 1.0) / (rows + 1) <= ALPHA
    return at_counts(drawn, allowed.sum(axis=1))


def isotonic_mean(drawn: Sample) -> list[Cut | None]:
    """The largest coverage at which the mean of isotonic error estimates is at most alpha."""
    from sklearn.isotonic import IsotonicRegression

    found: list[Cut | None] = []
    for scores, losses in zip(drawn.scores, drawn.losses, strict=True):
        fitted = IsotonicRegression(increasing=False).fit(scores, losses).predict(scores)
        passing = np.flatnonzero(np.cumsum(fitted) / np.arange(1, fitted.size + 1) <= ALPHA)
        found.append(Cut(float(scores[passing[-1]])) if passing.size else None)
    return found


def certified(drawn: Sample, p_values: Floats, counts: Sequence[int]) -> list[Cut | None]:
    """The last cut that a fixed sequence over these counts certifies in each trial."""
    found: list[Cut | None] = []
    for scores, draws, p in zip(drawn.scores, drawn.draws, p_values, strict=True):
        passed = sum(fixed_sequence(p.tolist(), DELTA))
        point = count_grid(scores, counts[passed - 1 : passed], draws) if passed else ()
        found.append(point[0].cut if point else None)
    return found


def exact_p_values(drawn: Sample, counts: Sequence[int]) -> Floats:
    """Of the errors among the surest so many rows, (trials, counts)."""
    errors = np.cumsum(drawn.losses, axis=1).astype(np.int64)
    at = np.asarray(counts)
    return lower_tails(errors[:, at - 1], at[None, :], ALPHA)


def betting_p_values_of(drawn: Sample, counts: Sequence[int], seed: int) -> Floats:
    """The same for graded losses."""
    accepted = np.arange(drawn.losses.shape[1])[None, :] < np.asarray(counts)[:, None]
    found = [betting_p_values(one, accepted, ALPHA, DELTA, seed=seed) for one in drawn.losses]
    return np.asarray(found)
