"""Whether a question can stand alone, and what to search for when it cannot.

A small model answers worse with unrelated text before the question, so earlier turns are shown
only to a question that leans on them. This is a heuristic on words, not a judgement of a model.
"""

from __future__ import annotations

from collections.abc import Sequence

from .evidence import Turn
from .text import content_words

__all__ = ["is_follow_up", "search_query"]

_POINTING = frozenset(
    "it its that this these those they them their he him his she her hers there one ones same "
    "former latter else again also too".split()
)
_ALONE = 2


def is_follow_up(question: str) -> bool:
    """Whether the question points back at an earlier turn, or is too short to stand alone."""
    words = question.casefold().replace("?", " ").replace(",", " ").split()
    return len(content_words(question)) < _ALONE or any(word in _POINTING for word in words)


def search_query(question: str, turns: Sequence[Turn]) -> str:
    """The question, with the previous one before it where it leans on it."""
    return f"{turns[-1].question} {question}" if turns else question
