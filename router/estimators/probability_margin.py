"""Confidence as the lead of the most probable token over the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..protocols import Needs
from ..signals import Reading
from .candidate_measures import margin
from .candidate_table import candidate_table

__all__ = ["ProbabilityMargin"]


@dataclass(frozen=True, slots=True)
class ProbabilityMargin(BatchEstimator):
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

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        table = batch.shared(candidate_table, self.content_filter)
        raws = table.means(table.measured(margin)).tolist()
        return table.readings(self.name, raws, raws, "confidence")
