"""Mixtures of two Weibull distributions: against scipy's search, and on data of known origin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import weibull_min

from surefoot.router.estimators.weibull import FIT_FAILED, WeibullMixture, fit_mixtures

Array = NDArray[np.float64]


def density(values: Array, share: float, shapes: Array, scales: Array) -> Array:
    relative = values[:, None] / scales
    each = shapes / scales * relative ** (shapes - 1.0) * np.exp(-(relative**shapes))
    total: Array = each @ np.array([share, 1.0 - share])
    return total


def searched(values: Array) -> float:
    """The log-likelihood that a quasi-Newton search reaches from the same start, if any."""

    def loss(found: Array) -> float:
        share, k1, s1, k2, s2 = found
        total = density(values, share, np.array([k1, k2]), np.array([s1, s2]))
        return float(-np.log(total).sum())

    bounds = [(0.2, 0.8), *[(0.01, None)] * 4]
    with np.errstate(all="ignore"):
        found = minimize(loss, [0.5, 1.0, 1.0, 1.5, 2.0], method="L-BFGS-B", bounds=bounds)
    return -float(found.fun) if math.isfinite(found.fun) else -math.inf


def mixed(seed: int, size: int, low: float = 0.45, high: float = 0.85) -> Array:
    """60 % of shape 25 around `high`, 40 % of shape 6 around `low`."""
    numbers = np.random.default_rng(seed)
    good = numbers.random(size) < 0.6
    values: Array = np.where(good, high * numbers.weibull(25, size), low * numbers.weibull(6, size))
    return values


def fitted(values: Array) -> WeibullMixture:
    found = fit_mixtures(np.log(values)[None])[0]
    assert isinstance(found, WeibullMixture), found
    return found


def test_the_log_likelihood_is_that_of_the_mixture() -> None:
    values = mixed(1, 64)
    found = fitted(values)
    shares = (found.share, 1.0 - found.share)
    total = sum(
        share * weibull_min.pdf(values, shape, scale=scale)
        for share, shape, scale in zip(shares, found.shapes, found.scales, strict=True)
    )
    assert found.log_likelihood == pytest.approx(float(np.log(total).sum()), abs=1e-8)


def test_known_parameters_are_recovered() -> None:
    found = fitted(mixed(3, 4000))
    assert found.share == pytest.approx(0.6, abs=0.02)
    assert found.shapes == pytest.approx((25.0, 6.0), rel=0.06)
    assert found.scales == pytest.approx((0.85, 0.45), rel=0.02)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [64, 128])
def test_it_reaches_what_a_quasi_newton_search_reaches(seed: int, size: int) -> None:
    """At least: from this start the search ends early on some of them, by up to 95 nats."""
    values = mixed(100 * size + seed, size)
    assert fitted(values).log_likelihood >= searched(values) - 1e-3


def test_on_few_numbers_it_mostly_does() -> None:
    """16 numbers have several local maxima, and two ways of climbing may end on different ones."""
    sets = [mixed(seed, 16) for seed in range(20)]
    reached = [fitted(values).log_likelihood >= searched(values) - 1e-3 for values in sets]
    assert sum(reached) >= 16


def test_no_small_change_of_a_parameter_makes_it_likelier() -> None:
    values = mixed(7, 200, low=0.6)
    found = fitted(values)
    best = np.array([found.share, *found.shapes, *found.scales])
    for place in range(5):
        for factor in (0.99, 1.01):
            other = best.copy()
            other[place] *= factor
            changed = np.log(density(values, other[0], other[1:3], other[3:5])).sum()
            assert changed < found.log_likelihood + 1e-4


def test_the_larger_mean_comes_first_and_owns_the_larger_numbers() -> None:
    values = np.sort(mixed(9, 64))
    found = fitted(values)
    means = [s * math.gamma(1 + 1 / k) for k, s in zip(found.shapes, found.scales, strict=True)]
    assert means[0] > means[1]
    second = found.prefers_second(np.log(values))
    assert second[values < 0.5].all()
    assert not second[(values > 0.75) & (values < 0.95)].any()


def test_shares_stay_within_their_bounds() -> None:
    values = np.concatenate((0.85 * np.random.default_rng(5).weibull(30, 95), [0.1] * 5))
    values[-5:] += np.linspace(0.0, 0.1, 5)
    assert fitted(values).share == pytest.approx(0.8)


def test_order_and_company_change_nothing() -> None:
    rows = np.log(np.stack([mixed(seed, 32) for seed in range(5)]))
    together = fit_mixtures(rows)
    for row, found in zip(rows, together, strict=True):
        assert isinstance(found, WeibullMixture)
        alone = fitted(np.exp(row[::-1]))
        assert alone.shapes == pytest.approx(found.shapes, rel=1e-6)
        assert alone.log_likelihood == pytest.approx(found.log_likelihood, abs=1e-9)


def test_a_component_that_shrinks_to_a_point_is_a_failure_not_a_fit() -> None:
    assert fit_mixtures(np.log([[0.5] * 30 + [0.9] * 34])) == [FIT_FAILED]
    assert fit_mixtures(np.zeros((1, 8))) == [FIT_FAILED]


def test_numbers_that_vanish_as_probabilities_raise_nothing() -> None:
    rows = np.array([[-9998.0, -5000.0, -700.0, -30.0, -3.0, -0.5, -0.1, -1e-9, 0.0, 0.0]])
    (found,) = fit_mixtures(rows)
    assert found == FIT_FAILED or isinstance(found, WeibullMixture)
    assert fit_mixtures(np.empty((0, 8))) == []
