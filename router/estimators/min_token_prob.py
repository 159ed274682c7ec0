"""Confidence as the probability of the least certain token."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..evidence import Evidence
from ..hygiene import check, select
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable

__all__ = ["MinTokenProb"]


@dataclass(frozen=True, slots=True)
class MinTokenProb:
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

    def estimate(self, evidence: Evidence) -> Reading:
        """The signal, or why there is none."""
        checked = check(evidence.greedy)
        if isinstance(checked, Unavailable):
            return checked
        chosen = select(checked, content_filter=self.content_filter)
        if isinstance(chosen, Unavailable):
            return chosen
        least, position = min(zip(chosen.logprobs, chosen.positions, strict=True))
        details = {
            "position": position,
            "tokens": len(chosen.positions),
            "filter": chosen.filter,
            **checked.counts(),
        }
        probability = math.exp(least)
        return Signal(self.name, probability, probability, "confidence", details)
