"""Confidence as the share of the answer's words that one passage bears out."""

from __future__ import annotations

import math
from collections import Counter
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
from .passage_words import passage_words

__all__ = ["LexicalSupport"]

_make_signal = maker(Signal)


@dataclass(frozen=True, slots=True)
class LexicalSupport(BatchEstimator):
    """BM25-weighted share of the answer's content words that the best passage contains.

    With A the distinct content words of the answer, P passages (title and text), f(w, d) how often
    w occurs in passage d, |d| its content words and avg their mean over the passages::

        idf(w)     = ln(1 + (N - n(w) + 0.5) / (n(w) + 0.5))
        hit(w, d)  = f(w, d) (k1 + 1) / (f(w, d) + k1 (1 - b + b |d| / avg))
        raw        = max over d of [sum over A of idf(w) hit(w, d)] / [sum over A of idf(w)]

    where N = P + 1 documents are the passages and the question, and n(w) those that contain w: no
    statistics of the corpus are at hand, and a word that merely repeats the question says little.
    A passage of average length that holds every word of the answer once scores exactly 1.
    `raw` is in [0, k1 + 1), higher is surer; `value` is raw clipped to 1. Unavailable without
    passages and where the answer is empty or has no content word.

    Source: our own; the weights are those of Robertson and Zaragoza 2009, "The Probabilistic
    Relevance Framework: BM25 and Beyond", with the idf that cannot become negative.

    Attributes:
        k1: how fast repeated words stop counting, >= 0.
        b: how much long passages are discounted, in [0, 1].
    """

    k1: float = 1.2
    b: float = 0.75

    name: ClassVar[str] = "lexical_support"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(passages=True)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        texts = batch.shared(passage_words)
        return [self._read(record, held) for record, held in zip(batch.records, texts, strict=True)]

    def _read(self, evidence: Evidence, texts: Sequence[Sequence[str]]) -> Reading:
        problem = answer_problem(evidence.greedy)
        if problem is not None:
            return problem
        if not texts:
            return Unavailable("no passages")
        words = sorted(set(content_words(evidence.greedy.text)))
        if not words:
            return Unavailable("no content words")
        counts = [Counter(held) for held in texts]
        idf = _idf(words, [*counts, Counter(content_words(evidence.question))])
        overlaps = self._overlaps(idf, counts)
        raw = max(overlaps) / math.fsum(idf.values())
        best = _first_id(evidence.passages, overlaps)
        details: dict[str, Detail] = {"passage": best, "words": len(words), "passages": len(counts)}
        return _make_signal(self.name, min(raw, 1.0), raw, "confidence", details)

    def _overlaps(self, idf: dict[str, float], counts: Sequence[Counter[str]]) -> list[float]:
        lengths = [counted.total() for counted in counts]
        average = sum(lengths) / len(lengths) or 1.0
        overlaps: list[float] = []
        for counted, length in zip(counts, lengths, strict=True):
            norm = self.k1 * (1.0 - self.b + self.b * length / average)
            hits = [
                weight * counted[word] * (self.k1 + 1.0) / (counted[word] + norm)
                for word, weight in idf.items()
                if counted[word]
            ]
            overlaps.append(math.fsum(hits))
        return overlaps


def _first_id(passages: Sequence[Passage], overlaps: Sequence[float]) -> str:
    """The id of the best passage, the alphabetically first one among equals."""
    most = max(overlaps)
    pairs = zip(passages, overlaps, strict=True)
    return min(passage.id for passage, overlap in pairs if overlap == most)


def _idf(words: Sequence[str], documents: Sequence[Counter[str]]) -> dict[str, float]:
    total = len(documents)
    found = {word: sum(word in document for document in documents) for word in words}
    return {word: math.log1p((total - n + 0.5) / (n + 0.5)) for word, n in found.items()}
