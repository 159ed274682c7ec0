"""Confidence from how often answers are the same, and how many different ones there are."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..hygiene import answer_problem
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from .views import answers

__all__ = ["AnswerEntropy", "ExactMatch", "ExactMatchUqlm", "NumDistinct"]

_make_signal = maker(Signal)

_TOO_FEW = Unavailable("needs 2 samples")


@dataclass(frozen=True, slots=True)
class _Sampled(BatchEstimator):
    """An estimator that needs samples.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
    """

    samples: int = 5

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt."""
        return Needs(samples=self.samples)


def _match(name: str, matches: int, m: int) -> Signal:
    details: dict[str, Detail] = {"m": m}
    if m == 1:
        details["one_sample"] = True
    return _make_signal(name, matches / m, matches / m, "confidence", details)


@dataclass(frozen=True, slots=True)
class ExactMatch(_Sampled):
    """The share of samples whose answer is the greedy one, #{i: y_i = y_0} / M.

    `raw` and `value` are that share, in [0, 1], higher is surer. Answers are compared by their
    class: case, punctuation, articles and the spelling of tool calls make no difference. With one
    sample the details carry `one_sample`. Unavailable where the greedy answer is empty, and
    without samples.

    Source: Cole et al. 2023, "Selectively Answering Ambiguous Questions", arXiv 2305.14613.
    """

    name: ClassVar[str] = "exact_match"
    version: ClassVar[int] = 1

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            found
            if isinstance(found, Unavailable)
            else _match(self.name, found.samples.count(found.greedy), len(found.samples))
            for found in batch.shared(answers)
        ]


@dataclass(frozen=True, slots=True)
class ExactMatchUqlm(_Sampled):
    """The share of samples that equal the greedy answer sign by sign, as UQLM has it.

    As `exact_match`, but "Paris" and "paris." differ. Unavailable also where the greedy answer is
    a tool call without text.

    Source: UQLM 0.6.7, `exact_match`.
    """

    name: ClassVar[str] = "exact_match_uqlm"
    version: ClassVar[int] = 1

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        found: list[Reading] = []
        for record in batch.records:
            problem = answer_problem(record.greedy)
            if problem is not None:
                found.append(problem)
                continue
            texts = [sample.text for sample in record.samples]
            if not texts:
                found.append(Unavailable("no samples"))
                continue
            found.append(_match(self.name, texts.count(record.greedy.text), len(texts)))
        return found


@dataclass(frozen=True, slots=True)
class AnswerEntropy(_Sampled):
    """Entropy of the samples' answers, U = -sum over classes of (n_c / M) ln(n_c / M).

    `raw` is U in nats, in [0, ln M], high is unsure; `value` is 1 - U / ln M. This is discrete
    semantic entropy with spelling for meaning. An empty sample counts as a class of its own.
    Unavailable where the greedy answer is empty, without samples, and with one.

    Source: ours, after Farquhar et al. 2024, "Detecting hallucinations in large language models
    using semantic entropy" (Nature 630).
    """

    name: ClassVar[str] = "answer_entropy"
    version: ClassVar[int] = 1

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            counts if isinstance(counts, Unavailable) else self._read(counts)
            for counts in batch.shared(_class_sizes)
        ]

    def _read(self, counts: tuple[int, ...]) -> Signal:
        m = sum(counts)
        raw = _entropy(counts)
        details = {"m": m, "classes": len(counts)}
        value = 1.0 - raw / math.log(m)
        return _make_signal(self.name, value, raw, "uncertainty", details)


@dataclass(frozen=True, slots=True)
class NumDistinct(_Sampled):
    """How many different answers the samples give.

    `raw` is that number, in [1, M], high is unsure; `value` is 1 - (raw - 1) / (M - 1). An empty
    sample counts as a class of its own. Unavailable where the greedy answer is empty, without
    samples, and with one.

    Source: ours: the number of semantic sets of Kuhn, Gal and Farquhar 2023 (arXiv 2302.09664)
    with spelling for meaning.
    """

    name: ClassVar[str] = "num_distinct"
    version: ClassVar[int] = 1

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            counts if isinstance(counts, Unavailable) else self._read(counts)
            for counts in batch.shared(_class_sizes)
        ]

    def _read(self, counts: tuple[int, ...]) -> Signal:
        m, distinct = sum(counts), len(counts)
        value = 1.0 - (distinct - 1) / (m - 1)
        return _make_signal(self.name, value, float(distinct), "uncertainty", {"m": m})


def _class_sizes(batch: Batch) -> list[tuple[int, ...] | Unavailable]:
    """Per record how many of its samples are in each class, in increasing order."""
    found: list[tuple[int, ...] | Unavailable] = []
    for one in batch.shared(answers):
        if isinstance(one, Unavailable):
            found.append(one)
        elif len(one.samples) < 2:
            found.append(_TOO_FEW)
        else:
            found.append(tuple(sorted(Counter(one.samples).values())))
    return found


@lru_cache(maxsize=4096)
def _entropy(counts: tuple[int, ...]) -> float:
    m = sum(counts)
    found = math.log(m) - math.fsum([count * math.log(count) for count in counts]) / m
    return min(max(found, 0.0), math.log(m))
