"""Uncertainty of samples that lend each other their probability where they are alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..evidence import Evidence
from ..hygiene import check
from ..making import maker
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable
from .sample_probability import sample_totals
from .similarities import sample_similarities
from .soft_sums import falling_sigmoid, log_sum_exp
from .token_sar import token_sar_weighted

__all__ = ["Sar", "SentSar", "shared_surprise"]

_make_signal = maker(Signal)

_TEMPERATURE = 0.001


def shared_surprise(
    logprobs: Sequence[float], similarity: Sequence[Sequence[float]], t: float = _TEMPERATURE
) -> float:
    """(1/M) sum over i of -ln(p_i + (1/t) sum over k != i of p_k g(y_i, y_k)), p = exp(logprobs).

    Args:
        logprobs: (M,), natural logarithms, finite.
        similarity: g, (M, M), in [0, 1]; the diagonal is not read.
        t: how little similarity it takes; the paper's is 0.001.
    """
    surprises = []
    for i, own in enumerate(logprobs):
        lent = [
            logprobs[k] + math.log(alike / t)
            for k, alike in enumerate(similarity[i])
            if k != i and alike / t > 0.0
        ]
        surprises.append(-log_sum_exp([own, *lent]))
    return math.fsum(surprises) / len(surprises)


@dataclass(frozen=True, slots=True)
class SentSar(BatchEstimator):
    """SentSAR: the samples' surprise, each with what samples like it lend to its probability.

    `raw` is `shared_surprise` of p = exp(total logprob) in nats, high is unsure; negative numbers
    are normal, since 1/t = 1000. `value` is 1/(1 + exp(raw)), an order only. Unavailable with fewer
    than 2 samples, without an answer text, where `sample_similarity` is missing or wrong, and where
    hygiene finds fault with a sample.

    Source: Duan et al. 2023, "Shifting Attention to Relevance: Towards the Predictive Uncertainty
    Quantification of Free-Form Large Language Models", arXiv 2307.01379.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        content_filter: changes no number here; the reading of tokens is shared with those of
            the same setting.
    """

    samples: int = 5
    content_filter: bool = True

    name: ClassVar[str] = "sent_sar"
    version: ClassVar[int] = 1

    @property
    def needs(self) -> Needs:
        """Samples with logprobs, compared with each other."""
        return Needs(logprobs=True, samples=self.samples, compare="similarity")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        likely = batch.shared(sample_totals, self.content_filter)
        return [
            similarity
            if isinstance(similarity, Unavailable)
            else one
            if isinstance(one, Unavailable)
            else _signal(self.name, one, similarity)
            for similarity, one in zip(batch.shared(sample_similarities), likely, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Sar(BatchEstimator):
    """SAR: SentSAR with p = exp(-token_sar), tokens weighted by what the meaning owes them.

    `raw` is `shared_surprise` of these p, in nats, high is unsure; `value` is 1/(1 + exp(raw)), an
    order only. Unavailable as `SentSar`, and where `sample_token_similarity` is missing or does not
    fit the tokens of a sample.

    Source: Duan et al. 2023, arXiv 2307.01379. Departure: as `token_sar`.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
    """

    samples: int = 5

    name: ClassVar[str] = "sar"
    version: ClassVar[int] = 1

    @property
    def needs(self) -> Needs:
        """Samples with logprobs, compared with each other, and with what each token does."""
        return Needs(
            logprobs=True,
            samples=self.samples,
            compare="similarity",
            given="sample_token_similarity",
        )

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            similarity if isinstance(similarity, Unavailable) else self._read(record, similarity)
            for record, similarity in zip(
                batch.records, batch.shared(sample_similarities), strict=True
            )
        ]

    def _read(self, record: Evidence, similarity: Sequence[Sequence[float]]) -> Reading:
        weighted = _weighted(record)
        if isinstance(weighted, Unavailable):
            return weighted
        return _signal(self.name, weighted, similarity)


def _weighted(record: Evidence) -> list[float] | Unavailable:
    """Per sample its weighted logprob, -token_sar."""
    given, m = record.sample_token_similarity, len(record.samples)
    if given is None:
        return Unavailable("no sample_token_similarity")
    if len(given) != m:
        return Unavailable(f"sample_token_similarity: {len(given)} rows for {m} samples")
    found: list[float] = []
    reasons: list[str] = []
    for sample, similarities in zip(record.samples, given, strict=True):
        checked = check(sample)
        u = (
            checked
            if isinstance(checked, Unavailable)
            else token_sar_weighted(checked, similarities)
        )
        if isinstance(u, Unavailable):
            reasons.append(u.reason)
        else:
            found.append(-u)
    # Which sample comes first must not decide which reason is given.
    return Unavailable(f"a sample: {min(reasons)}") if reasons else found


def _signal(name: str, logprobs: Sequence[float], similarity: Sequence[Sequence[float]]) -> Signal:
    raw = shared_surprise(logprobs, similarity) + 0.0  # which turns -0 into 0
    return _make_signal(name, falling_sigmoid(raw), raw, "uncertainty", {"m": len(logprobs)})
