"""Answers as text that is compared: normalized, their numbers and years, how alike two are."""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

__all__ = [
    "NUMBER_WORDS",
    "answer_numbers",
    "answer_years",
    "bag_f1",
    "is_inside",
    "is_refusal",
    "letters_alike",
    "likeness",
    "plain",
    "shown_text",
]

NUMBER_WORDS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
}

_LONGEST = 4_000
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_DASHES = re.compile(r"[-\u2013\u2014/]")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_YEAR = re.compile(r"\b(?:1\d{3}|20\d{2})\b")
_NUMBER = re.compile(r"\d{1,30}(?:[.,]\d{1,30})*")
_REFUSAL = re.compile(
    r"no answer|not (?:available|specified|mentioned|known|given|provided|stated|found|explicit"
    r"|clear|in the|enough|directly|applicable|possible|sure|listed|included|identified|named"
    r"|disclosed|determin\w+|an?\b)|unknown|unclear|unsure|cannot|can't|none\b"
    r"|no (?:information|one|mention|specific|data|such)|n/?a\b|insufficient|does(?:n't| not)"
    r"|do(?:n't| not)|did(?:n't| not)|there is no|was(?:n't| not)|is not|unavailable|nothing"
)


def shown_text(text: str) -> str:
    """The text without the JSON escapes and outer quotes that some models leave in answers."""
    found = _ESCAPE.sub(lambda one: chr(int(one.group(1), 16)), text[:_LONGEST])
    return found.replace('\\"', '"').replace("\\n", "\n").strip().strip('"').strip()


@lru_cache(maxsize=8_192)
def plain(text: str) -> str:
    """Lower case, without accents, punctuation and articles; dashes are spaces. For likeness alone:
    labels have a normalization of their own."""
    found = unicodedata.normalize("NFKD", shown_text(text))
    found = "".join([one for one in found if not unicodedata.combining(one)])
    found = _DASHES.sub(" ", found).lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", found).split())


def is_refusal(answer: str) -> bool:
    """Whether an answer says that there is none, as it seems; an empty one does."""
    return not answer.strip() or bool(_REFUSAL.search(answer[:_LONGEST].lower()))


def answer_numbers(text: str) -> set[float]:
    """Numbers in a text, those in words up to twenty included."""
    found: set[float] = set()
    for written in _NUMBER.findall(text):
        parts = written.replace(",", "").split(".")
        value = float(".".join(parts[:2]))
        if math.isfinite(value):
            found.add(value)
    found.update(float(NUMBER_WORDS[word]) for word in text.lower().split() if word in NUMBER_WORDS)
    return found


def answer_years(text: str) -> list[int]:
    """Years from 1000 to 2099, in order."""
    return [int(year) for year in _YEAR.findall(text) if year.isascii()]


def bag_f1(one: Sequence[str], other: Sequence[str]) -> float:
    """F1 of two bags of words, in [0, 1]."""
    shared = sum((Counter(one) & Counter(other)).values())
    return 2.0 * shared / (len(one) + len(other)) if shared else 0.0


@lru_cache(maxsize=8_192)
def _trigrams(text: str) -> Counter[str]:
    padded = f" {text} "
    return Counter(padded[i : i + 3] for i in range(max(0, len(padded) - 2)))


def letters_alike(one: str, other: str) -> float:
    """Cosine of the counts of letter trigrams of two plain texts, in [0, 1]."""
    left, right = _trigrams(one), _trigrams(other)
    shared = sum(count * right[gram] for gram, count in left.items())
    if not shared:
        return 0.0
    sizes = [sum(count * count for count in grams.values()) for grams in (left, right)]
    return min(1.0, shared / math.sqrt(sizes[0] * sizes[1]))


def is_inside(needle: str, hay: str) -> bool:
    """Whether a plain text stands in another as a run of whole words."""
    return bool(needle) and f" {needle} " in f" {hay} "


def likeness(one: str, other: str) -> float:
    """How alike two answers are: 1 for the same words, else the larger of word F1 and trigram
    cosine, below 1; a refusal is like nothing else."""
    left, right = plain(one), plain(other)
    if left == right:
        return 1.0
    if is_refusal(one) or is_refusal(other):
        return 0.0
    return min(0.99, max(bag_f1(left.split(), right.split()), letters_alike(left, right)))
