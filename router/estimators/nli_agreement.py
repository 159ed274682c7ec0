"""Confidence from how little the samples contradict the answer, and how much they entail it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..batch import Batch
from ..signals import Reading, Unavailable
from .answer_texts import answer_texts
from .nli_matrices import CONTRADICTION, ENTAILMENT, NliEstimator, nli_details, nli_matrices
from .record_stacks import Stacked, replaced

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Entailment", "Noncontradiction"]


@dataclass(frozen=True, slots=True)
class Noncontradiction(NliEstimator):
    """Mean over the samples of 1 - (c_0i + c_i0)/2, c the probability of contradiction.

    Index 0 is the greedy answer; a sample with the same text counts 1. `raw` and `value` are that
    mean, in [0, 1], higher is surer. With one sample the details carry `one_sample`. Unavailable
    without an answer text or samples, and where the NLI matrix is missing or wrong.

    Source: Chen and Mueller 2023, "Quantifying Uncertainty in Answers from any Language Model and
    Enhancing their Trustworthiness", arXiv 2308.16175; UQLM.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        nli_temperature: flattens the NLI distributions first, where above 1.
    """

    nli_temperature: float = 1.0

    name: ClassVar[str] = "noncontradiction"
    version: ClassVar[int] = 1

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        found = batch.shared(_greedy_pairs, self.nli_temperature)
        details = nli_details(self.nli_temperature)
        return found.confidences(self.name, _peace, details)


def _peace(pairs: Array) -> Array:
    found: Array = 1.0 - pairs[:, :, CONTRADICTION].mean(axis=1)
    return found


@dataclass(frozen=True, slots=True)
class Entailment(NliEstimator):
    """Mean over the samples of (e_0i + e_i0)/2, e the probability of entailment.

    As `Noncontradiction` in all else.

    Source: Lin et al. 2023, arXiv 2305.19187; UQLM 0.6.7.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        nli_temperature: flattens the NLI distributions first, where above 1.
    """

    nli_temperature: float = 1.0

    name: ClassVar[str] = "entailment"
    version: ClassVar[int] = 1

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        found = batch.shared(_greedy_pairs, self.nli_temperature)
        details = nli_details(self.nli_temperature)
        return found.confidences(self.name, _support, details)


def _support(pairs: Array) -> Array:
    found: Array = pairs[:, :, ENTAILMENT].mean(axis=1)
    return found


def _greedy_pairs(batch: Batch, temperature: float) -> Stacked:
    """Per record the NLI of the greedy answer and each sample, both ways averaged, (M, 3); a view.

    Equal texts entail each other, whatever the matrix says of them.
    """
    import numpy as np

    texts = batch.shared(answer_texts)
    judged = batch.shared(nli_matrices, temperature)
    stacks = []
    for stack in judged.stacks:
        pairs = (stack.values[:, 0, 1:] + stack.values[:, 1:, 0]) / 2.0
        same = [
            [text == found[0] for text in found[1:]]
            for found in [texts[place] for place in stack.places]
            if not isinstance(found, Unavailable)
        ]
        pairs[np.array(same)] = (0.0, 0.0, 1.0)
        stacks.append(replaced(stack, pairs))
    return Stacked(judged.problems, tuple(stacks))
