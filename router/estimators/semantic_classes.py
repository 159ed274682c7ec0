"""Which samples mean the same: classes from who entails whom.

Ours is a partition: every answer joins the first class whose first member entails it and is
entailed by it. Answers that normalization makes equal need no NLI, and an empty answer is of a
class of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..answers import EMPTY_CLASS
from ..batch import Batch
from ..making import maker
from ..signals import Detail, Unavailable
from .nli_matrices import CONTRADICTION, ENTAILMENT, NEUTRAL, nli_matrices
from .record_stacks import Stacked
from .views import answers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Labels = NDArray[np.intp]
    Relation = NDArray[np.bool_]

__all__ = [
    "Classes",
    "Rows",
    "agree",
    "either_entails",
    "mutual_entailment",
    "nli_labels",
    "nonstrict_equivalence",
    "nonstrict_relations",
    "overlapping_classes",
    "partition",
    "semantic_classes",
    "strict_relations",
]

Rows = Sequence[Sequence[bool]]
"""A relation of n answers, (n, n): nested lists of truth values."""


@dataclass(frozen=True, slots=True)
class Classes:
    """A partition of M samples.

    Attributes:
        ids: per sample its class; classes are numbered from 0 as they first occur.
        order_matters: whether the classes would be others in another order of the samples: the
            judgments contradict each other (A means B, B means C, but A does not mean C).
    """

    ids: tuple[int, ...]
    order_matters: bool = False

    @property
    def sizes(self) -> list[int]:
        """How many samples each class has; they sum to M."""
        found = [0] * (max(self.ids) + 1)
        for one in self.ids:
            found[one] += 1
        return found

    def details(self, count: int) -> dict[str, Detail]:
        """What a signal reports of `count` classes."""
        shown: dict[str, Detail] = {"m": len(self.ids), "classes": count}
        if self.order_matters:
            shown["order_matters"] = True
        return shown


_make_classes = maker(Classes)


def nli_labels(nli: Array) -> Labels:
    """(...,): the most probable label of each pair; of equals the less agreeing one."""
    found: Labels = nli.argmax(axis=-1)
    return found


def mutual_entailment(labels: Labels) -> Relation:
    """(records, n, n): each entails the other (strict)."""
    entails = labels == ENTAILMENT
    found: Relation = entails & entails.transpose(0, 2, 1)
    return found


def either_entails(labels: Labels) -> Relation:
    """(records, n, n): one entails the other or the other way around (UQLM's)."""
    entails = labels == ENTAILMENT
    found: Relation = entails | entails.transpose(0, 2, 1)
    return found


def nonstrict_equivalence(labels: Labels) -> Relation:
    """(records, n, n): neither contradicts the other, and not both are neutral.

    Source: the code of Farquhar et al. 2024 (jlko/semantic_uncertainty).
    """
    other = labels.transpose(0, 2, 1)
    apart = (labels == CONTRADICTION) | (other == CONTRADICTION)
    found: Relation = ~apart & ~((labels == NEUTRAL) & (other == NEUTRAL))
    return found


def partition(names: Sequence[str], equivalent: Rows) -> Classes:
    """The classes of answers, in their order: each joins one class, the first that it fits.

    Args:
        names: per answer its normalized form; equal ones are of one class, whatever NLI says.
        equivalent: (n, n), symmetric: whether two answers mean the same.
    """
    firsts: list[int] = []
    known: dict[str, int] = {}
    ids: list[int] = []
    for i, name in enumerate(names):
        found = known.get(name)
        if found is None:
            found = _first_fit(i, name, names, firsts, equivalent)
            if found == len(firsts):
                firsts.append(i)
            known[name] = found
        ids.append(found)
    return _make_classes(tuple(ids), len(known) > 1 and not agree(ids, names, equivalent))


def _first_fit(
    i: int, name: str, names: Sequence[str], firsts: Sequence[int], equivalent: Rows
) -> int:
    """The number of the first class that answer i fits, or of a new one."""
    if name != EMPTY_CLASS:
        row = equivalent[i]
        for number, first in enumerate(firsts):
            if row[first] and names[first] != EMPTY_CLASS:
                return number
    return len(firsts)


def agree(
    ids: Sequence[int], names: Sequence[str], equivalent: Rows, apart: str | None = EMPTY_CLASS
) -> bool:
    """Whether classes say of each two answers what the relation says of them.

    They do if and only if the relation is transitive: then every order gives these classes.

    Args:
        apart: the name that NLI joins with no other; None where there is none.
    """
    for i, name in enumerate(names):
        row, own = equivalent[i], ids[i]
        for j in range(i):
            other = names[j]
            alike = name == other or (row[j] and name != apart and other != apart)
            if bool(alike) != (ids[j] == own):
                return False
    return True


def overlapping_classes(texts: Sequence[str], equivalent: Rows) -> list[list[int]]:
    """UQLM's classes: an answer joins *every* class whose first member fits, so that they overlap.

    Of A and B unrelated and C like both: [0, 2] and [1, 2]. Only texts equal letter by letter need
    no NLI.
    """
    found: list[list[int]] = []
    for i, text in enumerate(texts):
        fitting = [one for one in found if texts[one[0]] == text or equivalent[i][one[0]]]
        for one in fitting:
            one.append(i)
        if not fitting:
            found.append([i])
    return found


def semantic_classes(batch: Batch, nonstrict: bool = False) -> list[Classes | Unavailable]:
    """Per record the classes of its samples; a view.

    Under mutual entailment (strict), or where nothing contradicts and not both are neutral.

    Unavailable with fewer than 2 samples, without an answer text, and where the NLI matrix is
    missing or wrong.
    """
    found: list[Classes | Unavailable] = []
    named = batch.shared(answers)
    relations = batch.shared(nonstrict_relations if nonstrict else strict_relations).rows()
    for names, rows in zip(named, relations, strict=True):
        if isinstance(rows, Unavailable):
            found.append(rows)
        elif isinstance(names, Unavailable):
            found.append(names)
        else:
            found.append(partition(names.samples, rows))
    return found


def strict_relations(batch: Batch) -> Stacked:
    """Per record which of its M >= 2 samples entail each other by NLI alone, (M, M); a view."""
    judged = batch.shared(nli_matrices).at_least(2)
    return judged.mapped(lambda nli: mutual_entailment(nli_labels(nli[:, 1:, 1:])))


def nonstrict_relations(batch: Batch) -> Stacked:
    """Per record which of its M >= 2 samples are equivalent in the nonstrict sense; a view."""
    judged = batch.shared(nli_matrices).at_least(2)
    return judged.mapped(lambda nli: nonstrict_equivalence(nli_labels(nli[:, 1:, 1:])))
