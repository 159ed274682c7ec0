"""When two answers are the same answer, whatever their spelling."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from .evidence import Generation
from .hygiene import answer_problem
from .signals import Unavailable
from .text import normalize_answer
from .tool_calls import canonical_calls, is_tool_call, truncation

__all__ = ["EMPTY_CLASS", "answer_class", "class_of", "judged_problem"]

EMPTY_CLASS = ""
"""The class of the empty answer: one of its own, and counted."""

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_MINUS = re.compile(r"(?<![\w)])[-\u2212](?=\d)")
_INSIDE_WORDS = re.compile(r"(?<!\d)[^\w\s]|[^\w\s](?!\d)|_")


@lru_cache(maxsize=4096)
def answer_class(text: str) -> str:
    """Texts with the same class are the same answer; the empty answer is a class of its own.

    On top of `normalize_answer`, punctuation inside words is removed rather than taken for a
    space ("Bull-fighter" is "bullfighter", "J.K." is "JK", "24,000" is "24000") except between
    digits ("3.5" is not "35"), and a minus sign counts. An answer that normalization would erase
    (the letter "A", taken for an article) is compared by its letters and digits, or as written.
    """
    plain = _MINUS.sub("minus", _THOUSANDS.sub("", unicodedata.normalize("NFKC", text)))
    found = normalize_answer(_INSIDE_WORDS.sub("", plain))
    if found:
        return found
    bare = text.strip().casefold()
    return "".join(filter(str.isalnum, bare)) or bare


def class_of(generation: Generation) -> str | Unavailable:
    """The class of a generation: of its text, or of its tool calls where it has no text.

    Calls are compared by name and canonical arguments; cut-off arguments are Unavailable. The
    line break in front keeps calls apart from any text.
    """
    if not is_tool_call(generation):
        return answer_class(generation.text)
    cut = truncation(generation)
    return f"\n{canonical_calls(generation.tool_calls)}" if cut is None else cut


def judged_problem(generation: Generation) -> Unavailable | None:
    """Why an answer cannot be compared with others: it is empty, or a tool call that says nothing.

    Unlike for `answer_problem`, a tool call whose arguments are whole is an answer.
    """
    if is_tool_call(generation):
        found = class_of(generation)
        return found if isinstance(found, Unavailable) else None
    return answer_problem(generation)
