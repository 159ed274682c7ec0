"""p-values from a count or a mean."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from surefoot.router.errors import UsageError
from surefoot.router.risk.p_values import exact_binomial, hoeffding_bentkus, plain_hoeffding

Losses = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]


def test_three_errors_in_sixty() -> None:
    assert exact_binomial(3, 60, 0.1) == pytest.approx(0.1374, abs=5e-5)
    assert hoeffding_bentkus(0.05, 60, 0.1) == pytest.approx(0.3670, abs=5e-5)
    # exp(-2 n (alpha - r)^2) = exp(-2 * 60 * .0025)
    assert plain_hoeffding(0.05, 60, 0.1) == pytest.approx(math.exp(-0.3))
    assert plain_hoeffding(0.2, 60, 0.1) == 1.0


def test_hoeffding_term_by_hand() -> None:
    # No errors in 20 at alpha = .5: exp(-20 h(0, .5)) = 2^-20 beats e times the same tail.
    assert hoeffding_bentkus(0.0, 20, 0.5) == pytest.approx(2.0**-20)


def test_no_rows_prove_nothing() -> None:
    assert exact_binomial(0, 0, 0.1) == hoeffding_bentkus(0.0, 0, 0.1) == 1.0
    assert plain_hoeffding(0.0, 0, 0.1) == 1.0


def test_fractional_losses_have_no_exact_test() -> None:
    with pytest.raises(UsageError, match="whole number"):
        exact_binomial(2.5, 60, 0.1)
    for k in (-1, 61):
        with pytest.raises(UsageError, match="from 0 to 60"):
            exact_binomial(k, 60, 0.1)
    with pytest.raises(UsageError, match="mean loss"):
        hoeffding_bentkus(1.2, 60, 0.1)
    with pytest.raises(UsageError, match="alpha"):
        exact_binomial(1, 60, 1.0)


@pytest.mark.parametrize("n", [20, 60, 200])
def test_order_of_the_three(n: int) -> None:
    last = 0.0
    for k in range(n + 1):
        exact = exact_binomial(k, n, 0.1)
        assert last <= exact <= hoeffding_bentkus(k / n, n, 0.1) * (1 + 1e-12)
        assert hoeffding_bentkus(k / n, n, 0.1, binary=True) <= exact * (1 + 1e-12)
        assert hoeffding_bentkus(k / n, n, 0.1) <= plain_hoeffding(k / n, n, 0.1) * (1 + 1e-12)
        last = exact


@pytest.mark.parametrize("binary", [False, True])
def test_mapie_agrees(binary: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        methods = pytest.importorskip("mapie.risk_control.methods", exc_type=ImportError)
        oracle = methods.compute_hoeffding_bentkus_p_value
        for n in (20, 60, 200, 1000):
            for k in (0, 1, n // 20, n // 10, n // 5, n):
                theirs = float(np.ravel(oracle(np.array([k / n]), n, 0.1, binary=binary))[0])
                ours = hoeffding_bentkus(k / n, n, 0.1, binary=binary)
                assert ours == pytest.approx(min(1.0, theirs), rel=1e-9)
                if binary:
                    assert ours == exact_binomial(k, n, 0.1)


def two_point(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    return (rng.random(shape) < 0.1).astype(np.float64)


def uniform(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    return 0.2 * rng.random(shape)


def beta(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    return rng.beta(0.5, 4.5, shape)


@pytest.mark.parametrize("n", [20, 60, 200])
@pytest.mark.parametrize("draw", [two_point, uniform, beta])
def test_small_p_values_are_as_rare_as_they_claim(n: int, draw: Losses) -> None:
    trials = 4000
    losses = draw(np.random.default_rng(n), (trials, n))
    tests = {"hoeffding": [hoeffding_bentkus(float(one.mean()), n, 0.1) for one in losses]}
    tests["plain"] = [plain_hoeffding(float(one.mean()), n, 0.1) for one in losses]
    if draw is two_point:
        tests["exact"] = [exact_binomial(float(one.sum()), n, 0.1) for one in losses]
    for p_values in tests.values():
        for u in (0.01, 0.05, 0.1, 0.2):
            rate = float(np.mean(np.asarray(p_values) <= u))
            assert rate <= u + 3 * math.sqrt(u * (1 - u) / trials)
    if draw is two_point and n == 200:
        # The check can fail: an asymptotic test of the same losses is too bold.
        spread = np.maximum(losses.std(axis=1), 1e-9) / math.sqrt(n)
        bold = (losses.mean(axis=1) - 0.1) / spread <= -2.3263
        assert float(bold.mean()) > 0.01 + 3 * math.sqrt(0.01 * 0.99 / trials)
