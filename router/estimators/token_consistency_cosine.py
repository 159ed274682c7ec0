"""Confidence from how near the samples are to the answer in a space of embeddings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..evidence import Evidence
from ..hygiene import answer_problem
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable

__all__ = ["TokenConsistencyCosine"]

_make_signal = maker(Signal)

_ROUNDING = 1e-6  # how far a cosine of single-precision vectors may be beyond 1


@dataclass(frozen=True, slots=True)
class TokenConsistencyCosine(BatchEstimator):
    """Mean of 0.5 + cos(y_0, y_i) / 2 over the samples, from the given `greedy_similarity`.

    The similarities are read as cosines, in [-1, 1], up to 1e-6 beyond as rounding. `raw` and
    `value` are the mean, in [0, 1], higher is surer. With one sample the details carry
    `one_sample`. Unavailable where the greedy answer is empty or a tool call, without samples,
    without one similarity a sample, and where one is no cosine.

    Source: Bouchard and Chauhan 2025, "Uncertainty Quantification for Language Models: A Suite of
    Black-Box, White-Box, LLM Judge, and Ensemble Scorers", arXiv 2504.19254 (UQLM's `cosine_sim`).

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
    """

    samples: int = 5

    name: ClassVar[str] = "token_consistency_cosine"
    version: ClassVar[int] = 1

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt, compared with the answer."""
        return Needs(samples=self.samples, compare="similarity")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, record: Evidence) -> Reading:
        problem = answer_problem(record.greedy)
        if problem is not None:
            return problem
        m = len(record.samples)
        cosines = record.greedy_similarity
        if not m:
            return Unavailable("no samples")
        if cosines is None:
            return Unavailable("no greedy_similarity")
        if len(cosines) != m:
            return Unavailable(f"greedy_similarity has {len(cosines)} numbers for {m} samples")
        limit = 1.0 + _ROUNDING
        if not all([-limit <= cosine <= limit for cosine in cosines]):  # false of NaN, too
            return Unavailable("greedy_similarity is not all in [-1, 1]")
        mean = min(max(math.fsum(cosines) / m, -1.0), 1.0)
        value = 0.5 + mean / 2.0
        details: dict[str, Detail] = {"m": m}
        if m == 1:
            details["one_sample"] = True
        return _make_signal(self.name, value, value, "confidence", details)
