"""What goes to an endpoint: the caller's own words verbatim, and what it was said not to take not
again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.adapters.openai_request import PLAIN, Dialect, mended, request_body
from surefoot.router.errors import UpstreamRefused
from surefoot.router.protocols import CallOptions, Message, ModelCall, Prompt

from .scripted_upstream import running_upstream

CHAT = ModelCall(Prompt(messages=(Message("user", "Which city?"),)))
TOOLS = '[{"type": "function", "function": {"name": "find", "parameters": {"b": 1, "a": 2}}}]'


def body_of(call: ModelCall, dialect: Dialect = PLAIN, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request_body("m", call, dialect, **how))
    return found


def with_options(**options: Any) -> ModelCall:
    return ModelCall(CHAT.prompt, options=CallOptions(**options))


def test_tools_and_schemas_go_through_as_they_came() -> None:
    call = with_options(
        tools=TOOLS,
        tool_choice='"required"',
        response_format='{"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}',
        parallel_tool_calls=False,
        others='{"top_p": 0.5, "user": "u", "temperature": 2, "model": "evil", "stream": true}',
    )
    assert TOOLS in request_body("m", call).decode()
    body = body_of(call)
    assert body["tool_choice"] == "required" and body["parallel_tool_calls"] is False
    assert body["response_format"]["json_schema"]["name"] == "n"
    assert (body["top_p"], body["user"]) == (0.5, "u")
    assert (body["temperature"], body["model"], "stream" in body) == (0.0, "m", False)


def test_a_message_as_the_caller_wrote_it() -> None:
    raw = '{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,"}}]}'
    call = ModelCall(Prompt(messages=(Message("system", "Be brief."), Message("user", "", raw))))
    assert raw in request_body("m", call).decode()
    assert body_of(call)["messages"] == [
        {"role": "system", "content": "Be brief."},
        json.loads(raw),
    ]


@given(st.text(), st.text())
def test_any_text_makes_json(question: str, stop: str) -> None:
    call = ModelCall(Prompt(messages=(Message("user", question),), stop=(stop,)))
    sent = body_of(call)
    assert sent["messages"][0]["content"] == question.encode("utf-8", "replace").decode()
    assert sent.get("stop", []) == ([stop.encode("utf-8", "replace").decode()] if stop else [])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (with_options(others="[1]"), "JSON list"),
        (with_options(others="{"), "no JSON"),
        (ModelCall(Prompt("text"), options=CallOptions(tools=TOOLS)), "prompt of messages"),
    ],
)
def test_what_cannot_be_carried_is_refused_before_it_is_sent(call: ModelCall, words: str) -> None:
    with pytest.raises(UpstreamRefused, match=words) as caught:
        request_body("m", call)
    assert caught.value.reach == "not_sent"


@pytest.mark.parametrize(
    ("complaint", "field", "streams"),
    [
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'.", "max_tokens", False),
        ("Unsupported value: 'temperature' does not support 0.0", "temperature", False),
        ("Unrecognized request argument supplied: seed", "seed", False),
        ("Unknown parameter: 'stream_options'.", "stream_options", True),
    ],
)
def test_what_is_not_understood_is_left_out(complaint: str, field: str, streams: bool) -> None:
    assert field in body_of(CHAT, streams=streams)
    better = mended(Dialect(), CHAT, complaint, streams=streams)
    assert better is not None
    assert field not in body_of(CHAT, better, streams=streams)
    assert mended(better, CHAT, complaint, streams=streams) is None


@pytest.mark.parametrize("complaint", ["the seed of doubt", "temperature", "rate limit reached"])
def test_other_complaints_change_nothing(complaint: str) -> None:
    assert mended(Dialect(), CHAT, complaint, streams=False) is None


async def test_over_a_socket_too() -> None:
    async with running_upstream() as upstream:
        model = OpenAIModel(upstream.base_url, "tools")
        found = await model.generate(with_options(tools=TOOLS, tool_choice='"auto"'))
        assert found.generations[0].finish_reason == "tool_calls"
        assert upstream.seen[0].body["tools"] == json.loads(TOOLS)
        assert upstream.seen[0].body["tool_choice"] == "auto"
        await model.aclose()
