"""Answers that are sent while they are written: nothing before the gate has let them go, and
everything after."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from surefoot.graphs.config import build
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import parse_settings
from surefoot.policies.prefix_gate_file import PrefixGateFile, save_prefix_gate
from surefoot.router.errors import ConfigurationError, ProfileMismatch

from ..adapters.scripted_upstream import Upstream, answer_events, chunk, events, running_upstream
from ..faults.deployment import configuration
from .serving import CITY, Service, running_service

CHAT = "/v1/chat/completions"
STREAMED = {**CITY, "stream": True}
WORDS = ("It", " is", " so.", " And", " more.")
TEXT = "".join(WORDS)
SILENCE_S = 0.25


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with running_upstream() as found:
        found.script |= {"a": "fed", "b": "ok"}
        yield found


def live_gate(folder: Path, threshold: float = 0.7, model: str = "openai:a") -> None:
    """The scripted words have .78 each."""
    gate = PrefixGateFile("live", "perplexity", 1, "sentence", threshold, model, retrieved=False)
    save_prefix_gate(gate, folder / "live.json")


def configured(upstream: Upstream, *, small: float = 0.5, more: str = "", **how: Any) -> str:
    tiers = [("small", "a", upstream.base_url), ("large", "b", upstream.base_url)]
    text = configuration(*tiers, thresholds=f"small = {small}, large = 0.5", **how)
    return text + '[live]\ngates = { small = "live.json" }\n' + more


@asynccontextmanager
async def serving(
    folder: Path, upstream: Upstream, threshold: float = 0.7, **how: Any
) -> AsyncIterator[Service]:
    live_gate(folder, threshold)
    async with running_service(folder, configured(upstream, **how)) as found:
        yield found


class Reader:
    """A client that reads a stream, and what it has got so far."""

    def __init__(self, service: Service, body: dict[str, Any], path: str = CHAT) -> None:
        self.data = b""
        self.headers: httpx.Headers | None = None
        self._service, self._body, self._path = service, body, path
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        client = self._service.client
        async with client.stream("POST", self._path, json=self._body) as response:
            self.headers = response.headers
            async for piece in response.aiter_raw():
                self.data += piece

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Those of its events that are whole."""
        lines = [one for one in self.data.decode().split("\n\n")[:-1] if one != "data: [DONE]"]
        return [json.loads(one.removeprefix("data: ")) for one in lines]

    @property
    def text(self) -> str:
        """Of the answer so far."""
        choices = [one["choices"][0] for one in self.documents if one.get("choices")]
        return "".join(
            one["text"] if "text" in one else one["delta"].get("content") or "" for one in choices
        )

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(5.0):
            while not what():
                await asyncio.sleep(0.005)


def feed(upstream: Upstream, *words: str, end: str | None = None) -> None:
    """Let the small tier write these words; with `end` that was all, and why."""
    for word in words:
        upstream.feed.put_nowait(events(chunk(word), done=False))
    if end is not None:
        usage = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 5}}
        upstream.feed.put_nowait(events(chunk(None, finish=end), usage))
        upstream.feed.put_nowait(None)


async def test_nothing_is_sent_before_the_gate_has_let_it_go(
    upstream: Upstream, tmp_path: Path
) -> None:
    async with serving(tmp_path, upstream) as service:
        client = Reader(service, {**STREAMED, "stream_options": {"include_usage": True}})
        feed(upstream, *WORDS[:3])  # a sentence has ended when the next one begins
        await client.until(lambda: upstream.feed.empty() and upstream.count("a") == 1)
        await asyncio.sleep(SILENCE_S)
        assert (client.headers, client.data) == (None, b""), "not even a status"

        feed(upstream, WORDS[3])
        await client.until(lambda: client.text == "It is so. And")
        assert not client.task.done()
        feed(upstream, WORDS[4])
        await client.until(lambda: client.text == TEXT)  # while the model may still go on
        assert not client.task.done()
        feed(upstream, end="stop")
        await client.task

        assert client.headers is not None and client.headers["x-surefoot-live"] == "1"
        assert "x-surefoot-decision" not in client.headers  # it was not known yet
        assert client.data.endswith(b"data: [DONE]\n\n")
        first, *_, ending, usage = client.documents
        assert first["choices"][0]["delta"] == {"role": "assistant", "content": "It is so. And"}
        assert {one["id"] for one in client.documents} == {first["id"]}
        assert first["id"] == f"chatcmpl-{client.headers['x-surefoot-run']}"
        assert first["usage"] is None
        assert ending["choices"][0] == {
            "index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop",
        }  # fmt: skip
        assert usage["usage"]["total_tokens"] == 16
        decision = usage["surefoot"]
        assert (decision["action"], decision["tier"], decision["overruled"]) == (
            "answer", "small", None,
        )  # fmt: skip
        assert decision["released"] == "perplexity 0.779 >= 0.700 after 3 tokens"
        assert decision["certificate"] is None
        assert 'surefoot_live_answers_total{end="kept"} 1.0' in await metrics(service)


async def metrics(service: Service) -> str:
    return (await service.client.get("/metrics")).text


async def test_a_draft_that_is_never_sure_enough_is_decided_on_whole(
    upstream: Upstream, tmp_path: Path
) -> None:
    async with serving(tmp_path, upstream, threshold=0.9, small=0.9) as service:
        client = Reader(service, STREAMED)
        feed(upstream, *WORDS, end="stop")
        await client.task
        assert client.text == "Paris."  # of the large tier
        assert client.headers is not None
        assert client.headers["x-surefoot-decision"] == "answer"
        assert "x-surefoot-live" not in client.headers
        assert client.documents[-1]["surefoot"]["released"] is None
        assert "surefoot_live_answers_total{" not in await metrics(service)


async def test_what_was_sent_is_the_answer_and_the_policys_other_wish_is_told(
    upstream: Upstream, tmp_path: Path
) -> None:
    async with serving(tmp_path, upstream, small=0.9) as service:
        client = Reader(service, {**STREAMED, "surefoot": {"trail": True}})
        feed(upstream, *WORDS, end="stop")
        await client.task
        assert client.text == TEXT
        decision = client.documents[-1]["surefoot"]
        assert decision["action"] == "answer"
        assert decision["overruled"].startswith("escalate: ")
        assert decision["gated"] is False
        assert [step["action"] for step in decision["trail"]] == ["answer"]
        assert upstream.count("b") == 0
        assert 'surefoot_live_answers_total{end="overruled"} 1.0' in await metrics(service)


@pytest.mark.parametrize("upstream_end", ["breaks", "error"])
async def test_a_stream_that_breaks_off_says_so_and_is_not_tried_again(
    upstream: Upstream, tmp_path: Path, upstream_end: str
) -> None:
    async with serving(tmp_path, upstream) as service:
        feed(upstream, *WORDS[:4])
        if upstream_end == "error":
            body = json.dumps({"error": {"message": "CUDA out of memory", "code": 500}})
            upstream.feed.put_nowait(f"data: {body}\n\n".encode())
        upstream.feed.put_nowait(None)
        client = Reader(service, STREAMED)
        await client.task
        assert client.text == "It is so. And"
        last = client.documents[-1]
        assert last["error"]["type"] == "server_error"
        assert "broke off" in last["error"]["message"]
        assert last["surefoot"]["action"] == "abstain"
        assert b"[DONE]" not in client.data
        assert (upstream.count("a"), upstream.count("b")) == (1, 0)
        assert 'surefoot_live_answers_total{end="broken"} 1.0' in await metrics(service)


async def test_one_that_breaks_off_before_is_tried_again(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.streams["whole"] = events(*answer_events(TEXT))
    upstream.streams["half"] = events(chunk("It"), done=False)
    upstream.script["a"] = "in-turn:stream:half,stream:whole"
    async with serving(tmp_path, upstream, resilience="attempts = 2") as service:
        client = Reader(service, STREAMED)
        await client.task
        assert client.text == TEXT
        assert (upstream.count("a"), upstream.count("b")) == (2, 0)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_one_that_is_cut_off_says_why(
    upstream: Upstream, tmp_path: Path, reason: str
) -> None:
    async with serving(tmp_path, upstream) as service:
        feed(upstream, *WORDS[:4], end=reason)
        client = Reader(service, STREAMED)
        await client.task
        assert client.text == "It is so. And"
        last = client.documents[-1]
        assert last["choices"][0]["finish_reason"] == reason
        assert last["surefoot"]["action"] == "abstain"
        assert client.data.endswith(b"data: [DONE]\n\n")
        assert upstream.count("b") == 0


async def test_a_deadline_ends_a_live_answer_with_an_error(
    upstream: Upstream, tmp_path: Path
) -> None:
    async with serving(tmp_path, upstream, deadline_s=0.6) as service:
        feed(upstream, *WORDS[:4])
        client = Reader(service, STREAMED)
        await client.task
        assert client.text == "It is so. And"
        assert client.documents[-1]["error"]["code"] == "deadline_exceeded"


async def test_a_client_that_leaves_takes_the_upstream_call_along(
    upstream: Upstream, tmp_path: Path
) -> None:
    async with serving(tmp_path, upstream) as service:
        feed(upstream, *WORDS[:4])
        client = Reader(service, STREAMED)
        await client.until(lambda: client.text == "It is so. And")
        assert upstream.open_connections == 1
        client.task.cancel()
        began = time.monotonic()
        await client.until(lambda: upstream.open_connections == 0)
        assert time.monotonic() - began < 1.0
        await client.until(lambda: service.gateway.admission.in_flight == 0)
        await client.until(lambda: service.gateway.deployment.users == 0)

        waiting = Reader(service, STREAMED)  # and so does one that has got nothing yet
        feed(upstream, "It")
        await client.until(lambda: upstream.open_connections == 1)
        waiting.task.cancel()
        await client.until(lambda: upstream.open_connections == 0)
        await client.until(lambda: service.gateway.deployment.users == 0)


@pytest.mark.parametrize(
    "change",
    [
        {"n": 2},
        {"stop": "END"},
        {"surefoot": {"live": False}},
        {"surefoot": {"risk": 0.9}},
        {"headers": {"Idempotency-Key": "one"}},
        {"stream": False},
    ],
)
async def test_what_cannot_be_live_comes_in_one_go(
    upstream: Upstream, tmp_path: Path, change: dict[str, Any]
) -> None:
    upstream.streams["whole"] = events(*answer_events(TEXT))
    upstream.script["a"] = "stream:whole"
    headers = change.pop("headers", None)
    async with serving(tmp_path, upstream, more="[audit]\nshare = 0.0\n") as service:
        found = await service.client.post(CHAT, json={**STREAMED, **change}, headers=headers)
        assert found.status_code == 200
        assert "x-surefoot-live" not in found.headers
        assert "x-surefoot-decision" in found.headers


async def test_logprobs_and_tokens_come_with_the_end(upstream: Upstream, tmp_path: Path) -> None:
    async with serving(tmp_path, upstream) as service:
        feed(upstream, *WORDS, end="stop")
        client = Reader(service, {**STREAMED, "logprobs": True, "top_logprobs": 1})
        await client.task
        told = [one["choices"][0]["logprobs"] for one in client.documents]
        (known,) = [one for one in told if one is not None]
        assert "".join(entry["token"] for entry in known["content"]) == TEXT == client.text


async def test_completions_are_live_too(upstream: Upstream, tmp_path: Path) -> None:
    async with serving(tmp_path, upstream) as service:
        body = {"model": "surefoot", "prompt": "Which city?", "stream": True}
        client = Reader(service, body, "/v1/completions")
        feed(upstream, *WORDS[:4])
        await client.until(lambda: client.text == "It is so. And")
        feed(upstream, WORDS[4], end="stop")
        await client.task
        assert client.text == TEXT
        assert client.documents[-1]["object"] == "text_completion"
        assert client.documents[-1]["surefoot"]["released"]


async def test_openais_client_reads_it_unmodified(upstream: Upstream, tmp_path: Path) -> None:
    async with serving(tmp_path, upstream) as service:
        base_url = f"{service.base_url}/v1"
        async with openai.AsyncOpenAI(base_url=base_url, api_key="x", max_retries=0) as client:
            feed(upstream, *WORDS, end="stop")
            stream = await client.chat.completions.create(**STREAMED)  # type: ignore[call-overload]
            chunks = [one async for one in stream]
            assert "".join(one.choices[0].delta.content or "" for one in chunks) == TEXT
            assert chunks[-1].choices[0].finish_reason == "stop"
            assert chunks[-1].surefoot["action"] == "answer"

            feed(upstream, *WORDS[:4])
            upstream.feed.put_nowait(None)
            stream = await client.chat.completions.create(**STREAMED)  # type: ignore[call-overload]
            with pytest.raises(openai.APIError, match="broke off"):
                [one async for one in stream]


async def test_a_tier_by_its_own_name_streams_from_the_first_word(
    upstream: Upstream, tmp_path: Path
) -> None:
    text = configured(upstream).replace('[live]\ngates = { small = "live.json" }\n', "")
    async with running_service(tmp_path, text + "[serve]\nexpose_tiers = true\n") as service:
        client = Reader(service, {**STREAMED, "model": "tier:small"})
        feed(upstream, WORDS[0])
        await client.until(lambda: client.text == "It")
        feed(upstream, *WORDS[1:], end="stop")
        await client.task
        assert client.text == TEXT
        assert client.documents[-1]["surefoot"]["gated"] is False
        assert client.documents[-1]["surefoot"]["overruled"] is None


async def test_a_stream_ends_on_the_deployment_that_it_began_on(
    upstream: Upstream, tmp_path: Path
) -> None:
    async with serving(tmp_path, upstream) as service:
        client = Reader(service, STREAMED)
        feed(upstream, *WORDS[:4])
        await client.until(lambda: client.text == "It is so. And")
        around = Surroundings(tmp_path, Places(tmp_path / "cache", tmp_path / "data"), {})
        other = configured(upstream).replace('[live]\ngates = { small = "live.json" }\n', "")
        service.gateway.go_over_to(build(parse_settings(other), around))
        await asyncio.sleep(0.05)
        feed(upstream, WORDS[4], end="stop")
        await client.task
        assert client.text == TEXT


async def test_an_answer_that_was_overruled_is_not_repeated(
    upstream: Upstream, tmp_path: Path
) -> None:
    history = f"sqlite:///{tmp_path}/history.db"
    async with serving(tmp_path, upstream, small=0.9, history=history) as service:
        for _ in range(2):
            feed(upstream, *WORDS, end="stop")
            client = Reader(service, STREAMED)
            await client.task
            assert client.documents[-1]["surefoot"]["recognized"] is False
        kept = (await service.client.get("/v1/decisions")).json()["data"]
        assert len(kept) == 2 and all(one["action"] == "answer" for one in kept)


def test_a_gate_of_another_model_or_an_unknown_tier_is_refused(tmp_path: Path) -> None:
    live_gate(tmp_path, model="openai:other")
    around = Surroundings(tmp_path, Places(tmp_path / "cache", tmp_path / "data"), {})
    with pytest.raises(ProfileMismatch, match="fit-live") as raised:
        build(parse_settings(configured(Upstream("http://127.0.0.1:1/v1"))), around)
    assert raised.value.field == "live.gates"
    unknown = configured(Upstream("http://127.0.0.1:1/v1")).replace("{ small = ", "{ tiny = ")
    with pytest.raises(ConfigurationError, match="no tier 'tiny'"):
        parse_settings(unknown)
