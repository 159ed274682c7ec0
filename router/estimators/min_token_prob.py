"""Confidence as the probability of the least certain token."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..hygiene import Checked, Selection
from ..making import maker
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable
from .views import selected

__all__ = ["MinTokenProb"]

_make_signal = maker(Signal)


@dataclass(frozen=True, slots=True)
class MinTokenProb(BatchEstimator):
    """The smallest probability among the greedy answer's content tokens.

    `raw` and `value` are that probability, in [0, 1], higher is surer (0 only where it is below
    the smallest float). Where it stands among all tokens is in the details (`position`, the first
    among equals). Unavailable where the answer is empty, hygiene finds fault, or any content token
    lacks its logprob: the missing one may have been the smallest.

    Source: Jiang et al. 2023, "Active Retrieval Augmented Generation" (FLARE), which uses it per
    sentence; UQLM's `min_probability`. Departure: formatting and control tokens are filtered,
    since they decide the minimum otherwise.

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "min_token_prob"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            found if isinstance(found, Unavailable) else self._read(*found)
            for found in batch.shared(selected, self.content_filter, 1.0)
        ]

    def _read(self, checked: Checked, chosen: Selection) -> Signal:
        least = min(chosen.logprobs)
        details = {
            "position": chosen.positions[chosen.logprobs.index(least)],
            "tokens": len(chosen.positions),
            "filter": chosen.filter,
            **checked.counts(),
        }
        probability = math.exp(least)
        return _make_signal(self.name, probability, probability, "confidence", details)
