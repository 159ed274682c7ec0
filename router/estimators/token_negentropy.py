"""Confidence from how far the next-token distributions are from even."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..batch import Batch, BatchEstimator
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable
from .candidate_measures import entropy
from .candidate_table import candidate_table, measured_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["TokenNegentropyMean", "TokenNegentropyMin"]


_NOT_WHOLE = Unavailable("missing token or top-k < 2")


@dataclass(frozen=True, slots=True)
class TokenNegentropyMean(BatchEstimator):
    """Mean of 1 - H / ln k over the greedy answer's content tokens.

    H is the entropy of a token's k alternatives, renormalized. `raw` and `value` are that mean, in
    [0, 1], higher is surer. k is what came back, position by position.
    Unavailable where the answer is empty, hygiene
    finds fault, or less than 90 % of the content tokens have a logprob and two alternatives.

    Source: Bouchard and Chauhan 2025, "Uncertainty Quantification for Language Models: A Suite of
    Black-Box, White-Box, LLM Judge, and Ensemble Scorers" (UQLM), arXiv 2504.19254. Departure:
    UQLM gives NaN unless exactly the number of alternatives that it is set to came back.

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "token_negentropy_mean"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        table = batch.shared(candidate_table, self.content_filter)
        raws = table.means(batch.shared(_negentropies, self.content_filter)).tolist()
        return table.readings(self.name, raws, raws, "confidence")


@dataclass(frozen=True, slots=True)
class TokenNegentropyMin(BatchEstimator):
    """The least of 1 - H / ln k over the greedy answer's content tokens.

    As `token_negentropy_mean`, but of the most undecided token, and Unavailable where any content
    token lacks its logprob or two alternatives: the least might hide there.

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "token_negentropy_min"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        table = batch.shared(candidate_table, self.content_filter)
        raws = table.minima(batch.shared(_negentropies, self.content_filter)).tolist()
        found = table.readings(self.name, raws, raws, "confidence")
        if all([shared["coverage"] == 1.0 for shared in table.details]):
            return found
        return [
            _NOT_WHOLE
            if isinstance(reading, Signal) and reading.details["coverage"] != 1.0
            else reading
            for reading in found
        ]


def _negentropies(batch: Batch, content_filter: bool) -> Array:
    """(rows,): 1 - H / ln k of every token, in [0, 1], high where one candidate dominates."""
    table = batch.shared(candidate_table, content_filter)
    entropies = batch.shared(measured_rows, content_filter, entropy)
    found: Array = 1.0 - entropies / table.log_widths()
    return found
