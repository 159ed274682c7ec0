"""The NLI matrices of a batch, checked: every estimator that reads them starts here."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from ..batch import Batch, BatchEstimator
from ..evidence import Evidence
from ..protocols import Needs
from ..signals import Detail, Unavailable
from .answer_texts import answer_texts
from .record_stacks import Stacked, stack_by_m

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "CONTRADICTION",
    "ENTAILMENT",
    "NEUTRAL",
    "NliEstimator",
    "nli_details",
    "nli_matrices",
    "tempered",
]

CONTRADICTION, NEUTRAL, ENTAILMENT = 0, 1, 2
"""Places in the last axis of an NLI matrix."""

_NO_NLI = Unavailable("no nli")
_NO_PROBABILITIES = Unavailable(
    "nli: expected probabilities in [0, 1] that sum to 1 for every pair"
)

_BEYOND = 1e-4  # softmaxes in single precision leave [0, 1] by less than this
_OFF_ONE = 0.02  # three numbers written with two decimals sum to 1 within this


def nli_matrices(batch: Batch, temperature: float = 1.0) -> Stacked:
    """Per record its NLI matrix, (M+1, M+1, 3), premise first, index 0 = greedy; a view.

    The last axis holds the probabilities of contradiction, neutrality and entailment. Unavailable
    without an answer, samples or a matrix, and where the matrix does not have that shape or its
    rows are not near a distribution.

    Args:
        temperature: above 1 flattens the distributions, see `tempered`.
    """
    if temperature != 1.0:
        given = batch.shared(nli_matrices)
        return given.mapped(lambda values: tempered(values, temperature))
    rows = [
        texts if isinstance(texts, Unavailable) else _row(record, len(texts))
        for record, texts in zip(batch.records, batch.shared(answer_texts), strict=True)
    ]
    found = stack_by_m(rows, lambda m: (m + 1, m + 1, 3)).without(_NO_PROBABILITIES, _near_one)
    return found.mapped(lambda values: values.clip(0.0, 1.0))


def tempered(probabilities: Array, temperature: float) -> Array:
    """softmax(log p / temperature) over the last axis: 1 changes nothing, above 1 flattens.

    Source: the demonstration of Lin et al. 2023 (UQ-NLG), arXiv 2305.19187, where it is 3.
    """
    import numpy as np

    # Relative to the largest, so that no power of it vanishes.
    relative = probabilities / probabilities.max(axis=-1, keepdims=True)
    powers: Array = np.power(relative, 1.0 / temperature)
    found: Array = powers / powers.sum(axis=-1, keepdims=True)
    return found


@dataclass(frozen=True, slots=True)
class NliEstimator(BatchEstimator):
    """Base of the estimators that read the NLI matrix.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
    """

    samples: int = 5

    reads_logprobs: ClassVar[bool] = False

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt, compared by NLI, with logprobs where it reads them."""
        return Needs(logprobs=self.reads_logprobs, samples=self.samples, compare="nli")


def nli_details(temperature: float) -> dict[str, Detail]:
    """What a signal reports of a temperature other than 1."""
    return {} if temperature == 1.0 else {"nli_temperature": temperature}


def _row(record: Evidence, size: int) -> tuple[int, Any] | Unavailable:
    nli = record.nli
    if nli is None:
        return _NO_NLI
    widths, depths = set(map(len, nli)), set(map(len, chain.from_iterable(nli)))
    if len(nli) != size or widths != {size} or depths != {3}:
        return Unavailable(
            f"nli: expected {size} x {size} x 3 for {size - 1} samples and the answer, "
            f"found {len(nli)} x {_spans(widths)} x {_spans(depths)}"
        )
    return size - 1, nli


def _spans(sizes: set[int]) -> str:
    return " or ".join(map(str, sorted(sizes))) or "0"


def _near_one(values: Array) -> NDArray[np.bool_]:
    import numpy as np

    with np.errstate(invalid="ignore", over="ignore"):
        sums = np.abs(values.sum(axis=-1) - 1.0) <= _OFF_ONE
        sound: NDArray[np.bool_] = (values >= -_BEYOND).all(axis=(1, 2, 3)) & sums.all(axis=(1, 2))
    return sound
