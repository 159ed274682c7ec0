"""Which questions belong together, and folds that keep those together."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from .question_features import Features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["deal_evenly", "first_of_each", "joined"]


def first_of_each(questions: Sequence[Features]) -> list[int]:
    """For each question, the place of the first one of the same words in the same order.

    Case and spacing make no difference.
    """
    first: dict[Hashable, int] = {}
    return [
        first.setdefault((tuple(words), tuple(words.values())), place)
        for place, (words, _) in enumerate(questions)
    ]


def joined(first: Sequence[int], groups: Sequence[Hashable] | None) -> list[int]:
    """A number for each question: equal where questions are the same or share a group.

    Sameness carries over: two groups that hold the same question are one.
    """
    above = list(first)

    def top(place: int) -> int:
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    leader: dict[Hashable, int] = {}
    for place, group in enumerate(groups or ()):
        one, other = top(place), top(leader.setdefault(group, place))
        above[max(one, other)] = min(one, other)
    return [top(place) for place in range(len(above))]


def deal_evenly(kinds: Sequence[int], folds: int, seed: int) -> Ints:
    """The fold of each question, shape (questions,): kinds stay whole, folds about equally large.

    The largest kinds are dealt first, equal ones in random order, each to the smallest fold.
    """
    import numpy as np

    sizes = Counter(kinds)
    names = sorted(sizes)
    drawn = np.random.default_rng(seed).permutation(len(names)).tolist()
    rank = dict(zip(names, drawn, strict=True))
    heap = [(0, fold) for fold in range(folds)]
    fold_of: dict[int, int] = {}
    for kind in sorted(names, key=lambda name: (-sizes[name], rank[name])):
        size, fold = heapq.heappop(heap)
        fold_of[kind] = fold
        heapq.heappush(heap, (size + sizes[kind], fold))
    return np.asarray([fold_of[kind] for kind in kinds], dtype=np.int64)
