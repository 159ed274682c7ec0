"""Which attempt is best, and which cannot be served."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.attempts import (
    assessed,
    attempt_of,
    best_attempt,
    why_incomplete,
    with_cost,
)
from surefoot.router.signals import Estimate, Signal, Unavailable

from .plans import attempt_with


def test_the_surest_is_best_and_the_earlier_of_equals() -> None:
    low, high, equal = (
        attempt_with(id=i, estimate=Estimate(p, "s"))
        for i, p in (("1", 0.2), ("2", 0.8), ("3", 0.8))
    )
    assert best_attempt([low, high, equal]) is high
    assert best_attempt([]) is None


def test_any_estimate_beats_none_and_anything_beats_what_is_not_whole() -> None:
    unknown = attempt_with(id="1", estimate=Unavailable("why"))
    later = attempt_with(id="2", estimate=Unavailable("why"))
    doubtful = attempt_with(id="3", estimate=Estimate(0.0, "s"))
    cut = attempt_with(id="4", finish_reason="length", estimate=Unavailable("cut"))
    assert best_attempt([cut, unknown, later]) is unknown
    assert best_attempt([unknown, doubtful]) is doubtful
    assert best_attempt([cut, attempt_with(text="")]) is None


@given(st.lists(st.none() | st.floats(0.0, 1.0), max_size=6))
def test_no_attempt_is_surer_than_the_best(ps: list[float | None]) -> None:
    attempts = [
        attempt_with(id=str(i), estimate=Unavailable("w") if p is None else Estimate(p, "s"))
        for i, p in enumerate(ps)
    ]
    ranks = [-1.0 if p is None else p for p in ps]
    best = best_attempt(attempts)
    assert (None if best is None else int(best.id)) == (ranks.index(max(ranks)) if ranks else None)


@pytest.mark.parametrize(
    ("text", "finish", "why"),
    [
        ("", "length", "empty answer"),
        ("Par", "length", "the answer was cut at the token limit"),
        ("Par", "content_filter", "the answer is not whole (finish reason: content_filter)"),
        ("Par", None, "the answer is not whole (finish reason: unknown)"),
    ],
)
def test_why_an_attempt_is_not_whole(text: str, finish: str | None, why: str) -> None:
    assert why_incomplete(attempt_with(text=text, finish_reason=finish)) == why


def test_attempts_are_found_by_id() -> None:
    attempts = [attempt_with(id="1"), attempt_with(id="2")]
    assert attempt_of(attempts, "2") is attempts[1]
    assert attempt_of(attempts, "3") is None and attempt_of(attempts, None) is None


def test_copies_change_one_thing() -> None:
    attempt = attempt_with(passage_ids=("p1",), signal_costs={"a": 1.0})
    signals, estimate = {"s": Signal("s", 0.5, 0.5)}, Estimate(0.5, "s")
    assert assessed(attempt, signals, estimate) == attempt_with(
        passage_ids=("p1",), signal_costs={"a": 1.0}, signals=signals, estimate=estimate
    )
    assert assessed(attempt, signals, estimate) == replace(
        attempt, signals=signals, estimate=estimate
    )
    assert with_cost(attempt, "a", 0.5).signal_costs == {"a": 1.5}
    assert with_cost(attempt, "b", 0.5).signal_costs == {"a": 1.0, "b": 0.5}
    assert with_cost(with_cost(attempt, "a", None), "a", 1.0).signal_costs == {"a": None}
    assert attempt.signal_costs == {"a": 1.0}
