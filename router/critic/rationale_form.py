"""Features of the reasons that came with an answer: do they lead to it, and say anything?"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from .answer_form import hedges_in
from .answer_text import (
    answer_numbers,
    answer_years,
    bag_f1,
    is_inside,
    letters_alike,
    plain,
    shown_text,
)
from .question_form import named_options
from .stems import STOP_STEMS

__all__ = ["final_answer", "rationale_features"]

_FINAL = re.compile(
    r"\b(?:(?:so|therefore|thus|hence),? )?the (?:final )?answer is:?", re.IGNORECASE
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'0-9])")
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_NEGATION = re.compile(r"\b(?:not|no|never|neither|nor|unknown|cannot|unable)\b|n't\b")
_LACKING = re.compile(
    r"not (?:available|specified|mentioned|known|given|provided|stated|clear)|unknown"
    r"|no information|unclear"
)
_CONNECTIVE = re.compile(r"\b(?:also|another|because|since|therefore|thus|but|although)\b")
_NAMED = re.compile(r"\b(?:called|known as|named)\b")
_MADE_BY = re.compile(r"(?:directed|performed|written|composed|founded|created) by (\w+ \w+)")
_ORDERING = re.compile(r"\b(?:first|earlier|older|later|younger|recent\w*|newer|last)\b")
_LATE = re.compile(r"\b(?:later|younger|more recent\w*|newer|last)\b")
_NEVER_NAMED = 1.5


def final_answer(rationale: str) -> tuple[str, str]:
    """Body and final answer of a chain of thought ("... So the answer is: Paris.").

    The final answer is "" where none is announced.
    """
    text = shown_text(rationale)
    found = list(_FINAL.finditer(text))
    if not found:
        return text, ""
    return text[: found[-1].start()].strip(), text[found[-1].end() :].strip().rstrip(".").strip()


def rationale_features(question: str, answer: str, rationale: str) -> dict[str, float]:
    """Length, repetition, hedges and new names of the reasons, and where the answer stands in them;
    {} without reasons."""
    if not rationale.strip():
        return {}
    body, final = final_answer(rationale)
    folded = [plain(one) for one in _SENTENCE.split(body) if one.strip()]
    low = plain(answer)
    return {
        "r_final": float(bool(final)),
        "r_final_equal": float(bool(final) and plain(final) == low),
        **_substance(question, body, folded),
        **_answer_in(low, plain(body), folded),
        **_years_agree(question, answer, folded),
    }


def _substance(question: str, body: str, folded: Sequence[str]) -> dict[str, float]:
    tokens, lower, n = plain(body).split(), body.lower(), max(1, len(folded))
    held, asked = set(tokens), plain(question)
    content = [token for token in asked.split() if token not in STOP_STEMS]
    capitals = {word.lower() for word in _WORD.findall(body) if word[0].isupper()}
    new = {one for one in capitals - STOP_STEMS if plain(one) not in set(asked.split())}
    years = set(answer_years(body)) - set(answer_years(question))
    return {
        "r_tokens": math.log1p(len(tokens)),
        "r_sentences": float(min(len(folded), 12)),
        "r_per_sentence": len(tokens) / n,
        "r_repeat": 1.0 - len(set(folded)) / n,
        "r_distinct": len(held) / max(1, len(tokens)),
        "r_negation": float(min(5, len(_NEGATION.findall(lower)))),
        "r_hedge": float(min(5, hedges_in(body))),
        "r_lacking": float(bool(_LACKING.search(lower))),
        "r_q_cover": sum(token in held for token in content) / max(1, len(content)),
        "r_echo": max((bag_f1(one.split(), asked.split()) for one in folded), default=0.0),
        "r_new_caps": float(min(20, len(new))),
        "r_new_per_token": len(new) / max(1, len(tokens)),
        "r_years": float(min(6, len(years))),
        "r_numbers": float(min(8, len(answer_numbers(body) - answer_numbers(question)))),
        "r_comma": body.count(",") / n,
        "r_quote": float('"' in body),
        "r_connective": float(min(3, len(_CONNECTIVE.findall(lower)))),
        "r_named": float(bool(_NAMED.search(lower))),
    }


def _answer_in(low: str, body: str, folded: Sequence[str]) -> dict[str, float]:
    held = set(body.split())
    hits = [place for place, one in enumerate(folded) if is_inside(low, one)]
    tokens = low.split()
    return {
        "r_a_hits": float(min(5, len(hits))),
        "r_a_share": sum(token in held for token in tokens) / max(1, len(tokens)),
        "r_a_first": hits[0] / max(1, len(folded)) if hits else _NEVER_NAMED,
        "r_a_last": float(bool(folded) and is_inside(low, folded[-1])),
    }


def _years_agree(question: str, answer: str, folded: Sequence[str]) -> dict[str, float]:
    """Whether the years that the reasons give for two options agree with the option that was
    chosen; absent where there is nothing to compare."""
    options = named_options(question)
    if options is None:
        return {}
    low = (plain(options[0]), plain(options[1]))
    years, mentioned = _years_of(low, folded)
    found = {"r_both": float(sum(mentioned))}
    if not (years[0] and years[1]):
        return found
    first, second = years[0][-1], years[1][-1]
    found["r_year_gap"] = math.log1p(abs(first - second))
    asked = question[:4_000].lower()
    if first != second and _ORDERING.search(asked):
        chosen = answer_side(plain(answer), low)
        earlier = 0 if first < second else 1
        wanted = 1 - earlier if _LATE.search(asked) else earlier
        found["r_year_check"] = float(chosen == wanted)
    return found


def answer_side(low: str, options: tuple[str, str]) -> int:
    """Which of two plain options a plain answer is more alike."""
    return int(letters_alike(low, options[0]) < letters_alike(low, options[1]))


def _years_of(
    options: tuple[str, str], folded: Sequence[str]
) -> tuple[tuple[list[int], list[int]], list[bool]]:
    """The years in sentences on one option alone, or on whoever made it."""
    years: tuple[list[int], list[int]] = ([], [])
    mentioned, makers = [False, False], ["", ""]
    for sentence in folded:
        for side, option in enumerate(options):
            if not (is_inside(option, sentence) or is_inside(makers[side], sentence)):
                continue
            mentioned[side] = True
            maker = _MADE_BY.search(sentence)
            if maker is not None:
                makers[side] = maker.group(1)
            if not is_inside(options[1 - side], sentence):
                years[side].extend(answer_years(sentence))
    return years, mentioned
