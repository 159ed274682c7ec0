"""Streams of the model behind HTTP: put together, judged while they come, and left early."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.router.errors import UpstreamMalformed, UpstreamUnavailable
from surefoot.router.evidence import Generation, Token, ToolCall
from surefoot.router.protocols import Message, ModelCall, OnTokens, Prompt
from surefoot.router.requests import Continue, PrefixVerdict, Stop

from ..contract.model_suite import CALL as CAPITAL
from ..contract.model_suite import STORY
from ..local_models import smollm2_server
from .raw_upstream import DONE, Bytes, RawServer, answering, chunk, event, head, spoken

KEY = "sk-very-secret-key-0123456789"
CHAT = ModelCall(Prompt(messages=(Message("user", "Capital of France?"),)), top_logprobs=1)
TEXT = ModelCall(Prompt("The capital of France is"), top_logprobs=1)
HEAD = head("Connection: close")
WORDS = [("It", (b"It",)), (" is", (b" is",)), (" Paris", (b" Par", b"is")), (".", (b".",))]
EVENTS = [*spoken(WORDS, prompt_tokens=9, completion_tokens=5), DONE]

Shown = list[list[str]]


def watching(shown: Shown, stop_at: str | None = None) -> OnTokens:
    """A gate that notes what it is shown, and stops at a text."""

    def judge(tokens: Sequence[Token]) -> PrefixVerdict:
        shown.append([token.token for token in tokens])
        return Stop("enough") if shown[-1][-1] == stop_at else Continue()

    return judge


async def stream(
    says: Bytes, call: ModelCall = CHAT, gate: OnTokens | None = None
) -> tuple[Generation, ...]:
    async with answering(says) as server:
        model = OpenAIModel(server.base_url, "m", KEY)
        completion = await model.generate(call, gate or watching([]))
        await model.aclose()
        assert len(server.bodies) == 1
    return completion.generations


def delta(index: int = 0, finish: str | None = None, **fields: Any) -> bytes:
    return event({"choices": [{"index": index, "delta": fields, "finish_reason": finish}]})


# --- put together


async def test_text_tokens_and_usage_are_put_together() -> None:
    shown: Shown = []
    async with answering([HEAD, *EVENTS]) as server:
        model = OpenAIModel(server.base_url, "m")
        completion = await model.generate(CHAT, watching(shown))
        await model.aclose()
        (asked,) = server.bodies
    assert asked["stream"] is True
    assert asked["stream_options"] == {"include_usage": True}
    assert (completion.tokens_in, completion.tokens_out, completion.calls) == (9, 5, 1)
    (answer,) = completion.generations
    assert (answer.text, answer.finish_reason) == ("It is Paris.", "stop")
    assert answer.tokens == tuple(Token(text, -0.25) for text in ("It", " is", " Par", "is", "."))
    assert shown == [
        ["It"],
        ["It", " is"],
        ["It", " is", " Par", "is"],
        ["It", " is", " Par", "is", "."],
    ]


async def test_streams_of_the_older_completions_are_put_together() -> None:
    def text(piece: str, finish: str | None = None) -> bytes:
        logprobs = {"tokens": [piece], "token_logprobs": [-0.5], "top_logprobs": [{piece: -0.5}]}
        return event({"choices": [{"text": piece, "logprobs": logprobs, "finish_reason": finish}]})

    shown: Shown = []
    says = [HEAD, text(" Paris"), text("."), text("", "stop"), DONE]
    (answer,) = await stream(says, TEXT, watching(shown))
    assert (answer.text, [token.logprob for token in answer.tokens]) == ("Paris.", [-0.5] * 3)
    assert shown == [[" Paris"], [" Paris", "."]]


async def test_without_logprobs_the_pieces_of_text_are_shown_and_not_kept() -> None:
    shown: Shown = []
    says = [HEAD, *(delta(content=text) for text, _ in WORDS), delta(finish="stop")]
    (answer,) = await stream(says, gate=watching(shown))
    assert shown[-1] == ["It", " is", " Paris", "."]
    assert (answer.text, answer.tokens) == ("It is Paris.", ())


async def test_thoughts_are_neither_shown_nor_part_of_the_answer() -> None:
    def thought(piece: str, field: str) -> bytes:
        logprobs = {"content": [{"token": piece, "logprob": -1.0}]}
        return event({"choices": [{"index": 0, "delta": {field: piece}, "logprobs": logprobs}]})

    shown: Shown = []
    for field in ("reasoning_content", "reasoning"):
        says = [HEAD, thought("Hmm", field), thought(" so", field), *EVENTS[1:]]
        (answer,) = await stream(says, gate=watching(shown))
        assert answer.text == "It is Paris."
        assert [token.token for token in answer.tokens] == ["It", " is", " Par", "is", "."]
    assert shown[0] == ["It"] and not any("Hmm" in each for each in shown)


async def test_several_answers_come_through_one_stream() -> None:
    says = [
        HEAD,
        delta(1, content="Ly"),
        delta(0, content="Pa"),
        delta(1, content="on"),
        delta(0, content="ris"),
        delta(0, "stop"),
        delta(1, "length"),
        DONE,
    ]
    answers = await stream(says, replace(CHAT, n=2))
    assert [(one.text, one.finish_reason) for one in answers] == [
        ("Paris", "stop"),
        ("Lyon", "length"),
    ]


async def test_an_endpoint_that_does_not_stream_is_taken_as_it_is() -> None:
    body = (
        b'{"choices": [{"message": {"content": "Paris"}, "finish_reason": "stop", "logprobs": '
        b'{"content": [{"token": "Par", "logprob": -0.1}, {"token": "is", "logprob": -0.2}]}}]}'
    )
    shown: Shown = []
    says = [head(f"Content-Length: {len(body)}", kind="application/json"), body]
    (answer,) = await stream(says, gate=watching(shown, stop_at="is"))
    assert shown == [["Par", "is"]]
    assert (answer.text, answer.finish_reason) == ("Paris", "stopped")


# --- tool calls


def call_delta(index: int | None, id_: str | None, name: str | None, arguments: Any) -> bytes:
    function = {"name": name, "arguments": arguments}
    call: dict[str, Any] = {"function": {k: v for k, v in function.items() if v is not None}}
    call |= {k: v for k, v in (("index", index), ("id", id_)) if v is not None}
    return delta(tool_calls=[call])


TWO = (ToolCall("find", '{"q": "Zürich"}'), ToolCall("add", '{"a": 1}'))


@pytest.mark.parametrize(
    "fragments",
    [
        [
            (0, "a", "find", ""), (0, None, None, '{"q": "Z'), (0, None, None, 'ürich"}'),
            (1, "b", "add", ""), (1, None, None, '{"a": 1}'),
        ],
        [
            (0, "a", "find", '{"q": '), (1, "b", "add", '{"a"'),
            (0, None, None, '"Zürich"}'), (1, None, None, ": 1}"),
        ],
        [(None, "a", "find", '{"q": "Zürich"}'), (None, "b", "add", '{"a": 1}')],
        [(0, "a", "find", '{"q": "Zürich"}'), (0, "b", "add", '{"a": 1}')],
        [(0, "a", "find", {"q": "Zürich"}), (1, "b", "add", {"a": 1})],
        [(0, "a", "find", '{"q": '), (0, "a", "find", '"Zürich"}'), (1, "b", "add", '{"a": 1}')],
    ],
    ids=["one by one", "interleaved", "no index", "one index", "objects", "names repeated"],
)  # fmt: skip
async def test_tool_calls_are_put_together(fragments: list[Any]) -> None:
    says = [HEAD, *(call_delta(*each) for each in fragments), delta(finish="tool_calls"), DONE]
    (answer,) = await stream(says)
    assert answer.tool_calls == TWO
    assert answer.finish_reason == "tool_calls" and answer.is_complete


async def test_a_tool_call_that_was_cut_at_the_limit_is_not_whole() -> None:
    says = [HEAD, call_delta(0, "a", "find", '{"q": "Z'), delta(finish="length"), DONE]
    (answer,) = await stream(says)
    assert answer.tool_calls == (ToolCall("find", '{"q": "Z'),)
    assert not answer.is_complete


# --- left early


async def test_a_stop_leaves_the_stream_and_frees_the_endpoint() -> None:
    endless: list[Any] = [HEAD, *EVENTS[:3]]
    for _ in range(200):
        endless += [EVENTS[1], 0.02]
    shown: Shown = []
    async with answering(endless) as server:
        model = OpenAIModel(server.base_url, "m")
        began = time.monotonic()
        completion = await model.generate(CHAT, watching(shown, stop_at=" is"))
        assert time.monotonic() - began < 1.0
        await server.left()  # within a second of four
        (answer,) = completion.generations
        assert (answer.text, answer.finish_reason) == ("It is", "stopped")
        assert [token.token for token in answer.tokens] == ["It", " is"]
        assert not answer.is_complete
        assert completion.tokens_out == 2
        assert completion.tokens_in == 6  # 18 characters of the question
        await model.aclose()


async def test_one_of_two_answers_is_stopped_and_the_other_goes_on() -> None:
    says: Bytes = [
        HEAD,
        delta(0, content="um"),
        delta(1, content="Paris"),
        delta(0, content=" never seen"),
        delta(1, content=" it is"),
        delta(1, "stop"),
        ...,
    ]
    answers = await stream(says, replace(CHAT, n=2), watching([], stop_at="um"))
    assert [(one.text, one.finish_reason) for one in answers] == [
        ("um", "stopped"),
        ("Paris it is", "stop"),
    ]


async def test_a_cancelled_stream_frees_the_endpoint_within_a_tenth_of_a_second() -> None:
    async with answering([HEAD, *EVENTS[:3], ...]) as server:
        model = OpenAIModel(server.base_url, "m")
        shown: Shown = []
        task = asyncio.create_task(model.generate(CHAT, watching(shown)))
        while len(shown) < 2:
            await asyncio.sleep(0.005)
        task.cancel()
        async with asyncio.timeout(0.1):
            while server.open:
                await asyncio.sleep(0.002)
        with pytest.raises(asyncio.CancelledError):
            await task
        await model.aclose()


# --- what an endpoint does not understand


Answer = Callable[[dict[str, Any]], str | None]


@pytest.fixture
async def picky() -> AsyncIterator[Callable[[Answer], RawServer]]:
    """A server that complains about requests; without a complaint it answers."""
    complain: list[Answer] = []
    plain = b'{"choices": [{"message": {"content": "Paris"}, "finish_reason": "stop"}]}'

    def script(ordinal: int) -> Bytes:
        body = running.bodies[ordinal]
        words = complain[0](body)
        if words is not None:
            said = b'{"error": {"message": "%b", "type": "invalid_request_error"}}' % words.encode()
            return [head(f"Content-Length: {len(said)}", status=400), said]
        if body.get("stream"):
            return [HEAD, *EVENTS]
        return [head(f"Content-Length: {len(plain)}", kind="application/json"), plain]

    async with answering(script) as running:

        def told(answer: Answer) -> RawServer:
            complain.append(answer)
            return running

        yield told


COMPLAINTS = {
    "stream_options": "Unrecognized request argument supplied: stream_options",
    "stream": "Streaming is not supported by this model",
    "temperature": "Unsupported value: 'temperature' does not support 0.0 with this model.",
    "seed": "body.seed: Extra inputs are not permitted",
    "max_tokens": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
}


@pytest.mark.parametrize("field", COMPLAINTS)
async def test_what_is_not_understood_is_left_out_from_then_on(
    picky: Callable[[Answer], RawServer], field: str
) -> None:
    server = picky(lambda body: COMPLAINTS[field] if field in body else None)
    model = OpenAIModel(server.base_url, "m")
    for _ in range(2):
        (answer,) = (await model.generate(CHAT, watching([]))).generations
        assert answer.is_complete
    assert [field in body for body in server.bodies] == [True, False, False]
    can = model.capabilities
    assert (can.streaming is False) == (field == "stream")
    assert can.notes == ((f"does not take a {field}",) if field in ("temperature", "seed") else ())
    await model.aclose()


async def test_all_of_it_at_once_is_learned_in_one_call(
    picky: Callable[[Answer], RawServer],
) -> None:
    server = picky(
        lambda body: next((words for field, words in COMPLAINTS.items() if field in body), None)
    )
    model = OpenAIModel(server.base_url, "m")
    assert (await model.generate(CHAT, watching([]))).generations[0].is_complete
    assert len(server.bodies) == 6
    await model.aclose()


async def test_a_prompt_that_is_too_long_is_not_asked_again(
    picky: Callable[[Answer], RawServer],
) -> None:
    words = (
        "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context "
        "length is 8192 tokens, n of them are unsupported"
    )
    server = picky(lambda body: words)
    model = OpenAIModel(server.base_url, "m")
    with pytest.raises(Exception, match="longer than the context"):
        await model.generate(replace(CHAT, n=2), watching([]))
    assert len(server.bodies) == 1
    await model.aclose()


# --- the key


@pytest.mark.parametrize(
    "says",
    [
        [HEAD, event({"error": {"message": f"no such key: {KEY}", "code": 500}})],
        [HEAD, EVENTS[1], event({"error": f"no such key: {KEY}"})],
        [HEAD, f"data: {KEY}\n\n".encode()],
        [HEAD, event({"error": KEY}).replace(b"-", b"\\u002d")],
    ],
)
async def test_the_key_is_in_no_error_of_a_stream(says: Bytes) -> None:
    with pytest.raises(Exception) as caught:
        await stream(says)
    assert KEY not in str(caught.value)
    assert "***" in str(caught.value)


async def test_a_password_in_the_url_is_blotted_out() -> None:
    async with answering(
        [head("Connection: close", status=500), b"go away, hunter2-hunter2 of s3cr3t-s3cr3t"]
    ) as server:
        url = f"http://me:hunter2-hunter2@127.0.0.1:{server.port}/v1?api_key=s3cr3t-s3cr3t&v=2024-02-01"
        model = OpenAIModel(url, "m")
        with pytest.raises(UpstreamUnavailable, match=r"go away, \*\*\* of \*\*\*") as caught:
            await model.generate(CHAT)
        assert "hunter2" not in repr(model) + str(caught.value)
        await model.aclose()


async def test_an_answer_that_repeats_the_key_loses_it() -> None:
    (answer,) = await stream([HEAD, delta(content=f"It is {KEY}."), delta(finish="stop"), DONE])
    assert answer.text == "It is ***."


# --- a real server


@pytest.mark.parametrize(
    "call",
    [
        CAPITAL,
        STORY,
        replace(STORY, n=2, temperature=1.0, seed=5),
        replace(CHAT, max_tokens=16, top_logprobs=3),
        replace(CHAT, max_tokens=16, top_logprobs=0),
    ],
    ids=["text", "cut at the limit", "two", "chat", "no logprobs"],
)
async def test_a_real_stream_is_what_the_plain_answer_is(call: ModelCall) -> None:
    server = smollm2_server()
    model = OpenAIModel(server.base_url, "smollm2", server.api_key)
    plain = await model.generate(call)
    streamed = await model.generate(call, watching([]))
    # Streams name the token that ended the answer as well, which has no text.
    answers = tuple(
        replace(one, tokens=tuple(replace(t, special=None) for t in one.tokens if not t.special))
        for one in streamed.generations
    )
    assert replace(streamed, generations=answers) == plain
    await model.aclose()


async def test_a_real_stream_that_is_left_frees_its_slot() -> None:
    server = smollm2_server()
    model = OpenAIModel(server.base_url, "smollm2", server.api_key)
    call = replace(STORY, max_tokens=400)
    shown: Shown = []
    gate = watching(shown)
    (answer,) = (
        await model.generate(
            call, lambda tokens: Stop("enough") if len(tokens) >= 3 else gate(tokens)
        )
    ).generations
    assert (len(answer.tokens), answer.finish_reason) == (3, "stopped")
    began = time.monotonic()
    await model.generate(CAPITAL)  # the server has one slot, and 400 tokens take seconds
    assert time.monotonic() - began < 1.5
    await model.aclose()


async def test_an_empty_stream_is_no_answer() -> None:
    with pytest.raises(UpstreamMalformed, match="without any choices"):
        await stream([HEAD, DONE])


@pytest.mark.parametrize("ends", [True, False], ids=["ended", "left open"])
async def test_a_stream_read_to_its_end_leaves_a_connection_for_the_next(ends: bool) -> None:
    """As with TLS, where a new connection is dear; here without, since only the reading matters."""
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(0)
        try:
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(asked.partition(b"content-length:")[2].partition(b"\r\n")[0])
                await reader.readexactly(size)
                connections[-1] += 1
                parts = [chunk(each) for each in EVENTS]
                writer.write(head("Transfer-Encoding: chunked") + b"".join(parts))
                if ends:
                    writer.write(chunk(b""))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        model = OpenAIModel(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", "m")
        upstream = model._upstream
        upstream.reuses_streams = True
        del upstream._stream_headers["Connection"]
        began = time.monotonic()
        for _ in range(3):
            (answer,) = (await model.generate(CHAT, watching([]))).generations
            assert answer.text == "It is Paris."
        assert time.monotonic() - began < 1.0  # an end that does not come is not waited for
        await model.aclose()
    assert connections == ([3] if ends else [1, 1, 1])
