"""Entropy over meanings, and how many meanings there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from ..batch import Batch
from ..making import maker
from ..signals import Reading, Signal, Unavailable
from .nli_matrices import NliEstimator
from .sample_probability import sample_likelihoods
from .semantic_classes import Classes, semantic_classes
from .views import Likelihood

__all__ = [
    "NumSemanticSets",
    "SemanticEntropy",
    "SemanticEntropyRao",
    "count_entropy",
    "weight_entropy",
]

_make_signal = maker(Signal)


def weight_entropy(weights: Sequence[float]) -> float:
    """H = -sum of p ln p in nats, p the non-negative weights, not all 0, divided by their sum."""
    total = math.fsum(weights)
    shares = [weight / total for weight in weights]
    return abs(math.fsum([share * math.log(share) for share in shares if share > 0.0]))


@lru_cache(maxsize=4096)
def count_entropy(counts: tuple[int, ...]) -> float:
    """The entropy of counts, in nats."""
    return weight_entropy(counts)


def _falling(raw: float, highest: float) -> float:
    """1 - raw / highest, in [0, 1]."""
    return min(max(1.0 - raw / highest, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class NumSemanticSets(NliEstimator):
    """The number of meanings among the M samples.

    `raw` is the number of classes, in [1, M], high is unsure; `value` is 1 - (raw - 1)/(M - 1).
    Classes are those of `semantic_classes`: a partition under mutual entailment. Unavailable with
    fewer than 2 samples, without an answer text, and where the NLI matrix is missing or wrong.

    Source: Kuhn, Gal and Farquhar 2023, "Semantic Uncertainty: Linguistic Invariances for
    Uncertainty Estimation in Natural Language Generation", arXiv 2302.09664; as a measure of its
    own in Lin et al. 2023, arXiv 2305.19187.

    Attributes:
        nonstrict: join what nothing contradicts and is not neutral both ways, as the code of
            Farquhar et al. can (`num_semantic_sets_nonstrict`).
    """

    nonstrict: bool = False

    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """Of the strict form and of the other."""
        return "num_semantic_sets_nonstrict" if self.nonstrict else "num_semantic_sets"

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            found if isinstance(found, Unavailable) else self._read(found)
            for found in batch.shared(semantic_classes, self.nonstrict)
        ]

    def _read(self, classes: Classes) -> Signal:
        count = len(classes.sizes)
        value = _falling(count - 1, len(classes.ids) - 1)
        details = classes.details(count)
        return _make_signal(self.name, value, float(count), "uncertainty", details)


@dataclass(frozen=True, slots=True)
class SemanticEntropy(NliEstimator):
    """Discrete semantic entropy, -sum over classes of (n_c/M) ln(n_c/M).

    `raw` is in nats, in [0, ln M], high is unsure: 0 where all samples mean the same; `value` is
    1 - raw/ln M. No logprobs are read. Classes as for `NumSemanticSets`, and Unavailable as it.

    Source: Farquhar, Kossen, Kuhn and Gal 2024, "Detecting hallucinations in large language models
    using semantic entropy", Nature 630 (discrete form); Kuhn et al. 2023, arXiv 2302.09664.

    Attributes:
        nonstrict: as for `NumSemanticSets` (`semantic_entropy_nonstrict`).
    """

    nonstrict: bool = False

    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """Of the strict form and of the other."""
        return "semantic_entropy_nonstrict" if self.nonstrict else "semantic_entropy"

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            found if isinstance(found, Unavailable) else self._read(found)
            for found in batch.shared(semantic_classes, self.nonstrict)
        ]

    def _read(self, classes: Classes) -> Signal:
        sizes = sorted(classes.sizes)
        raw = count_entropy(tuple(sizes))
        value = _falling(raw, math.log(len(classes.ids)))
        return _make_signal(self.name, value, raw, "uncertainty", classes.details(len(sizes)))


@dataclass(frozen=True, slots=True)
class SemanticEntropyRao(NliEstimator):
    """Semantic entropy over class probabilities made from the samples' likelihoods.

    -sum over classes of p_c ln p_c, where p_c is the sum over the class of exp(l_i), l_i the mean
    logprob of sample i's tokens, divided by that sum over all samples. `raw` is in nats, in
    [0, ln M], high is unsure; `value` is 1 - raw/ln M. Unavailable as `SemanticEntropy`, and where
    hygiene finds fault with a sample.

    Source: Farquhar, Kossen, Kuhn and Gal 2024, Nature 630 (length-normalized, "Rao" estimate).

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "semantic_entropy_rao"
    version: ClassVar[int] = 1
    reads_logprobs: ClassVar[bool] = True

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        likely = batch.shared(sample_likelihoods, self.content_filter)
        return [
            self._read(classes, found)
            for classes, found in zip(batch.shared(semantic_classes), likely, strict=True)
        ]

    def _read(
        self, classes: Classes | Unavailable, likely: tuple[Likelihood, ...] | Unavailable
    ) -> Reading:
        if isinstance(classes, Unavailable):
            return classes
        if isinstance(likely, Unavailable):
            return likely
        most = max([one.mean for one in likely])
        masses = [0.0] * len(classes.sizes)
        for number, one in zip(classes.ids, likely, strict=True):
            # Relative to the likeliest, so that no factor common to all can underflow.
            masses[number] += math.exp(one.mean - most)
        raw = weight_entropy(masses)
        value = _falling(raw, math.log(len(likely)))
        details = classes.details(len(masses))
        details["filter"] = "on" if self.content_filter else "off"
        return _make_signal(self.name, value, raw, "uncertainty", details)
