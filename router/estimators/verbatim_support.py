"""Confidence as the share of the answer that stands word for word in one passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..evidence import Evidence
from ..hygiene import answer_problem
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from ..text import content_words
from .passage_words import passage_words

__all__ = ["VerbatimSupport", "verbatim_share"]

_make_signal = maker(Signal)

_LONGEST = 4


def verbatim_share(words: Sequence[str], passage: Sequence[str]) -> tuple[float, int]:
    """The share of `words` within n-grams (n <= 4) that the passage holds, and the longest such n.

    The longest n-grams are matched first, from the left; a word is covered once.

    Args:
        words: at least one.
    """
    wanted, held = tuple(words), tuple(passage)
    places: dict[str, list[int]] = {word: [] for word in wanted}
    for place, word in enumerate(held):
        if word in places:
            places[word].append(place)
    covered = [False] * len(wanted)
    longest = 0
    for n in range(min(_LONGEST, len(wanted)), 0, -1):
        for start in range(len(wanted) - n + 1):
            gram = wanted[start : start + n]
            if any(covered[start : start + n]):
                continue
            if any(held[place : place + n] == gram for place in places[gram[0]]):
                covered[start : start + n] = [True] * n
                longest = max(longest, n)
    return sum(covered) / len(wanted), longest


@dataclass(frozen=True, slots=True)
class VerbatimSupport(BatchEstimator):
    """Share of the answer's content words in n-grams (n = 4..1) that one passage holds verbatim.

    Words are compared in lower case, without punctuation and stop words, on both sides. `raw` and
    `value` are the share for the best passage (title and text), in [0, 1], higher is surer; the
    details name it and the longest n-gram found. Among equal shares the longer n-gram wins, then
    the alphabetically first id. Unavailable without passages and where the answer is empty, a tool
    call, or has no content word.

    Source: ours, after the quoting of sources in Zhang et al. 2025, "Verifiable by Design: Aligning
    Language Models to Quote from Pre-Training Data" (Quote-Tuning), arXiv 2404.03862.
    """

    name: ClassVar[str] = "verbatim_support"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(passages=True)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        texts = batch.shared(passage_words)
        return [self._read(record, held) for record, held in zip(batch.records, texts, strict=True)]

    def _read(self, record: Evidence, texts: Sequence[Sequence[str]]) -> Reading:
        problem = answer_problem(record.greedy)
        if problem is not None:
            return problem
        if not texts:
            return Unavailable("no passages")
        words = content_words(record.greedy.text)
        if not words:
            return Unavailable("no content words")
        found = [
            (*verbatim_share(words, held), passage.id)
            for passage, held in zip(record.passages, texts, strict=True)
        ]
        share, longest, best = min(found, key=lambda one: (-one[0], -one[1], one[2]))
        details: dict[str, Detail] = {"passage": best, "longest": longest, "words": len(words)}
        return _make_signal(self.name, share, share, "confidence", details)
