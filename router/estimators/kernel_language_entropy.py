"""Entropy of a heat kernel over the graph of the samples' meanings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..batch import Batch
from ..signals import Reading
from .nli_matrices import CONTRADICTION, ENTAILMENT, NliEstimator, nli_details, nli_matrices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Kle", "heat_kernel_entropy", "kle_weights"]

_HEAT = 0.3
_SMALLEST = 1e-8


@dataclass(frozen=True, slots=True)
class Kle(NliEstimator):
    """Kernel language entropy: von Neumann entropy of the heat kernel of the semantic graph.

    With e and c between samples: E = e + eT, C = c + cT, weights w = E + (2 - E - C)/2, Lap =
    diag(row sums of w) - w, K = exp(-0.3 Lap), scaled to a unit diagonal and divided by M;
    `raw` = -sum of mu ln mu over K's eigenvalues, divided by ln M, in [0, 1], high is unsure;
    `value` is 1 - raw. It nears 0 only for many samples: identical ones have
    w = 2 everywhere, which heat has not evened out (M = 2: 0.781, M = 5: 0.422, M = 20: 0.0005).
    Unavailable with fewer than 2 samples, without an answer text, and where the NLI matrix is
    missing or wrong.

    Source: Nikitin, Kossen, Gal and Marttinen 2024, "Kernel Language Entropy: Fine-grained
    Uncertainty Quantification for LLMs from Semantic Similarities", arXiv 2405.20003. Departures:
    a symmetric eigen-solver, so that no imaginary parts have to be dropped, and degrees from the
    same w.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        nli_temperature: flattens the NLI distributions first, where above 1.
    """

    nli_temperature: float = 1.0

    name: ClassVar[str] = "kle"
    version: ClassVar[int] = 1

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        judged = batch.shared(nli_matrices, self.nli_temperature).at_least(2)
        details = nli_details(self.nli_temperature)
        return judged.uncertainties(self.name, _measure, lambda _: (0.0, 1.0), details)


def _measure(nli: Array) -> Array:
    samples = nli[:, 1:, 1:]
    return heat_kernel_entropy(kle_weights(samples)) / math.log(samples.shape[1])


def kle_weights(nli: Array) -> Array:
    """w = E + (2 - E - C)/2 with E = e + eT and C = c + cT; (records, M, M), in [0, 2]."""
    e, c = nli[..., ENTAILMENT], nli[..., CONTRADICTION]
    leaning = e - c
    found: Array = 1.0 + (leaning + leaning.transpose(0, 2, 1)) / 2.0
    return found


def heat_kernel_entropy(w: Array, heat: float = _HEAT) -> Array:
    """Von Neumann entropy of exp(-heat Lap(w)) with unit diagonal / M; (records,), in [0, ln M].

    Eigenvalues below 1e-8 count as 0.
    """
    import numpy as np

    m = w.shape[1]
    degrees = w.sum(axis=2)
    rates, modes = np.linalg.eigh(np.eye(m) * degrees[:, :, None] - w)
    kernel = (modes * np.exp(-heat * rates)[:, None, :]) @ modes.transpose(0, 2, 1)
    scale = 1.0 / np.sqrt(np.diagonal(kernel, axis1=1, axis2=2))
    shares = np.linalg.eigvalsh(scale[:, :, None] * kernel * scale[:, None, :] / m)
    kept = np.where(shares > _SMALLEST, shares, 1.0)
    found: Array = -(kept * np.log(kept)).sum(axis=1)
    return found
