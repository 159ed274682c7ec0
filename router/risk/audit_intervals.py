"""Confidence intervals for means and ratios of audited losses, at any sample size.

A propensity of 1/20 makes one label stand for twenty questions, and a handful of such labels is
far from normal: these bounds use only the range of the terms, which is known before any label.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Bounds", "empirical_bernstein_interval", "ratio_interval"]

Bounds = tuple[float, float]
"""Lower and upper confidence limit."""

_CAUTION = 0.99  # of the largest bet that cannot ruin
_STEPS = 40  # halvings of [0, 1]: limits to 1e-12


def empirical_bernstein_interval(values: Floats, highest: float, delta: float) -> Bounds:
    """Two-sided interval for the mean of independent values in [0, highest].

    mean -+ (sqrt(2 V ln(4/delta) / n) + 7 highest ln(4/delta) / (3 (n - 1))), V the sample
    variance: the one-sided bound at delta/2 on each side. Cut to [0, highest]; everything where
    there are fewer than two values. Closed form; `ratio_interval` is narrower.

    Source: Maurer and Pontil 2009, "Empirical Bernstein Bounds and Sample Variance Penalization",
    theorem 4, rescaled.
    """
    _check_delta(delta)
    n = len(values)
    if n < 2:
        return 0.0, highest
    log_term = math.log(4.0 / delta)
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    margin = math.sqrt(2.0 * variance * log_term / n) + 7.0 * highest * log_term / (3.0 * (n - 1))
    return max(0.0, mean - margin), min(highest, mean + margin)


def ratio_interval(
    numerator: Floats,
    denominator: Floats,
    *,
    highest: float,
    lowest: float,
    delta: float,
    seed: int,
) -> Bounds:
    """Two-sided interval for r = E[Y] / E[D] in [0, 1] from independent pairs (Y, D), by betting.

    Against "r >= a" the wealth is prod_i (1 - nu_i (Y_i - a D_i)), against "r <= a" the same with
    a plus; each is a nonnegative supermartingale under its hypothesis, so the values of a whose
    wealth ever reaches 2/delta are out. Bets do not depend on a: wealth is monotone in it, and one
    bisection finds the limit exactly. nu_i = min(c / bound, sqrt(2 ln(2/delta) / (n v_{i-1}))),
    with v the running variance of Y - r D at the running ratio. Y = w L and D = w give the risk
    of what was audited; D = 1 a mean.

    Args:
        numerator: Y in the order of the questions' ids; permuted here by `seed`.
        denominator: D, at least 0.
        highest: a bound on every Y that was known before the labels.
        lowest: the same for D - Y.
        delta: 1 - coverage, in (0, 1).

    Returns:
        Limits in [0, 1]; (0, 1) where there is no pair.

    Source: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by
    betting" (predictable plug-in bets), here for a ratio.
    """
    import numpy as np

    _check_delta(delta)
    n = len(numerator)
    if n == 0:
        return 0.0, 1.0
    order = np.random.default_rng(seed).permutation(n)
    y, d = numerator[order], denominator[order]
    sizes = _bet_sizes(y, d, highest + lowest, delta)
    down = np.minimum(sizes, _CAUTION / highest) if highest > 0.0 else sizes
    up = np.minimum(sizes, _CAUTION / lowest) if lowest > 0.0 else sizes
    goal = math.log(2.0 / delta)

    def is_above(a: float) -> bool:
        return float(np.cumsum(np.log1p(-down * (y - a * d))).max()) >= goal

    def is_below(a: float) -> bool:
        return float(np.cumsum(np.log1p(up * (y - a * d))).max()) >= goal

    upper = _first(is_above)
    lower = 1.0 - _first(lambda a: is_below(1.0 - a))
    return min(lower, upper), upper


def _bet_sizes(y: Floats, d: Floats, width: float, delta: float) -> Floats:
    """nu_i before the cap: each from earlier pairs only, the first as if they filled the range."""
    import numpy as np

    n = len(y)
    scale = max(float(d.max()), 1e-300)
    ratio = (0.5 * scale + np.cumsum(y)) / (scale + np.cumsum(d))
    squares = np.cumsum((y - ratio * d) ** 2)
    variance = (width * width / 4.0 + squares) / np.arange(2, n + 2)
    before = np.concatenate(([width * width / 4.0], variance[:-1]))
    sizes: Floats = np.sqrt(2.0 * math.log(2.0 / delta) / (n * np.maximum(before, 1e-9)))
    return sizes


def _first(is_out: Callable[[float], bool]) -> float:
    """The least a in [0, 1] that is out, rounded up; 1 where none is."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if is_out(middle) else (middle, high)
    return high


def _check_delta(delta: float) -> None:
    if not 0.0 < delta < 1.0:
        raise UsageError(f"delta is {delta}; expected a share in (0, 1)")
