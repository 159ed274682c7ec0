"""LM-Polygraph's own forms of entropy and distance from uniform, bug for bug, for comparison."""

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

__all__ = ["FisherRaoLmp", "MeanTokenEntropyLmp", "RenyiDivergenceLmp"]


@dataclass(frozen=True, slots=True)
class MeanTokenEntropyLmp(BatchEstimator):
    """Mean of -sum of p ln p over the candidates as reported, *not* renormalized.

    `raw` is in nats, in [0, inf), high is unsure; `value` is exp(-raw). Of m, the mass of the
    candidates, and H, their entropy, it is m (H - ln m): neither of a distribution nor comparable
    over tokens that captured different masses. Unavailable as `mean_token_entropy`.

    Source: LM-Polygraph 0.7.0, `MeanTokenEntropy` over the top k.

    Attributes:
        content_filter: look at content tokens only; the library counts every token.
    """

    content_filter: bool = True

    name: ClassVar[str] = "mean_token_entropy_lmp"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        import numpy as np

        table = batch.shared(candidate_table, self.content_filter)
        raws = table.means(table.measured(_surprise))
        return table.readings(self.name, np.exp(-raws).tolist(), raws.tolist(), "uncertainty")


@dataclass(frozen=True, slots=True)
class RenyiDivergenceLmp(BatchEstimator):
    """Renyi divergence from uniform, less 2 ln k, taken for an uncertainty.

    `raw` is in [-2 ln k, -ln k]; the library reads a high one as unsure, although it is far from
    uniform then. `value` is 1 / (1 + exp(raw)), which keeps that (wrong) order. Unavailable as
    `renyi_divergence`.

    Source: LM-Polygraph 0.7.0, `RenyiNeg`.

    Attributes:
        content_filter: look at content tokens only; the library counts every token.
    """

    content_filter: bool = True

    name: ClassVar[str] = "renyi_divergence_lmp"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        import numpy as np

        table = batch.shared(candidate_table, self.content_filter)
        affinities = batch.shared(measured_rows, self.content_filter, uniform_affinity)
        raws = table.means(-2.0 * np.log(affinities) - 2.0 * table.log_widths())
        values = 1.0 / (1.0 + np.exp(raws))
        return table.readings(self.name, values.tolist(), raws.tolist(), "uncertainty")


@dataclass(frozen=True, slots=True)
class FisherRaoLmp(BatchEstimator):
    """Fisher-Rao distance from uniform, taken for an uncertainty.

    `raw` is that of `fisher_rao`, in [0, 1), and the library reads a high one as unsure; `value` is
    1 - raw, which keeps that (wrong) order. Unavailable as `fisher_rao`.

    Source: LM-Polygraph 0.7.0, `FisherRao`.

    Attributes:
        content_filter: look at content tokens only; the library counts every token.
    """

    content_filter: bool = True

    name: ClassVar[str] = "fisher_rao_lmp"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        import numpy as np

        table = batch.shared(candidate_table, self.content_filter)
        affinities = batch.shared(measured_rows, self.content_filter, uniform_affinity)
        raws = table.means(np.arccos(affinities) * (2.0 / math.pi))
        return table.readings(self.name, (1.0 - raws).tolist(), raws.tolist(), "uncertainty")


def _surprise(logprobs: Array) -> Array:
    import numpy as np

    found: Array = -(np.exp(logprobs) * logprobs).sum(axis=1)
    return found
