"""The model behind HTTP, against a loopback server that fails in every way."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.adapters.openai_wire import parse_completion
from surefoot.adapters.upstream_status import Failed as FailedAnswer
from surefoot.adapters.upstream_status import status_error
from surefoot.router.errors import (
    ConfigurationError,
    DeadlineExceeded,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from surefoot.router.evidence import Alternative, Token
from surefoot.router.protocols import Message, ModelCall, Prompt
from surefoot.router.requests import Continue, PrefixVerdict, Stop

from .scripted_upstream import Upstream, bomb, chat_choice, running_upstream

KEY = "sk-very-secret-key-0123456789"
NOW = 1_790_000_000.0
CHAT = ModelCall(Prompt(messages=(Message("user", "Capital of France?"),)), top_logprobs=5)
TEXT = ModelCall(Prompt("The capital of France is", stop=("\n", "")), top_logprobs=5)
TOKENS = (
    Token(" Paris", -0.25, (Alternative(" Paris", -0.25),)),
    Token(".", -0.5, ()),
)

Opener = Callable[..., OpenAIModel]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with running_upstream() as running:
        yield running


@pytest.fixture
async def opened(upstream: Upstream) -> AsyncIterator[Opener]:
    """Opens a model by the name that says what happens."""
    models: list[OpenAIModel] = []

    def open_model(name: str, **options: Any) -> OpenAIModel:
        models.append(OpenAIModel(upstream.base_url, name, KEY, clock=lambda: NOW, **options))
        return models[-1]

    yield open_model
    for model in models:
        await model.aclose()


# --- what is sent


async def test_a_chat_request_holds_what_was_asked_for(upstream: Upstream, opened: Opener) -> None:
    call = replace(CHAT, max_tokens=7, temperature=0.5, seed=3)
    await opened("ok").generate(replace(call, prompt=replace(CHAT.prompt, stop=("\n",))))
    (seen,) = upstream.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.body == {
        "model": "ok",
        "messages": [{"role": "user", "content": "Capital of France?"}],
        "max_tokens": 7,
        "temperature": 0.5,
        "seed": 3,
        "stop": ["\n"],
        "logprobs": True,
        "top_logprobs": 5,
    }


async def test_a_text_request_goes_to_the_older_completions(
    upstream: Upstream, opened: Opener
) -> None:
    await opened("ok").generate(TEXT)
    (seen,) = upstream.seen
    assert seen.path == "/v1/completions"
    assert seen.body == {
        "model": "ok",
        "prompt": "The capital of France is",
        "max_tokens": 64,
        "temperature": 0.0,
        "seed": 0,
        "stop": ["\n"],
        "logprobs": 5,
    }


@pytest.mark.parametrize("call", [CHAT, TEXT], ids=["chat", "text"])
async def test_logprobs_are_not_asked_for_without_need_and_never_beyond_twenty(
    upstream: Upstream, opened: Opener, call: ModelCall
) -> None:
    model = opened("ok")
    await model.generate(replace(call, top_logprobs=0))
    await model.generate(replace(call, top_logprobs=50))
    none, many = (seen.body for seen in upstream.seen)
    assert "logprobs" not in none
    assert "top_logprobs" not in none
    assert 20 in (many.get("top_logprobs"), many.get("logprobs"))


async def test_without_a_key_none_is_sent(upstream: Upstream) -> None:
    model = OpenAIModel(upstream.base_url + "/", "ok")
    await model.generate(CHAT)
    await model.aclose()
    assert "authorization" not in upstream.seen[0].headers
    assert upstream.seen[0].path == "/v1/chat/completions"


async def test_the_newer_name_of_the_token_limit_is_learned(
    upstream: Upstream, opened: Opener
) -> None:
    model = opened("new-limit")
    await model.generate(CHAT)
    await model.generate(CHAT)
    limits = [sorted(key for key in seen.body if key.startswith("max")) for seen in upstream.seen]
    assert limits == [["max_tokens"], ["max_completion_tokens"], ["max_completion_tokens"]]


# --- what comes back


@pytest.mark.parametrize(
    ("name", "call"),
    [("ok", CHAT), ("ok", TEXT), ("content-shape", TEXT), ("gzip", CHAT), ("parts", CHAT)],
)
async def test_an_answer_has_its_text_its_tokens_and_its_usage(
    opened: Opener, name: str, call: ModelCall
) -> None:
    completion = await opened(name).generate(call)
    (answer,) = completion.generations
    assert (answer.text, answer.finish_reason) == ("Paris.", "stop")
    assert answer.tokens == TOKENS
    assert (completion.tokens_in, completion.tokens_out, completion.calls) == (11, 2, 1)


@pytest.mark.parametrize("name", ["other-tokens", "no-logprobs"])
async def test_tokens_that_are_not_the_text_are_dropped(opened: Opener, name: str) -> None:
    (answer,) = (await opened(name).generate(CHAT)).generations
    assert answer.text == "Paris."
    assert answer.tokens == ()


async def test_usage_that_is_not_reported_is_estimated_rather_too_high(opened: Opener) -> None:
    completion = await opened("no-usage").generate(CHAT)
    assert completion.tokens_in == 6  # 18 characters
    assert completion.tokens_out == 2


@pytest.mark.parametrize(
    ("name", "text", "finish"),
    [
        ("length", "Paris.", "length"),
        ("filtered", "Paris.", "content_filter"),
        ("tools", "", "tool_calls"),
        ("refusal", "I cannot say.", "content_filter"),
    ],
)
async def test_answers_that_are_not_whole_say_so(
    opened: Opener, name: str, text: str, finish: str
) -> None:
    (answer,) = (await opened(name).generate(CHAT)).generations
    assert (answer.text, answer.finish_reason) == (text, finish)
    assert not answer.is_complete


async def test_the_prefix_gate_is_asked_once_with_everything(opened: Opener) -> None:
    asked: list[Sequence[Token]] = []

    def stop(tokens: Sequence[Token]) -> PrefixVerdict:
        asked.append(tokens)
        return Stop("hopeless") if len(asked) == 1 else Continue()

    completion = await opened("ok").generate(replace(CHAT, n=2), stop)
    assert asked == [TOKENS, TOKENS]
    assert [each.finish_reason for each in completion.generations] == ["stopped", "stop"]


# --- several answers


async def test_several_answers_come_from_one_request(upstream: Upstream, opened: Opener) -> None:
    completion = await opened("ok").generate(replace(CHAT, n=3))
    assert len(completion.generations) == 3
    assert (completion.calls, completion.tokens_out) == (1, 6)
    assert [seen.body["n"] for seen in upstream.seen] == [3]


async def test_where_n_is_refused_the_answers_are_asked_for_one_by_one(
    upstream: Upstream, opened: Opener
) -> None:
    model = opened("one-at-a-time")
    for _ in range(2):
        completion = await model.generate(replace(CHAT, n=3, seed=7))
        assert len(completion.generations) == 3
        assert (completion.calls, completion.tokens_in, completion.tokens_out) == (3, 33, 6)
    # The refusal is met once; then the model knows.
    assert [seen.body.get("n") for seen in upstream.seen] == [3] + [None] * 6
    assert sorted(seen.body["seed"] for seen in upstream.seen[1:4]) == [7, 8, 9]


async def test_where_fewer_come_the_rest_is_asked_for(upstream: Upstream, opened: Opener) -> None:
    completion = await opened("always-one").generate(replace(CHAT, n=3, seed=7))
    assert (len(completion.generations), completion.calls) == (3, 3)
    assert sorted(seen.body["seed"] for seen in upstream.seen) == [7, 8, 9]


async def test_where_more_come_only_those_asked_for_are_kept(opened: Opener) -> None:
    assert len((await opened("always-five").generate(replace(CHAT, n=3))).generations) == 3


async def test_a_refusal_for_another_reason_is_one_attempt(
    upstream: Upstream, opened: Opener
) -> None:
    with pytest.raises(UpstreamRefused):
        await opened("status:401").generate(replace(CHAT, n=5))
    assert len(upstream.seen) == 1


# --- failures


@pytest.mark.parametrize("code", [408, 409, 425, 500, 502, 503, 504, 529])
async def test_broken_for_the_moment(upstream: Upstream, opened: Opener, code: int) -> None:
    with pytest.raises(UpstreamUnavailable, match=rf"{code}.*it went wrong"):
        await opened(f"status:{code}").generate(CHAT)
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 405, 413, 422, 451])
async def test_refused_for_good(upstream: Upstream, opened: Opener, code: int) -> None:
    with pytest.raises(UpstreamRefused, match=rf"{code}.*it went wrong"):
        await opened(f"status:{code}").generate(CHAT)
    assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("3", 3.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("1000000000", 1e9),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        (format_datetime(datetime.fromtimestamp(NOW + 30, UTC), usegmt=True), 30.0),
        (format_datetime(datetime.fromtimestamp(NOW - 30, UTC), usegmt=True), None),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
async def test_a_rate_limit_carries_the_wait_it_asks_for(
    opened: Opener, header: str, expected: float | None
) -> None:
    with pytest.raises(UpstreamRateLimited, match="slow down") as caught:
        await opened(f"429:{header}").generate(CHAT)
    assert caught.value.retry_after_s == expected


@pytest.mark.parametrize(
    "name",
    [
        *("html", "badjson", "binary", "nothing", "deep", "list", "empty", "no-choices"),
        *("choice-is-text", "error-200-plain", "null-content", "no-message", "brotli"),
    ],
)
@pytest.mark.parametrize("call", [CHAT, TEXT], ids=["chat", "text"])
async def test_what_is_no_answer_is_malformed(opened: Opener, name: str, call: ModelCall) -> None:
    with pytest.raises(UpstreamMalformed, match=name):
        await opened(name).generate(call)


@pytest.mark.parametrize("name", ["no-finish", "odd-finish", "cut:1", "cut:100", "cut-gzip:9"])
@pytest.mark.parametrize("call", [CHAT, TEXT], ids=["chat", "text"])
async def test_what_broke_off_is_truncated(opened: Opener, name: str, call: ModelCall) -> None:
    with pytest.raises(UpstreamTruncated, match=name):
        await opened(name).generate(call)


@pytest.mark.parametrize("name", ["hang-up", "half-head"])
async def test_a_connection_that_ends_before_an_answer_is_unavailable(
    opened: Opener, name: str
) -> None:
    with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
        await opened(name).generate(CHAT)


async def test_a_dead_port_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = OpenAIModel(f"http://127.0.0.1:{port}/v1", "none")
    with pytest.raises(UpstreamUnavailable, match=r"127\.0\.0\.1 cannot be reached"):
        await model.generate(CHAT)
    await model.aclose()


async def test_an_error_under_a_status_of_success_counts_as_its_code(opened: Opener) -> None:
    with pytest.raises(UpstreamUnavailable, match=r"502.*is gone"):
        await opened("error-200").generate(CHAT)


@pytest.mark.parametrize("name", ["overflow", "overflow:context_length_exceeded"])
async def test_an_overlong_prompt_says_that_it_is_one(opened: Opener, name: str) -> None:
    with pytest.raises(UpstreamRefused, match="longer than the context"):
        await opened(name).generate(CHAT)


async def test_a_redirect_is_not_followed(upstream: Upstream, opened: Opener) -> None:
    with pytest.raises(UpstreamRefused, match="base_url leads elsewhere"):
        await opened("redirect").generate(CHAT)
    assert len(upstream.seen) == 1


async def test_one_failing_request_of_several_fails_the_call_as_itself(opened: Opener) -> None:
    with pytest.raises(UpstreamUnavailable, match="503"):
        await opened("refuses-n:status:503").generate(replace(CHAT, n=3))


async def leave(upstream: Upstream) -> None:
    """Wait until the server has noticed that its clients are gone."""
    for _ in range(200):
        if upstream.open_connections == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{upstream.open_connections} connections are still open")


@pytest.mark.parametrize("n", [1, 3])
async def test_a_hanging_server_costs_the_deadline_and_no_more(
    upstream: Upstream, opened: Opener, n: int
) -> None:
    model = opened("refuses-n:hang")
    tasks = asyncio.all_tasks()
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"0\.2 s"):
        await model.generate(replace(CHAT, n=n, timeout_s=0.2))
    assert 0.2 <= time.monotonic() - began < 0.3 + 0.1  # the last tenth for a busy machine
    await leave(upstream)
    assert len(upstream.seen) == (1 if n == 1 else 1 + n)
    assert len(asyncio.all_tasks()) == len(tasks)


async def test_a_body_without_end_is_given_up_at_the_limit(
    upstream: Upstream, opened: Opener
) -> None:
    with pytest.raises(UpstreamMalformed, match="more than 1,000,000 bytes"):
        await opened("endless", max_body_bytes=1_000_000).generate(CHAT)
    await leave(upstream)
    assert upstream.bytes_sent < 12_000_000  # the limit, and what the sockets' buffers took


async def test_a_bomb_is_not_unpacked_beyond_the_limit(opened: Opener) -> None:
    model = opened("bomb:100000000", max_body_bytes=1_000_000)
    bomb(100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(UpstreamMalformed, match="more than 1,000,000 bytes"):
            await model.generate(CHAT)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


# --- the key


async def test_the_key_is_in_no_message_and_no_representation(
    upstream: Upstream, opened: Opener
) -> None:
    model = opened("echo-key")
    with pytest.raises(UpstreamRefused) as caught:
        await model.generate(CHAT)
    assert "Bearer ***" in str(caught.value)
    assert KEY not in str(caught.value)
    assert KEY not in repr(model)
    assert repr(model) == "OpenAIModel('echo-key' at '127.0.0.1')"


@pytest.mark.parametrize("key", [KEY + "\n", "sk-ключ-0123456789", "two words 0123456789"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str) -> None:
    with pytest.raises(ConfigurationError, match="API key") as caught:
        OpenAIModel("http://localhost/v1", "x", key)
    assert caught.value.field == "api_key"
    assert key.strip() not in str(caught.value)


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host/v1", "http://", "http://[::1"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        OpenAIModel(url, "x")
    assert caught.value.field == "base_url"


# --- the life of the client


def test_one_model_serves_one_event_loop_after_another() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = OpenAIModel(f"http://127.0.0.1:{port}/v1", "ok")

    async def ask() -> str:
        async with running_upstream(port):
            return (await model.generate(CHAT)).generations[0].text

    assert [asyncio.run(ask()) for _ in range(2)] == ["Paris.", "Paris."]


async def test_closing_twice_or_before_any_call_does_no_harm(opened: Opener) -> None:
    model = opened("ok")
    await model.aclose()
    await model.generate(CHAT)
    await model.aclose()
    await model.aclose()


# --- any bytes

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@st.composite
def broken_bodies(draw: st.DrawFn) -> bytes:
    """A good body with one to three places overwritten or removed, or cut, or any bytes."""
    body: Any = {
        "choices": [chat_choice(text="Paris.")],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    body = json.loads(json.dumps(body))
    for _ in range(draw(st.integers(1, 3))):
        spot: Any = body
        while True:
            keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            deeper = isinstance(spot[key], dict | list) and draw(st.booleans())
            if deeper:
                spot = spot[key]
                continue
            if draw(st.booleans()):
                spot[key] = draw(VALUES)
            else:
                del spot[key]
            break
    data = json.dumps(body).encode()
    kind = draw(st.sampled_from(["whole", "whole", "cut", "bytes"]))
    if kind == "cut":
        return data[: draw(st.integers(0, len(data)))]
    return draw(st.binary(max_size=40)) if kind == "bytes" else data


@pytest.mark.parametrize("call", [CHAT, TEXT], ids=["chat", "text"])
@settings(max_examples=700)
@given(body=broken_bodies())
def test_no_body_raises_anything_but_a_typed_error(call: ModelCall, body: bytes) -> None:
    try:
        completion = parse_completion("m", body, call)
    except UpstreamError as error:
        assert str(error)
    else:
        assert completion.generations
        assert all(isinstance(each.text, str) for each in completion.generations)
        assert all(each.finish_reason is not None for each in completion.generations)
        assert completion.tokens_in >= 0


@given(st.integers(300, 599), st.text(max_size=30), st.binary(max_size=60))
def test_no_error_status_raises_anything_but_a_typed_error(
    status: int, header: str, body: bytes
) -> None:
    failed = FailedAnswer(status, body, {"retry-after": header}, NOW)
    found = status_error("m", failed)
    assert isinstance(found, UpstreamError)
    assert "m answered with status" in str(found)
    assert found.retry_after_s is None or found.retry_after_s >= 0.0
