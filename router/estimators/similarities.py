"""Given similarities, checked: of the samples to the answer, and of the samples to each other."""

from __future__ import annotations

from collections.abc import Sequence

from ..batch import Batch
from ..evidence import Evidence
from ..signals import Unavailable
from .answer_texts import answer_texts
from .record_stacks import NEEDS_TWO

__all__ = ["greedy_similarities", "sample_similarities"]

_BEYOND = 1e-4  # cosines and softmaxes in single precision leave their range by less than this

Row = tuple[float, ...]


def greedy_similarities(batch: Batch, lowest: float = 0.0) -> list[Row | Unavailable]:
    """Per record the similarity of each of its M samples to the greedy answer, (M,); a view.

    In [lowest, 1]; rounding beyond is taken off, and of cosines where none below 0 is wanted, what
    is below 0: texts cannot be less than unlike. Unavailable without an answer text or samples,
    and where the similarities are missing, not M, or outside.

    Args:
        lowest: -1 for cosines.
    """
    return [
        texts if isinstance(texts, Unavailable) else _of_greedy(record, len(texts) - 1, lowest)
        for record, texts in zip(batch.records, batch.shared(answer_texts), strict=True)
    ]


def _of_greedy(record: Evidence, m: int, lowest: float) -> Row | Unavailable:
    given = record.greedy_similarity
    if given is None:
        return Unavailable("no greedy_similarity")
    if len(given) != m:
        return Unavailable(f"greedy_similarity has {len(given)} numbers for {m} samples")
    found = _bounded(given, lowest)
    return found or Unavailable("greedy_similarity: expected numbers in [-1, 1]")


def sample_similarities(batch: Batch) -> list[tuple[Row, ...] | Unavailable]:
    """Per record the similarity of each two of its M >= 2 samples, (M, M), in [0, 1]; a view.

    Unavailable as `greedy_similarities`, and with fewer than 2 samples.
    """
    return [
        texts if isinstance(texts, Unavailable) else _of_samples(record, len(texts) - 1)
        for record, texts in zip(batch.records, batch.shared(answer_texts), strict=True)
    ]


def _of_samples(record: Evidence, m: int) -> tuple[Row, ...] | Unavailable:
    if m < 2:
        return NEEDS_TWO
    given = record.sample_similarity
    if given is None:
        return Unavailable("no sample_similarity")
    if len(given) != m or set(map(len, given)) != {m}:
        return Unavailable(f"sample_similarity: expected {m} x {m} numbers for {m} samples")
    found = []
    for row in given:
        bounded = _bounded(row, 0.0)
        if bounded is None:
            return Unavailable("sample_similarity: expected numbers in [-1, 1]")
        found.append(bounded)
    return tuple(found)


def _bounded(row: Sequence[float], lowest: float) -> Row | None:
    """The numbers, clipped to [lowest, 1]; None where one is no cosine."""
    least, most = min(row), max(row)
    # Both comparisons are false of a NaN; it may hide from `min` and `max`, but not from a sum.
    if least >= lowest and most <= 1.0 and sum(row) <= len(row):
        return tuple(row)
    if not all([-1.0 - _BEYOND <= number <= 1.0 + _BEYOND for number in row]):
        return None
    return tuple([min(max(number, lowest), 1.0) for number in row])
