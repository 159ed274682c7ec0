"""Confidence from how far samples entail rather than contradict each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..batch import Batch
from ..signals import Reading, Unavailable
from .nli_matrices import CONTRADICTION, ENTAILMENT, NliEstimator, nli_details, nli_matrices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Luq"]

_SILENT = Unavailable("nli: no two samples entail or contradict each other at all")


@dataclass(frozen=True, slots=True)
class Luq(NliEstimator):
    """LUQ on whole answers: 1 - mean over ordered pairs of samples of e_ij / (e_ij + c_ij).

    `raw` is in [0, 1], high is unsure; `value` is 1 - raw. Neutrality is left out of account: a
    pair of which e and c are both exactly 0 has no ratio and is left out, and where no pair has
    one there is no signal. Unavailable too with fewer than 2 samples, without an answer text, and
    where the NLI matrix is missing or wrong. Long answers should be compared sentence by sentence,
    which is for whoever makes the matrix.

    Source: Zhang, Liu, Basaldella and Collier 2024, "LUQ: Long-text Uncertainty Quantification for
    LLMs", arXiv 2403.20279; on whole answers as in LM-Polygraph.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        nli_temperature: flattens the NLI distributions first, where above 1.
    """

    nli_temperature: float = 1.0

    name: ClassVar[str] = "luq"
    version: ClassVar[int] = 1

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        import numpy as np

        judged = batch.shared(nli_matrices, self.nli_temperature).at_least(2)
        raws = judged.mapped(_opposition).without(_SILENT, np.isfinite)
        details = nli_details(self.nli_temperature)
        return raws.uncertainties(self.name, lambda raw: raw, lambda _: (0.0, 1.0), details)


def _opposition(nli: Array) -> Array:
    """(records,): the mean of c/(e + c) over the pairs that have one; NaN where none has."""
    import numpy as np

    e, c = nli[:, 1:, 1:, ENTAILMENT], nli[:, 1:, 1:, CONTRADICTION]
    either = e + c
    counted = (either > 0.0) & ~np.eye(e.shape[1], dtype=bool)
    ratios = np.divide(c, either, out=np.zeros_like(c), where=counted)
    pairs = counted.sum(axis=(1, 2))
    found: Array = np.divide(
        ratios.sum(axis=(1, 2)), pairs, out=np.full(len(e), np.nan), where=pairs > 0
    )
    return found
