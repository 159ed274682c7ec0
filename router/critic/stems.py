"""Words of questions and passages as their stems: what two texts share, whatever the endings."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

__all__ = [
    "STOP_STEMS",
    "capital_runs",
    "first_place",
    "folded",
    "places",
    "stem",
    "stems",
    "words",
]

STOP_STEMS = frozenset(
    "a an the of in on at to for from by with and or is are was were be been being as that this "
    "which who whom whose what when where why how do does did has have had it its he his she her "
    "their they them there than then also not no but into about between during after before under "
    "over both same more most other s t can could would will i you we our your one two first "
    "second up out if so such any some each all name named".split()
)
"""Words in lower case that say nothing of what a question is about."""

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?|&")
_JOINERS = frozenset("of the de von van al bin di la le du".split())
_ENDINGS = ("ing", "edly", "ed", "ly", "es", "s")
_LONGEST = 20_000


def folded(text: str) -> str:
    """Without accents and HTML entities, plain quotes and dashes; very long texts are cut."""
    plain = unicodedata.normalize("NFKD", html.unescape(text[:_LONGEST]))
    kept = "".join([one for one in plain if not unicodedata.combining(one)])
    return kept.replace("\u2019", "'").replace("\u2013", "-")


def words(text: str) -> list[str]:
    """The words of a folded text, as written."""
    return _WORD.findall(text)


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A word in lower case without a common English ending; rough, and the same for both sides."""
    word = word.removesuffix("'s")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word


def stems(written: Iterable[str]) -> list[str]:
    """The stem of each word."""
    return [stem(word.lower()) for word in written]


def places(tokens: Sequence[str]) -> dict[str, list[int]]:
    """Where each token stands."""
    found: dict[str, list[int]] = {}
    for place, token in enumerate(tokens):
        found.setdefault(token, []).append(place)
    return found


def first_place(
    phrase: Sequence[str], tokens: Sequence[str], at: Mapping[str, Sequence[int]]
) -> int | None:
    """Where the phrase first stands in the tokens; `at` are their `places`."""
    if not phrase:
        return None
    size = len(phrase)
    starts = at.get(phrase[0], ())
    return next((one for one in starts if tokens[one : one + size] == phrase), None)


def capital_runs(written: Sequence[str], *, skip_first: bool = False) -> list[tuple[int, int]]:
    """Runs of capitalized words, (start, end), small joiners such as "of" inside allowed."""
    runs, place, size = [], int(skip_first), len(written)
    while place < size:
        if not written[place][:1].isupper():
            place += 1
            continue
        end = place + 1
        while end < size and (_is_capital(written, end) or _joins(written, end)):
            end += 1
        runs.append((place, end))
        place = end
    return runs


def _is_capital(written: Sequence[str], place: int) -> bool:
    return written[place][:1].isupper()


def _joins(written: Sequence[str], place: int) -> bool:
    after = place + 1
    return (
        written[place].lower() in _JOINERS and after < len(written) and _is_capital(written, after)
    )
