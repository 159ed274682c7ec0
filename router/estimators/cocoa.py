"""Confidence from how probable the answer is and how much samples agree with it, at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..hygiene import COVERAGE
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from .candidate_measures import entropy
from .candidate_table import candidate_table, measured_rows
from .similarities import greedy_similarities
from .views import checked_answers, selected, total_logprob

__all__ = ["Cocoa", "CocoaEntropy", "CocoaGNll", "CocoaUqlm"]

_make_signal = maker(Signal)

_LARGEST_EXPONENT = 700.0  # exp(-700) is about 1e-304; below it floats lose precision, then vanish

Numbers = list[float | Unavailable]


@dataclass(frozen=True, slots=True)
class _Cocoa(BatchEstimator):
    """Base of the kinds of CoCoA, which differ in the uncertainty u that they start from.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        content_filter: look at content tokens only; without it every token counts.
    """

    samples: int = 5
    content_filter: bool = True

    candidates: ClassVar[int] = 0

    @property
    def needs(self) -> Needs:
        """Logprobs of the answer, and samples compared with it."""
        return Needs(
            logprobs=True,
            top_logprobs=self.candidates,
            samples=self.samples,
            compare="similarity",
        )

    def _readings(self, name: str, batch: Batch, uncertain: Numbers) -> list[Reading]:
        similar = batch.shared(greedy_similarities)
        return [
            row
            if isinstance(row, Unavailable)
            else (u if isinstance(u, Unavailable) else _scaled(name, u, row))
            for row, u in zip(similar, uncertain, strict=True)
        ]


def _scaled(name: str, uncertainty: float, similar: tuple[float, ...]) -> Signal:
    m = len(similar)
    dissimilarity = math.fsum([1.0 - one for one in similar]) / m
    raw = uncertainty * dissimilarity
    details = _details(m)
    details["uncertainty"] = uncertainty
    details["dissimilarity"] = dissimilarity
    value = math.exp(-min(raw, _LARGEST_EXPONENT))
    return _make_signal(name, value, raw, "uncertainty", details)


def _details(m: int) -> dict[str, Detail]:
    return {"m": m, "one_sample": True} if m == 1 else {"m": m}


@dataclass(frozen=True, slots=True)
class Cocoa(_Cocoa):
    """CoCoA with log-perplexity, u (1 - mean similarity of the samples to the answer).

    u is the negative mean logprob of the greedy answer's content tokens. `raw` is in nats, in
    [0, inf), high is unsure: 0 where all samples say the same as the answer, and u where none is
    like it; `value` is exp(-raw), floored at exp(-700). With one sample the details carry
    `one_sample`. Unavailable without an answer text, samples or `greedy_similarity`, and where
    `perplexity` is.

    Source: Vashurin et al. 2025, "CoCoA: A Generalized Approach to Uncertainty Quantification by
    Integrating Confidence and Consistency of LLM Outputs", arXiv 2502.04964.
    """

    name: ClassVar[str] = "cocoa"
    version: ClassVar[int] = 1

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return self._readings(
            self.name, batch, batch.shared(_log_perplexities, self.content_filter)
        )


@dataclass(frozen=True, slots=True)
class CocoaGNll(_Cocoa):
    """CoCoA with u = `g_nll`, the negative logprob of the whole greedy answer.

    All tokens count, whatever the content filter; all else as `Cocoa`.

    Source: Vashurin et al. 2025, arXiv 2502.04964 (called MSP there).
    """

    name: ClassVar[str] = "cocoa_g_nll"
    version: ClassVar[int] = 1

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        uncertain: Numbers = []
        for checked in batch.shared(checked_answers):
            total = checked if isinstance(checked, Unavailable) else total_logprob(checked)
            uncertain.append(total if isinstance(total, Unavailable) else abs(total))
        return self._readings(self.name, batch, uncertain)


@dataclass(frozen=True, slots=True)
class CocoaEntropy(_Cocoa):
    """CoCoA with u = `mean_token_entropy` of the greedy answer; all else as `Cocoa`.

    Source: Vashurin et al. 2025, arXiv 2502.04964 (called MTE there). Departure: as
    `mean_token_entropy`.
    """

    name: ClassVar[str] = "cocoa_entropy"
    version: ClassVar[int] = 1
    candidates: ClassVar[int] = 2

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        table = batch.shared(candidate_table, self.content_filter)
        means = iter(
            table.means(batch.shared(measured_rows, self.content_filter, entropy)).tolist()
        )
        uncertain: Numbers = [
            next(means) if problem is None else problem for problem in table.problems
        ]
        depths = iter(table.details)
        widths = [next(depths)["k"] if problem is None else None for problem in table.problems]
        return [
            replace(reading, details={**reading.details, "k": k})
            if isinstance(reading, Signal) and k is not None
            else reading
            for reading, k in zip(self._readings(self.name, batch, uncertain), widths, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class CocoaUqlm(_Cocoa):
    """What UQLM calls CoCoA: exp(mean logprob) times mean of 0.5 + cos/2; another function.

    All tokens count; `greedy_similarity` is read as cosines, in [-1, 1]. `raw` and `value` are that
    product, in [0, 1], higher is surer. All else as `Cocoa`.

    Source: UQLM 0.6.7: Bouchard and Chauhan 2025, arXiv 2504.19254.
    """

    name: ClassVar[str] = "cocoa_uqlm"
    version: ClassVar[int] = 1

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            row
            if isinstance(row, Unavailable)
            else (u if isinstance(u, Unavailable) else self._read(u, row))
            for row, u in zip(
                batch.shared(greedy_similarities, -1.0),
                batch.shared(_log_perplexities, False),
                strict=True,
            )
        ]

    def _read(self, uncertainty: float, cosines: tuple[float, ...]) -> Signal:
        m = len(cosines)
        probability = math.exp(-min(uncertainty, _LARGEST_EXPONENT))
        raw = probability * math.fsum([0.5 + cosine / 2.0 for cosine in cosines]) / m
        return _make_signal(self.name, min(raw, 1.0), min(raw, 1.0), "confidence", _details(m))


def _log_perplexities(batch: Batch, content_filter: bool) -> Numbers:
    """Per record the negative mean logprob of the greedy answer's tokens that count; a view."""
    return [
        found
        if isinstance(found, Unavailable)
        else abs(math.fsum(found[1].logprobs)) / len(found[1].logprobs)
        for found in batch.shared(selected, content_filter, COVERAGE)
    ]
