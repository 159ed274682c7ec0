"""Which texts have to be compared for an estimator, and the matrices made from the answers.

Texts are compared without outer white space, and a text-free tool call by its canonical form.
Three kinds of pairs need no model: equal texts are alike and entail each other, and an empty
answer is like no other: it neither entails nor contradicts one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from .answers import class_of
from .errors import UpstreamMalformed
from .evidence import Evidence, Generation, Nli
from .protocols import Comparer
from .requests import CompareKind
from .tool_calls import is_tool_call

__all__ = [
    "checked_values",
    "filled",
    "has_comparison",
    "pairs_to_compare",
    "posed",
    "settled",
    "with_comparison",
]

Pair = tuple[str, str]

_SAME: dict[CompareKind, tuple[float, ...]] = {"nli": (0.0, 0.0, 1.0), "similarity": (1.0,)}
_APART: dict[CompareKind, tuple[float, ...]] = {"nli": (0.0, 1.0, 0.0), "similarity": (0.0,)}
_WIDTH: dict[CompareKind, int] = {"nli": 3, "similarity": 1}

# Softmaxes and cosines in single precision miss their bounds by less than this.
_ROUNDING = 1e-4


def _text(generation: Generation) -> str:
    if is_tool_call(generation):
        found = class_of(generation)
        if isinstance(found, str):
            return found.strip()
    return generation.text.strip()


def _texts(evidence: Evidence) -> list[str]:
    return [_text(one) for one in (evidence.greedy, *evidence.samples)]


def settled(kind: CompareKind, first: str, second: str) -> tuple[float, ...] | None:
    """What is known of a pair without any model: of equal texts and of empty ones; else None."""
    if first == second:
        return _SAME[kind]
    return None if first and second else _APART[kind]


def has_comparison(evidence: Evidence, kind: CompareKind) -> bool:
    """Whether the evidence already holds this kind of comparison, whole."""
    if kind == "nli":
        return evidence.nli is not None
    return evidence.sample_similarity is not None and evidence.greedy_similarity is not None


def pairs_to_compare(evidence: Evidence, kind: CompareKind) -> tuple[Pair, ...]:
    """Each pair of different texts once; for NLI both orders, for a similarity one.

    Pairs that need no model are left out.
    """
    texts = [text for text in dict.fromkeys(_texts(evidence)) if text]
    return tuple(
        (first, second)
        for i, first in enumerate(texts)
        for j, second in enumerate(texts)
        if i < j or (kind == "nli" and i != j)
    )


def posed(question: str, pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs with the question in front of both texts.

    "Paris" and "It is Paris." entail each other only in the light of what was asked. Source:
    Farquhar et al. 2024, "Detecting hallucinations in large language models using semantic
    entropy", who put question and answer into the NLI model.
    """
    return tuple((f"{question} {first}", f"{question} {second}") for first, second in pairs)


def checked_values(
    kind: CompareKind, pairs: Sequence[Pair], values: Sequence[tuple[float, ...]]
) -> tuple[tuple[float, ...], ...]:
    """A comparer's values, rounding beyond [0, 1] taken off.

    Raises:
        UpstreamMalformed: too few or too many values, a wrong width, a number that is no
            probability or similarity, or NLI probabilities that do not sum to 1.
    """
    if len(values) != len(pairs):
        raise UpstreamMalformed(
            f"the comparison of {len(pairs)} pairs returned {len(values)} values"
        )
    return tuple([_checked(kind, value) for value in values])


def _checked(kind: CompareKind, value: tuple[float, ...]) -> tuple[float, ...]:
    sound = len(value) == _WIDTH[kind] and all(
        -_ROUNDING <= number <= 1.0 + _ROUNDING for number in value
    )
    if not sound or (kind == "nli" and abs(math.fsum(value) - 1.0) > 10 * _ROUNDING):
        wanted = "one number" if kind == "similarity" else "three probabilities that sum to 1"
        raise UpstreamMalformed(
            f"a comparison of kind {kind} returned {value!r}, expected {wanted} in [0, 1]"
        )
    return tuple([min(max(float(number), 0.0), 1.0) for number in value])


def with_comparison(
    evidence: Evidence,
    kind: CompareKind,
    pairs: Sequence[Pair],
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


def _nli(found: dict[Pair, tuple[float, ...]], a: str, b: str) -> Nli:
    contradiction, neutral, entailment = settled("nli", a, b) or found[a, b]
    return contradiction, neutral, entailment


def _similarity(found: dict[Pair, tuple[float, ...]], a: str, b: str) -> float:
    known = settled("similarity", a, b)
    (value,) = known or (found[a, b] if (a, b) in found else found[b, a])
    return value


def filled(
    records: Sequence[Evidence], comparer: Comparer, question_in: bool = True
) -> list[Evidence]:
    """The records with the comparer's matrices, for those that have samples and no such matrix.

    All records together are one call, in which every pair stands once. Matrices that a record
    already holds are left as they are.

    Args:
        question_in: put the question in front of both texts (see `posed`). Of kind `nli` alone:
            a similarity is one of answers, and a shared question would make all of them alike.

    Raises:
        RunError: as the comparer; UpstreamMalformed where it returns no probabilities.
    """
    kind = comparer.kind
    open_pairs = {
        i: pairs_to_compare(record, kind)
        for i, record in enumerate(records)
        if record.samples and not has_comparison(record, kind)
    }
    sent = {
        i: _sent(kind, records[i].question if question_in else None, pairs)
        for i, pairs in open_pairs.items()
    }
    unique = tuple(dict.fromkeys(pair for pairs in sent.values() for pair in pairs))
    values = checked_values(kind, unique, comparer.compare(unique)) if unique else ()
    found = dict(zip(unique, values, strict=True))
    done = list(records)
    for i, pairs in open_pairs.items():
        done[i] = with_comparison(records[i], kind, pairs, [found[pair] for pair in sent[i]])
    return done


def _sent(kind: CompareKind, question: str | None, pairs: Sequence[Pair]) -> Sequence[Pair]:
    """What the comparer is given for the pairs, in their order."""
    if kind == "nli":
        return pairs if question is None else posed(question, pairs)
    return [(min(pair), max(pair)) for pair in pairs]
