"""Corrective retrieval: accept a passage, refine it to its sentences of use, or discard it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..errors import ConfigurationError
from ..evidence import Passage
from ..text import content_words

__all__ = ["Corrective", "Handled", "PassageVerdict", "corrected", "relevance", "sentences"]

PassageVerdict = Literal["accept", "refine", "discard"]
"""What becomes of a passage."""

# A full stop behind a capital letter is an initial ("J. Smith"), behind a dotted name none at all.
_SENTENCE_END = re.compile(r"(?<=[^\sA-Z][.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")


@dataclass(frozen=True, slots=True)
class Corrective:
    """The three ways, by relevance.

    Attributes:
        accept: a passage of at least this relevance is kept whole.
        discard: one below this is left out; between the two, its sentences of at least the best
            sentence's half are kept.

    Source: Yan et al. 2024, "Corrective Retrieval Augmented Generation", arXiv 2401.15884: three
    actions with a band between them. Departures: each passage is handled for itself, and the
    bounds are the caller's to fit, since those of the paper belong to its evaluator.
    """

    accept: float = 0.5
    discard: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 <= self.discard <= self.accept <= 1.0:
            raise ConfigurationError(
                f"expected 0 <= discard <= accept <= 1, got discard {self.discard} and accept "
                f"{self.accept}",
                field="retrieval.corrective",
            )


@dataclass(frozen=True, slots=True)
class Handled:
    """A passage with what was decided of it; `passage` is None where it was discarded."""

    id: str
    verdict: PassageVerdict
    relevance: float
    passage: Passage | None


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order; line breaks end one only where they stand double."""
    paragraphs = re.split(r"\n\s*\n", text)
    found = [part.strip() for one in paragraphs for part in _SENTENCE_END.split(one)]
    return [part for part in found if part]


def relevance(query: str, text: str) -> float:
    """Share of the query's content words that occur in the text, in [0, 1]; 1 for a query without
    any, of which nothing can be missed."""
    wanted = set(content_words(query))
    return len(wanted & set(content_words(text))) / len(wanted) if wanted else 1.0


def corrected(query: str, passages: Sequence[Passage], bounds: Corrective) -> tuple[Handled, ...]:
    """Each passage handled, in order. The id of a refined passage stays: it is the same source."""
    return tuple(_handled(query, passage, bounds) for passage in passages)


def _handled(query: str, passage: Passage, bounds: Corrective) -> Handled:
    score = relevance(query, f"{passage.title} {passage.text}")
    if score >= bounds.accept:
        return Handled(passage.id, "accept", score, passage)
    if score < bounds.discard:
        return Handled(passage.id, "discard", score, None)
    parts = sentences(passage.text)
    scores = [relevance(query, part) for part in parts]
    best = max(scores, default=0.0)
    if best == 0.0:  # the title alone is to the point: which sentence is, nobody can say
        return Handled(passage.id, "refine", score, passage)
    kept = [part for part, one in zip(parts, scores, strict=True) if one >= best / 2]
    return Handled(passage.id, "refine", score, replace(passage, text=" ".join(kept)))
