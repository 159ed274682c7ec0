"""Questions drawn anew, one row each: how often each is in each draw, in blocks.

The sibling `router.metrics.draws` does it for rows that share questions. Here every question is
one row, there may be hundreds of thousands, and what is wanted of a draw are weighted sums of a
few columns: the counts come as floats, ready for one matrix product a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ..router.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["by_question", "count_blocks", "middle"]

_CELLS = 4_000_000  # of one block: 32 MB of floats, and the columns are read once a block


def count_blocks(questions: int, *, seed: int, reps: int) -> Iterator[Floats]:
    """How often each question is in each draw, in blocks of shape (draws, questions).

    A draw takes as many questions as there are, with replacement. The draws depend on the seed and
    the number of questions, not on the size of a block.

    Raises:
        UsageError: no questions, or `reps` below 1.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap".
    """
    import numpy as np

    if questions < 1 or reps < 1:
        raise UsageError(f"expected questions and reps of 1 or more, got {questions} and {reps}")
    rng = np.random.default_rng(seed)
    block = max(1, min(reps, _CELLS // questions))
    for start in range(0, reps, block):
        counts = np.empty((min(block, reps - start), questions))
        for draw in counts:
            drawn = rng.integers(0, questions, questions, dtype=np.int32)
            draw[:] = np.bincount(drawn, minlength=questions)
        yield counts


def by_question(query_ids: Sequence[str]) -> NDArray[np.intp]:
    """The order that puts rows by the names of their questions.

    Raises:
        UsageError: a question occurs twice.
    """
    import numpy as np

    order = sorted(range(len(query_ids)), key=query_ids.__getitem__)
    for one, other in pairwise(order):
        if query_ids[one] == query_ids[other]:
            raise UsageError(f"expected one row per question, got two of {query_ids[one]!r}")
    return np.array(order, dtype=np.intp)


def middle(found: Floats, level: float) -> tuple[float, float] | None:
    """The middle `level` of the draws that are not NaN; None where those are less than half."""
    import numpy as np

    known = found[~np.isnan(found)]
    if 2 * len(known) < len(found) or not len(known):
        return None
    low, high = np.quantile(known, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
