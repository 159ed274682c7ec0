"""The graph of a record's samples: how alike each two are, and the spectrum of its Laplacian.

A weight W_ij in [0, 1] stands between samples i and j; the greedy answer is no node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..batch import Batch
from ..signals import Unavailable
from .answer_texts import answer_texts
from .nli_matrices import CONTRADICTION, ENTAILMENT, nli_matrices
from .record_stacks import NEEDS_TWO, Stacked, stack_by_m

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "GraphKind",
    "Spectrum",
    "jaccard_similarities",
    "laplacian",
    "similarity_graph",
    "spectrum",
]

GraphKind = Literal["jaccard", "entail", "contra", "entail_lmp", "contra_lmp"]
"""What W is: the Jaccard similarity of the word sets, (e + eT)/2, or 1 - (c + cT)/2. The diagonal
is 1, and so is all of W where the samples are one text; for `_lmp` it is what the model says."""

_ISOLATED = Unavailable("nli: a sample is like none, not even like itself")


class Spectrum(NamedTuple):
    """Eigenvalues, (records, M), ascending, and eigenvectors, (records, M, M), one a column."""

    values: Array
    vectors: Array


def similarity_graph(batch: Batch, kind: GraphKind, temperature: float = 1.0) -> Stacked:
    """Per record W, (M, M) and symmetric, in [0, 1]; a view. Unavailable with fewer than 2 samples.

    Args:
        temperature: of the NLI distributions; `jaccard` has none.
    """
    if kind == "jaccard":
        return stack_by_m(
            [_jaccard(t) for t in batch.shared(answer_texts)], lambda m: (m * m,)
        ).mapped(_squares)
    judged = batch.shared(nli_matrices, temperature).at_least(2)
    found = judged.mapped(_entail if kind.startswith("entail") else _contra)
    if kind.endswith("_lmp"):
        return found.without(_ISOLATED, lambda w: (w.sum(axis=2) > 0.0).all(axis=1))
    return _with_agreement(found.mapped(_with_unit_diagonal), batch)


def laplacian(w: Array) -> Array:
    """L = I - D^(-1/2) W D^(-1/2), D the row sums, all above 0; (records, M, M), both."""
    import numpy as np

    scale = 1.0 / np.sqrt(w.sum(axis=2))
    found: Array = np.eye(w.shape[1]) - scale[:, :, None] * w * scale[:, None, :]
    return found


def spectrum(w: Array) -> Spectrum:
    """The spectrum of the Laplacian of (records, M, M) weights; eigenvalues in [0, 2]."""
    import numpy as np

    values, vectors = np.linalg.eigh(laplacian(w))
    return Spectrum(values, vectors)


def jaccard_similarities(texts: Sequence[str]) -> list[float]:
    """|A & B| / |A | B| of the lower-cased words of each two texts: M x M numbers, row by row.

    Two texts without words are alike (1), one without is like no other (0).
    """
    known = {text: frozenset(text.lower().split()) for text in texts}
    sets = [known[text] for text in texts]
    size = len(sets)
    found = [1.0] * (size * size)
    for i, one in enumerate(sets):
        for j in range(i):
            other = sets[j]
            if one == other:
                continue
            common = len(one & other)
            alike = common / (len(one) + len(other) - common)
            found[i * size + j] = found[j * size + i] = alike
    return found


def _jaccard(texts: tuple[str, ...] | Unavailable) -> tuple[int, list[float]] | Unavailable:
    if isinstance(texts, Unavailable):
        return texts
    samples = texts[1:]
    return (len(samples), jaccard_similarities(samples)) if len(samples) > 1 else NEEDS_TWO


def _squares(flat: Array) -> Array:
    size = round(flat.shape[1] ** 0.5)
    return flat.reshape(-1, size, size)


def _symmetric(values: Array) -> Array:
    found: Array = (values + values.transpose(0, 2, 1)) / 2.0
    return found


def _entail(nli: Array) -> Array:
    return _symmetric(nli[:, 1:, 1:, ENTAILMENT])


def _contra(nli: Array) -> Array:
    found: Array = 1.0 - _symmetric(nli[:, 1:, 1:, CONTRADICTION])
    return found


def _with_agreement(found: Stacked, batch: Batch) -> Stacked:
    """W of 1 throughout where all samples are one text: that is one meaning, whatever NLI says.

    Equal texts among others keep what the matrix says of them.
    """
    texts = batch.shared(answer_texts)
    for stack in found.stacks:
        for place, w in zip(stack.places, stack.values, strict=True):
            known = texts[place]
            assert not isinstance(known, Unavailable)  # a matrix is read beside its texts only
            if len(set(known[1:])) == 1:
                w[:] = 1.0
    return found


def _with_unit_diagonal(w: Array) -> Array:
    import numpy as np

    own = np.arange(w.shape[1])
    w[:, own, own] = 1.0
    return w
