"""Tool calls are compared by meaning, and judged by the values that the model chose."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.answers import class_of
from surefoot.router.estimators.catalogue import Options, estimator
from surefoot.router.evidence import Evidence, Generation, Token, ToolCall
from surefoot.router.signals import Signal, Unavailable
from surefoot.router.tool_calls import argument_positions, canonical_calls

TRUNCATED = Unavailable("truncated tool call")


def test_calls_are_equal_whatever_their_spacing_key_order_and_number_form() -> None:
    one = ToolCall("f", '{"a": 1.0, "b": [true, "x"]}')
    other = ToolCall("f", '{ "b":[true,"x"],"a":1 }')
    assert canonical_calls((one,)) == canonical_calls((other,))
    assert canonical_calls((one,)) != canonical_calls((ToolCall("g", one.arguments),))
    assert canonical_calls((one,)) != canonical_calls((ToolCall("f", '{"a": 1.5}'),))
    assert canonical_calls((one, other)) != canonical_calls((one,))


@pytest.mark.parametrize("arguments", ['{"a": ', '{"a": "x', "[1, 2", "{"])
def test_cut_off_arguments_are_no_call(arguments: str) -> None:
    assert canonical_calls((ToolCall("f", arguments),)) == TRUNCATED
    tokens = (Token(arguments, -0.1),)
    assert argument_positions(tokens, (ToolCall("f", arguments),)) == TRUNCATED


def test_no_arguments_are_none() -> None:
    assert canonical_calls((ToolCall("f", ""),)) == canonical_calls((ToolCall("f", "{}"),))


def pieces(*texts: str) -> tuple[Token, ...]:
    return tuple(Token(text, -0.1) for text in texts)


def test_the_tokens_that_touch_a_value() -> None:
    arguments = '{"city": "New York", "days": 3, "now": true, "x": {"y": [null, "a\\"b"]}}'
    tokens = pieces(
        '<call>{"name": "w", "args": ',  # syntax of the protocol
        '{"', "city", '": "', "New", " York", '", "days": ', "3", ', "now": ', "true",
        ', "x": {"y": [', "null", ', "', 'a\\"b', '"]}}', "}</call>",
    )  # fmt: skip
    found = argument_positions(tokens, (ToolCall("w", arguments),))
    assert not isinstance(found, Unavailable)
    assert [tokens[i].token for i in found] == ["New", " York", "3", "true", "null", 'a\\"b']


def test_two_calls_with_equal_arguments_are_found_one_after_the_other() -> None:
    tokens = pieces('{"a": ', "1", "}", ' and {"a": ', "1", "}")
    calls = (ToolCall("f", '{"a": 1}'), ToolCall("g", '{"a": 1}'))
    assert argument_positions(tokens, calls) == [1, 4]


def test_logprobs_that_do_not_cover_the_call() -> None:
    found = argument_positions(pieces("hello"), (ToolCall("f", '{"a": 1}'),))
    assert found == Unavailable("logprobs do not cover the tool call")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(), json_values, max_size=3), st.integers(1, 5))
def test_any_arguments_are_covered_by_tokens_of_any_size(
    arguments: dict[str, object], size: int
) -> None:
    text = json.dumps(arguments)
    tokens = tuple(Token(text[i : i + size], -0.1) for i in range(0, len(text), size))
    found = argument_positions(tokens, (ToolCall("f", text),))
    assert not isinstance(found, Unavailable)
    assert found == sorted(set(found))
    assert class_of(Generation("", (), "tool_calls", (ToolCall("f", text),))) == class_of(
        Generation("", (), "tool_calls", (ToolCall("f", json.dumps(arguments, indent=2)),))
    )


def tool_call(p_value: float, p_syntax: float = 0.01) -> Evidence:
    texts = (('{"city": "', p_syntax), ("Oslo", p_value), ('"}', p_syntax))
    tokens = tuple(Token(text, math.log(p)) for text, p in texts)
    call = ToolCall("weather", '{"city": "Oslo"}')
    return Evidence("q", Generation("", tokens, "tool_calls", (call,)))


@pytest.mark.parametrize("name", ["g_nll", "perplexity", "min_token_prob"])
def test_likelihoods_of_a_call_are_those_of_its_values(name: str) -> None:
    signal = estimator(name).estimate(tool_call(0.8))
    assert isinstance(signal, Signal)
    assert signal.value == pytest.approx(0.8)
    assert signal.details["filter"] == "arguments"


def test_without_the_filter_every_token_of_a_call_counts() -> None:
    signal = estimator("min_token_prob", Options(content_filter=False)).estimate(tool_call(0.8))
    assert isinstance(signal, Signal)
    assert signal.value == pytest.approx(0.01)


def test_a_call_without_logprobs_is_unavailable_to_those_who_need_them() -> None:
    call = Generation("", (), "tool_calls", (ToolCall("f", "{}"),))
    assert estimator("perplexity").estimate(Evidence("q", call)) == Unavailable("tool call")


@pytest.mark.parametrize(
    "call",
    [
        Generation("", (), "tool_calls", (ToolCall("f", '{"a": 1'),)),
        Generation("", (), "length", (ToolCall("f", ""),)),
    ],
)
def test_a_call_that_was_cut_off_says_so_with_and_without_logprobs(call: Generation) -> None:
    assert class_of(call) == TRUNCATED
    assert estimator("perplexity").estimate(Evidence("q", call)) == TRUNCATED
    agreeing = Evidence("q", call, samples=(call, call))
    assert estimator("self_consistency").estimate(agreeing) == TRUNCATED


def test_text_beside_a_call_is_judged_as_text() -> None:
    said = Generation("Oslo", (Token("Oslo", math.log(0.5)),), "tool_calls", (ToolCall("f", "{}"),))
    signal = estimator("perplexity").estimate(Evidence("q", said))
    assert isinstance(signal, Signal)
    assert signal.value == pytest.approx(0.5)
    assert class_of(said) == "oslo"


def test_a_call_is_no_text_that_looks_like_it() -> None:
    call = Generation("", (), "tool_calls", (ToolCall("f", "{}"),))
    looks = Generation(str(class_of(call)))
    assert class_of(call) != class_of(looks)
