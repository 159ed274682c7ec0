"""What passages lack, in words: the names and words of the question that none of them holds."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..evidence import Passage
from ..text import content_words

__all__ = ["gap_of", "missing_words"]

_RUN = re.compile(r"\w+(?:[.'\u2019-]\w+)*")
_MOST = 6


def missing_words(question: str, passages: Sequence[Passage]) -> tuple[str, ...]:
    """The question's content words that stand in no passage, as the question writes them.

    In order, each once. Plurals and other endings count as the same word from four letters on.
    """
    held = {word for one in passages for word in content_words(f"{one.title} {one.text}")}
    stems = {_stem(word) for word in held}
    found: dict[str, str] = {}
    for match in _RUN.finditer(question):
        for word in content_words(match.group()):
            if word not in held and _stem(word) not in stems:
                found.setdefault(word, match.group())
    return tuple(dict.fromkeys(found.values()))


def gap_of(question: str, passages: Sequence[Passage]) -> str | None:
    """What the next search should look for, in words; None where every word was found.

    "Nothing was found on: Worthy Streator." The words may have been found, and in passages beside
    the point: of that, this says nothing.
    """
    words = missing_words(question, passages)[:_MOST]
    return f"Nothing was found on: {', '.join(words)}." if words else None


def _stem(word: str) -> str:
    """Rough: the word without a common English ending."""
    for ending in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
