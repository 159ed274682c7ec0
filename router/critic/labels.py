"""Whether an answer is right: by its normalized words, as question answering has always done it."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from .states import Labels

__all__ = ["answer_f1", "answer_words", "exact_match", "is_contained", "label_answer"]

_ARTICLES = frozenset({"a", "an", "the"})
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_OTHER_PUNCTUATION = re.compile(r"[\u2010-\u2015\u2018-\u201f\u00ab\u00bb\u2026\u00b4]")
_CLOSED = frozenset({"yes", "no", "noanswer"})


def answer_words(text: str) -> tuple[str, ...]:
    """The words of an answer in lower case, without punctuation and articles.

    The normalization of SQuAD (Rajpurkar et al. 2016): punctuation is removed, not taken for a
    space, so that "Campbell-Bannerman" is "campbellbannerman". Typographic dashes and quotes count
    as punctuation too.
    """
    plain = _OTHER_PUNCTUATION.sub("", unicodedata.normalize("NFKC", text).casefold())
    words = plain.translate(_NO_PUNCTUATION).split()
    return tuple(word for word in words if word not in _ARTICLES)


def exact_match(answer: str, gold: Sequence[str]) -> bool:
    """Whether the answer has the same words, in order, as an accepted one; an empty one never."""
    words = answer_words(answer)
    return bool(words) and any(words == answer_words(accepted) for accepted in gold)


def answer_f1(answer: str, accepted: str) -> float:
    """F1 = 2 P R / (P + R) over words with their counts, in [0, 1].

    "yes", "no" and "noanswer" match as a whole or not at all, as HotpotQA has it (Yang et al.
    2018): one shared word of a longer answer would say nothing.
    """
    found, wanted = answer_words(answer), answer_words(accepted)
    if _CLOSED & {" ".join(found), " ".join(wanted)}:
        return float(found == wanted)
    shared = sum((Counter(found) & Counter(wanted)).values())
    return 2.0 * shared / (len(found) + len(wanted)) if shared else 0.0


def is_contained(answer: str, accepted: str) -> bool:
    """Whether the accepted answer occurs in the answer as a run of whole words.

    The other way around would accept "John" for "John Adams".
    """
    found, wanted = answer_words(answer), answer_words(accepted)
    if not wanted or _CLOSED & {" ".join(wanted)}:
        return bool(wanted) and found == wanted
    return f" {' '.join(wanted)} " in f" {' '.join(found)} "


def label_answer(answer: str, gold: Sequence[str], sufficient: bool | None = None) -> Labels:
    """The labels of an answer; those of the answer are None where no accepted answer is known or
    no answer was written."""
    if not gold or not answer.strip():
        return Labels(sufficient=sufficient)
    return Labels(
        em=exact_match(answer, gold),
        f1=max(answer_f1(answer, accepted) for accepted in gold),
        contains=any(is_contained(answer, accepted) for accepted in gold),
        sufficient=sufficient,
    )
