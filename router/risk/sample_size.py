"""How many labels a certificate takes."""

from __future__ import annotations

import math

from ..errors import UsageError
from .binomial import largest_k, lower_tail
from .fixed_sequence import least_accepted
from .targets import LossKind

__all__ = ["accepted_labels_needed", "critical_counts", "labels_to_collect"]

# Where a sequence over counts starts, in units of sqrt(n / alpha); coverage is flat around both.
# Graded losses need more rows, since a bet gains little from each.
_FIRST = {"binary": 0.8, "bounded": 1.1}
_MOST_COUNTS = 500


def accepted_labels_needed(
    alpha: float, delta: float, risk: float, *, power: float = 0.8, limit: int = 10_000_000
) -> int | None:
    """The fewest accepted labels with which the exact test certifies at this power.

    The smallest n with P(Bin(n, risk) <= k*(n)) >= power, where k*(n) is the most errors that are
    still significant (`largest_k`). With `risk` 0 that is `least_accepted`.

    Args:
        risk: the true share of errors among accepted answers, or the best guess at it.
        limit: None also where more than this were needed, as for a risk a hair below alpha.

    Returns:
        None where the risk is alpha or more: no number of labels would do.

    Raises:
        UsageError: alpha, delta or power not in (0, 1), or a risk not in [0, 1].
    """
    if not 0.0 <= risk <= 1.0 or not 0.0 < power < 1.0:
        raise UsageError(f"expected a risk in [0, 1] and a power in (0, 1), got {risk} and {power}")
    least = least_accepted(alpha, delta)
    if risk >= alpha:
        return None

    def enough(k: int) -> bool:
        return lower_tail(k, _rows_for(k, alpha, delta), risk) >= power

    # Power is highest where one more error has just become bearable, so only those n can be the
    # smallest. There it rises with k but for the rounding of n.
    high = 0
    while not enough(high):
        if _rows_for(high, alpha, delta) > limit:
            return None
        high = 2 * high + 1
    low = high // 2 - 1 if high else -1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    # Rounding n moves power by as much as this many steps of k do.
    ripple = 2 + math.ceil(4.0 * risk / (1.0 - risk / alpha))
    first = next(k for k in range(max(0, high - ripple), high + 1) if k == high or enough(k))
    needed = max(least, _rows_for(first, alpha, delta))
    return needed if needed <= limit else None


def labels_to_collect(needed: int | None, coverage: float, test_share: float = 1.0) -> int | None:
    """Labels in all of which `needed` are expected to be accepted and tested.

    Args:
        coverage: share of the rows that the gate accepts, in (0, 1].
        test_share: share of the rows that is tested rather than tuned on, in (0, 1].

    Returns:
        None where `needed` is None.

    Raises:
        UsageError: a share out of its range.
    """
    for name, share in (("coverage", coverage), ("test_share", test_share)):
        if not 0.0 < share <= 1.0:
            raise UsageError(f"{name} is {share}; expected a number above 0 and up to 1")
    return None if needed is None else math.ceil(needed / (coverage * test_share) - 1e-9)


def critical_counts(
    n: int, alpha: float, delta: float, loss: LossKind = "binary"
) -> tuple[int, ...]:
    """The numbers of accepted rows worth testing among `n`: where one more error is bearable.

    With k errors allowed, the exact test has its full level only at the fewest rows among which k
    errors are significant; one row less allows k - 1. A fixed sequence over these counts tests
    each k once, at its best, and wastes no level between. It starts near .8 sqrt(n / alpha) rows
    (1.1 for graded losses): fewer hold too few errors to tell, more need not be there. At least
    n / 500 apart, so hardly more than 500. The last is `n` itself.

    Coverage in the reference world, 0/1 loss, alpha = delta = .1, n = 200 / 500 / 2000:
    .113 / .215 / .346, violations .044 / .061 / .088, nothing certified in .61 / .22 / .005 of 1000
    trials. At coverages .04, .06, ... of traffic: .078 / .156 / .339, nothing in .75 / .38 / .005.
    Graded losses (`betting`): .584 / .700 / .742, violations .023 / .035 / .068.

    Returns:
        Rising; empty where `n` is less than `least_accepted`.

    Raises:
        UsageError: alpha or delta not in (0, 1).
    """
    if least_accepted(alpha, delta) > n:
        return ()
    fewest = _FIRST[loss] * math.sqrt(n / alpha)
    errors = 1
    if fewest > n or _rows_for(errors, alpha, delta) > n:
        errors = 0
    counts: list[int] = []
    while (rows := _rows_for(errors, alpha, delta)) <= n:
        if errors == 0 or rows >= fewest:
            counts.append(rows)
            fewest = rows + n / _MOST_COUNTS
        errors = max(errors + 1, largest_k(max(0, math.ceil(fewest) - 1), alpha, delta) + 1)
    return (*counts, n) if counts[-1] < n else tuple(counts)


def _rows_for(k: int, alpha: float, delta: float) -> int:
    """The smallest n among which `k` errors are still significant."""
    low, high = k, max(k + 1, math.ceil((k + 1) / alpha))
    while lower_tail(k, high, alpha) > delta:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if lower_tail(k, middle, alpha) <= delta else (middle, high)
    return high
