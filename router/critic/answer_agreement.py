"""Features of agreement: is this what was answered before, with other passages or with none?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .answer_form import answer_type
from .answer_text import (
    answer_numbers,
    answer_years,
    bag_f1,
    is_inside,
    is_refusal,
    letters_alike,
    likeness,
    plain,
)
from .rationale_form import final_answer
from .stems import STOP_STEMS

__all__ = ["agreement_features", "pair_features"]

_FURTHEST = 10
_FROM_FIRST_TO_LAST = ("equal", "f1", "letters", "alias", "number")


def pair_features(one: str, other: str, prefix: str) -> dict[str, float]:
    """How two answers compare, beyond being equal: forms of one name, numbers, years, initials."""
    left, right = plain(one), plain(other)
    x, y = left.split(), right.split()
    equal, alike = left == right, letters_alike(left, right)
    contained, contains = is_inside(left, right), is_inside(right, left)
    found = {
        "equal": float(equal),
        "f1": bag_f1(x, y),
        "letters": alike,
        "contains": float(contains),
        "contained": float(contained),
        "last": float(bool(x) and bool(y) and x[-1] == y[-1]),
        "first": float(bool(x) and bool(y) and x[0] == y[0]),
        "initials": float(_are_initials(x, right) or _are_initials(y, left)),
        "type": float(answer_type(one) == answer_type(other)),
        "longer": float(max(-_FURTHEST, min(_FURTHEST, len(x) - len(y)))),
        "alias": 0.0 if equal else float(contains or contained) + alike,
        "raw": float(one.strip() == other.strip()),
        **_numbers_agree(left, right),
    }
    return {f"{prefix}_{name}": value for name, value in found.items()}


def _are_initials(words: Sequence[str], text: str) -> bool:
    return len(words) > 1 and "".join(word[0] for word in words) == text.replace(" ", "")


def _numbers_agree(left: str, right: str) -> dict[str, float]:
    """Absent where not both answers have numbers, or years."""
    found = {}
    numbers = answer_numbers(left), answer_numbers(right)
    if numbers[0] and numbers[1]:
        found["number"] = float(numbers[0] == numbers[1])
    years = set(answer_years(left)), set(answer_years(right))
    if years[0] and years[1]:
        found["year"] = float(bool(years[0] & years[1]))
        found["year_gap"] = math.log1p(min(abs(a - b) for a in years[0] for b in years[1]))
    return found


def agreement_features(
    question: str, answer: str, rationale: str, previous: Sequence[str]
) -> dict[str, float]:
    """Agreement with the first answer, with the latest before this one, and with all of them; {}
    without earlier answers."""
    if not previous:
        return {}
    first = previous[0]
    found = {
        "n_previous": float(min(len(previous), _FURTHEST)),
        "n_refusals": float(sum(is_refusal(one) for one in previous)),
        "cb_refusal": float(is_refusal(first)),
        "cb_chars": math.log1p(len(first[:200])),
        **pair_features(answer, first, "cb"),
        **_reasons_bear_out(question, answer, rationale),
    }
    if len(previous) > 1:
        found |= _over_all(answer, previous)
    return found


def _reasons_bear_out(question: str, answer: str, rationale: str) -> dict[str, float]:
    if not rationale.strip():
        return {}
    body = plain(final_answer(rationale)[0])
    held, known = set(body.split()), set(plain(question).split())
    low = plain(answer)
    novel = [one for one in low.split() if one not in STOP_STEMS and one not in known]
    found = {"cb_in_rationale": float(is_inside(low, body))}
    if novel:
        found["cb_novel_share"] = sum(one in held for one in novel) / len(novel)
    return found


def _over_all(answer: str, previous: Sequence[str]) -> dict[str, float]:
    first, last, low = previous[0], previous[-1], plain(answer)
    alike = [likeness(answer, one) for one in previous]
    between = pair_features(last, first, "fl")
    return {
        **pair_features(answer, last, "pv"),
        **{name: between[name] for name in _names("fl", between)},
        "pv_refusal": float(is_refusal(last)),
        "pv_chars": math.log1p(len(last[:200])),
        "sim_mean": sum(alike) / len(alike),
        "sim_max": max(alike),
        "sim_min": min(alike),
        "n_equal": float(min(sum(plain(one) == low for one in previous), _FURTHEST)),
        "n_distinct": float(min(len({plain(one) for one in (*previous, answer)}), _FURTHEST)),
        "odd_one_out": float(plain(first) == plain(last) != low),
        "returned": float(low == plain(first) != plain(last)),
        "chain": alike[-1] + likeness(last, first),
    }


def _names(prefix: str, found: dict[str, float]) -> list[str]:
    wanted = [f"{prefix}_{name}" for name in _FROM_FIRST_TO_LAST]
    return [name for name in wanted if name in found]
