"""How alike two texts are by their words: ROUGE and BLEU, over word lists that are made once.

Two texts of the same words have similarity 1, whatever the measure: a text of one word has no word
pairs, which would make ROUGE-2 call it unlike itself.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from .porter_stem import porter_stem

__all__ = ["Measure", "Words", "bleu", "rouge_1", "rouge_2", "rouge_l", "stemmed_words"]

Words = tuple[str, ...]
"""The words of one text, in order."""

Measure = Callable[[Sequence[Words]], list[list[float]]]
"""From the word lists of n texts, no two alike and none empty, to their similarities in [0, 1]:
row i holds those of text i to the texts before it. All are symmetric."""

_WORD = re.compile(r"[^\W_]+")
_LONGEST_NGRAM = 4


def stemmed_words(text: str) -> Words:
    """The words of a text as ROUGE compares them: lower case, longer ones stemmed.

    On ASCII text this is what the usual scorers do: runs of letters and digits, stemmed by Porter's
    rules from four characters on. They drop all other characters, so that an answer in Greek has no
    words at all; here letters and digits of every script count, and only ASCII words are stemmed.
    """
    if text.isascii():
        return tuple(
            [porter_stem(word) if len(word) > 3 else word for word in _WORD.findall(text.lower())]
        )
    words = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    return tuple(
        [porter_stem(word) if len(word) > 3 and word.isascii() else word for word in words]
    )


def rouge_l(texts: Sequence[Words]) -> list[list[float]]:
    """ROUGE-L F1: 2 LCS / (length + length), LCS the longest common subsequence of words.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries". LCS in bit-parallel
    form after Hyyro 2004, "Bit-parallel LCS-length computation revisited".
    """
    places = [_places(words) for words in texts]
    found: list[list[float]] = []
    for i, words in enumerate(texts):
        row = []
        for j in range(i):
            common = _common_subsequence(places[j], len(texts[j]), words)
            row.append(2.0 * common / (len(words) + len(texts[j])))
        found.append(row)
    return found


def rouge_1(texts: Sequence[Words]) -> list[list[float]]:
    """ROUGE-1 F1: 2 x shared words / (length + length), counted as often as both have them."""
    return _rouge_n(texts, 1)


def rouge_2(texts: Sequence[Words]) -> list[list[float]]:
    """ROUGE-2 F1, as ROUGE-1 but of pairs of neighboring words; 0 where a text has one word."""
    return _rouge_n(texts, 2)


def bleu(texts: Sequence[Words]) -> list[list[float]]:
    """BLEU of each pair, the mean of both directions since one text is not the other's reference.

    Per direction: brevity penalty times the geometric mean of the clipped n-gram precisions,
    n = 1..min(4, shorter length), unsmoothed: 0 where no n-gram of one length is shared.

    Source: Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation".
    """
    counted = [
        [_ngrams(words, n) for n in range(1, min(_LONGEST_NGRAM, len(words)) + 1)]
        for words in texts
    ]
    found: list[list[float]] = []
    for i, words in enumerate(texts):
        found.append([_bleu(counted[i], len(words), counted[j], len(texts[j])) for j in range(i)])
    return found


def _places(words: Words) -> dict[str, int]:
    """Per word the set of its positions, as bits."""
    found: dict[str, int] = {}
    bit = 1
    for word in words:
        found[word] = found.get(word, 0) | bit
        bit <<= 1
    return found


def _common_subsequence(places: dict[str, int], length: int, words: Words) -> int:
    """Length of the longest common subsequence: the positions that lose their bit."""
    everything = (1 << length) - 1
    left = everything
    for word in words:
        matched = left & places.get(word, 0)
        if matched:
            left = ((left + matched) | (left - matched)) & everything
    return length - left.bit_count()


def _ngrams(words: Words, n: int) -> Counter[Words]:
    return Counter([words[i : i + n] for i in range(len(words) - n + 1)])


def _shared(one: Counter[Words], other: Counter[Words]) -> int:
    if len(other) < len(one):
        one, other = other, one
    return sum([min(count, other[gram]) for gram, count in one.items() if gram in other])


def _rouge_n(texts: Sequence[Words], n: int) -> list[list[float]]:
    counted = [_ngrams(words, n) for words in texts]
    totals = [max(len(words) - n + 1, 0) for words in texts]
    return [
        [
            2.0 * _shared(counted[i], counted[j]) / (totals[i] + totals[j])
            if totals[i] and totals[j]
            else 0.0
            for j in range(i)
        ]
        for i in range(len(texts))
    ]


def _bleu(
    one: list[Counter[Words]], one_length: int, other: list[Counter[Words]], other_length: int
) -> float:
    shared = [_shared(mine, theirs) for mine, theirs in zip(one, other, strict=False)]
    if not all(shared):
        return 0.0
    there = _directed(shared, one_length, other_length)
    back = _directed(shared, other_length, one_length)
    return (there + back) / 2.0


def _directed(shared: Sequence[int], candidate: int, reference: int) -> float:
    """BLEU of a candidate of so many words, `shared[n - 1]` of its n-grams in the reference."""
    precisions = [math.log(count / (candidate - n)) for n, count in enumerate(shared)]
    penalty = min(0.0, 1.0 - reference / candidate)
    return math.exp(penalty + math.fsum(precisions) / len(shared))
