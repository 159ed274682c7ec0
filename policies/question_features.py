"""What can be read off a question before any model is called: hashed words and a few measures.

Words are hashed, so nothing has to be learned or stored to turn a question into numbers, and no
text of a past question can be read out of a fitted prior. The hash is CRC-32: the same in every
process and on every machine, unlike Python's own `hash`.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

__all__ = ["BUCKETS", "MEASURES", "VERSION", "Features", "question_features"]

VERSION = 1
"""Of the features: a prior fitted on others reads other numbers, so it must not be used."""

BUCKETS = 1024
"""Places that words are hashed to: half as many order stored questions worse, twice no better."""

MEASURES = (
    "log_length",
    "log_words",
    "log_lines",
    "log_first_line",
    "word_length",
    "longest_word",
    "distinct_share",
    "digit_share",
    "capital_share",
    "mark_share",
    "foreign_share",
)
"""Names of the measures, in the order of `Features.measures`."""

_WINDOW = 1500
# Scripts written without spaces give a word per character; a digit stands for itself, since which
# number it is says less than that there are many; other marks (=, ?, $) tell a kind of question.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\d_]+|\d|[^\w\s]")
_STEM = 5  # characters of a word that count: a stemmer for nothing
# Signed roots of -_MOST.._MOST, a negative number counting from the end.
_MOST = 2 * _WINDOW + 1
_ROOTS = [n**0.5 for n in range(_MOST + 1)] + [-(n**0.5) for n in range(_MOST, 0, -1)]
_DIGITS = b"0123456789"
_CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARKS = bytes(c for c in range(33, 127) if not chr(c).isalnum())
_FOREIGN = bytes(range(128, 256))


class Features(NamedTuple):
    """A question as numbers.

    Attributes:
        words: by bucket, signed square roots of counts; of Euclidean length 1, or empty.
        measures: one number for each of `MEASURES`.
    """

    words: Mapping[int, float]
    measures: tuple[float, ...]


def question_features(question: str) -> Features:
    """The features of a question of any length, in any script, the empty one included.

    Words (their first 5 characters, case folded; question words among them), digits and marks are
    counted in `BUCKETS` places, each with a sign of its own, so that words that share a place
    cancel as often as they add up. The root keeps a word said nine times from counting nine times.
    Pairs of words are left out: they fill the places and order stored questions worse. Of a long
    question the first and the last 1,500 characters are read: the time is bounded, and the task
    usually stands at one of the ends.

    Source: Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning".
    """
    text = question
    if len(text) > 2 * _WINDOW:
        text = f"{text[:_WINDOW]} {text[-_WINDOW:]}"
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    words = _WORD.findall(folded)
    counts = Counter(words)
    return Features(_hashed(counts), _measured(question, text, words, counts))


@lru_cache(maxsize=1 << 15)
def _place(word: str) -> tuple[int, int]:
    """The bucket of a word, and its sign."""
    code = zlib.crc32(word[:_STEM].encode("utf-8", "surrogatepass"))
    return (code >> 1) % BUCKETS, 1 if code & 1 else -1


def _hashed(counts: Mapping[str, int]) -> dict[int, float]:
    sums: dict[int, int] = {}
    for word, count in counts.items():
        bucket, sign = _place(word)
        sums[bucket] = sums.get(bucket, 0) + sign * count
    # The squares of the roots are the counts themselves.
    total = sum(map(abs, sums.values()))
    if not total:
        return {}
    scale, roots = total**-0.5, _ROOTS
    return {bucket: scale * roots[sum_] for bucket, sum_ in sums.items() if sum_}


def _measured(
    question: str, text: str, words: list[str], counts: Mapping[str, int]
) -> tuple[float, ...]:
    raw = text.encode("utf-8", "surrogatepass")
    size, many = len(raw) or 1, len(words) or 1
    return (
        math.log1p(len(question)),
        math.log1p(len(words)),
        math.log1p(text.count("\n")),
        math.log1p(len(text.partition("\n")[0])),
        sum(map(len, words)) / many,
        math.log1p(max(map(len, counts), default=0)),
        len(counts) / many,
        _share(raw, _DIGITS, size),
        _share(raw, _CAPITALS, size),
        _share(raw, _MARKS, size),
        _share(raw, _FOREIGN, size),
    )


def _share(raw: bytes, kind: bytes, size: int) -> float:
    return (len(raw) - len(raw.translate(None, kind))) / size
