"""Confidence as the distance of the next-token distributions from the uniform one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..protocols import Needs
from ..signals import Reading
from .candidate_measures import uniform_divergence
from .candidate_table import candidate_table

__all__ = ["SelfCertainty"]


@dataclass(frozen=True, slots=True)
class SelfCertainty(BatchEstimator):
    """Mean of KL(uniform || p) over the greedy answer's content tokens.

    Per token -(1/k) sum of ln p - ln k, over its k alternatives as reported. `raw` is in nats, in
    [0, inf), high is sure; `value` is 1 - exp(-raw). Numbers of different k do not compare.
    Unavailable where the answer is empty, hygiene finds fault, or less than 90 % of the content
    tokens have a logprob and two alternatives.

    Source: Kang, Zhao and Song 2025, "Scalable Best-of-N Selection for Large Language Models via
    Self-Certainty", arXiv 2502.18581. Departure: the paper has the whole vocabulary; a top k is
    taken as it is, without renormalizing.

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "self_certainty"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        import numpy as np

        table = batch.shared(candidate_table, self.content_filter)
        raws = table.means(table.measured(uniform_divergence))
        return table.readings(self.name, (-np.expm1(-raws)).tolist(), raws.tolist(), "confidence")
