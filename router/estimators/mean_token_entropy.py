"""Confidence from how spread out the next-token distributions are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..protocols import Needs
from ..signals import Reading
from .candidate_measures import entropy
from .candidate_table import candidate_table, measured_rows

__all__ = ["MeanTokenEntropy"]


@dataclass(frozen=True, slots=True)
class MeanTokenEntropy(BatchEstimator):
    """Mean entropy of the next-token distribution over the greedy answer's content tokens.

    `raw` is in nats, in [0, ln k], high is unsure; `value` is exp(-raw). At each position the
    reported alternatives are renormalized to 1 (nothing changes where the whole vocabulary is
    given). Numbers of different k are not comparable: `k` in the details is the fewest
    alternatives at any position used, `captured_mass` the mean probability they cover.
    Unavailable where the answer is empty, hygiene finds fault, or less than 90 % of the content
    tokens have a logprob and two alternatives.

    Source: Fomicheva et al. 2020, "Unsupervised Quality Estimation for Neural Machine
    Translation"; LM-Polygraph. Departure: LM-Polygraph does not renormalize the top k, so
    that its number is not the entropy of a distribution.

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "mean_token_entropy"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        import numpy as np

        table = batch.shared(candidate_table, self.content_filter)
        raws = table.means(batch.shared(measured_rows, self.content_filter, entropy))
        return table.readings(self.name, np.exp(-raws).tolist(), raws.tolist(), "uncertainty")
