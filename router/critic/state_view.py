"""A state as its features see it: the question's words, the passages, and where they touch."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from .states import CriticState
from .stems import STOP_STEMS, capital_runs, first_place, folded, places, stems, words

__all__ = ["ReadPassage", "StateView", "mean", "top", "view_of"]

_PARENTHESIS = re.compile(r"^(.*?)\s*\(([^()]*)\)\s*$")
_LARGEST = 1e9


@dataclass(frozen=True, slots=True)
class ReadPassage:
    """A passage in stems.

    Attributes:
        title: without a trailing parenthesis.
        body: of the text; `at` says where each stem stands in it.
        all: of title and text.
        names: capitalized runs of the text: where they begin, and their stems without stop words.
    """

    title: list[str]
    title_set: frozenset[str]
    body: list[str]
    at: dict[str, list[int]]
    all: frozenset[str]
    names: list[tuple[int, frozenset[str]]]


@lru_cache(maxsize=1_024)
def _read(title: str, text: str) -> ReadPassage:
    title = folded(title)
    found = _PARENTHESIS.match(title)
    title_stems = stems(words(found.group(1) if found and found.group(1) else title))
    written = words(folded(text))
    body = stems(written)
    runs = [
        (
            start,
            frozenset(body[i] for i in range(start, end) if written[i].lower() not in STOP_STEMS),
        )
        for start, end in capital_runs(written)
    ]
    title_set = frozenset(title_stems)
    return ReadPassage(
        title_stems,
        title_set,
        body,
        places(body),
        frozenset(body) | title_set,
        [(start, names) for start, names in runs if names],
    )


@dataclass(frozen=True, slots=True)
class StateView:
    """What the groups of features share.

    Attributes:
        question: folded; `words` are its words as written, `low` in lower case, `stems` stemmed.
        content: places of the question's words that carry meaning; `terms` are their stems.
        capitals: those of `content` behind the first word that begin with a capital or a digit.
        scores: of the passages, `unshown` of the next hits.
        spans: per passage, where its title stands in the question, if it does.
        anchors: passages whose title stands there, the longest first, without overlap.
        covered: per word of the question, whether a shown title stands over it.
        overlap: per passage, the share of its title's words that the question has.
        has: per passage, the question's terms in it.
        links: links[i][j] says whether the text of passage i names the title of passage j.
        starts: the anchors, or the passage whose title is nearest to the question.
        bridges: (start, other) where a start's text names the title of a passage that is none.
        backs: (start, other) where the text of a passage that is no start names a start's title.
    """

    question: str
    words: list[str]
    low: list[str]
    stems: list[str]
    content: list[int]
    terms: frozenset[str]
    capitals: list[int]
    passages: list[ReadPassage]
    scores: list[float]
    unshown: list[float]
    spans: list[tuple[int, int] | None]
    anchors: list[int]
    covered: list[bool]
    overlap: list[float]
    has: list[frozenset[str]]
    links: list[list[bool]]
    starts: list[int]
    bridges: list[tuple[int, int]]
    backs: list[tuple[int, int]]

    @property
    def k(self) -> int:
        """Passages."""
        return len(self.passages)

    def span_at(self, passage: int) -> tuple[int, int] | int:
        """What tells anchors apart: the span of the title, else the passage itself."""
        return self.spans[passage] or passage


def view_of(state: CriticState) -> StateView:
    """The view of a state."""
    question = folded(state.question)
    written = words(question)
    low, stemmed = [word.lower() for word in written], stems(written)
    content = [
        place for place, one in enumerate(stemmed) if low[place] not in STOP_STEMS and len(one) > 1
    ]
    terms = frozenset(stemmed[place] for place in content)
    read = [_read(passage.title, passage.text) for passage in state.passages]
    spans, overlap = _title_spans(read, stemmed, terms)
    anchors, covered = _anchors(spans, len(stemmed))
    starts = anchors
    if not starts and read:
        starts = [max(range(len(read)), key=lambda one: (overlap[one], -one))]
    links = _links(read)
    others = [place for place in range(len(read)) if place not in set(starts)]
    return StateView(
        question,
        written,
        low,
        stemmed,
        content,
        terms,
        [i for i in content if i > 0 and (written[i][:1].isupper() or written[i][:1].isdigit())],
        read,
        [_within_reason(passage.score) for passage in state.passages],
        [_within_reason(score) for score in state.unshown_scores],
        spans,
        anchors,
        covered,
        overlap,
        [terms & one.all for one in read],
        links,
        starts,
        [(start, other) for start in starts for other in others if links[start][other]],
        [(start, other) for start in starts for other in others if links[other][start]],
    )


def _within_reason(score: float) -> float:
    """A strange retriever's scores may be huge: their squares must still be numbers."""
    return min(max(score, -_LARGEST), _LARGEST)


def _title_spans(
    read: Sequence[ReadPassage], stemmed: list[str], terms: frozenset[str]
) -> tuple[list[tuple[int, int] | None], list[float]]:
    at, known = places(stemmed), set(stemmed)
    spans: list[tuple[int, int] | None] = []
    overlap = []
    for one in read:
        start = None
        if any(token in terms for token in one.title):
            start = first_place(one.title, stemmed, at)
        spans.append(None if start is None else (start, start + len(one.title)))
        own = [token for token in one.title if token not in STOP_STEMS]
        overlap.append(sum(token in known for token in own) / len(own) if own else 0.0)
    return spans, overlap


def _anchors(spans: Sequence[tuple[int, int] | None], size: int) -> tuple[list[int], list[bool]]:
    covered, anchors, seen = [False] * size, [], set()
    placed = [(span, place) for place, span in enumerate(spans) if span is not None]
    for span, place in sorted(placed, key=lambda one: (one[0][0] - one[0][1], one[1])):
        if span in seen or not any(covered[span[0] : span[1]]):
            anchors.append(place)
        covered[span[0] : span[1]] = [True] * (span[1] - span[0])
        seen.add(span)
    return anchors, covered


def _links(read: Sequence[ReadPassage]) -> list[list[bool]]:
    found = [[False] * len(read) for _ in read]
    for j, named in enumerate(read):
        title = named.title
        if not title or (len(title) == 1 and (title[0] in STOP_STEMS or len(title[0]) < 4)):
            continue  # a short word may stand anywhere
        for i, naming in enumerate(read):
            if i != j and naming.title_set != named.title_set:
                found[i][j] = first_place(title, naming.body, naming.at) is not None
    return found


def mean(values: Sequence[float]) -> float:
    """0 of no values."""
    return math.fsum(values) / len(values) if values else 0.0


def top(values: Sequence[float], n: int) -> list[float]:
    """The n highest, filled up with 0."""
    return (sorted(values, reverse=True) + [0.0] * n)[:n]
