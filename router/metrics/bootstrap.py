"""How far a number might be from what other questions would have shown: the bootstrap.

Here for any statistic of any rows, called once a draw. `draws` does the same for the usual
measures of many signals a hundred times faster.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..errors import UsageError
from ..signals import Unavailable

__all__ = ["bootstrap_difference", "bootstrap_interval", "percentile_interval"]

T = TypeVar("T")


def bootstrap_interval(
    statistic: Callable[[Sequence[T]], float | Unavailable],
    rows: Sequence[T],
    question: Callable[[T], str],
    *,
    seed: int,
    reps: int = 2000,
    level: float = 0.95,
) -> tuple[float, float] | Unavailable:
    """Percentile interval of a statistic when questions, with all their rows, are drawn anew.

    Draws in which the statistic is Unavailable are left out; where those are more than half, so
    is the interval. Depends on the questions' names and the seed, not on the order of the rows
    (as far as the statistic does not).

    Args:
        question: names the question of a row; rows of one question stay together.
        level: in (0, 1).

    Raises:
        UsageError: `level` or `reps` out of range.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", percentile method.
    """
    if not 0.0 < level < 1.0 or reps < 1:
        raise UsageError(f"expected a level in (0, 1) and reps of 1 or more, got {level}, {reps}")
    by_question: dict[str, list[T]] = {}
    for row in rows:
        by_question.setdefault(question(row), []).append(row)
    if not by_question:
        return Unavailable("no rows")
    clusters = [by_question[name] for name in sorted(by_question)]
    rng = random.Random(seed)
    found: list[float] = []
    for _ in range(reps):
        drawn = rng.choices(clusters, k=len(clusters))
        outcome = statistic([row for cluster in drawn for row in cluster])
        if not isinstance(outcome, Unavailable):
            found.append(outcome)
    return percentile_interval(found, reps, level)


def bootstrap_difference(
    first: Callable[[Sequence[T]], float | Unavailable],
    second: Callable[[Sequence[T]], float | Unavailable],
    rows: Sequence[T],
    question: Callable[[T], str],
    *,
    seed: int,
    reps: int = 2000,
    level: float = 0.95,
) -> tuple[float, float] | Unavailable:
    """Percentile interval of first - second, both on the same draws: a paired comparison.

    What makes a draw easy for one makes it easy for the other too, so that the interval is
    narrower than two intervals side by side suggest. Else as `bootstrap_interval`.
    """

    def difference(drawn: Sequence[T]) -> float | Unavailable:
        one, other = first(drawn), second(drawn)
        if isinstance(one, Unavailable):
            return one
        return other if isinstance(other, Unavailable) else one - other

    return bootstrap_interval(difference, rows, question, seed=seed, reps=reps, level=level)


def percentile_interval(
    found: Sequence[float], reps: int, level: float = 0.95
) -> tuple[float, float] | Unavailable:
    """The middle `level` of what was found in `reps` draws; Unavailable if in less than half."""
    if 2 * len(found) < reps or not found:
        return Unavailable("undefined in most draws")
    ordered = sorted(found)
    return _quantile(ordered, (1.0 - level) / 2), _quantile(ordered, (1.0 + level) / 2)


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
