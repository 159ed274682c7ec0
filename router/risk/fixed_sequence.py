"""Which of many configurations are certified at once: procedures over a list of p-values.

Each keeps the chance of certifying even one configuration whose risk is too high at delta or less,
whatever the p-values have to do with one another. Choosing among what is certified is then free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import UsageError

__all__ = [
    "bonferroni",
    "fixed_sequence",
    "holm",
    "least_accepted",
    "start_index",
]

_FIRST_COVERAGE = 0.08
_FIRST_ACCEPTED = 45.0


def fixed_sequence(p: Sequence[float], delta: float, starts: int = 1) -> tuple[bool, ...]:
    """In the order given, each at full level, up to the first that fails; True where certified.

    The order must be fixed without the tested labels. With several `starts`, evenly spaced, each
    runs on from its own place at delta / starts: a bad beginning costs less, all else more. Sharing
    delta out did not pay in any simulation (nor did passing levels on, as the fallback procedure
    does): at 500 rows a fifth of it kept back for a later start cost a quarter of the coverage.

    Raises:
        UsageError: a p-value outside of [0, 1], delta not in (0, 1), `starts` below 1.

    Source: Maurer, Hothorn and Lehmacher 1995; for risks, Angelopoulos et al. 2021, "Learn then
    Test", section on fixed sequence testing.
    """
    _check(p, delta)
    if starts < 1:
        raise UsageError(f"expected 1 or more starts, got {starts}")
    certified = [False] * len(p)
    starts = min(starts, len(p))
    for start in range(starts):
        place = start * (len(p) // starts)
        while place < len(p) and p[place] <= delta / starts:
            certified[place] = True
            place += 1
    return tuple(certified)


def holm(p: Sequence[float], delta: float) -> tuple[bool, ...]:
    """From the smallest p-value up at delta / (number left), up to the first that fails.

    Needs no order, and pays for it with power.

    Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    _check(p, delta)
    certified = [False] * len(p)
    for done, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[place] > delta / (len(p) - done):
            break
        certified[place] = True
    return tuple(certified)


def bonferroni(p: Sequence[float], delta: float) -> tuple[bool, ...]:
    """Each at delta / (number of p-values)."""
    _check(p, delta)
    return tuple([value <= delta / len(p) for value in p])


def start_index(coverages: Sequence[float], n: int) -> int | None:
    """Where a sequence over rising coverages starts: the first of max(.08, 45 / n) or more.

    About 45 accepted labels are then expected, of which the first test can stand one error at
    alpha = delta = .1. Starting later certifies nothing far more often; starting where labels look
    good would use them twice. None where no coverage is enough, as with fewer than 45 rows.

    Args:
        coverages: rising, each in [0, 1].
        n: tested rows, accepted or not.
    """
    if n < 1:
        return None
    least = max(_FIRST_COVERAGE, _FIRST_ACCEPTED / n)
    for index, coverage in enumerate(coverages):
        if coverage >= least - 1e-12:
            return index
    return None


def least_accepted(alpha: float, delta: float) -> int:
    """ceil(ln delta / ln(1 - alpha)): with fewer accepted labels, nothing can be certified.

    So many answers without one error would be seen with a chance of delta or less if the risk were
    alpha.

    Raises:
        UsageError: alpha or delta not in (0, 1).
    """
    if not (0.0 < alpha < 1.0 and 0.0 < delta < 1.0):
        raise UsageError(f"expected alpha and delta in (0, 1), got {alpha} and {delta}")
    count = math.ceil(math.log(delta) / math.log1p(-alpha) - 1e-9)
    return max(1, count)


def _check(p: Sequence[float], delta: float) -> None:
    if not 0.0 < delta < 1.0:
        raise UsageError(f"expected delta in (0, 1), got {delta}")
    for place, value in enumerate(p):
        if not 0.0 <= value <= 1.0:
            raise UsageError(f"p-value {place} is {value}; expected a number in [0, 1]")
