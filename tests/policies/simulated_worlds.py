"""Worlds with a known truth, in which a promise can be checked by counting how often it is broken.

N is standard normal, S the logistic function. World A has two tiers of which the first is gated;
world B three gated tiers, and an abstention for whoever passes none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surefoot.policies.ladders import Ladders
from surefoot.policies.outcomes import Outcome, OutcomeTable
from surefoot.policies.paths import RungScores
from surefoot.router.decisions import Rung

Floats = NDArray[np.float64]
World = Callable[[int, np.random.Generator], tuple[Ladders, Floats]]
"""From a number of questions to their ladders, and each attempt's expected loss."""


def sigmoid(z: Floats) -> Floats:
    p: Floats = 1.0 / (1.0 + np.exp(-z))
    return p


def logit(p: Floats) -> Floats:
    z: Floats = np.log(p / (1.0 - p))
    return z


def ladders_from(loss: Floats, cost: list[float], score: Floats) -> Ladders:
    n, rungs = loss.shape
    return Ladders(
        tuple(f"q{i:07}" for i in range(n)),
        tuple(Rung(tier, 0, False) for tier in range(rungs)),
        np.ones((n, rungs), dtype=bool),
        np.ones((n, rungs), dtype=bool),
        loss,
        np.tile(np.array(cost), (n, 1)),
        np.full((n, rungs), np.nan),
        {"score": score},
        {"score": np.zeros((n, rungs))},
    )


def raw(ladders: Ladders) -> RungScores:
    score, rungs = ladders.signals["score"], len(ladders.rungs)
    nothing = np.zeros_like(score)
    return RungScores(score, score, nothing, (None,) * rungs, ("score",) * rungs)


def world_a(n: int, rng: np.random.Generator) -> tuple[Ladders, Floats]:
    """Small accuracy .709, large .914; of the best policy at alpha .1 the coverage is .423."""
    z = rng.standard_normal(n)
    p = np.stack([sigmoid(1.25 + 1.5 * z), sigmoid(2.9 + 1.2 * z)], axis=1)
    score = sigmoid(1.4 * logit(p[:, 0]) + 0.6 + 0.9 * rng.standard_normal(n))
    loss = (rng.random((n, 2)) >= p).astype(float)
    return ladders_from(loss, [1.0, 10.0], _gate_alone(score)), 1.0 - p


def world_a_graded(n: int, rng: np.random.Generator) -> tuple[Ladders, Floats]:
    """The same scores over graded losses; of the best policy the coverage is .769."""
    z = rng.standard_normal(n)
    p = sigmoid(1.25 + 1.5 * z)
    score = sigmoid(1.4 * logit(p) + 0.6 + 0.9 * rng.standard_normal(n))
    q = sigmoid(2.2 + 1.5 * z)
    a, b = 6.0 * q + 0.05, 6.0 * (1.0 - q) + 0.05
    graded = 1.0 - rng.beta(a, b)
    large = (rng.random(n) >= sigmoid(2.9 + 1.2 * z)).astype(float)
    expected = np.stack([b / (a + b), 1.0 - sigmoid(2.9 + 1.2 * z)], axis=1)
    return ladders_from(
        np.stack([graded, large], axis=1), [1.0, 10.0], _gate_alone(score)
    ), expected


def adversarial(shape: str) -> World:
    """World A with another score: most sure where it errs, a handful of values, or two clumps."""

    def draw(n: int, rng: np.random.Generator) -> tuple[Ladders, Floats]:
        score = rng.random(n)
        if shape == "non-monotone":
            error = np.where(score > 0.9, 0.3, np.where(score > 0.6, 0.02, 0.2))
        elif shape == "ties":
            score = np.floor(score * 4.0) / 4.0
            error = np.where(score >= 0.75, 0.08, np.where(score >= 0.5, 0.11, 0.25))
        else:
            clump = rng.random(n) < 0.5
            score = np.where(clump, 0.9, 0.3) + 1e-3 * rng.standard_normal(n)
            error = np.where(clump, 0.1 + 1e-9, 0.3)
        loss = np.stack([(rng.random(n) < error), (rng.random(n) < 0.08)], axis=1).astype(float)
        expected = np.stack([error, np.full(n, 0.08)], axis=1)
        return ladders_from(loss, [1.0, 10.0], _gate_alone(score)), expected

    return draw


def world_b(n: int, rng: np.random.Generator) -> tuple[Ladders, Floats]:
    """Three tiers; the best objective, cost + 60 per abstention, is 31.6, nothing at all 91."""
    z = rng.standard_normal((n, 1))
    base, slope = np.array([0.9, 1.7, 2.4]), np.array([1.5, 1.3, 1.1])
    p = sigmoid(base + slope * z + 0.4 * rng.standard_normal((n, 3)))
    score = sigmoid(1.3 * logit(p) + 0.5 + 0.9 * rng.standard_normal((n, 3)))
    loss = (rng.random((n, 3)) >= p).astype(float)
    return ladders_from(loss, [1.0, 5.0, 25.0], score), 1.0 - p


def _gate_alone(score: Floats) -> Floats:
    return np.stack([score, np.full(len(score), np.nan)], axis=1)


def table_from(ladders: Ladders, *, judged: bool = True, prefix: str = "") -> OutcomeTable:
    """The same questions as an outcome table."""
    score = ladders.signals["score"]
    queries: dict[str, dict[Rung, Outcome]] = {}
    for at, name in enumerate(ladders.queries):
        ladder: dict[Rung, Outcome] = {}
        for place, rung in enumerate(ladders.rungs):
            value: Any = None if np.isnan(score[at, place]) else float(score[at, place])
            ladder[rung] = Outcome(
                prefix + name,
                rung.tier,
                rung.round,
                rung.retrieved,
                None,
                float(ladders.loss[at, place]) if judged else None,
                float(ladders.cost[at, place]),
                None,
                {"score": value},
            )
        queries[prefix + name] = ladder
    return OutcomeTable(queries)
