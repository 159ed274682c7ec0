"""Exact binomial tails, limits and cut-off counts, without scipy.

Probabilities of single counts follow Loader's saddle-point form, which keeps about 14 digits where
differences of `math.lgamma` lose all but nine at a million trials. Tails are summed from the count
at their edge outwards, where terms fall off faster and faster.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["clopper_pearson", "largest_k", "lower_tail", "lower_tails", "pmf", "upper_limit"]

_TINY = 1e-17  # a term this small beside the sum changes no digit of it
_LOG_2PI = math.log(2 * math.pi)


def lower_tail(k: int, n: int, p: float) -> float:
    """P(Bin(n, p) <= k), the chance of at most `k` hits in `n` trials that hit with chance `p`.

    In [0, 1], exact to about 12 digits up to a million trials and far into the tail. Takes time in
    proportion to the standard deviation sqrt(n p (1 - p)): 15 microseconds at n = 2000, p = .1.

    Args:
        k: below 0 gives 0, from `n` on gives 1.

    Raises:
        UsageError: `n` below 0 or `p` outside of [0, 1].
    """
    if n < 0 or not 0.0 <= p <= 1.0:
        raise UsageError(f"expected n from 0 and p in [0, 1], got n = {n}, p = {p}")
    if k < 0:
        return 0.0
    if k >= n or p == 0.0:
        return 1.0
    if p == 1.0:
        return 0.0
    if k <= n * p:
        return min(1.0, _sum_down(k, n, p))
    return max(0.0, 1.0 - _sum_down(n - k - 1, n, 1.0 - p, of_misses=p))


def lower_tails(k: ArrayLike, n: ArrayLike, p: float) -> NDArray[np.float64]:
    """`lower_tail` of many counts `k` among many `n` at once; shapes are broadcast.

    Raises:
        UsageError: an `n` below 0 or `p` outside of [0, 1].
    """
    import numpy as np

    counts, trials = np.broadcast_arrays(np.asarray(k, np.int64), np.asarray(n, np.int64))
    if not 0.0 <= p <= 1.0 or (trials.size and int(trials.min()) < 0):
        raise UsageError(f"expected every n from 0 and p in [0, 1], got p = {p}")
    tails = np.where(counts >= trials, 1.0, 0.0)
    if p == 0.0:
        tails = np.where(counts >= 0, 1.0, 0.0)
    tails[counts < 0] = 0.0
    if not 0.0 < p < 1.0:
        return tails
    inside = (counts >= 0) & (counts < trials)
    low = inside & (counts <= trials * p)
    high = inside & ~low
    tails[low] = np.minimum(1.0, _sums_down(counts[low], trials[low], p, 1.0 - p))
    up = _sums_down((trials - counts - 1)[high], trials[high], 1.0 - p, p)
    tails[high] = np.maximum(0.0, 1.0 - up)
    return tails


def pmf(k: int, n: int, p: float) -> float:
    """P(Bin(n, p) = k) for 0 <= k <= n and p in (0, 1).

    Source: Loader 2000, "Fast and Accurate Computation of Binomial Probabilities".
    """
    return _pmf(k, n, p, 1.0 - p)


def largest_k(n: int, alpha: float, delta: float) -> int:
    """The most errors among `n` with which "the risk is above alpha" is still rejected at delta.

    That is the largest k with P(Bin(n, alpha) <= k) <= delta; -1 where not even none would do.

    Raises:
        UsageError: `n` below 0, or `alpha` or `delta` not in (0, 1).
    """
    if not (n >= 0 and 0.0 < alpha < 1.0 and 0.0 < delta < 1.0):
        raise UsageError(
            "expected n from 0, alpha and delta in (0, 1), "
            f"got n = {n}, alpha = {alpha}, delta = {delta}"
        )
    low, high = -1, n  # the tail at `low` is within delta; at `high` it is not
    step = 1 + int(math.sqrt(n * alpha * (1.0 - alpha)))
    guess = int(n * alpha) - step
    while low < guess < high and lower_tail(guess, n, alpha) > delta:
        high, guess, step = guess, guess - step, 2 * step
    low = max(low, min(guess, high - 1))
    if low >= 0 and lower_tail(low, n, alpha) > delta:  # the walk stopped short of a lower bound
        low, high = -1, low
    while high - low > 1:
        middle = (low + high) // 2
        if lower_tail(middle, n, alpha) <= delta:
            low = middle
        else:
            high = middle
    return low


def upper_limit(k: int, n: int, delta: float) -> float:
    """Clopper-Pearson upper limit: the largest chance of an error that `k` in `n` do not refute.

    Solves P(Bin(n, p) <= k) = delta for p, so the limit is at most alpha exactly where the exact
    binomial test rejects at level delta. 1 where k = n or n = 0.

    Raises:
        UsageError: not 0 <= k <= n, or `delta` not in (0, 1).

    Source: Clopper and Pearson 1934, "The Use of Confidence or Fiducial Limits".
    """
    if not (0 <= k <= n and 0.0 < delta < 1.0):
        raise UsageError(
            f"expected 0 <= k <= n and delta in (0, 1), got k = {k}, n = {n}, delta = {delta}"
        )
    if k == n:
        return 1.0
    if k == 0:
        return -math.expm1(math.log(delta) / n)
    low, high = 0.0, 1.0
    p = min(1.0 - 1e-9, (k + 1.0) / (n + 1.0))
    for _ in range(200):
        tail = lower_tail(k, n, p)
        low, high = (p, high) if tail > delta else (low, p)
        # Newton on the logarithm of the tail; d tail / dp = -n P(Bin(n - 1, p) = k).
        slope = -n * _pmf(k, n - 1, p, 1.0 - p)
        ahead = p + (math.log(delta) - math.log(tail)) * tail / slope if tail and slope else -1.0
        following = ahead if low < ahead < high else (low + high) / 2
        if abs(following - p) <= 4e-16 * p or high - low <= 4e-16 * high:
            return following
        p = following
    return p


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The two-sided interval for the chance of an error after `k` in `n`; (0, 1) where n = 0.

    Raises:
        UsageError: not 0 <= k <= n, or `level` not in (0, 1).
    """
    each_side = (1.0 - level) / 2
    return 1.0 - upper_limit(n - k, n, each_side), upper_limit(k, n, each_side)


def _sum_down(k: int, n: int, p: float, of_misses: float | None = None) -> float:
    """P(Bin(n, p) <= k) for k at or below the mean: p(k) (1 + r_k + r_k r_{k-1} + ...).

    Args:
        of_misses: 1 - p where the caller knows it more exactly than the subtraction would.
    """
    q = 1.0 - p if of_misses is None else of_misses
    term = total = 1.0
    odds = q / p
    above = n - k + 1
    for count in range(k, 0, -1):
        term *= count * odds / above
        total += term
        if term < _TINY * total:
            break
        above += 1
    return total * _pmf(k, n, p, q)


def _sums_down(
    k: NDArray[np.int64], n: NDArray[np.int64], p: float, q: float
) -> NDArray[np.float64]:
    """`_sum_down` of many, dropping those whose further terms change nothing."""
    import numpy as np

    totals = np.ones(k.shape)
    terms = np.ones(k.shape)
    live = np.arange(k.size)
    count, above = k.astype(np.float64), (n - k + 1).astype(np.float64)
    odds = q / p
    while live.size:
        terms *= count * odds / above
        totals[live] += terms
        more = terms >= _TINY * totals[live]
        if not more.all():
            live, terms, count, above = live[more], terms[more], count[more], above[more]
        count = count - 1.0
        above = above + 1.0
    edges = [_pmf(int(one), int(of), p, q) for one, of in zip(k, n, strict=True)]
    return totals * np.asarray(edges, np.float64)


def _pmf(k: int, n: int, p: float, q: float) -> float:
    if k == 0:
        return math.exp(n * (math.log1p(-p) if p < q else math.log(q)))
    if k == n:
        return math.exp(n * (math.log1p(-q) if q < p else math.log(p)))
    # From the rarer side: subtracted from n, the other mean has lost the digits that count.
    beyond = k - n * p if p < q else n * q - (n - k)
    exponent = (
        _stirling_error(n)
        - _stirling_error(k)
        - _stirling_error(n - k)
        - _deviance(k, n * p, beyond)
        - _deviance(n - k, n * q, -beyond)
    )
    return math.exp(exponent) / math.sqrt(2 * math.pi * k * (n - k) / n)


def _stirling_error(n: int) -> float:
    """ln(n!) less Stirling's approximation of it."""
    if n < 16:
        return _SMALL_ERRORS[n]
    s = 1.0 / (n * n)
    series = 1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - s * 0.00192))))
    return series / n


_SMALL_ERRORS = tuple(
    math.log(math.factorial(n)) - ((n + 0.5) * math.log(n) - n + 0.5 * _LOG_2PI) if n else 0.0
    for n in range(16)
)


def _deviance(x: float, mean: float, beyond: float) -> float:
    """x ln(x / mean) - (x - mean) without cancellation where x - mean, `beyond`, is small."""
    if abs(beyond) >= 0.1 * (x + mean):
        return x * math.log(x / mean) - beyond
    v = beyond / (x + mean)
    total = beyond * v
    term = 2.0 * x * v
    for j in range(1, 1000):
        term *= v * v
        after = total + term / (2 * j + 1)
        if after == total:
            break
        total = after
    return total
