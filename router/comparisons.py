"""Which texts have to be compared for an estimator, and the matrices made from the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .evidence import Evidence
from .requests import CompareKind

__all__ = ["has_comparison", "pairs_to_compare", "with_comparison"]

_EQUAL_NLI = (0.0, 0.0, 1.0)


def _texts(evidence: Evidence) -> list[str]:
    return [evidence.greedy.text, *(sample.text for sample in evidence.samples)]


def has_comparison(evidence: Evidence, kind: CompareKind) -> bool:
    """Whether the evidence already holds this kind of comparison."""
    matrix = evidence.nli if kind == "nli" else evidence.sample_similarity
    return matrix is not None


def pairs_to_compare(evidence: Evidence, kind: CompareKind) -> tuple[tuple[str, str], ...]:
    """Each pair of different texts once; for NLI both orders, for a similarity one.

    Equal texts need no model: they entail each other, and their similarity is 1.
    """
    texts = list(dict.fromkeys(_texts(evidence)))
    return tuple(
        (first, second)
        for i, first in enumerate(texts)
        for j, second in enumerate(texts)
        if i < j or (kind == "nli" and i != j)
    )


def with_comparison(
    evidence: Evidence,
    kind: CompareKind,
    pairs: Sequence[tuple[str, str]],
    values: Sequence[tuple[float, ...]],
) -> Evidence:
    """The evidence with its matrices filled in from one tuple of numbers a pair.

    Raises:
        ValueError: a pair has no value, or a value has the wrong length.
    """
    found = dict(zip(pairs, values, strict=True))
    texts = _texts(evidence)
    if kind == "nli":
        nli = tuple(tuple(_nli(found, a, b) for b in texts) for a in texts)
        return replace(evidence, nli=nli)
    similarity = tuple(tuple(_similarity(found, a, b) for b in texts) for a in texts)
    return replace(
        evidence,
        greedy_similarity=similarity[0][1:],
        sample_similarity=tuple(row[1:] for row in similarity[1:]),
    )


def _nli(
    found: dict[tuple[str, str], tuple[float, ...]], a: str, b: str
) -> tuple[float, float, float]:
    if a == b:
        return _EQUAL_NLI
    contradiction, neutral, entailment = found[a, b]
    return contradiction, neutral, entailment


def _similarity(found: dict[tuple[str, str], tuple[float, ...]], a: str, b: str) -> float:
    if a == b:
        return 1.0
    (value,) = found[a, b] if (a, b) in found else found[b, a]
    return value
