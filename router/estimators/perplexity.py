"""Confidence as the average probability of a token."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..hygiene import COVERAGE, Checked, Selection
from ..making import maker
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable
from .views import selected

__all__ = ["Perplexity"]

_make_signal = maker(Signal)

_LARGEST_EXPONENT = 700.0  # exp(709.8) is the end of the floats


@dataclass(frozen=True, slots=True)
class Perplexity(BatchEstimator):
    """Perplexity of the greedy answer, exp(-mean of log p) over its content tokens.

    `raw` is the perplexity itself, in [1, exp(700)], high is unsure; `value` is its inverse,
    exp(mean log p); `log_perplexity` stands in the details. (LM-Polygraph calls the logarithm
    "Perplexity", UQLM the inverse "sequence_probability".) Unavailable where the answer is empty,
    hygiene finds fault, or less than 90 % of the content tokens have a logprob.

    Source: Jelinek, Mercer, Bahl and Baker 1977, "Perplexity: a measure of the difficulty of
    speech recognition tasks"; as length-normalized sequence uncertainty in Malinin and Gales 2021,
    "Uncertainty Estimation in Autoregressive Structured Prediction".

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "perplexity"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            found if isinstance(found, Unavailable) else self._read(*found)
            for found in batch.shared(selected, self.content_filter, COVERAGE)
        ]

    def _read(self, checked: Checked, chosen: Selection) -> Signal:
        log_perplexity = abs(math.fsum(chosen.logprobs)) / len(chosen.logprobs)
        bounded = min(log_perplexity, _LARGEST_EXPONENT)
        details = {
            "log_perplexity": log_perplexity,
            "tokens": len(chosen.logprobs),
            "coverage": chosen.coverage,
            "filter": chosen.filter,
            **checked.counts(),
        }
        raw, value = math.exp(bounded), math.exp(-bounded)
        return _make_signal(self.name, value, raw, "uncertainty", details)
