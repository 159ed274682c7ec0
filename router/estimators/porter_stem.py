"""English words cut down to their stems, as the usual ROUGE scorers do it.

Source: Porter 1980, "An algorithm for suffix stripping", with the departures of the Natural
Language Toolkit (a few irregular words, short words in -ies and -ied, -y after a vowel, -alli,
-fulli, -bli, -logi), because that is what published ROUGE figures were made with.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["porter_stem"]

_IRREGULAR = {
    "sky": "sky",
    "skies": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "news": "news",
    "inning": "inning",
    "innings": "inning",
    "outing": "outing",
    "outings": "outing",
    "canning": "canning",
    "cannings": "canning",
    "howe": "howe",
    "proceed": "proceed",
    "exceed": "exceed",
    "succeed": "succeed",
}

# In the paper's order: the first suffix that fits decides, whether or not its condition holds.
_DOUBLE_SUFFIXES = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
)
_ADJECTIVES = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
_LAST = (
    "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize".split()
)  # -ement before -ment before -ent

_RUNS = re.compile("v+c")


@lru_cache(maxsize=1 << 16)
def porter_stem(word: str) -> str:
    """The stem of a word in lower case; one of at most two letters stays as it is."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 2:
        return word
    word = _without_final_y(_without_past(_without_plural(word)))
    word = _shortened(_without_double_suffix(word), _ADJECTIVES)
    return _without_double_l(_without_final_e(_without_last_suffix(word)))


def _kinds(word: str) -> str:
    """A `v` for each vowel, a `c` for each consonant; y is a vowel after a consonant."""
    kinds = ""
    for letter in word:
        vowel = letter in "aeiou" or (letter == "y" and kinds.endswith("c"))
        kinds += "v" if vowel else "c"
    return kinds


def _measure(stem: str) -> int:
    """How many times vowels are followed by consonants, Porter's m."""
    return len(_RUNS.findall(_kinds(stem)))


def _ends_short(stem: str) -> bool:
    """Whether it ends in consonant, vowel, consonant other than w, x, y, or is vowel, consonant."""
    kinds = _kinds(stem)
    return (kinds.endswith("cvc") and stem[-1] not in "wxy") or kinds == "vc"


def _without_plural(word: str) -> str:
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


def _without_past(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        stem = word.removesuffix(suffix)
        if stem != word and "v" in _kinds(stem):
            return _repaired(stem)
    return word


def _repaired(stem: str) -> str:
    """What stood before -ed or -ing, as a word: hop(p), fil(e), conflat(e)."""
    if stem.endswith(("at", "bl", "iz")):
        return stem + "e"
    if len(stem) > 1 and stem[-1] == stem[-2] and _kinds(stem)[-1] == "c":
        return stem if stem[-1] in "lsz" else stem[:-1]
    return stem + "e" if _measure(stem) == 1 and _ends_short(stem) else stem


def _without_final_y(word: str) -> str:
    stem = word[:-1]
    if word.endswith("y") and len(stem) > 1 and _kinds(stem)[-1] == "c":
        return stem + "i"
    return word


def _without_double_suffix(word: str) -> str:
    if word.endswith("alli"):
        return _without_double_suffix(word[:-2]) if _measure(word[:-4]) > 0 else word
    if word.endswith("logi"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    return _shortened(word, _DOUBLE_SUFFIXES)


def _shortened(word: str, rules: tuple[tuple[str, str], ...]) -> str:
    for suffix, shorter in rules:
        if word.endswith(suffix):
            stem = word[: -len(suffix)]
            return stem + shorter if _measure(stem) > 0 else word
    return word


def _without_last_suffix(word: str) -> str:
    for suffix in _LAST:
        if word.endswith(suffix):
            stem = word[: -len(suffix)]
            fits = _measure(stem) > 1 and (suffix != "ion" or stem[-1] in "st")
            return stem if fits else word
    return word


def _without_final_e(word: str) -> str:
    if not word.endswith("e"):
        return word
    stem = word[:-1]
    measure = _measure(stem)
    return stem if measure > 1 or (measure == 1 and not _ends_short(stem)) else word


def _without_double_l(word: str) -> str:
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word
