"""Mixtures of two Weibull distributions, fitted to many sets of numbers at once.

Density of a component: (k/s) (x/s)^(k-1) exp(-(x/s)^k), k the shape, s the scale. All is computed
from ln x, which does not underflow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..signals import Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["FIT_FAILED", "WeibullMixture", "fit_mixtures"]

FIT_FAILED = Unavailable("fit failed")

_START = (0.5, (1.0, 1.5), (1.0, 2.0))  # share of the first component, shapes, scales
_SHARES = (0.2, 0.8)
_LEAST = 0.01  # of shapes and scales
_LARGEST_SHAPE = 1e5  # a component this narrow sits on one number: the likelihood has no bound
_LARGEST_EXPONENT = 600.0  # exp of it is far from the end of the floats, even summed
_ITERATIONS = 2000
_NEWTON_STEPS = 3  # from the shape of the iteration before
_GAIN = 1e-7  # of the log-likelihood per number, below which a fit has converged


@dataclass(frozen=True, slots=True)
class WeibullMixture:
    """A fitted mixture; the component of the larger mean comes first.

    Attributes:
        share: of the first component, in [0.2, 0.8].
        shapes: of both.
        scales: of both.
        log_likelihood: of the numbers it was fitted to.
    """

    share: float
    shapes: tuple[float, float]
    scales: tuple[float, float]
    log_likelihood: float

    def prefers_second(self, log_values: Array) -> NDArray[np.bool_]:
        """(n,): where the second component is the likelier origin of a number, given as ln x."""
        import numpy as np

        shares = np.array([self.share, 1.0 - self.share])
        joint = _log_joint(
            log_values[None, :], shares[None], np.array([self.shapes]), np.array([self.scales])
        )[0]
        preferred: NDArray[np.bool_] = joint[1] > joint[0]
        return preferred


def fit_mixtures(log_values: Array) -> list[WeibullMixture | Unavailable]:
    """The mixture of greatest likelihood of each row, by expectation-maximization.

    Each starts from share .5, shapes 1 and 1.5, scales 1 and 2, and is bounded by shares in
    [.2, .8] and shapes and scales of at least .01, as the reference implementation of RPC (Zhou et
    al. 2025) starts and bounds a quasi-Newton search. Deterministic; the order within a row is no
    matter. `FIT_FAILED` where the search does not converge in 2,000 iterations, and where a
    component shrinks to a point (numbers that repeat).

    Args:
        log_values: (n, m), natural logarithms of positive numbers, finite.
    """
    import numpy as np

    rows = np.sort(log_values, axis=1)
    fits = _Fits.start(rows)
    found: list[WeibullMixture | Unavailable] = [FIT_FAILED] * len(rows)
    for _ in range(_ITERATIONS):
        if not len(fits.index):
            break
        previous = fits.log_likelihood
        fits = fits.improved()
        lost = (fits.shapes > _LARGEST_SHAPE).any(axis=1) | ~np.isfinite(fits.log_likelihood)
        done = np.abs(fits.log_likelihood - previous) < _GAIN * rows.shape[1]
        for place in np.flatnonzero(done & ~lost).tolist():
            found[fits.index[place]] = fits.mixture(place)
        fits = fits.only(~(done | lost))
    return found


def _log_joint(log_values: Array, shares: Array, shapes: Array, scales: Array) -> Array:
    """(n, 2, m): ln of share times density per row, component and number."""
    import numpy as np

    distances = shapes[:, :, None] * (log_values[:, None, :] - np.log(scales)[:, :, None])
    powers = np.exp(np.minimum(distances, _LARGEST_EXPONENT))
    constants = np.log(shares * shapes)[:, :, None]
    joint: Array = constants + distances - powers - log_values[:, None, :]
    return joint


@dataclass(frozen=True, slots=True, eq=False)
class _Fits:
    """Searches under way: one row each, (n, 2) parameters, (n, 2, m) `joint` of `_log_joint`."""

    index: NDArray[np.intp]
    rows: Array
    shares: Array
    shapes: Array
    scales: Array
    joint: Array
    log_likelihood: Array

    @classmethod
    def start(cls, rows: Array) -> _Fits:
        import numpy as np

        share, shapes, scales = _START
        ones = np.ones((len(rows), 1))
        return cls.at(
            np.arange(len(rows)), rows, ones * (share, 1.0 - share), ones * shapes, ones * scales
        )

    @classmethod
    def at(
        cls, index: NDArray[np.intp], rows: Array, shares: Array, shapes: Array, scales: Array
    ) -> _Fits:
        import numpy as np

        joint = _log_joint(rows, shares, shapes, scales)
        totals = np.logaddexp(joint[:, 0], joint[:, 1]).sum(axis=1)
        return cls(index, rows, shares, shapes, scales, joint, totals)

    def improved(self) -> _Fits:
        """One iteration: memberships, then the parameters that are likeliest under them."""
        import numpy as np

        log_odds = np.clip(
            self.joint[:, 1] - self.joint[:, 0], -_LARGEST_EXPONENT, _LARGEST_EXPONENT
        )
        first = 1.0 / (1.0 + np.exp(log_odds))
        members = np.stack((first, 1.0 - first), axis=1)
        share = np.clip(first.mean(axis=1), *_SHARES)
        shapes, scales = _likeliest(self.rows, members, self.shapes)
        return _Fits.at(
            self.index, self.rows, np.stack((share, 1.0 - share), axis=1), shapes, scales
        )

    def only(self, kept: NDArray[np.bool_]) -> _Fits:
        if kept.all():
            return self
        return _Fits(
            self.index[kept],
            self.rows[kept],
            self.shares[kept],
            self.shapes[kept],
            self.scales[kept],
            self.joint[kept],
            self.log_likelihood[kept],
        )

    def mixture(self, place: int) -> WeibullMixture:
        shapes, scales = self.shapes[place].tolist(), self.scales[place].tolist()
        log_means = [
            math.log(s) + math.lgamma(1.0 + 1.0 / k) for k, s in zip(shapes, scales, strict=True)
        ]
        first = 0 if log_means[0] >= log_means[1] else 1
        return WeibullMixture(
            float(self.shares[place, first]),
            (shapes[first], shapes[1 - first]),
            (scales[first], scales[1 - first]),
            float(self.log_likelihood[place]),
        )


def _likeliest(rows: Array, members: Array, shapes: Array) -> tuple[Array, Array]:
    """Shapes and scales, (n, 2) each, of greatest weighted likelihood.

    With the likeliest scale of a shape put in, s^k = sum(g x^k) / sum(g), the shape solves
    sum(g x^k ln x) / sum(g x^k) - 1/k = sum(g ln x) / sum(g), whose left side grows with k.
    """
    import numpy as np

    tops = rows.max(axis=1)[:, None]
    logs = (rows - tops)[:, None, :]  # at most 0, so that no power overflows
    weights = np.maximum(members.sum(axis=2), 1e-300)
    means = (members * logs).sum(axis=2) / weights
    for _ in range(_NEWTON_STEPS):
        powers = members * np.exp(shapes[:, :, None] * logs)
        sums = np.maximum(powers.sum(axis=2), 1e-300)
        first = (powers * logs).sum(axis=2) / sums
        second = (powers * logs * logs).sum(axis=2) / sums
        missing = first - 1.0 / shapes - means
        slope = np.maximum(second - first * first, 0.0) + 1.0 / shapes**2
        step = np.clip(missing / (slope * shapes), -1.0, 1.0)  # in ln k: never below 0, nor wild
        shapes = np.maximum(shapes * np.exp(-step), _LEAST)
    powers = members * np.exp(shapes[:, :, None] * logs)
    log_scales = np.log(np.maximum(powers.sum(axis=2), 1e-300) / weights) / shapes + tops
    return shapes, np.exp(np.maximum(log_scales, math.log(_LEAST)))
