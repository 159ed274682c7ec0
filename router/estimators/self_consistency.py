"""Confidence as the share of samples that agree on the most frequent answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..evidence import Evidence
from ..making import maker
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable
from .majority import returned, vote
from .views import Answers, answers

__all__ = ["SelfConsistency"]

_make_signal = maker(Signal)


@dataclass(frozen=True, slots=True)
class SelfConsistency(BatchEstimator):
    """The share of the most frequent answer among M samples, max over classes of n_c / M.

    `raw` and `value` are that share, in [1/M, 1], higher is surer, and biased upwards until it is
    calibrated. It speaks of the *majority* answer, which the details name (`majority`, as most
    samples write it) together with whether the greedy answer is of that class (`greedy_agrees`).
    The greedy answer has no vote, but breaks a tie in favor of its own class; other ties go to the
    first class in alphabetical order, and the details list all of them. An empty sample counts as
    a class of its own. Unavailable where the greedy answer is empty, without samples, and with one
    sample, whose share is 1 whatever it says.

    Source: Wang et al. 2023, "Self-Consistency Improves Chain of Thought Reasoning in Language
    Models", arXiv 2203.11171. Also known as `label_prob`.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
    """

    samples: int = 5

    name: ClassVar[str] = "self_consistency"
    version: ClassVar[int] = 1

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt."""
        return Needs(samples=self.samples)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            found if isinstance(found, Unavailable) else self._read(record, found)
            for record, found in zip(batch.records, batch.shared(answers), strict=True)
        ]

    def _read(self, record: Evidence, found: Answers) -> Reading:
        m = len(found.samples)
        if m < 2:
            return Unavailable("needs 2 samples")
        votes = Counter(found.samples)
        winner, tied = vote(votes, found.greedy)
        share = votes[winner] / m
        details = returned(record.samples, found, winner, tied)
        return _make_signal(self.name, share, share, "confidence", details)
