"""What kind of thing an answer is, and whether that is what the question asks for."""

from __future__ import annotations

import math
import re
from typing import Literal

from .answer_text import (
    NUMBER_WORDS,
    answer_numbers,
    is_inside,
    is_refusal,
    letters_alike,
    plain,
    shown_text,
)
from .question_form import QuestionKind, named_options, question_kind
from .stems import STOP_STEMS

__all__ = ["ANSWER_TYPES", "AnswerType", "answer_features", "answer_type", "hedges_in"]

AnswerType = Literal["yesno", "date", "number", "refusal", "name", "phrase", "sentence"]

ANSWER_TYPES: tuple[AnswerType, ...] = (
    "yesno",
    "date",
    "number",
    "refusal",
    "name",
    "phrase",
    "sentence",
)

_WANTED: dict[QuestionKind, frozenset[AnswerType]] = {
    "yesno": frozenset({"yesno"}),
    "when": frozenset({"date"}),
    "howmany": frozenset({"number", "date"}),
    "who": frozenset({"name"}),
    "where": frozenset({"name"}),
    "which": frozenset({"name", "phrase"}),
    "what": frozenset({"name", "phrase", "number"}),
}
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_YEAR = re.compile(r"\b(?:1\d{3}|20\d{2})\b")
_MONTHS = frozenset(
    "january february march april june july august september october november december jan feb mar "
    "apr jun jul aug sep sept oct nov dec".split()
)
_SCALES = frozenset(
    "hundred thousand million billion trillion dozen percent half thirty forty fifty sixty".split()
)
_HEDGE = re.compile(
    r"\b(?:possibly|probably|perhaps|maybe|likely|might|may be|could be|approximately|around|about"
    r"|circa|seems?|appears?|believed|assume[ds]?|assuming|inferred|however|unclear|uncertain"
    r"|different|various|several)\b"
)
_PLACES = frozenset(
    "city county state country river lake island islands mountain mountains sea ocean street park "
    "university england france germany india china japan america usa states kingdom london york "
    "california europe africa canada australia italy spain russia ireland scotland wales paris "
    "texas rome washington".split()
)
_NATION = re.compile(r"(?:ian|ish|ese|ean|can|ani|aqi|tch|eli|nch|eek|iss|wi|man)$")
_VERB = re.compile(r"\b(?:is|was|are|were|has|had|have|because|that)\b")
_HEAD_NOUN = re.compile(
    r"\b(?:what|which) (?:\w+ ){0,3}?(\w+)(?= (?:is|was|are|were|did|does|do|has|have|had|in|of"
    r"|that|who)\b)"
)
_PREPOSITIONS = frozenset("in on at by to from for as of with".split())
_SENTENCE_FROM = 13
_MOST_TOKENS = 30
_NAME_SHARE = 0.6


def answer_type(answer: str) -> AnswerType:
    """The kind of thing that an answer is, by its form."""
    low = plain(answer)
    tokens = low.split()
    if low in ("yes", "no"):
        return "yesno"
    if is_refusal(answer):
        return "refusal"
    if len(tokens) >= _SENTENCE_FROM:
        return "sentence"
    is_date = _YEAR.search(low) or not _MONTHS.isdisjoint(tokens) or "century" in tokens
    if is_date or low.endswith("bc"):
        return "date"
    is_number = any(token in NUMBER_WORDS or token in _SCALES for token in tokens)
    if is_number or any(one.isdigit() for one in low):
        return "number"
    words = [one for one in _WORD.findall(shown_text(answer)) if one.lower() not in STOP_STEMS]
    capitals = sum(word[0].isupper() for word in words)
    return "name" if words and capitals / len(words) >= _NAME_SHARE else "phrase"


def hedges_in(text: str) -> int:
    """How often a text hedges."""
    return len(_HEDGE.findall(text.lower()))


def answer_features(question: str, answer: str) -> dict[str, float]:
    """Form, type and fit of an answer; a_<type> is 1 for its type, else 0."""
    kind, type_ = question_kind(question), answer_type(answer)
    found = {f"a_{one}": float(type_ == one) for one in ANSWER_TYPES}
    found |= _form(answer, type_)
    found |= _fit(question, answer, kind, type_)
    return found | _option_features(question, answer)


def _form(answer: str, type_: AnswerType) -> dict[str, float]:
    raw, low = shown_text(answer), plain(answer)
    tokens, words, lower = low.split(), _WORD.findall(raw), raw.lower()
    content = [token for token in tokens if token not in STOP_STEMS]
    is_year = bool(_YEAR.fullmatch(low))
    return {
        "a_tokens": float(min(len(tokens), _MOST_TOKENS)),
        "a_chars": math.log1p(len(raw)),
        "a_cap_share": sum(word[0].isupper() for word in words) / max(1, len(words)),
        "a_first_upper": float(raw[:1].isupper()),
        "a_digits": float(any(one.isdigit() for one in raw)),
        "a_year_only": float(is_year),
        "a_full_date": float(type_ == "date" and len(tokens) >= 3),
        "a_number_only": float(low.isdecimal() and not is_year),
        "a_comma": float(min(raw.count(","), 9)),
        "a_and": float(" and " in f" {lower} " or "&" in raw),
        "a_paren": float("(" in raw or ")" in raw),
        "a_article": float(lower.startswith(("the ", "a ", "an "))),
        "a_odd": float("\\" in answer or not raw.isascii()),
        "a_verb": float(bool(_VERB.search(lower))),
        "a_preposition": float(bool(tokens) and tokens[0] in _PREPOSITIONS),
        "a_word_len": sum(map(len, content)) / max(1, len(content)),
        "a_longest": float(min(30, max(map(len, content), default=0))),
        "a_hedge": float(hedges_in(raw) > 0),
        "a_place": float(not _PLACES.isdisjoint(tokens)),
        "a_nation": float(len(tokens) == 1 and bool(_NATION.search(low))),
        "a_yes": float(low == "yes"),
        "a_initial": float(bool(re.search(r"\b[A-Z]\.", raw))),
        "a_round": float(any(one >= 10 and one % 10 == 0 for one in answer_numbers(low))),
    }


def _fit(question: str, answer: str, kind: QuestionKind, type_: AnswerType) -> dict[str, float]:
    """Whether the answer is of the kind that is asked for, and more than the question's words."""
    low, asked = plain(answer), plain(question)
    tokens, known = low.split(), set(asked.split())
    content = [token for token in tokens if token not in STOP_STEMS]
    novel = [token for token in content if token not in known]
    wanted = _WANTED.get(kind)
    noun = _HEAD_NOUN.search(question[:2_000].lower())
    return {
        "a_match": 0.5 if wanted is None else float(type_ in wanted),
        "a_in_q": float(is_inside(low, asked)),
        "a_q_share": 1.0 - len(novel) / len(content) if content else 0.0,
        "a_unit": float(type_ == "number" and bool(novel) and not tokens[-1].isdigit()),
        "a_who_full": float(kind == "who" and type_ == "name" and len(tokens) in (2, 3)),
        "a_who_one": float(kind == "who" and len(tokens) == 1),
        "a_where_comma": float(kind == "where" and "," in answer),
        "a_head_echo": float(noun is not None and is_inside(noun.group(1), low)),
    }


def _option_features(question: str, answer: str) -> dict[str, float]:
    """Which of two named options the answer is; absent where none are named."""
    options = named_options(question)
    if options is None:
        return {}
    low, left, right = plain(answer), plain(options[0]), plain(options[1])
    alike = (letters_alike(low, left), letters_alike(low, right))
    return {
        "a_option": max(alike),
        "a_option_exact": float(low in (left, right)),
        "a_option_first": float(alike[0] >= alike[1]),
    }
