"""How well a critic ranks states of the same round: what pooling rounds would flatter.

Later rounds hold more evidence and fewer right answers, so the round number alone ranks pooled
states well (AUROC .62 to .79 on multi-hop questions) and says nothing about any one of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..metrics.ranking import auroc
from ..signals import Unavailable
from .states import StateRecord

__all__ = ["Stratum", "auroc_within", "strata_of", "stratum_of"]

LEAST_OF_A_CLASS = 6
"""States of either class that a stratum needs to count."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """States that are comparable: equally many searches, equally many passages.

    Attributes:
        auroc: Unavailable where a class has fewer than six states.
    """

    key: Hashable
    n: int
    positives: int
    auroc: float | Unavailable


def stratum_of(record: StateRecord) -> tuple[int, int]:
    """(round, passages shown)."""
    return record.state.round, len(record.state.passages)


def strata_of(
    scores: Sequence[float], labels: Sequence[int], keys: Sequence[Hashable]
) -> tuple[Stratum, ...]:
    """Each stratum with its AUROC, in the order of the keys' first rows.

    Args:
        keys: equal for rows that are comparable, e.g. the round, or how many passages were shown.
    """
    if not len(scores) == len(labels) == len(keys):
        raise UsageError("expected one label and one key a score")
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    found = []
    for key, rows in places.items():
        picked = [labels[row] for row in rows]
        positives = sum(picked)
        area: float | Unavailable = Unavailable("too few states of a class")
        if min(positives, len(rows) - positives) >= LEAST_OF_A_CLASS:
            area = auroc([scores[row] for row in rows], picked)
        found.append(Stratum(key, len(rows), positives, area))
    return tuple(found)


def auroc_within(
    scores: Sequence[float], labels: Sequence[int], keys: Sequence[Hashable]
) -> float | Unavailable:
    """Mean AUROC over strata, weighted by their states; strata with five or fewer of a class are
    left out. In [0, 1]; the round alone scores .5."""
    total = weight = 0.0
    for one in strata_of(scores, labels, keys):
        if not isinstance(one.auroc, Unavailable):
            total += one.n * one.auroc
            weight += one.n
    return total / weight if weight else Unavailable("no stratum has six states of either class")
