"""Confidence as the lead of the most probable token over the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..evidence import Evidence
from ..hygiene import COVERAGE, check, select
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable

__all__ = ["ProbabilityMargin"]


@dataclass(frozen=True, slots=True)
class ProbabilityMargin:
    """Mean of p(1) - p(2), the two largest probabilities, over the greedy answer's content tokens.

    `raw` and `value` are that mean, in [0, 1], higher is surer. The two are the largest of the
    distribution, whichever of them was chosen. Unavailable where the answer is empty, hygiene
    finds fault, or less than 90 % of the content tokens have a logprob and two alternatives.

    Source: Bouchard and Chauhan 2025, "Uncertainty Quantification for Language Models: A Suite of
    Black-Box, White-Box, LLM Judge, and Ensemble Scorers" (UQLM).

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "probability_margin"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate(self, evidence: Evidence) -> Reading:
        """The signal, or why there is none."""
        checked = check(evidence.greedy, candidates=True)
        if isinstance(checked, Unavailable):
            return checked
        chosen = select(
            checked, content_filter=self.content_filter, coverage=COVERAGE, least_candidates=2
        )
        if isinstance(chosen, Unavailable):
            return chosen
        used = [checked.candidates[i] for i in chosen.positions]
        margins = [math.exp(best[0]) - math.exp(best[1]) for best in used]
        raw = math.fsum(margins) / len(margins)
        details = {
            "k": min(map(len, used)),
            "coverage": chosen.coverage,
            "filter": chosen.filter,
            **checked.counts(),
        }
        return Signal(self.name, raw, raw, "confidence", details)
