"""Intervals for audited losses: coverage at small samples, where the normal one fails."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.errors import UsageError
from surefoot.router.risk.audit_intervals import empirical_bernstein_interval, ratio_interval


def mean_interval(values: np.ndarray, delta: float = 0.1, seed: int = 0) -> tuple[float, float]:
    ones = np.ones(len(values))
    return ratio_interval(values, ones, highest=1.0, lowest=1.0, delta=delta, seed=seed)


def test_empirical_bernstein_by_hand() -> None:
    values = np.array([0.0, 1.0, 0.0, 1.0, 0.0] * 200)
    log_term = math.log(4 / 0.1)
    margin = math.sqrt(2 * 0.24 * 1000 / 999 * log_term / 1000) + 7 * log_term / (3 * 999)

    low, high = empirical_bernstein_interval(values, 1.0, 0.1)

    assert low == pytest.approx(0.4 - margin)
    assert high == pytest.approx(0.4 + margin)


def test_with_nothing_to_go_by_everything_is_possible() -> None:
    assert mean_interval(np.array([])) == (0.0, 1.0)
    assert empirical_bernstein_interval(np.array([0.5]), 2.0, 0.1) == (0.0, 2.0)


@pytest.mark.parametrize("delta", [0.0, 1.0, float("nan")])
def test_a_delta_that_cannot_be(delta: float) -> None:
    with pytest.raises(UsageError, match="delta"):
        mean_interval(np.array([0.1]), delta)
    with pytest.raises(UsageError, match="delta"):
        empirical_bernstein_interval(np.array([0.1, 0.2]), 1.0, delta)


def test_the_limits_are_where_the_wealth_of_the_first_bets_ends() -> None:
    # One pair: nu is the smaller of .99 and sqrt(2 ln 20 / v0), v0 = (1 + 1)^2 / 4 = 1. A wealth of
    # 20 is out of reach with one bet, so nothing is excluded.
    assert mean_interval(np.array([0.0])) == (0.0, 1.0)
    # Twenty zeros at the cap: wealth against "r >= a" is (1 + .99 a)^20 or less; 20 needs a > .16.
    low, high = mean_interval(np.zeros(20))
    assert low == 0.0
    assert 0.1634 < high < 0.5


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=60),
    st.integers(0, 5),
    st.floats(0.05, 0.4),
)
def test_limits_are_shares_in_order(values: list[float], seed: int, delta: float) -> None:
    low, high = mean_interval(np.array(values), delta, seed)

    assert 0.0 <= low <= high <= 1.0
    assert (low, high) == mean_interval(np.array(values), delta, seed)


def test_limits_shrink_with_the_sample_and_beat_empirical_bernstein() -> None:
    rng = np.random.default_rng(5)
    widths = []
    for n in (200, 800, 3200):
        values = (rng.random(n) < 0.1).astype(float)
        low, high = mean_interval(values)
        rough = empirical_bernstein_interval(values, 1.0, 0.1)
        assert high - low < rough[1] - rough[0]
        widths.append(high - low)
    assert widths[0] > 1.7 * widths[1] > 2.9 * widths[2]


def rare_heavy(rng: np.random.Generator, n: int) -> np.ndarray:
    """Losses at 1/20 of the questions, weighed by 20: the mean is .1."""
    return 20.0 * (rng.random(n) < 0.05) * (rng.random(n) < 0.1)


def test_heavy_weights_are_covered_where_the_normal_interval_is_not() -> None:
    rng = np.random.default_rng(1)
    trials, n, level = 400, 300, 0.9
    ours = rough = normal = 0
    for seed in range(trials):
        y = rare_heavy(rng, n)
        low, high = ratio_interval(
            y, np.ones(n), highest=20.0, lowest=1.0, delta=1 - level, seed=seed
        )
        ours += low <= 0.1 <= high
        low, high = empirical_bernstein_interval(y, 20.0, 1 - level)
        rough += low <= 0.1 <= high
        margin = 1.645 * y.std(ddof=1) / math.sqrt(n)
        normal += abs(y.mean() - 0.1) <= margin
    error = 2 * math.sqrt(level * (1 - level) / trials)
    assert ours / trials >= level - error
    assert rough / trials >= level - error
    assert normal / trials < level - error  # the control: or this test could not fail
