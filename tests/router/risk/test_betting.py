"""p-values by betting: fair whatever the losses are, and sharper than the reference bets."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from surefoot.router.errors import UsageError
from surefoot.router.risk.betting import betting_p_value, betting_p_values, wsr_p_value

from .test_p_values import Losses, beta, two_point, uniform

Floats = NDArray[np.float64]


def order_of(rows: int, seed: int) -> list[int]:
    drawn = random.Random(seed)
    keys = [drawn.random() for _ in range(rows)]
    return sorted(range(rows), key=keys.__getitem__)


def wsr_by_the_formula(losses: list[float], alpha: float, delta: float, seed: int) -> float:
    n, wealth, best = len(losses), 1.0, 1.0
    total, squares, variance = 0.5, 0.25, 0.25
    for i, place in enumerate(order_of(n, seed), start=1):
        loss = losses[place]
        stake = min(0.99 / (1 - alpha), math.sqrt(2 * math.log(1 / delta) / (n * variance)))
        wealth *= 1 - stake * (loss - alpha)
        best = max(best, wealth)
        total += loss
        squares += (loss - total / (1 + i)) ** 2
        variance = max(1e-9, squares / (1 + i))
    return 1 / best


def option_by_the_formula(losses: list[float], alpha: float, delta: float, seed: int) -> float:
    """The stakes written out, with the hazard computed rather than tabled."""
    n, wealth, best = len(losses), 1.0, 1.0
    squares, normal = 8 * 0.75 * alpha * (1 - alpha), NormalDist()
    for i, place in enumerate(order_of(n, seed)):
        chance = wealth * delta / 1.05
        if chance >= 1:
            break
        hazard = normal.pdf(normal.inv_cdf(1 - chance)) / chance
        stake = min(0.99 / (1 - alpha), hazard / math.sqrt((n - i) * squares / (8 + i)))
        wealth *= 1 - stake * (losses[place] - alpha)
        best = max(best, wealth)
        squares += (losses[place] - alpha) ** 2
    return 1 / best


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(0, 9))
def test_reference_equals_its_formula(losses: list[float], seed: int) -> None:
    found = wsr_p_value(losses, 0.1, 0.1, seed=seed)
    assert found == pytest.approx(wsr_by_the_formula(losses, 0.1, 0.1, seed), rel=1e-9)


@pytest.mark.parametrize("n", [1, 30, 150, 600])
def test_stakes_are_those_of_the_option(n: int) -> None:
    losses = np.random.default_rng(n).beta(0.3, 3.0, n).tolist()
    found = betting_p_value(losses, 0.1, 0.1, seed=4)
    assert found == pytest.approx(option_by_the_formula(losses, 0.1, 0.1, 4), rel=0.01)


def test_many_sets_at_once_equal_one_by_one() -> None:
    rng = np.random.default_rng(1)
    losses, accepted = rng.beta(0.3, 4.0, 300), rng.random((6, 300)) < rng.random((6, 1))
    accepted[2] = False
    together = betting_p_values(losses, accepted, 0.1, 0.1, seed=7)
    order = np.asarray(order_of(300, 7))
    for one, flags in zip(together, accepted, strict=True):
        # The order of a set is that of all rows: hand it over in that order and keep it.
        drawn = losses[order][flags[order]]
        alone = option_in_order(drawn.tolist())
        assert one == pytest.approx(alone, rel=0.01)
    assert together[2] == 1.0
    per_set = np.broadcast_to(losses, (6, 300))
    assert np.array_equal(betting_p_values(per_set, accepted, 0.1, 0.1, seed=7), together)


def option_in_order(losses: list[float]) -> float:
    places = order_of(len(losses), 0)
    arranged = [0.0] * len(losses)
    for loss, place in zip(losses, places, strict=True):
        arranged[place] = loss
    return option_by_the_formula(arranged, 0.1, 0.1, 0) if losses else 1.0


def test_fewer_losses_never_reject_what_cannot_be_rejected() -> None:
    # Without an error wealth grows by at most (1 + .99 / 9) a row: 22 rows cannot reach 10.
    assert betting_p_value([0.0] * 21, 0.1, 0.1, seed=0) > 0.1
    assert betting_p_value([0.0] * 30, 0.1, 0.1, seed=0) <= 0.1
    assert betting_p_value([], 0.1, 0.1, seed=0) == wsr_p_value([], 0.1, 0.1, seed=0) == 1.0
    assert betting_p_value([1.0] * 500, 0.1, 0.1, seed=0) == 1.0


def test_the_seed_decides_the_order_and_nothing_else_does() -> None:
    losses = np.random.default_rng(2).beta(0.3, 3.0, 200)
    assert betting_p_value(losses, 0.1, 0.1, seed=1) == betting_p_value(losses, 0.1, 0.1, seed=1)
    assert betting_p_value(losses, 0.1, 0.1, seed=1) != betting_p_value(losses, 0.1, 0.1, seed=2)


@pytest.mark.parametrize("losses", [[0.2, 1.2], [-0.1], [float("nan")]])
def test_losses_must_lie_between_zero_and_one(losses: list[float]) -> None:
    for test in (betting_p_value, wsr_p_value):
        with pytest.raises(UsageError, match="losses in"):
            test(losses, 0.1, 0.1, seed=0)
    with pytest.raises(UsageError, match="alpha and delta"):
        betting_p_value([0.1], 0.1, 1.0, seed=0)
    with pytest.raises(UsageError, match="shape"):
        betting_p_values([0.1, 0.2], np.ones((1, 3), np.bool_), 0.1, 0.1, seed=0)


def rare(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Nearly always .08 / .98 and at times 1: the mean looks lower than it is."""
    return np.where(rng.random(shape) < 0.02, 1.0, 0.08 / 0.98)


@pytest.mark.parametrize("n", [20, 60, 200])
@pytest.mark.parametrize("draw", [two_point, uniform, beta, rare])
def test_small_p_values_are_as_rare_as_they_claim(n: int, draw: Losses) -> None:
    trials = 2000
    losses = draw(np.random.default_rng(n), (trials, n))
    everything = np.ones((trials, n), np.bool_)
    p_values = betting_p_values(losses, everything, 0.1, 0.1, seed=3)
    reference = np.asarray([wsr_p_value(one, 0.1, 0.1, seed=3) for one in losses[:1000]])
    for u in (0.01, 0.05, 0.1, 0.2):
        for found in (p_values, reference):
            limit = u + 3 * math.sqrt(u * (1 - u) / found.size)
            assert float((found <= u).mean()) <= limit


def test_more_power_than_the_reference() -> None:
    rng = np.random.default_rng(9)
    losses = rng.choice([0.0, 0.5, 1.0], p=[0.91, 0.06, 0.03], size=(400, 300))  # mean .06
    everything = np.ones(losses.shape, np.bool_)
    ours = float((betting_p_values(losses, everything, 0.1, 0.1, seed=5) <= 0.1).mean())
    reference = float(np.mean([wsr_p_value(one, 0.1, 0.1, seed=5) <= 0.1 for one in losses]))
    assert ours >= reference + 0.05
