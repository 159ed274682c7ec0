"""p-values for "the risk is above alpha" from the number or the mean of the losses.

A small p-value refutes that the risk is too high. Each function is super-uniform under it,
P(p <= u) <= u for every u where the expected loss is alpha or more, for losses that are drawn
independently of one another and of the rule that chose them. See `betting` for graded losses.
"""

from __future__ import annotations

import math

from ..errors import UsageError
from .binomial import lower_tail

__all__ = ["exact_binomial", "hoeffding_bentkus", "plain_hoeffding"]

_WHOLE = 1e-9  # how far a sum of losses may be off a whole number by rounding


def exact_binomial(k: float, n: int, alpha: float) -> float:
    """P(Bin(n, alpha) <= k) for `k` errors among `n` losses of 0 or 1; 1 where n = 0.

    At most delta exactly where the Clopper-Pearson upper limit at delta is at most alpha. Exact, so
    no valid test of the count alone is sharper.

    Raises:
        UsageError: `k` is not a whole number. Fractional losses have no such test: rounding their
            sum up is not valid in general.
    """
    _check(n, alpha)
    if not (0 <= k <= n and float(k).is_integer()):
        raise UsageError(
            f"expected a whole number of errors from 0 to {n}, got {k}; "
            "for graded losses use the betting test"
        )
    return lower_tail(int(k), n, alpha) if n else 1.0


def hoeffding_bentkus(mean: float, n: int, alpha: float, binary: bool = False) -> float:
    """The smaller of Hoeffding's and Bentkus' bound for `n` losses in [0, 1] of this mean.

    min(exp(-n h(min(mean, alpha), alpha)), e P(Bin(n, alpha) <= ceil(n mean)), 1) with
    h(x, y) = x ln(x / y) + (1 - x) ln((1 - x) / (1 - y)); 1 where n = 0. For losses of 0 and 1
    (`binary`) the factor e falls away, and what is left is the exact binomial tail.

    Raises:
        UsageError: `mean` not in [0, 1].

    Source: Bates, Angelopoulos, Lei, Malik and Jordan 2021, "Distribution-Free, Risk-Controlling
    Prediction Sets"; Angelopoulos et al. 2021, "Learn then Test".
    """
    _check(n, alpha)
    if not 0.0 <= mean <= 1.0:
        raise UsageError(f"expected a mean loss in [0, 1], got {mean}")
    if n == 0:
        return 1.0
    if binary:
        return lower_tail(round(n * mean), n, alpha)
    hoeffding = math.exp(-n * _relative_entropy(min(mean, alpha), alpha))
    # A sum that is whole but for rounding is not rounded up to the next one.
    bentkus = math.e * lower_tail(math.ceil(n * mean - _WHOLE), n, alpha)
    return min(1.0, hoeffding, bentkus)


def plain_hoeffding(mean: float, n: int, alpha: float) -> float:
    """exp(-2 n max(alpha - mean, 0)^2): valid, and too weak to certify anything with.

    Here to be compared with only: at 2000 rows it lets through a seventh of what the exact test
    does.

    Source: Hoeffding 1963, "Probability Inequalities for Sums of Bounded Random Variables".
    """
    _check(n, alpha)
    return math.exp(-2.0 * n * max(alpha - mean, 0.0) ** 2)


def _relative_entropy(x: float, y: float) -> float:
    """h(x, y) between two chances, with 0 ln 0 = 0."""
    hit = x * math.log(x / y) if x > 0.0 else 0.0
    miss = (1.0 - x) * math.log((1.0 - x) / (1.0 - y)) if x < 1.0 else 0.0
    return hit + miss


def _check(n: int, alpha: float) -> None:
    if n < 0 or not 0.0 < alpha < 1.0:
        raise UsageError(f"expected n from 0 and alpha in (0, 1), got n = {n}, alpha = {alpha}")
