"""Likelihood of what an answer commits to: its numbers and proper nouns."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.estimators.cer import Cer, critical_spans
from surefoot.router.evidence import Evidence, Generation, Token, ToolCall

from .judged_records import read, reason
from .spelled_answers import answer


@pytest.mark.parametrize(
    ("text", "critical"),
    [
        ("The capital of Norway is Oslo.", [["Norway", "Oslo"]]),
        ("It costs 1,200.50 dollars. Then 3 more!", [["1,200.50"], ["3"]]),
        ("NASA launched it", [["NASA"]]),
        ("Paris", [["Paris"]]),
        ("First step\nsecond Step", [["Step"]]),
        ("Barack Obama won. In Ohio", [["Barack", "Obama"], ["Ohio"]]),
        ("So I think The Hague, I'm sure", [["Hague"]]),
        ("we met Dr. Watson and J. Smith there. ok", [["Dr", "Watson", "J", "Smith"]]),
        ("1. Oslo\n2. Rome", [["Oslo"], ["Rome"]]),
        ("42.", [["42"]]),
        ("an iPhone or McIntosh", [["iPhone", "McIntosh"]]),
        ("see\u00e9 \u6771\u4eac 3", [["3"]]),
        ("no names here", []),
    ],
)
def test_what_an_answer_commits_to(text: str, critical: list[list[str]]) -> None:
    found = [[text[slice(*span)] for span in spans] for spans in critical_spans(text)]
    assert found == critical


def test_later_steps_weigh_more() -> None:
    first = answer(("so ", 0.1), ("4", 0.5), (".\n", 0.1), ("is ", 0.1), ("5", 0.25))
    signal = read(Cer(), Evidence("q", first))
    assert signal.raw == pytest.approx((1 * math.log(2) + 2 * math.log(4)) / 3)
    assert (signal.details["steps"], signal.details["tokens"]) == (2, 2)


def test_a_word_over_several_tokens_counts_with_all_of_them() -> None:
    signal = read(Cer(), Evidence("q", answer(("in ", 0.1), ("Os", 0.5), ("lo", 0.5))))
    assert signal.raw == pytest.approx(math.log(4))


def test_control_tokens_are_no_names() -> None:
    plain = read(Cer(), Evidence("q", answer(("in", 0.1), (" Oslo", 0.5))))
    marked = answer(("in", 0.1), (" Oslo", 0.5), ("<|END|>", 0.01))
    assert read(Cer(), Evidence("q", marked)).raw == pytest.approx(plain.raw)
    assert plain.raw == pytest.approx(math.log(2))


def test_only_critical_tokens_need_a_logprob() -> None:
    name, other = Token(" Oslo", math.log(0.5)), Token("in", None)
    assert read(Cer(), Evidence("q", Generation("in Oslo", (other, name)))).raw == (
        pytest.approx(math.log(2))
    )
    gap = Generation("in Oslo", (Token("in", -0.1), Token(" Oslo", None)))
    assert reason(Cer(), Evidence("q", gap)) == "missing token"


def test_cer_without_anything_critical() -> None:
    assert reason(Cer(), Evidence("q", answer(("so it is", 0.5)))) == "no number and no proper noun"
    call = Generation("", (Token('{"a": 1}', -0.1),), "tool_calls", (ToolCall("f", '{"a": 1}'),))
    assert reason(Cer(), Evidence("q", call)) == "tool call"


@given(st.text(max_size=40))
def test_critical_spans_lie_in_order_within_the_text(text: str) -> None:
    spans = [span for step in critical_spans(text) for span in step]
    assert spans == sorted(spans)
    assert all(0 <= begin < end <= len(text) for begin, end in spans)
