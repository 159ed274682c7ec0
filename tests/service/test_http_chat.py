"""Chats over HTTP: what the router decides, in OpenAI's words, from a real server."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ..adapters.scripted_upstream import Upstream, running_upstream
from ..faults.deployment import configuration
from .serving import CITY, Service, running_service

CONFIDENCE = math.exp(-0.25)
"""Perplexity of the scripted answer: its full stop is no content."""
CHAT = "/v1/chat/completions"
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with running_upstream() as found:
        yield found


def two_tiers(upstream: Upstream, **how: Any) -> str:
    """The scripted answers' confidence is .78: the first tier is not sure enough."""
    how.setdefault("thresholds", "small = 0.9, large = 0.5")
    return configuration(
        ("small", "a", upstream.base_url), ("large", "b", upstream.base_url), **how
    )


@pytest.fixture
async def service(upstream: Upstream, tmp_path: Path) -> AsyncIterator[Service]:
    upstream.script |= {"a": "ok", "b": "ok"}
    async with running_service(tmp_path, two_tiers(upstream)) as found:
        yield found


async def test_an_answer_comes_with_its_decision(service: Service, upstream: Upstream) -> None:
    found = await service.client.post(CHAT, json=CITY)
    assert found.status_code == 200
    body = found.json()
    assert body["object"] == "chat.completion"
    assert body["model"] == "surefoot"
    (choice,) = body["choices"]
    assert choice["message"]["content"] == "Paris."
    assert choice["finish_reason"] == "stop"
    assert choice["logprobs"] is None
    assert body["usage"] == {"prompt_tokens": 22, "completion_tokens": 4, "total_tokens": 26}
    assert (upstream.count("a"), upstream.count("b")) == (1, 1)

    decision = body["surefoot"]
    assert (decision["action"], decision["tier"], decision["escalations"]) == ("answer", "large", 1)
    assert decision["confidence"] == pytest.approx(CONFIDENCE)
    assert body["id"] == f"chatcmpl-{decision['run_id']}"
    assert found.headers["x-surefoot-decision"] == "answer"
    assert float(found.headers["x-surefoot-confidence"]) == pytest.approx(CONFIDENCE)
    assert found.headers["x-surefoot-escalations"] == "1"
    assert found.headers["x-surefoot-run"] == found.headers["x-request-id"]
    assert "x-surefoot-degraded" not in found.headers


async def test_the_trail_is_shown_on_request(service: Service) -> None:
    found = await service.client.post(CHAT, json={**CITY, "surefoot": {"trail": True}})
    trail = found.json()["surefoot"]["trail"]
    assert [step["action"] for step in trail] == ["escalate", "answer"]


async def test_what_the_caller_asks_for_reaches_the_tier(
    service: Service, upstream: Upstream
) -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Which city?"}]},
    ]
    asked = {
        "model": "surefoot",
        "messages": messages,
        "tools": [TOOL],
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
        "max_completion_tokens": 7,
        "stop": "END",
        "temperature": 1.5,
        "top_p": 0.5,
        "metadata": {"a": "b"},
        "user": "somebody",
    }
    assert (await service.client.post(CHAT, json=asked)).status_code == 200
    sent = upstream.seen[0].body
    assert sent["messages"] == messages
    assert sent["tools"] == [TOOL]
    assert (sent["tool_choice"], sent["top_p"]) == ("auto", 0.5)
    assert sent["response_format"] == {"type": "json_object"}
    assert (sent["max_tokens"], sent["stop"]) == (7, ["END"])
    assert sent["temperature"] == 0.0, "drafts are greedy"
    assert not {"metadata", "user", "surefoot"} & set(sent)


async def test_logprobs_and_n(service: Service) -> None:
    asked = {**CITY, "logprobs": True, "top_logprobs": 1, "n": 2}
    choices = (await service.client.post(CHAT, json=asked)).json()["choices"]
    assert [one["index"] for one in choices] == [0, 1]
    first, last = choices[0]["logprobs"]["content"]
    assert (first["token"], first["logprob"], len(first["top_logprobs"])) == (" Paris", -0.25, 1)
    assert (last["token"], last["logprob"], last["top_logprobs"]) == (".", -0.5, [])
    assert choices[1]["logprobs"] == choices[0]["logprobs"]


def events_of(text: str) -> list[dict[str, Any]]:
    """The chunks of a stream that ends as it should."""
    lines = text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


async def test_a_stream_holds_the_judged_answer_alone(service: Service, upstream: Upstream) -> None:
    asked = {**CITY, "stream": True, "stream_options": {"include_usage": True}, "logprobs": True}
    found = await service.client.post(CHAT, json=asked)
    assert found.headers["content-type"].startswith("text/event-stream")
    assert found.headers["cache-control"] == "no-cache"
    assert found.headers["x-surefoot-decision"] == "answer"
    chunks = events_of(found.text)
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks[1]["choices"][0]["delta"] == {"content": "Paris."}
    assert len(chunks[1]["choices"][0]["logprobs"]["content"]) == 2
    assert chunks[2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[3]["choices"] == []
    assert chunks[3]["usage"]["total_tokens"] == 26
    assert chunks[3]["surefoot"]["action"] == "answer"
    assert upstream.count("b") == 1, "the large tier had answered before the first byte"


async def test_an_abstention_is_an_answer_that_says_so(upstream: Upstream, tmp_path: Path) -> None:
    toml = configuration(
        ("small", "ok", upstream.base_url), thresholds="small = 0.99", history="memory:"
    )
    async with running_service(tmp_path, toml) as service:
        found = await service.client.post(CHAT, json=CITY)
    (choice,) = found.json()["choices"]
    assert (found.status_code, choice["finish_reason"]) == (200, "stop")
    assert choice["message"]["content"] == "I do not know."
    assert "Paris" not in found.text
    assert found.headers["x-surefoot-decision"] == "abstain"
    assert "x-surefoot-confidence" not in found.headers
    assert found.json()["surefoot"]["confidence"] is None
    assert "0.78" in found.json()["surefoot"]["reason"]


async def test_an_abstention_is_an_error_by_choice(upstream: Upstream, tmp_path: Path) -> None:
    toml = configuration(("small", "ok", upstream.base_url), thresholds="small = 0.99")
    async with running_service(tmp_path, toml + '[serve]\nabstain = "error"\n') as service:
        found = await service.client.post(CHAT, json=CITY)
    assert (found.status_code, found.json()["error"]["code"]) == (422, "abstained")
    assert found.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("status:503", 503, "upstream_unavailable"),
        ("status:400", 400, "upstream_refused"),
        ("hang", 504, "deadline_exceeded"),
    ],
)
async def test_a_tier_that_fails_is_an_error(
    upstream: Upstream, tmp_path: Path, model: str, status: int, code: str
) -> None:
    how = "attempts = 1"
    toml = configuration(("small", model, upstream.base_url), resilience=how, deadline_s=0.4)
    async with running_service(tmp_path, toml) as service:
        found = await service.client.post(CHAT, json=CITY)
    assert (found.status_code, found.json()["error"]["code"]) == (status, code)
    assert ("retry-after" in found.headers) == (status == 503)


async def test_a_tier_that_fails_is_an_abstention_by_choice(
    upstream: Upstream, tmp_path: Path
) -> None:
    toml = configuration(("small", "status:503", upstream.base_url), resilience="attempts = 1")
    async with running_service(tmp_path, toml + '[serve]\nunreachable = "abstain"\n') as service:
        found = await service.client.post(CHAT, json=CITY)
    assert (found.status_code, found.headers["x-surefoot-decision"]) == (200, "abstain")


async def test_deadlines_come_with_the_request(upstream: Upstream, tmp_path: Path) -> None:
    toml = configuration(("small", "hang", upstream.base_url), deadline_s=20.0)
    async with running_service(tmp_path, toml) as service:
        headers = {"x-request-timeout-ms": "150"}
        found = await service.client.post(CHAT, json=CITY, headers=headers)
        assert found.status_code == 504
        assert found.elapsed.total_seconds() < 1.0
        headers = {"x-stainless-read-timeout": "0.15"}
        found = await service.client.post(CHAT, json=CITY, headers=headers)
        assert found.status_code == 504
        headers = {"x-request-timeout-ms": "soon"}
        found = await service.client.post(CHAT, json=CITY, headers=headers)
        assert (found.status_code, found.json()["error"]["param"]) == (400, "x-request-timeout-ms")


async def test_limits_of_a_request_only_tighten(service: Service, upstream: Upstream) -> None:
    asked = {**CITY, "surefoot": {"max_calls": 1}}
    found = await service.client.post(CHAT, json=asked)
    assert found.headers["x-surefoot-decision"] == "abstain"
    assert (upstream.count("a"), upstream.count("b")) == (1, 0)


async def test_the_older_completions(service: Service, upstream: Upstream) -> None:
    asked = {"model": "surefoot", "prompt": "Which city?", "logprobs": 2, "max_tokens": 5}
    found = await service.client.post("/v1/completions", json=asked)
    body = found.json()
    (choice,) = body["choices"]
    assert (body["object"], choice["text"]) == ("text_completion", "Paris.")
    assert choice["logprobs"]["tokens"] == [" Paris", "."]
    assert choice["logprobs"]["text_offset"] == [0, 6]
    assert choice["logprobs"]["top_logprobs"] == [{" Paris": -0.25}, {}]
    assert upstream.seen[0].body["messages"] == [{"role": "user", "content": "Which city?"}]
    found = await service.client.post("/v1/completions", json={**asked, "stream": True})
    texts = [chunk["choices"][0]["text"] for chunk in events_of(found.text)]
    assert texts == ["Paris.", ""]
