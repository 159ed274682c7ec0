"""Binomial tails, limits and cut-offs against scipy and whole-number arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from surefoot.router.errors import UsageError
from surefoot.router.risk.binomial import (
    clopper_pearson,
    largest_k,
    lower_tail,
    lower_tails,
    pmf,
    upper_limit,
)


def exact_tail(k: int, n: int, p: Fraction) -> float:
    terms = (math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k + 1))
    return float(sum(terms, Fraction(0)))


@pytest.mark.parametrize("n", [1, 7, 60, 301])
@pytest.mark.parametrize(
    "p", [Fraction(1, 1024), Fraction(3, 32), Fraction(1, 2), Fraction(31, 32)]
)
def test_tail_equals_whole_number_arithmetic(n: int, p: Fraction) -> None:
    for k in {0, 1, n // 10, n // 2, n - 1}:
        found = lower_tail(k, n, float(p))
        assert found == pytest.approx(exact_tail(k, n, p), rel=2e-13, abs=0.0)


def test_tail_equals_scipy_up_to_a_million_trials() -> None:
    # scipy itself is off by up to 5e-11 where p is tiny and n large, so p stays above 1e-3 here.
    rng = np.random.default_rng(3)
    for _ in range(400):
        n = int(10 ** rng.uniform(0, 6))
        p = float(1 / (1 + math.exp(-rng.uniform(-7, 7))))
        spread = math.sqrt(n * p * (1 - p))
        k = int(np.clip(round(n * p + 4 * spread * rng.standard_normal()), 0, n))
        assert lower_tail(k, n, p) == pytest.approx(binom.cdf(k, n, p), rel=1e-11, abs=0.0)


def test_rare_errors_in_very_many_trials_keep_their_digits() -> None:
    # 939,566 trials at 1.07e-5: P(X <= 1) = q^(n-1) (q + n p), from logarithms to full precision.
    n, p = 939_566, 1.0712476637700112e-05
    direct = math.exp((n - 1) * math.log1p(-p)) * (1 - p + n * p)
    assert lower_tail(1, n, p) == pytest.approx(direct, rel=1e-12, abs=0.0)


def test_many_tails_at_once_equal_one_by_one() -> None:
    rng = np.random.default_rng(4)
    n = rng.integers(0, 400, (30, 20))
    k = rng.integers(-2, 402, (30, 20))
    for p in (0.0, 0.02, 0.5, 0.97, 1.0):
        single = [
            [lower_tail(int(a), int(b), p) for a, b in zip(*row, strict=True)]
            for row in zip(k, n, strict=True)
        ]
        np.testing.assert_allclose(lower_tails(k, n, p), single, rtol=1e-13)
    assert lower_tails([3, 4], 60, 0.1).shape == (2,)


@given(st.integers(1, 500), st.integers(0, 499), st.floats(0.001, 0.999))
def test_tail_rises_with_k_and_falls_with_p(n: int, k: int, p: float) -> None:
    tail = lower_tail(k, n, p)
    assert 0.0 <= tail <= lower_tail(k + 1, n, p) * (1 + 1e-12) <= 1.0 + 1e-12
    assert lower_tail(k, n, min(1.0, p + 0.0005)) <= tail * (1 + 1e-12)


def test_edges() -> None:
    assert lower_tail(-1, 5, 0.3) == 0.0
    assert lower_tail(5, 5, 0.3) == lower_tail(0, 0, 0.3) == lower_tail(0, 9, 0.0) == 1.0
    assert lower_tail(4, 5, 1.0) == 0.0
    assert pmf(0, 3, 0.25) == pytest.approx(27 / 64, rel=1e-15)
    assert pmf(3, 3, 0.25) == pytest.approx(1 / 64, rel=1e-15)
    with pytest.raises(UsageError):
        lower_tail(0, -1, 0.5)
    with pytest.raises(UsageError):
        lower_tail(0, 1, 1.1)
    with pytest.raises(UsageError):
        lower_tails([0], [-1], 0.5)


def test_largest_k_is_the_last_significant_count() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        n = int(rng.integers(0, 3000))
        alpha, delta = (
            float(rng.choice([0.01, 0.05, 0.1, 0.3, 0.7])),
            float(rng.choice([0.01, 0.1, 0.5])),
        )
        significant = np.flatnonzero(binom.cdf(np.arange(n + 1), n, alpha) <= delta)
        assert largest_k(n, alpha, delta) == (significant[-1] if n and significant.size else -1)
    assert largest_k(21, 0.1, 0.1) == -1 and largest_k(22, 0.1, 0.1) == 0
    with pytest.raises(UsageError):
        largest_k(10, 0.0, 0.1)


def test_limits_equal_the_beta_quantiles() -> None:
    rng = np.random.default_rng(6)
    for _ in range(200):
        n = int(rng.integers(1, 5000))
        k = (
            int(rng.integers(0, n + 1))
            if rng.random() < 0.5
            else int(rng.integers(0, min(n, 9) + 1))
        )
        delta = float(rng.choice([0.001, 0.05, 0.1, 0.5]))
        limit = 1.0 if k == n else beta.ppf(1 - delta, k + 1, n - k)
        assert upper_limit(k, n, delta) == pytest.approx(limit, rel=1e-10)
        low, high = clopper_pearson(k, n, 1 - delta)
        assert high == pytest.approx(
            1.0 if k == n else beta.ppf(1 - delta / 2, k + 1, n - k), rel=1e-10
        )
        assert low == pytest.approx(
            0.0 if k == 0 else beta.ppf(delta / 2, k, n - k + 1), rel=1e-9, abs=1e-14
        )
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    with pytest.raises(UsageError):
        upper_limit(3, 2, 0.1)


@given(st.integers(1, 400), st.integers(0, 400), st.floats(0.01, 0.5))
def test_limit_is_within_alpha_exactly_where_the_test_rejects(n: int, k: int, alpha: float) -> None:
    k = min(k, n)
    p = lower_tail(k, n, alpha)
    if abs(p - 0.1) > 1e-9:
        assert (p <= 0.1) == (upper_limit(k, n, 0.1) <= alpha)
