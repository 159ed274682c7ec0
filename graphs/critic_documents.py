"""Documents in whatever shape a graph's state holds them, as passages."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from pathlib import PurePosixPath
from typing import Any

from ..router.errors import UsageError
from ..router.evidence import Passage
from ..router.text import clean_text

__all__ = ["passages_of"]

_TEXTS = ("page_content", "text", "content")
_SCORES = ("relevance_score", "score")
_SOURCES = ("source", "file_path", "url")


@dataclass(frozen=True, slots=True)
class _Found:
    """One document; `score` is None where nobody kept it."""

    id: str
    title: str
    text: str
    score: float | None


def passages_of(documents: object) -> tuple[Passage, ...]:
    """The documents as passages, in their order; those without text are left out.

    Each may be a `Passage`, a LangChain `Document`, a pair of it and its score, an object or dict
    with `page_content`, `text` or `content` beside `id`, `title`, `score` and `metadata`, or a bare
    text; None holds no documents. Scores count where all documents have one and it never rises
    along the ranking (one that rises is a distance), else a document's score is 1/rank.

    Raises:
        UsageError: they are none of these; says which.
    """
    if documents is None:
        return ()
    if isinstance(documents, str | bytes | Mapping) or not isinstance(documents, Sequence):
        raise UsageError(
            f"documents: expected a list of documents, got {type(documents).__name__}; "
            "say where they are with documents="
        )
    read = [_found(one, place) for place, one in enumerate(documents)]
    found = [one for one in read if one.text.strip()]
    return tuple(
        Passage(one.id, one.title, one.text, score)
        for one, score in zip(found, _scores(found), strict=True)
    )


def _found(document: object, place: int) -> _Found:
    if isinstance(document, Passage):
        title, own = clean_text(document.title), clean_text(document.text)
        return _Found(document.id, title, own, _number(document.score))
    if (
        isinstance(document, tuple | list)
        and len(document) == 2
        and _number(document[1]) is not None
    ):
        one = _found(document[0], place)
        return _Found(one.id, one.title, one.text, _number(document[1]))
    if isinstance(document, str):
        return _Found(_digest(document), "", clean_text(document), None)
    texts = (_of(document, name) for name in _TEXTS)
    text = next((one for one in texts if isinstance(one, str)), None)
    if text is None:
        raise UsageError(
            f"documents[{place}]: expected a Document, a Passage, a dict with a text or a text, "
            f"got {type(document).__name__}"
        )
    given = _of(document, "metadata")
    metadata = given if isinstance(given, Mapping) else {}
    identity = _of(document, "id") or metadata.get("id")
    title = _of(document, "title") or metadata.get("title") or _source_name(metadata)
    scores = (_number(metadata.get(name)) for name in _SCORES)
    score = next((s for s in (_number(_of(document, "score")), *scores) if s is not None), None)
    return _Found(
        clean_text(str(identity)) if identity else _digest(text),
        " ".join(clean_text(str(title)).split()),
        clean_text(text),
        score,
    )


def _of(document: object, name: str) -> Any:
    if isinstance(document, Mapping):
        return document.get(name)
    return getattr(document, name, None)


def _source_name(metadata: Mapping[str, Any]) -> str:
    source = next((str(metadata[name]) for name in _SOURCES if metadata.get(name)), "")
    return PurePosixPath(source.replace("\\", "/")).stem


def _scores(found: Sequence[_Found]) -> list[float]:
    kept = [one.score for one in found if one.score is not None]
    if len(kept) == len(found) and all(a >= b for a, b in pairwise(kept)):
        return kept
    return [1.0 / rank for rank in range(1, len(found) + 1)]


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
