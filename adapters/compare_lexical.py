"""Similarity of texts by the words that they share: always there, no model, no download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from ..router.answers import answer_class
from ..router.requests import CompareKind

__all__ = ["LexicalComparer"]


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    return frozenset(answer_class(text).split())


@dataclass(frozen=True, slots=True)
class LexicalComparer:
    """Jaccard index of the answers' normalized words: shared words over all words.

    In [0, 1], 1 for answers of the same words, 0 where no word is shared. Words are those by which
    answers are told apart (`router.answers.answer_class`): no case, articles or punctuation.

    Jaccard and not the F1 of words, which ranks pairs alike (F1 = 2J / (1 + J)): it is what the
    spectral estimators were published with, and as a positive semidefinite kernel it gives them no
    negative eigenvalues. Not ROUGE-L: word order says little of short answers, and the estimator
    `lexical_similarity` has it. Source: Lin et al. 2024, "Generating with Confidence", arXiv
    2305.19187.
    """

    name: ClassVar[str] = "lexical:jaccard-1"
    kind: ClassVar[CompareKind] = "similarity"

    def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
        """One similarity a pair, in order."""
        return [(_jaccard(_words(first), _words(second)),) for first, second in pairs]


def _jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    if first == second:
        return 1.0
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared)
