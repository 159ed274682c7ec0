"""Clients that know nothing of Surefoot: openai-python, LangChain and curl, against the service in
front of a real local model."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from surefoot.policies.prefix_gate_file import PrefixGateFile, save_prefix_gate

from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration
from ..local_models import smollm2_server
from ..service.serving import Service, running_service

QUESTION = "What is the capital of France? Answer with the name of the city only."
ASK: list[Any] = [{"role": "user", "content": QUESTION}]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
KEY = "sk-of-this-test"
TOML = """
[[tiers]]
name = "small"
model = "openai:smollm2"
base_url = "{url}"
api_key_env = "SMALL_KEY"
price = {{ input = 1.0, output = 2.0 }}
context = 512
max_output = 48
[retrieval]
enabled = false
[history]
url = "memory:"
[policy]
thresholds = {{ small = {threshold} }}
[[serve.keys]]
name = "tests"
tenant = "tests"
sha256 = "{digest}"
"""

pytestmark = pytest.mark.slow


def toml(threshold: float) -> str:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    return TOML.format(url=smollm2_server().base_url, threshold=threshold, digest=digest)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(
        tmp_path, toml(0.0), {"SMALL_KEY": smollm2_server().api_key}
    ) as found:
        yield found


@pytest.fixture
async def client(service: Service) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{service.base_url}/v1", api_key=KEY) as found:
        yield found


async def test_openai_async(client: openai.AsyncOpenAI) -> None:
    found = await client.chat.completions.with_raw_response.create(
        model="surefoot", messages=ASK, logprobs=True, top_logprobs=2
    )
    answer = found.parse()
    (choice,) = answer.choices
    assert choice.message.content is not None and "Paris" in choice.message.content
    assert choice.finish_reason == "stop"
    assert choice.logprobs is not None and choice.logprobs.content is not None
    spelled = "".join(one.token for one in choice.logprobs.content)
    assert spelled.strip() == choice.message.content.strip()
    assert answer.usage is not None and answer.usage.completion_tokens > 0
    assert float(found.headers["x-surefoot-confidence"]) > 0.05
    assert answer._request_id == found.headers["x-request-id"]
    extra: Any = answer.model_extra
    assert extra["surefoot"]["tier"] == "small"


async def test_openai_sync_and_models(service: Service) -> None:
    def ask() -> tuple[str | None, list[str]]:
        with openai.OpenAI(base_url=f"{service.base_url}/v1", api_key=KEY) as client:
            answer = client.chat.completions.create(model="surefoot", messages=ASK)
            return answer.choices[0].message.content, [one.id for one in client.models.list()]

    text, models = await asyncio.to_thread(ask)
    assert text is not None and "Paris" in text
    assert models == ["surefoot"]


async def test_openai_stream(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="surefoot", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert "Paris" in text
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None and chunks[-1].usage.total_tokens > 0
    extra: Any = chunks[-1].model_extra
    assert extra["surefoot"]["action"] == "answer"


async def test_openai_stream_helper_and_completions(client: openai.AsyncOpenAI) -> None:
    async with client.chat.completions.stream(model="surefoot", messages=ASK) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.content is not None
    assert "Paris" in final.choices[0].message.content
    older = await client.completions.create(
        model="surefoot", prompt="The capital of France is", max_tokens=4, stop="."
    )
    assert older.choices[0].text


async def test_openai_tools_are_passed_through(client: openai.AsyncOpenAI) -> None:
    """The small model calls none, but has to read the call and its result."""
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_capital", "arguments": '{"country": "France"}'},
    }
    turns: list[Any] = [
        *ASK,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Paris"},
        {"role": "user", "content": "So, which city is it?"},
    ]
    found = await client.chat.completions.create(model="surefoot", messages=turns, tools=[TOOL])
    assert found.choices[0].message.content is not None
    assert "Paris" in found.choices[0].message.content


async def test_calls_of_tools_are_judged_and_handed_on(tmp_path: Path) -> None:
    """No model of this size calls tools by itself: here, an endpoint that does is scripted."""
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    async with running_upstream() as upstream:
        configured = configuration(
            ("small", "weather", upstream.base_url), thresholds="small = 0.8"
        )
        async with running_service(tmp_path, configured) as service:
            url = f"{service.base_url}/v1"
            async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:
                found = await client.chat.completions.create(
                    model="surefoot", messages=ASK, tools=[TOOL], tool_choice="required"
                )
                stream = await client.chat.completions.create(
                    model="surefoot", messages=ASK, tools=[TOOL], stream=True
                )
                deltas = [chunk.choices[0] async for chunk in stream]
            model = ChatOpenAI(model="surefoot", base_url=url, api_key=SecretStr("none"))
            called = await model.bind_tools([TOOL], tool_choice="any").ainvoke("The weather?")
            await model.root_async_client.close()
    (choice,) = found.choices
    assert choice.finish_reason == deltas[-1].finish_reason == "tool_calls"
    assert choice.message.content is None and choice.message.tool_calls
    call: Any = choice.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "get_weather",
        {"city": "Paris"},
    )
    streamed: Any = [one.delta.tool_calls for one in deltas if one.delta.tool_calls]
    assert streamed[0][0].function.arguments == call.function.arguments
    assert [(one["name"], one["args"]) for one in called.tool_calls] == [
        ("get_weather", {"city": "Paris"})
    ]


async def test_openai_structured_output(client: openai.AsyncOpenAI) -> None:
    schema: Any = {
        "type": "json_schema",
        "json_schema": {
            "name": "city",
            "schema": {
                "type": "object",
                "properties": {"capital": {"type": "string", "maxLength": 12}},
                "required": ["capital"],
                "additionalProperties": False,
            },
        },
    }
    found = await client.chat.completions.create(
        model="surefoot",
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        response_format=schema,
    )
    assert set(json.loads(found.choices[0].message.content or "")) == {"capital"}


async def test_openai_understands_refusals(service: Service, client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await client.chat.completions.create(model="gpt-9", messages=ASK)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        await client.chat.completions.create(model="surefoot", messages=ASK, n=1000)
    assert wrong.value.param == "n"
    url = f"{service.base_url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="sk-wrong") as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.chat.completions.create(model="surefoot", messages=ASK)


async def test_an_abstention_reads_like_an_answer(tmp_path: Path) -> None:
    environment = {"SMALL_KEY": smollm2_server().api_key}
    async with running_service(tmp_path, toml(1.0), environment) as service:
        url = f"{service.base_url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key=KEY) as client:
            found = await client.chat.completions.create(model="surefoot", messages=ASK)
    assert found.choices[0].message.content == "I do not know."
    extra: Any = found.model_extra
    assert extra["surefoot"]["action"] == "abstain"


async def test_langchain(service: Service) -> None:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    model = ChatOpenAI(
        model="surefoot",
        base_url=f"{service.base_url}/v1",
        api_key=SecretStr(KEY),
        stream_usage=True,
        include_response_headers=True,
    )
    answer = await model.ainvoke(QUESTION)
    assert "Paris" in answer.content
    headers = answer.response_metadata["headers"]
    assert headers["x-surefoot-decision"] == "answer"
    assert answer.usage_metadata is not None and answer.usage_metadata["output_tokens"] > 0
    text = ""
    async for chunk in model.astream(QUESTION):
        text += str(chunk.content)
    assert "Paris" in text
    sync = await asyncio.to_thread(model.invoke, QUESTION)
    assert "Paris" in sync.content
    await model.root_async_client.close()
    model.root_client.close()


async def test_curl(service: Service) -> None:
    program = shutil.which("curl")
    if program is None:
        pytest.skip("no curl here")
    body = json.dumps({"model": "surefoot", "messages": ASK, "stream": True})
    words = (
        *(program, "-sS", "-N", "-i", f"{service.base_url}/v1/chat/completions"),
        *("-H", f"Authorization: Bearer {KEY}", "-H", "Content-Type: application/json"),
        *("-d", body),
    )
    process = await asyncio.create_subprocess_exec(*words, stdout=PIPE)
    out, _ = await process.communicate()
    text = out.decode()
    assert process.returncode == 0 and text.startswith("HTTP/1.1 200 OK")
    assert "x-surefoot-decision: answer" in text
    assert "Paris" in text and text.endswith("data: [DONE]\n\n")


async def test_a_live_answer_of_a_real_model_comes_word_by_word(tmp_path: Path) -> None:
    gate = PrefixGateFile("live", "perplexity", 1, "tokens:4", 0.0, "openai:smollm2")
    save_prefix_gate(gate, tmp_path / "live.json")
    configuration = toml(0.0) + '[live]\ngates = { small = "live.json" }\n'
    for old, new in (("max_output = 48", "max_output = 200"), ('"memory:"', '"none"')):
        configuration = configuration.replace(old, new)
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    messages: list[Any] = [{"role": "user", "content": "Count from one to ten, in words."}]
    environment = {"SMALL_KEY": smollm2_server().api_key}
    async with (
        running_service(tmp_path, configuration, environment) as service,
        openai.AsyncOpenAI(base_url=f"{service.base_url}/v1", api_key=KEY) as client,
    ):
        found = await client.chat.completions.create(model="surefoot", messages=messages)
        stream = await client.chat.completions.create(
            model="surefoot", messages=messages, stream=True
        )
        pieces, last = [], None
        async for last in stream:
            pieces.append(last.choices[0].delta.content or "")
        assert "".join(pieces) == found.choices[0].message.content
        assert sum(bool(piece) for piece in pieces) > 5
        assert last is not None and last.model_extra is not None
        assert last.model_extra["surefoot"]["released"].endswith("after 4 tokens")

        model = ChatOpenAI(
            base_url=f"{service.base_url}/v1",
            api_key=SecretStr(KEY),
            model="surefoot",
        )
        told = [str(chunk.content) async for chunk in model.astream(messages[0]["content"])]
        assert "".join(told) == found.choices[0].message.content
