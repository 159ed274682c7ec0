"""Questions drawn anew, many times at once: how often each row is in each draw.

A draw of the bootstrap is a weighting of the rows by whole numbers. A measure that can be computed
from weights needs its rows sorted once, not once a draw; and measures that are given the same
weights are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["every_row_once", "question_draws"]

_CELLS = 100_000  # of one block: 800 kB, so that it and what is made of it stay in the cache


def question_draws(groups: Sequence[str], *, seed: int, reps: int) -> Iterator[NDArray[np.intp]]:
    """Weights of the rows in blocks of shape (draws, rows), `reps` draws in all.

    In every draw as many questions are drawn, with replacement, as there are; a row weighs what
    its question was drawn. Depends on the questions' names and the seed: neither on the order of
    the rows nor on the size of the blocks.

    Args:
        groups: the question of each row.

    Raises:
        UsageError: no rows, or `reps` below 1.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap".
    """
    import numpy as np

    if not groups or reps < 1:
        raise UsageError(f"expected rows and reps of 1 or more, got {len(groups)} and {reps}")
    place = {name: i for i, name in enumerate(sorted(set(groups)))}
    question = np.array([place[name] for name in groups])
    rng = np.random.default_rng(seed)
    block = max(1, min(reps, _CELLS // len(groups)))
    for start in range(0, reps, block):
        draws = min(block, reps - start)
        drawn = rng.integers(0, len(place), (draws, len(place)))
        drawn += len(place) * np.arange(draws)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=draws * len(place))
        yield np.take(counts.reshape(draws, len(place)), question, axis=1)


def every_row_once(rows: int) -> NDArray[np.intp]:
    """The weights of the rows as they came, shape (1, rows)."""
    import numpy as np

    return np.ones((1, rows), dtype=np.intp)
