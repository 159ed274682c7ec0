"""What is put into a request: a caller's own messages and options, verbatim and nothing beside."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.adapters.openai_request import PLAIN, mended, request_body
from surefoot.adapters.openai_wire import parse_completion
from surefoot.router.errors import UpstreamRefused
from surefoot.router.evidence import ToolCall
from surefoot.router.protocols import CallOptions, Message, ModelCall, Prompt
from surefoot.router.requests import Continue

from ..local_models import smollm2_server
from .scripted_upstream import chat_choice, running_upstream

CHAT = ModelCall(Prompt(messages=(Message("user", "Which city?"),)))
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "city",
        "schema": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "Lyon"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def sent(call: ModelCall, **how: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request_body("m", call, **how))
    return body


def with_options(**fields: Any) -> ModelCall:
    return replace(CHAT, options=CallOptions(**fields))


def test_options_are_sent_as_they_came() -> None:
    call = with_options(
        tools=json.dumps(TOOLS),
        tool_choice='"required"',
        response_format=json.dumps(SCHEMA),
        parallel_tool_calls=False,
        others='{"top_p": 0.9, "logit_bias": {"50256": -100}, "user": "Zoë"}',
    )
    body = sent(call)
    assert body["tools"] == TOOLS
    assert body["tool_choice"] == "required"
    assert body["response_format"] == SCHEMA
    assert body["parallel_tool_calls"] is False
    assert (body["top_p"], body["user"]) == (0.9, "Zoë")
    assert body["logit_bias"] == {"50256": -100}
    assert b'{"city": {"enum"' in request_body("m", call)  # the very text


def test_without_options_nothing_of_them_is_sent() -> None:
    fields = {"tools", "tool_choice", "response_format", "parallel_tool_calls"}
    assert not fields & set(sent(CHAT))
    assert not fields & set(sent(with_options()))


def test_further_fields_do_not_override_what_surefoot_decides() -> None:
    others = {
        "model": "dearer",
        "n": 50,
        "stream": True,
        "messages": [],
        "max_tokens": 10**6,
        "logprobs": False,
        "seed": 9,
        "min_p": 0.1,
    }
    body = sent(with_options(others=json.dumps(others)))
    assert body == {**sent(CHAT), "min_p": 0.1}


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": '[], "model": "dearer"'},
        {"tools": "[1"},
        {"tool_choice": ""},
        {"tool_choice": "auto"},
        {"response_format": '{"type": "json_object"}, "n": 9'},
        {"others": "[]"},
        {"others": "{"},
        {"tools": "[" * 100_000},
    ],
)
async def test_options_that_are_no_json_are_refused_unsent(fields: dict[str, str]) -> None:
    async with running_upstream() as upstream:
        model = OpenAIModel(upstream.base_url, "ok")
        with pytest.raises(UpstreamRefused) as caught:
            await model.generate(with_options(**fields))
        await model.aclose()
        assert caught.value.reach == "not_sent"
        assert not upstream.seen


def test_messages_of_a_caller_are_sent_as_they_came() -> None:
    raw: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"},
                                     {"type": "image_url", "image_url": {"url": "data:x"}}]},
        {"role": "assistant", "content": None,
         "tool_calls": [{"id": "c1", "type": "function",
                         "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain ☔"},
    ]  # fmt: skip
    messages = tuple(Message(each["role"], "", json.dumps(each)) for each in raw)
    call = ModelCall(Prompt(messages=(Message("system", "Be brief."), *messages)))
    assert sent(call)["messages"] == [{"role": "system", "content": "Be brief."}, *raw]


def test_a_message_that_is_no_json_is_refused() -> None:
    call = ModelCall(Prompt(messages=(Message("user", "", '{"role": "user"}], "n": 3, "x": [1'),)))
    with pytest.raises(UpstreamRefused, match="a message of the request is no JSON"):
        request_body("m", call)


@given(st.text(), st.text())
def test_any_text_makes_json(question: str, stop: str) -> None:
    call = ModelCall(Prompt(messages=(Message("user", question),), stop=(stop,)))
    body = sent(call)
    assert body["messages"][0]["content"] == question.encode("utf-8", "replace").decode()
    assert body.get("stop", []) == ([stop.encode("utf-8", "replace").decode()] if stop else [])


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "\u202eright to left", "\U0001f686"])
def test_any_text_makes_a_request(text: str) -> None:
    messages = (Message("user", text), Message("user", text, json.dumps({"role": "x", "c": text})))
    body = sent(ModelCall(Prompt(messages=messages)))
    assert body["messages"][0]["content"] == text.replace("\ud800", "?")


def test_tools_need_messages() -> None:
    call = replace(with_options(tools="[]"), prompt=Prompt("The capital is"))
    with pytest.raises(UpstreamRefused, match="tools need a prompt of messages"):
        request_body("m", call)


def test_only_complaints_about_a_field_change_the_dialect() -> None:
    for complaint in (
        "m answered with status 400: the prompt is empty",
        "m answered with status 400: temperature must be below 2",
        "m answered with status 404: the model does not exist",
        "m answered with status 400: unsupported image type",
    ):
        assert mended(PLAIN, CHAT, complaint, streams=True) is None, complaint


async def test_over_a_socket_too() -> None:
    async with running_upstream() as upstream:
        model = OpenAIModel(upstream.base_url, "tools")
        call = with_options(tools=json.dumps(TOOLS), tool_choice='"auto"')
        found = await model.generate(call)
        assert found.generations[0].finish_reason == "tool_calls"
        assert upstream.seen[0].body["tools"] == TOOLS
        assert upstream.seen[0].body["tool_choice"] == "auto"
        await model.aclose()


async def test_calls_of_tools_come_back() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"c":"Å"}'}},
        {"id": "b", "type": "function", "function": {"name": "time", "arguments": None}},
    ]
    choice = chat_choice(
        message={"role": "assistant", "content": None, "tool_calls": calls},
        finish_reason="tool_calls",
        logprobs=None,
    )
    body = json.dumps({"choices": [choice]}).encode()
    (answer,) = parse_completion("m", body, CHAT).generations
    assert answer.tool_calls == (ToolCall("weather", '{"c":"Å"}'), ToolCall("time", "{}"))
    assert answer.is_complete and answer.text == ""


# --- a real server: the grammar of a schema and of tools is enforced there


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
async def test_a_real_server_keeps_to_the_schema(streams: bool) -> None:
    server = smollm2_server()
    model = OpenAIModel(server.base_url, "smollm2", server.api_key)
    call = replace(with_options(response_format=json.dumps(SCHEMA)), max_tokens=40)
    completion = await model.generate(call, (lambda tokens: Continue()) if streams else None)
    (answer,) = completion.generations
    assert answer.is_complete
    assert json.loads(answer.text)["city"] in ("Paris", "Lyon")
    await model.aclose()
