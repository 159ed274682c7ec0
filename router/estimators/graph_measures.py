"""Uncertainty of the graph that samples form: its degree, its eigenvalues, its eccentricity.

The estimators are called `deg`, `eigv` and `ecc` plus the similarity of the graph, such as
`deg_entail` or `eigv_jaccard`; the formulas are functions of many graphs at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..batch import Batch, BatchEstimator
from ..protocols import Needs
from ..signals import Reading
from .nli_matrices import nli_details
from .record_stacks import Stacked
from .similarity_graph import GraphKind, Spectrum, similarity_graph, spectrum

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "DegMat",
    "Eccentricity",
    "EigvLaplacian",
    "deg_mat",
    "degree_confidences",
    "eccentricity",
    "eccentricity_confidences",
    "eigv_laplacian",
]

_THRESHOLD = 0.9
# An eigenvalue of exactly 0.9 is out; without this margin the solver's last digit would decide.
_MARGIN = 1e-9


def deg_mat(w: Array) -> Array:
    """U = 1 - sum over i, j of W_ij / M^2 of (records, M, M) weights; (records,), in [0, 1]."""
    found: Array = 1.0 - w.sum(axis=(1, 2)) / w.shape[1] ** 2
    return found


def degree_confidences(w: Array) -> Array:
    """C_j = sum over i of W_ij / M, how like the others response j is; (records, M), in [0, 1]."""
    found: Array = w.sum(axis=1) / w.shape[1]
    return found


def eigv_laplacian(of: Spectrum) -> Array:
    """U = sum over k of max(0, 1 - lambda_k), about the number of meanings; (records,), [1, M]."""
    import numpy as np

    found: Array = np.maximum(1.0 - of.values, 0.0).sum(axis=1)
    return found


def eccentricity(of: Spectrum) -> Array:
    """U = ||V - column means||_F, V the eigenvectors of lambda < 0.9; (records,), [0, sqrt(M-1)].

    It depends on the space that they span, not on the vectors that a solver picks of it.
    """
    import numpy as np

    centered = _centered(of)
    found: Array = np.sqrt((centered * centered).sum(axis=(1, 2)))
    return found


def eccentricity_confidences(of: Spectrum) -> Array:
    """C_j = -||v_j - mean v||_2 over row j of V, one a *response*; (records, M), in [-1, 0].

    (LM-Polygraph's second output is one an eigenvector.)
    """
    import numpy as np

    centered = _centered(of)
    found: Array = -np.sqrt((centered * centered).sum(axis=2))
    return found


def _centered(of: Spectrum) -> Array:
    """V minus its column means, columns of other eigenvalues 0; (records, M, M)."""
    kept = of.values < _THRESHOLD - _MARGIN
    centered = of.vectors - of.vectors.mean(axis=1, keepdims=True)
    found: Array = centered * kept[:, None, :]
    return found


def _needs(kind: GraphKind, samples: int) -> Needs:
    return Needs(samples=samples, compare=None if kind == "jaccard" else "nli")


@dataclass(frozen=True, slots=True)
class DegMat(BatchEstimator):
    """Degree uncertainty, U = 1 - mean of the similarity of each two samples (`deg_mat`).

    `raw` is U in [0, 1], high is unsure: 0 where all samples are alike in full, 1 - 1/M where no
    two are at all; `value` is 1 - U. Per response: `degree_confidences`. Unavailable with fewer
    than 2 samples, without an answer text, and where the similarity needs an NLI matrix that is
    missing or wrong.

    Source: Lin, Trivedi and Sun 2023, "Generating with Confidence: Uncertainty Quantification for
    Black-box Large Language Models" (UQ-NLG), arXiv 2305.19187. Departure: the diagonal of W is
    1; the `_lmp` kinds keep what the NLI model says there, as LM-Polygraph does.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        similarity: what W is.
        nli_temperature: flattens the NLI distributions first, where above 1.
    """

    samples: int = 5
    similarity: GraphKind = "jaccard"
    nli_temperature: float = 1.0

    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """`deg_` and the similarity."""
        return f"deg_{self.similarity}"

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt, compared by NLI but for `jaccard`."""
        return _needs(self.similarity, self.samples)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        graph = batch.shared(similarity_graph, self.similarity, self.nli_temperature)
        details = nli_details(self.nli_temperature)
        return graph.uncertainties(self.name, deg_mat, lambda _: (0.0, 1.0), details)


def _spectral(batch: Batch, kind: GraphKind, temperature: float) -> Stacked:
    """Per record what its spectrum says, (2,): `eigv_laplacian` and `eccentricity`; a view."""
    return batch.shared(similarity_graph, kind, temperature).mapped(_of_spectrum)


def _of_spectrum(w: Array) -> Array:
    import numpy as np

    found = spectrum(w)
    return np.stack([eigv_laplacian(found), eccentricity(found)], axis=1)


@dataclass(frozen=True, slots=True)
class EigvLaplacian(BatchEstimator):
    """Sum of the eigenvalues of the graph Laplacian, about the number of meanings.

    `raw` is U = sum over k of max(0, 1 - lambda_k) in [1, M], high is unsure: 1 where all samples
    are alike, M where no two are (`eigv_laplacian`); `value` is 1 - (U - 1)/(M - 1). Unavailable
    as `DegMat`.

    Source: Lin, Trivedi and Sun 2023 (UQ-NLG), arXiv 2305.19187. Departure: as `DegMat`.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        similarity: what W is.
        nli_temperature: flattens the NLI distributions first, where above 1.
    """

    samples: int = 5
    similarity: GraphKind = "jaccard"
    nli_temperature: float = 1.0

    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """`eigv_` and the similarity."""
        return f"eigv_{self.similarity}"

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt, compared by NLI but for `jaccard`."""
        return _needs(self.similarity, self.samples)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        found = batch.shared(_spectral, self.similarity, self.nli_temperature)
        details = nli_details(self.nli_temperature)
        return found.uncertainties(self.name, _first, lambda m: (1.0, m), details)


@dataclass(frozen=True, slots=True)
class Eccentricity(BatchEstimator):
    """Eccentricity, how far samples stand from their center in the space that the graph spans.

    `raw` is U = ||V - column means||_F in [0, sqrt(M - 1)], high is unsure, with V the
    eigenvectors of the Laplacian whose eigenvalue is below 0.9 (`eccentricity`): 0 where all
    samples are alike; `value` is 1 - U/sqrt(M - 1). Per response: `eccentricity_confidences`.
    Unavailable as `DegMat`.

    Source: Lin, Trivedi and Sun 2023 (UQ-NLG), arXiv 2305.19187. Departure: as `DegMat`.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        similarity: what W is.
        nli_temperature: flattens the NLI distributions first, where above 1.
    """

    samples: int = 5
    similarity: GraphKind = "jaccard"
    nli_temperature: float = 1.0

    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """`ecc_` and the similarity."""
        return f"ecc_{self.similarity}"

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt, compared by NLI but for `jaccard`."""
        return _needs(self.similarity, self.samples)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        found = batch.shared(_spectral, self.similarity, self.nli_temperature)
        details = nli_details(self.nli_temperature)
        return found.uncertainties(self.name, _second, lambda m: (0.0, math.sqrt(m - 1)), details)


def _first(spectral: Array) -> Array:
    return spectral[:, 0]


def _second(spectral: Array) -> Array:
    return spectral[:, 1]
