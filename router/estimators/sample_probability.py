"""Confidence from how probable the samples were: Monte Carlo estimates over several answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from ..batch import Batch, BatchEstimator
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from .views import Likelihood, answers, likelihoods

__all__ = [
    "McProbability",
    "McSequenceEntropy",
    "sample_likelihoods",
    "sample_totals",
    "whole",
]

T = TypeVar("T")

_make_signal = maker(Signal)

_LARGEST_EXPONENT = 700.0  # exp(-700) is about 1e-304; below it floats lose precision, then vanish


@dataclass(frozen=True, slots=True)
class McSequenceEntropy(BatchEstimator):
    """Predictive entropy by Monte Carlo, U = -(1/M) sum over samples of l_i or of L_i.

    l_i is the mean logprob of sample i's content tokens, L_i the sum over all its tokens; with L_i,
    by the name of `mc_sequence_entropy_total`, long answers are unsure. `raw` is U in nats, in
    [0, inf), high is unsure; `value` is exp(-U), floored at exp(-700). It estimates the model's
    entropy where samples are drawn at temperature 1: providers report the logprobs of temperature
    1 whatever they sample at. Unavailable where the greedy answer is empty, with less than two
    samples, and where hygiene finds fault with one of them.

    Source: Malinin and Gales 2021, "Uncertainty Estimation in Autoregressive Structured
    Prediction", arXiv 2002.07650; LM-Polygraph's `MonteCarloNormalizedSequenceEntropy` and
    `MonteCarloSequenceEntropy`.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        content_filter: take l_i over content tokens only; without it every token counts.
        normalized: take l_i, not L_i.
    """

    samples: int = 5
    content_filter: bool = True
    normalized: bool = True

    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """Of the normalized form and of the other."""
        return "mc_sequence_entropy" if self.normalized else "mc_sequence_entropy_total"

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt, with logprobs."""
        return Needs(logprobs=True, samples=self.samples)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        if not self.normalized:
            totals = batch.shared(sample_totals, self.content_filter)
            return [
                found
                if isinstance(found, Unavailable)
                else _entropy(self.name, found, {"m": len(found), "filter": "off"})
                for found in totals
            ]
        return [
            found
            if isinstance(found, Unavailable)
            else _entropy(self.name, [one.mean for one in found], _details(found, self))
            for found in batch.shared(sample_likelihoods, self.content_filter)
        ]


@dataclass(frozen=True, slots=True)
class McProbability(BatchEstimator):
    """Mean over the greedy answer and its samples of exp(l_i), l_i the mean logprob of answer i.

    `raw` and `value` are that mean, in [0, 1], higher is surer. With one sample the details
    carry `one_sample`. Unavailable where the greedy answer is empty, without samples, and where
    hygiene finds fault with an answer.

    Source: UQLM 0.6.7, `monte_carlo_probability`: Bouchard and Chauhan 2025, arXiv 2504.19254; it
    counts the greedy answer, and so do we.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        content_filter: look at content tokens only; without it every token counts.
    """

    samples: int = 5
    content_filter: bool = True

    name: ClassVar[str] = "mc_probability"
    version: ClassVar[int] = 1

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt, with logprobs."""
        return Needs(logprobs=True, samples=self.samples)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        sampled = batch.shared(sample_likelihoods, self.content_filter)
        every = batch.shared(likelihoods, self.content_filter)
        return [
            found if isinstance(found, Unavailable) else self._read(one[0], found)
            for one, found in zip(every, sampled, strict=True)
        ]

    def _read(self, greedy: Likelihood | Unavailable, found: Sequence[Likelihood]) -> Reading:
        if isinstance(greedy, Unavailable):
            return greedy
        means = [greedy.mean, *[one.mean for one in found]]
        mean = math.fsum([math.exp(max(one, -_LARGEST_EXPONENT)) for one in means]) / len(means)
        details = _details(found, self)
        if len(found) == 1:
            details["one_sample"] = True
        return _make_signal(self.name, min(mean, 1.0), min(mean, 1.0), "confidence", details)


def _details(
    found: Sequence[Likelihood], asking: McProbability | McSequenceEntropy
) -> dict[str, Detail]:
    shown: dict[str, Detail] = {
        "m": len(found),
        "filter": "on" if asking.content_filter else "off",
    }
    coverage = min([one.coverage for one in found])
    if coverage < 1.0:
        shown["coverage"] = coverage
    return shown


def _entropy(name: str, logprobs: Sequence[float], details: dict[str, Detail]) -> Reading:
    m = len(logprobs)
    if m < 2:
        return Unavailable("needs 2 samples")
    raw = abs(math.fsum(logprobs)) / m
    value = math.exp(-min(raw, _LARGEST_EXPONENT))
    return _make_signal(name, value, raw, "uncertainty", details)


def sample_likelihoods(
    batch: Batch, content_filter: bool
) -> list[tuple[Likelihood, ...] | Unavailable]:
    """Per record how probable each of its M samples was; a view for `Batch.shared`.

    Unavailable without an answer or without samples, and where a sample cannot be read: a sum over
    the others would be of another quantity.
    """
    every = batch.shared(likelihoods, content_filter)
    return [
        found if isinstance(found, Unavailable) else whole(one[1:])
        for one, found in zip(every, batch.shared(answers), strict=True)
    ]


def sample_totals(batch: Batch, content_filter: bool) -> list[tuple[float, ...] | Unavailable]:
    """Per record L of each of its M samples, the sum over all its tokens; a view.

    Unavailable as `sample_likelihoods`, and where any token of a sample lacks its logprob.
    """
    found: list[tuple[float, ...] | Unavailable] = []
    for likely in batch.shared(sample_likelihoods, content_filter):
        if isinstance(likely, Unavailable):
            found.append(likely)
            continue
        totals = [one.total for one in likely if one.total is not None]
        whole_of_it = len(totals) == len(likely)
        found.append(tuple(totals) if whole_of_it else Unavailable("a sample: missing token"))
    return found


def whole(found: Sequence[T | Unavailable]) -> tuple[T, ...] | Unavailable:
    """What was found of all samples, or why not; of several reasons the first in the alphabet."""
    reasons = [one.reason for one in found if isinstance(one, Unavailable)]
    if reasons:
        return Unavailable(f"a sample: {min(reasons)}")
    return tuple([one for one in found if not isinstance(one, Unavailable)])
