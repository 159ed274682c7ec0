"""Confidence from how alike the samples are, word by word."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..evidence import Evidence
from ..hygiene import answer_problem
from ..making import maker
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable
from .text_overlap import Measure, Words, bleu, rouge_1, rouge_2, rouge_l, stemmed_words
from .views import Answers, answers

__all__ = [
    "LexicalSimilarity",
    "LexicalSimilarityBleu",
    "LexicalSimilarityRouge1",
    "LexicalSimilarityRouge2",
]

_make_signal = maker(Signal)


@dataclass(frozen=True, slots=True)
class _LexicalSimilarity(BatchEstimator):
    """What the four have in common.

    U = -mean over pairs of samples of their similarity. `raw` is U, in [-1, 0], high is unsure;
    `value` is -U. Samples of the same words have similarity 1; one without words (empty, signs
    only, a tool call) is like those of its own class alone. Unavailable where the greedy answer
    is empty or a tool call, without samples, and with one.

    Source: Fomicheva et al. 2020, "Unsupervised Quality Estimation for Neural Machine
    Translation", arXiv 2005.10608; on question answering Kuhn, Gal and Farquhar 2023,
    arXiv 2302.09664.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
    """

    samples: int = 5

    name: ClassVar[str]
    version: ClassVar[int] = 1
    stemmed: ClassVar[bool] = True

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt."""
        return Needs(samples=self.samples)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        measure = self._measure()
        return [
            words if isinstance(words, Unavailable) else self._read(words, measure)
            for words in batch.shared(_word_lists, self.stemmed)
        ]

    def _measure(self) -> Measure:
        raise NotImplementedError

    def _read(self, words: Mapping[Words, int], measure: Measure) -> Signal:
        counts = list(words.values())
        m = sum(counts)
        agreeing = sum([count * (count - 1) // 2 for count in counts])
        total = math.fsum([agreeing, *_weighed(measure(list(words)), counts)])
        mean = min(total / (m * (m - 1) // 2), 1.0)
        return _make_signal(self.name, mean, -mean, "uncertainty", {"m": m})


@dataclass(frozen=True, slots=True)
class LexicalSimilarity(_LexicalSimilarity):
    """Mean ROUGE-L F1 of the samples, stemmed.

    On ASCII text this is LM-Polygraph's `LexicalSimilarity_rougeL`, samples without words aside.
    See the module's base class.
    """

    name: ClassVar[str] = "lexical_similarity"

    def _measure(self) -> Measure:
        return rouge_l


@dataclass(frozen=True, slots=True)
class LexicalSimilarityRouge1(_LexicalSimilarity):
    """Mean ROUGE-1 F1 of the samples, stemmed: shared words in any order."""

    name: ClassVar[str] = "lexical_similarity_rouge1"

    def _measure(self) -> Measure:
        return rouge_1


@dataclass(frozen=True, slots=True)
class LexicalSimilarityRouge2(_LexicalSimilarity):
    """Mean ROUGE-2 F1 of the samples, stemmed: shared pairs of words.

    Departure: equal samples of one word, which have no pairs, count as alike (LM-Polygraph: 0).
    """

    name: ClassVar[str] = "lexical_similarity_rouge2"

    def _measure(self) -> Measure:
        return rouge_2


@dataclass(frozen=True, slots=True)
class LexicalSimilarityBleu(_LexicalSimilarity):
    """Mean BLEU of the samples, of words as they stand between white space.

    Departures from LM-Polygraph's `LexicalSimilarity_BLEU`: both directions of a pair are averaged
    (there the earlier sample is the reference, so that the order of samples matters), and three
    n-gram lengths weigh a third each (there .33).
    """

    name: ClassVar[str] = "lexical_similarity_bleu"
    stemmed: ClassVar[bool] = False

    def _measure(self) -> Measure:
        return bleu


def _weighed(similarities: Sequence[Sequence[float]], counts: Sequence[int]) -> list[float]:
    """The similarity of each pair of different texts, times the pairs of samples that have them."""
    return [
        similarity * (mine * counts[j])
        for mine, row in zip(counts, similarities, strict=True)
        for j, similarity in enumerate(row)
    ]


def _word_lists(batch: Batch, stemmed: bool) -> list[Mapping[Words, int] | Unavailable]:
    """Per record its samples' word lists, and how many samples have each."""
    return [
        found if isinstance(found, Unavailable) else _counted(record, found, stemmed)
        for record, found in zip(batch.records, batch.shared(answers), strict=True)
    ]


def _counted(record: Evidence, found: Answers, stemmed: bool) -> Mapping[Words, int] | Unavailable:
    problem = answer_problem(record.greedy)
    if problem is not None:
        return problem
    if len(found.samples) < 2:
        return Unavailable("needs 2 samples")
    lists: dict[tuple[str, str], Words] = {}
    counts: Counter[Words] = Counter()
    for sample, name in zip(record.samples, found.samples, strict=True):
        key = (sample.text, name)
        if key not in lists:
            split = stemmed_words(sample.text) if stemmed else tuple(sample.text.split())
            lists[key] = split or (name,)
        counts[lists[key]] += 1
    return counts
