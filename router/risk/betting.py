"""p-values for graded losses, by betting against the claim that they are too high.

A gambler starts with 1 and stakes, before each loss is seen, on it being below alpha: a stake of
nu multiplies the wealth by 1 - nu (L - alpha). Where the expected loss is alpha or more no stake is
favorable, so by Ville's inequality the wealth ever reaches 1 / u with a chance of at most u, and
p = 1 / (largest wealth) is a p-value whatever the stakes were, as long as each knew earlier losses
only. The stakes decide about nothing but power.

Source: Waudby-Smith and Ramdas 2024, "Estimating Means of Bounded Random Variables by Betting".
"""

from __future__ import annotations

import math
import random
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["betting_p_value", "betting_p_values", "wsr_p_value"]

_CAP = 0.99  # share of the largest stake that cannot ruin, 1 / (1 - alpha)
_VARIANCE_FLOOR = 1e-9
# Of a Bernoulli loss at the limit, whose variance is the largest; measured on losses of three
# spreads, neither a lower guess nor a weaker one does as well on all of them.
_PRIOR_SHARE = 0.75
_PRIOR_ROWS = 8.0
_AIM = 1.05  # beyond the target: of stakes that slow down just before it, many end just short of it
_DEEPEST = 60.0  # ln(1 / chance) up to which stakes are tabled; a wealth of e^-58 is lost anyway


def betting_p_value(losses: ArrayLike, alpha: float, delta: float, *, seed: int) -> float:
    """p-value for "the expected loss is above alpha", from losses in [0, 1].

    As `betting_p_values`, with its arguments and errors, for one set; 1 where there are no losses.
    """
    import numpy as np

    values = np.asarray(losses, np.float64)
    everything = np.ones((1, values.size), np.bool_)
    return float(betting_p_values(values, everything, alpha, delta, seed=seed)[0])


def betting_p_values(
    losses: ArrayLike, accepted: NDArray[np.bool_], alpha: float, delta: float, *, seed: int
) -> NDArray[np.float64]:
    """One p-value for each of many sets of rows: "the expected loss of an accepted row is > alpha".

    The stakes replicate an option that pays 1 / delta if the test rejects. With wealth K and m rows
    to come, the chance of that is delta K, and the stake is its rate of change in units of the
    losses' spread: h / sqrt(m v), where h is the standard normal hazard at its 1 - delta K quantile
    and v the mean of (L - alpha)^2 so far, begun with 8 rows of 0.75 alpha (1 - alpha). Near the
    end the gambler thus grows bold when behind and careful when ahead; the reference bets
    (`wsr_p_value`) do not look at the wealth and forgo much power. Departure: the source bets once
    per row at a fixed fraction; aiming at the remaining target follows the idea of Voráček and
    Orabona 2025, "STaR-Bets", with the option's stake in place of theirs.

    Coverage in the graded reference world at n = 200 / 500 / 2000, alpha = delta = .1, on the
    coverages of traffic: .572 / .690 / .732 where `wsr_p_value` has .563 / .679 / .726; with losses
    of 0, 1/2 and 1 at n = 500 / 2000: .33 / .53 (.22 / .49). Violations at most .06.

    Args:
        losses: (rows,), each in [0, 1], or (sets, rows) where a row's loss differs by set. Rows
            in an order of their own, such as by query id, or the p-value depends on it.
        accepted: (sets, rows).
        delta: the level that the p-values will be compared with; they are valid at every level and
            sharp at this one.
        seed: of the order in which losses are revealed, fixed before any is seen.

    Returns:
        (sets,), in (0, 1]; 1 for an empty set.

    Raises:
        UsageError: a loss outside of [0, 1] or not a number, shapes that do not fit, alpha or
            delta not in (0, 1).
    """
    import numpy as np

    values = _checked(losses, alpha, delta)
    sets, rows = accepted.shape
    if values.shape not in ((rows,), (sets, rows)):
        raise UsageError(
            f"expected losses of shape {(rows,)} or {(sets, rows)}, got {values.shape}"
        )
    order = _order(rows, seed)
    counts = accepted.sum(axis=1)
    queues = np.zeros((int(counts.max(initial=0)), sets))
    for one in range(sets):
        drawn = (values if values.ndim == 1 else values[one])[order][accepted[one, order]]
        queues[: drawn.size, one] = drawn
    return _play(queues, counts, alpha, delta)


def wsr_p_value(
    losses: ArrayLike, alpha: float, delta: float, *, seed: int, c: float = _CAP
) -> float:
    """The reference bets, min(c / (1 - alpha), sqrt(2 ln(1 / delta) / (n v))).

    v is the running variance before each loss, begun with one row of mean 1/2 and variance 1/4.
    Arguments and errors as `betting_p_value`, which finds more.

    Source: Waudby-Smith and Ramdas 2024, section 3.2, and Bates et al. 2021, as a p-value.
    """
    import numpy as np

    values = _checked(losses, alpha, delta)
    if values.size == 0:
        return 1.0
    drawn = values[_order(values.size, seed)]
    seen = np.arange(1, drawn.size + 1)
    means = (0.5 + np.cumsum(drawn)) / (1 + seen)
    variances = (0.25 + np.cumsum((drawn - means) ** 2)) / (1 + seen)
    before = np.maximum(np.concatenate([[0.25], variances[:-1]]), _VARIANCE_FLOOR)
    stakes = np.sqrt(2.0 * math.log(1.0 / delta) / (drawn.size * before))
    gains = np.log1p(-np.minimum(c / (1.0 - alpha), stakes) * (drawn - alpha))
    return min(1.0, math.exp(-float(np.cumsum(gains).max())))


def _play(
    queues: NDArray[np.float64], counts: NDArray[np.int64], alpha: float, delta: float
) -> NDArray[np.float64]:
    """Every set's game at once, one row of each per step; a game that is won is left."""
    import numpy as np

    target = math.log(_AIM / delta)
    depths, hazards = _hazard_table()
    wealth = np.zeros(counts.shape)  # logarithms throughout
    best = np.zeros(counts.shape)
    spread = np.full(counts.shape, _PRIOR_ROWS * _PRIOR_SHARE * alpha * (1.0 - alpha))
    cap = _CAP / (1.0 - alpha)
    for step, drawn in enumerate(queues):
        left = counts - step
        short = target - wealth
        v = np.maximum(spread / (_PRIOR_ROWS + step), _VARIANCE_FLOOR)
        stakes = np.interp(short, depths, hazards) / np.sqrt(np.maximum(left, 1) * v)
        excess = drawn - alpha
        gains = np.log1p(-np.minimum(cap, stakes) * excess)
        wealth += np.where((short > 0.0) & (left > 0), gains, 0.0)
        np.maximum(best, wealth, out=best)
        spread += excess * excess
    return np.exp(-best)


@lru_cache(maxsize=1)
def _hazard_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ln(1 / q) and the standard normal hazard phi(d) / q at the d with upper tail q.

    Between its points the stake is interpolated: a stake need not be exact to be fair.
    """
    from statistics import NormalDist  # its own imports are too many for the serving path

    import numpy as np

    normal = NormalDist()
    depths = _DEEPEST * np.linspace(0.0, 1.0, 1025) ** 2
    tails = [math.exp(-float(depth)) for depth in depths[1:]]
    hazards = [normal.pdf(normal.inv_cdf(tail)) / tail for tail in tails]
    return depths, np.asarray([0.0, *hazards])


def _order(rows: int, seed: int) -> NDArray[np.intp]:
    """A uniform order of the rows, the same with every version of Python and numpy."""
    import numpy as np

    draw = random.Random(seed).random
    return np.argsort(np.asarray([draw() for _ in range(rows)]), kind="stable")


def _checked(losses: ArrayLike, alpha: float, delta: float) -> NDArray[np.float64]:
    import numpy as np

    if not (0.0 < alpha < 1.0 and 0.0 < delta < 1.0):
        raise UsageError(f"expected alpha and delta in (0, 1), got {alpha} and {delta}")
    values = np.asarray(losses, np.float64)
    if values.size and not bool(((values >= 0.0) & (values <= 1.0)).all()):
        raise UsageError("expected losses in [0, 1]; rescale them or leave unlabelled rows out")
    return values
