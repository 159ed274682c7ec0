"""The final answer is found in a longer text, and its tokens alone are judged."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.estimators.crew import Crew, answer_span
from surefoot.router.evidence import Evidence, Generation, Token, ToolCall
from surefoot.router.signals import Signal, Unavailable


def evidence(*pieces: tuple[str, float | None]) -> Evidence:
    tokens = tuple(Token(text, None if p is None else math.log(p)) for text, p in pieces)
    return Evidence("q", Generation("".join(text for text, _ in pieces), tokens))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so \\boxed{1}, no: \\boxed{\\frac{1}{2}} it is", "\\frac{1}{2}"),
        ("First.\nThe answer is 42.\nGood.", "42"),
        ("Answer: 7\nFinal answer: 8", "8"),
        ("6 * 7 = 42\n#### 42", "42"),
        ("  Paris \n", "Paris"),
        ("3.5", "3.5"),
    ],
)
def test_where_the_final_answer_stands(text: str, answer: str) -> None:
    span = answer_span(text)
    assert span is not None
    assert text[slice(*span)] == answer


@pytest.mark.parametrize("text", ["", " \n", "one line\nanother", "a\nThe answer is"])
def test_a_longer_text_without_a_mark_has_none(text: str) -> None:
    assert answer_span(text) is None


@given(st.text())
def test_a_span_lies_in_its_text(text: str) -> None:
    span = answer_span(text)
    if span is not None:
        assert 0 <= span[0] < span[1] <= len(text)
        assert text[slice(*span)].strip()


def test_only_the_answers_tokens_count() -> None:
    given = evidence(
        ("Well", 0.1), (".\n", 0.1), ("Answer", 0.2), (":", 0.2), (" 4", 0.9), ("2", 0.5)
    )
    signal = Crew().estimate(given)
    assert isinstance(signal, Signal)
    assert signal.value == signal.raw == pytest.approx(0.7)
    assert (signal.details["answer"], signal.details["tokens"]) == ("42", 2)


def test_a_token_that_holds_a_part_of_the_answer_counts_whole() -> None:
    given = evidence(("x\n", 0.5), ("\\boxed", 0.5), ("{4", 0.8), ("2}", 0.6))
    signal = Crew().estimate(given)
    assert isinstance(signal, Signal)
    assert signal.raw == pytest.approx(0.7)


def test_unavailable_where_there_is_no_answer_or_a_token_of_it_is_missing() -> None:
    assert Crew().estimate(evidence(("a\n", 0.5), ("b", 0.5))) == Unavailable(
        "no final answer is marked"
    )
    given = evidence(("Answer", 0.5), (":", 0.5), (" 4", None))
    assert Crew().estimate(given) == Unavailable("missing token")
    assert Crew().estimate(evidence((" ", 0.5))) == Unavailable("empty answer")


def test_a_tool_call_is_judged_by_its_values() -> None:
    tokens = tuple(
        Token(text, math.log(p)) for text, p in (('{"city": "', 0.1), ("Oslo", 0.8), ('"}', 0.1))
    )
    call = ToolCall("weather", '{"city": "Oslo"}')
    signal = Crew().estimate(Evidence("q", Generation("", tokens, "tool_calls", (call,))))
    assert isinstance(signal, Signal)
    assert signal.raw == pytest.approx(0.8)
