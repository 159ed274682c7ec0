"""One way to compare answers and questions as text, used wherever two texts may be the same."""

from __future__ import annotations

import hashlib
import re
import unicodedata

__all__ = [
    "clean_question",
    "clean_text",
    "contains_answer",
    "content_words",
    "normalize_answer",
    "question_key",
]

_ARTICLES = frozenset({"a", "an", "the"})
# Dots and underscores inside a word hold dotted names together (`json.loads`, `__init__`).
_WORD = re.compile(r"\w+(?:\.\w+)*", re.UNICODE)
_STOP_WORDS = frozenset(
    "a an and are as at be been but by can could did do does for from had has have how i if in "
    "into is it its me my no not of on or our shall should so some such than that the their them "
    "then there these they this those to us was we were what when where which who whom whose why "
    "will with would you your".split()
)


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def clean_text(text: str) -> str:
    """The text without NULs, each lone surrogate replaced by U+FFFD: what every store can keep."""
    if not text.isascii():  # surrogate pairs become the character that they stand for
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "")


def clean_question(question: str) -> str:
    """The question as `clean_text` leaves it, without outer space."""
    return clean_text(question).strip()


def normalize_answer(text: str) -> str:
    """Lower case, no punctuation but inside dotted names, no articles, single spaces."""
    return " ".join(word for word in _words(text) if word not in _ARTICLES)


def contains_answer(text: str, accepted: str) -> bool:
    """Whether the accepted form occurs in the text as a run of whole words, both normalized."""
    wanted = normalize_answer(accepted)
    return bool(wanted) and f" {wanted} " in f" {normalize_answer(text)} "


def content_words(text: str) -> tuple[str, ...]:
    """The words that carry meaning, in order, duplicates kept."""
    return tuple(word for word in _words(text) if word not in _STOP_WORDS)


def question_key(question: str) -> str:
    """A digest under which the same question is found again, whatever its case and spacing."""
    words = " ".join(_words(question))
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()
