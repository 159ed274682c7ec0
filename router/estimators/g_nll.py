"""Confidence as the probability of the whole greedy answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..hygiene import Checked
from ..making import maker
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable
from .views import checked_answers, total_logprob

__all__ = ["GNll"]

_make_signal = maker(Signal)

_LARGEST_EXPONENT = 700.0  # exp(-700) is about 1e-304; below it floats lose precision, then vanish


@dataclass(frozen=True, slots=True)
class GNll(BatchEstimator):
    """Negative log-likelihood of the greedy answer, U = -sum of log p over all its tokens.

    `raw` is U in nats, in [0, inf), high is unsure; `value` is exp(-U), floored at exp(-700).
    Nothing is normalized by length or filtered: the end-of-sequence token counts where the
    provider reports it. Meant for an answer at temperature 0; of a sampled one it is another,
    noisier number. Unavailable where the answer is empty, hygiene finds fault, or any token other
    than a control token lacks its logprob. Also known as `msp`, maximum sequence probability.

    Source: Aichberger, Schweighofer and Hochreiter 2024, "Rethinking Uncertainty Estimation in
    Natural Language Generation" (G-NLL), arXiv 2412.15176.
    """

    name: ClassVar[str] = "g_nll"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            checked if isinstance(checked, Unavailable) else self._read(checked)
            for checked in batch.shared(checked_answers)
        ]

    def _read(self, checked: Checked) -> Reading:
        total = total_logprob(checked)
        if isinstance(total, Unavailable):
            return total
        raw = abs(total)
        present = len(checked.tokens) - checked.missing
        counted = "off" if checked.arguments is None else "arguments"
        details = {"filter": counted, "tokens": present, **checked.counts()}
        value = math.exp(-min(raw, _LARGEST_EXPONENT))
        return _make_signal(self.name, value, raw, "uncertainty", details)
