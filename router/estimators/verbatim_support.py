"""Confidence as the share of the answer that stands word for word in one passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..evidence import Evidence, Passage
from ..hygiene import answer_problem
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from ..text import content_words

__all__ = ["VerbatimSupport", "verbatim_share"]

_make_signal = maker(Signal)

_LONGEST = 4


def verbatim_share(words: Sequence[str], passage: Sequence[str]) -> tuple[float, int]:
    """The share of `words` within n-grams (n <= 4) that the passage holds, and the longest such n.

    The longest n-grams are matched first, from the left; a word is covered once.
    """
    covered = [False] * len(words)
    longest = 0
    for n in range(min(_LONGEST, len(words)), 0, -1):
        known = {tuple(passage[i : i + n]) for i in range(len(passage) - n + 1)}
        for start in range(len(words) - n + 1):
            if not any(covered[start : start + n]) and tuple(words[start : start + n]) in known:
                covered[start : start + n] = [True] * n
                longest = max(longest, n)
    return sum(covered) / len(words), longest


@dataclass(frozen=True, slots=True)
class VerbatimSupport(BatchEstimator):
    """Share of the answer's content words in n-grams (n = 4..1) that one passage holds verbatim.

    Words are compared in lower case, without punctuation and stop words, on both sides. `raw` and
    `value` are the share for the best passage, in [0, 1], higher is surer; the details name it and
    the longest n-gram found. Among equal shares the longer n-gram wins, then the first id.
    Unavailable without passages and where the answer is empty or has no content word.

    Source: ours, after the quoting of sources in Zhang et al. 2024, "Verifiable by Design: Aligning
    Language Models to Quote from Pre-Training Data" (Quote-Tuning), arXiv 2404.03862.
    """

    name: ClassVar[str] = "verbatim_support"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(passages=True)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, record: Evidence) -> Reading:
        problem = answer_problem(record.greedy)
        if problem is not None:
            return problem
        if not record.passages:
            return Unavailable("no passages")
        words = content_words(record.greedy.text)
        if not words:
            return Unavailable("no content words")
        found = {passage.id: verbatim_share(words, _words(passage)) for passage in record.passages}
        best = min(found, key=lambda id: (-found[id][0], -found[id][1], id))
        share, longest = found[best]
        details: dict[str, Detail] = {"passage": best, "longest": longest, "words": len(words)}
        return _make_signal(self.name, share, share, "confidence", details)


def _words(passage: Passage) -> tuple[str, ...]:
    return content_words(f"{passage.title} {passage.text}")
