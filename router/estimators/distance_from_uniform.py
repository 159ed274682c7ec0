"""Confidence as the distance of softened next-token distributions from the uniform one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..batch import Batch, BatchEstimator
from ..protocols import Needs
from ..signals import Reading
from .candidate_measures import uniform_affinity
from .candidate_table import candidate_table, measured_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["FisherRao", "RenyiDivergence"]


def _divergences(batch: Batch, content_filter: bool) -> Array:
    """(rows,): D of every token, in [0, ln k]."""
    import numpy as np

    affinities = batch.shared(measured_rows, content_filter, uniform_affinity)
    found: Array = -2.0 * np.log(affinities)
    return np.maximum(found, 0.0)


@dataclass(frozen=True, slots=True)
class RenyiDivergence(BatchEstimator):
    """Mean Renyi divergence of order 1/2 from the uniform distribution, over content tokens.

    Per token D = -2 ln sum of sqrt(r / k), r = softmax(ln p / 2) over its k alternatives. `raw` is
    in nats, in [0, ln k], high is sure; `value` is the mean of D / ln k. Unavailable where the
    answer is empty, hygiene finds fault, or less than 90 % of the content tokens have a logprob
    and two alternatives.

    Source: Darrin, Piantanida and Colombo 2023, "Rainproof: An Umbrella to Shield Text Generators
    from Out-of-Distribution Data"; LM-Polygraph, which returns it as an uncertainty: a distance
    from uniform is a confidence.

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "renyi_divergence"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        import numpy as np

        table = batch.shared(candidate_table, self.content_filter)
        divergences = _divergences(batch, self.content_filter)
        shares = np.minimum(divergences / table.log_widths(), 1.0)
        raws, values = table.means(divergences).tolist(), table.means(shares).tolist()
        return table.readings(self.name, values, raws, "confidence")


@dataclass(frozen=True, slots=True)
class FisherRao(BatchEstimator):
    """Mean Fisher-Rao distance from the uniform distribution, over content tokens.

    Per token (2/pi) arccos of sum of sqrt(r / k), r = softmax(ln p / 2) over its k alternatives.
    `raw` and `value` are that mean, in [0, 1), higher is surer. Unavailable where the answer is
    empty, hygiene finds fault, or less than 90 % of the content tokens have a logprob and two
    alternatives.

    Source: Darrin, Piantanida and Colombo 2023, "Rainproof: An Umbrella to Shield Text Generators
    from Out-of-Distribution Data"; LM-Polygraph, which returns it as an uncertainty.

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "fisher_rao"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        import numpy as np

        table = batch.shared(candidate_table, self.content_filter)
        affinities = batch.shared(measured_rows, self.content_filter, uniform_affinity)
        raws = table.means(np.arccos(affinities) * (2.0 / math.pi)).tolist()
        return table.readings(self.name, raws, raws, "confidence")
