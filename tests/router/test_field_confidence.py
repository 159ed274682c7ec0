"""Structured answers and calls of tools are as sure as their least sure field."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.estimators.field_confidence import FieldConfidence
from surefoot.router.evidence import Evidence, Generation, Token, ToolCall
from surefoot.router.json_fields import field_spans
from surefoot.router.signals import Signal, Unavailable

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), values, max_size=4), st.sampled_from([None, 2]))
def test_every_field_is_found_with_its_scalars(
    given: dict[str, object], indent: int | None
) -> None:
    text = json.dumps(given, indent=indent)
    found = field_spans(text)
    assert found is not None and set(found) == set(given)
    for name, value in given.items():
        spelled = [text[a:b] for a, b in found[name]]
        if isinstance(value, str):
            assert spelled == ([json.dumps(value)[1:-1]] if value else [])
        elif not isinstance(value, list | dict):
            assert spelled == [json.dumps(value)]


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 1', "true", "[" * 100_000])
def test_what_is_no_whole_object_has_no_fields(text: str) -> None:
    assert field_spans(text) is None


def tokens(*pieces: tuple[str, float]) -> tuple[Token, ...]:
    return tuple(Token(text, math.log(p)) for text, p in pieces)


def read(generation: Generation, tool: str | None = None) -> Signal | Unavailable:
    return FieldConfidence(tool).estimate(Evidence("q", generation))


def test_a_field_is_the_geometric_mean_of_its_tokens_and_the_least_one_counts() -> None:
    text = '{"city": "New York", "year": 1889}'
    found = read(
        Generation(
            text,
            tokens(('{"city": "', 0.1), ("New", 0.9), (" York", 0.4), ('", "year": ', 0.1),
                   ("1889", 0.8), ("}", 0.1)),
        )
    )  # fmt: skip
    assert isinstance(found, Signal)
    assert found.details == pytest.approx({"city": math.sqrt(0.9 * 0.4), "year": 0.8})
    assert found.value == pytest.approx(0.6)


def test_of_several_calls_only_those_of_the_tool_count() -> None:
    calls = (ToolCall("look", '{"a": 1}'), ToolCall("cut", '{"a": 1}'))
    pieces = tokens(
        ('{"a": ', 1.0), ("1", 0.3), ("}", 1.0), ('{"a": ', 1.0), ("1", 0.9), ("}", 1.0)
    )
    generation = Generation("", pieces, "tool_calls", calls)
    cut, look, every = (read(generation, tool) for tool in ("cut", "look", None))
    assert isinstance(cut, Signal) and isinstance(look, Signal) and isinstance(every, Signal)
    assert cut.name == "arguments:cut"
    assert cut.value == pytest.approx(0.9)
    assert look.value == every.value == pytest.approx(0.3)
    assert read(generation, "burn") == Unavailable("the tool is not called")


@pytest.mark.parametrize(
    ("generation", "why"),
    [
        (Generation("", (), "tool_calls", (ToolCall("f", '{"a": 1}'),)), "no logprobs"),
        (
            Generation("", tokens(("else", 0.5)), "tool_calls", (ToolCall("f", '{"a": 1}'),)),
            "logprobs do not cover the tool call",
        ),
        (
            Generation("Yes.", tokens(("Yes.", 0.5)), "tool_calls", (ToolCall("f", "{}"),)),
            "logprobs do not cover the tool call",
        ),
        (
            Generation("", tokens(('{"a', 0.5)), "length", (ToolCall("f", '{"a'),)),
            "truncated tool call",
        ),
        (Generation("Paris", tokens(("Paris", 0.5))), "the answer is no JSON object"),
        (Generation("{}", tokens(("{}", 0.5))), "there is no field whose value could be judged"),
        (
            Generation('{"a": 1}', (Token('{"a": ', -0.1), Token("1"), Token("}", -0.1))),
            "missing token",
        ),
    ],
)
def test_it_says_why_there_is_nothing(generation: Generation, why: str) -> None:
    assert read(generation) == Unavailable(why)
