"""F08: whatever bytes come instead of an answer, only typed errors leave the adapter, and memory
stays bounded."""

from __future__ import annotations

import copy
import json
import random
import struct
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from surefoot.adapters.model_openai import MAX_BODY_BYTES, OpenAIModel
from surefoot.adapters.openai_stream import StreamedAnswer, read_events
from surefoot.adapters.openai_wire import parse_completion
from surefoot.adapters.upstream_status import Failed, status_error
from surefoot.router.errors import (
    UpstreamError,
    UpstreamMalformed,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from surefoot.router.evidence import Token
from surefoot.router.protocols import Completion, ModelCall, Prompt
from surefoot.router.requests import Continue, PrefixVerdict

from ..adapters.raw_upstream import Bytes, answering, chunk, head
from ..adapters.scripted_upstream import chat_choice, text_choice
from .streams import CALL, EVENTS, is_exact

BODIES = 10_000
TEXT_CALL = ModelCall(Prompt("The capital is"), top_logprobs=1)
JSON_HEAD = head(kind="application/json")
USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
TOOLS = chat_choice(
    message={
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
        ],
    },
    finish_reason="tool_calls",
)
PLAIN = [
    {"id": "x", "object": "chat.completion", "choices": [chat_choice()], "usage": USAGE},
    {"id": "x", "choices": [chat_choice(index=i) for i in (1, 0)], "usage": None},
    {"id": "x", "choices": [TOOLS], "usage": USAGE},
    {"id": "x", "object": "text_completion", "choices": [text_choice()], "usage": USAGE},
]
ERRORS = [
    {"error": {"message": "it broke", "type": "server_error", "code": 500}},
    {"detail": [{"loc": ["body", "n"], "msg": "no", "input": None}]},
    {"error": {"message": "x", "innererror": {"code": "y"}, "metadata": {"raw": "z"}}},
]
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e400, float("nan"), 10**400, "", "\ud800", "\x00", "stop", [], {},
    [[]], [{}], {"a": None}, [None], "9" * 5000, [[[[[[]]]]]],
)  # fmt: skip


def go_on(tokens: Sequence[Token]) -> PrefixVerdict:
    return Continue()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a document, with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys if isinstance(value, dict | list) else ():
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def mutated(rng: random.Random, document: Any) -> Any:
    """The document with up to four places replaced, removed, doubled or exchanged."""
    made = copy.deepcopy(document)
    for _ in range(rng.randint(1, 4)):
        found = list(places(made))
        if not found:
            break
        holder, key = rng.choice(found)
        kind = rng.randrange(4)
        if kind == 0:
            holder[key] = copy.deepcopy(rng.choice(ODD))
        elif kind == 1:
            del holder[key]
        elif kind == 2:
            other, name = rng.choice(found)
            holder[key] = copy.deepcopy(other.get(name) if isinstance(other, dict) else 7)
        elif isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        else:
            name = rng.choice(["choices", "error", "delta", "text", "logprobs"])
            holder[name] = copy.deepcopy(rng.choice(ODD))
    return made


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The bytes as they are, cut, or with some of them flipped, doubled or lost."""
    kind = rng.randrange(6)
    at = rng.randrange(len(data) + 1) if data else 0
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + rng.randbytes(rng.randint(1, 8)) + data[at:]
    if kind == 2:
        return data[:at] + data[at + rng.randint(1, 20) :]
    if kind == 3:
        return data[:at] + data[rng.randrange(at + 1) :]
    return data


def fuzzed(rng: random.Random, document: Any) -> bytes:
    if rng.random() < 0.02:
        return rng.randbytes(rng.randrange(60))
    return damaged(rng, json.dumps(mutated(rng, document)).encode())


def checked(completion: Completion) -> None:
    """What is taken for an answer must be one, in every field."""
    assert completion.generations
    assert completion.tokens_in >= 0 and completion.tokens_out >= 0
    for each in completion.generations:
        each.text.encode()
        assert each.finish_reason is not None
        for token in each.tokens:
            assert token.logprob is None or token.logprob == token.logprob
            token.token.encode()


def outcome(read: Callable[[], Completion]) -> str:
    try:
        checked(read())
    except UpstreamError as error:
        assert str(error).encode("utf-8", "surrogatepass")
        assert len(str(error)) < 2000
        assert error.retry_after_s is None or error.retry_after_s >= 0.0
        return type(error).__name__
    return "answered"


def test_ten_thousand_broken_bodies_raise_typed_errors_only() -> None:
    rng, met = random.Random(8), Counter[str]()
    for _ in range(BODIES):
        call = rng.choice([CALL, TEXT_CALL])
        body = fuzzed(rng, rng.choice(PLAIN))
        met[outcome(lambda body=body, call=call: parse_completion("m", body, call))] += 1  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
    assert met.total() == BODIES
    assert met["UpstreamMalformed"] > BODIES / 4
    assert met["UpstreamTruncated"] > 100
    assert met["answered"] > 100  # the fuzz is not so wild that it tests one line only


def test_ten_thousand_broken_streams_raise_typed_errors_only() -> None:
    rng, met = random.Random(88), Counter[str]()
    chunks = [json.loads(each[6:]) for each in EVENTS[:-1]]
    for _ in range(BODIES):
        events = [b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks]
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(events))
            events[at] = b"data: " + fuzzed(rng, rng.choice(chunks)) + b"\n\n"
        body = damaged(rng, b"".join([*events, EVENTS[-1]]))
        answer = StreamedAnswer("m", CALL, 1, go_on)
        met[outcome(lambda body=body, answer=answer: read_events(body, answer))] += 1  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
    assert met.total() == BODIES
    assert met["UpstreamMalformed"] > BODIES / 10
    assert met["UpstreamTruncated"] > 100
    assert met["answered"] > 100


def test_ten_thousand_broken_errors_are_typed_errors() -> None:
    rng = random.Random(888)
    for _ in range(BODIES):
        body = fuzzed(rng, rng.choice(ERRORS))
        headers = {
            "retry-after": "".join(rng.choices("0123456789.-+eE_ ,:GMTmsx", k=rng.randrange(12))),
            "x-should-retry": rng.choice(["true", "no", ""]),
        }
        failed = Failed(rng.randrange(201, 600), body, headers, 1.8e9)
        error = status_error("m", failed)
        assert isinstance(error, UpstreamError)
        assert error.retry_after_s is None or 0.0 <= error.retry_after_s < float("inf")
        assert len(str(error)) < 2000


@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
async def test_broken_bytes_over_real_sockets_raise_typed_errors_only(streams: bool) -> None:
    rng, met = random.Random(80), Counter[str]()
    body = b"".join(EVENTS) if streams else json.dumps(PLAIN[0]).encode()
    start = head(kind="text/event-stream" if streams else "application/json")
    parts = {
        "plain": start + body,
        "sized": start[:-2] + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        "chunked": start[:-2] + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(body) + chunk(b""),
        "packed": start[:-2] + b"Content-Encoding: gzip\r\n\r\n" + packed(body),
    }
    says: list[Bytes] = [[damaged(rng, rng.choice(list(parts.values())))] for _ in range(300)]
    async with answering(lambda ordinal: says[ordinal]) as server:
        model = OpenAIModel(server.base_url, "m", idle_timeout_s=0.5)
        for _ in says:
            try:
                checked(await model.generate(replace(CALL, timeout_s=5.0), go_on))
            except UpstreamError as error:
                met[type(error).__name__] += 1
            else:
                met["answered"] += 1
        await model.aclose()
        await server.left()
        assert len(server.bodies) == len(says)
    assert set(met) <= {"answered", *(each.__name__ for each in KNOWN)}
    assert met["answered"] > 50 and met["UpstreamTruncated"] > 10


KNOWN = (UpstreamMalformed, UpstreamTruncated, UpstreamUnavailable)


def packed(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


def bomb(size: int) -> bytes:
    """A gzip body of a megabyte that unpacks to `size` spaces: one block, again and again."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(b" " * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    start = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return start + block * (size >> 20) + b"\x03\x00" + struct.pack("<II", 0, size & 0xFFFFFFFF)


def endless(piece: bytes, size: int) -> Bytes:
    return [piece] * (size // len(piece))


GIGABYTE = 1 << 30
PIECE = b" " * (1 << 18)
HUGE: dict[str, Bytes] = {
    "a gigabyte": [JSON_HEAD, *endless(PIECE, GIGABYTE)],
    "a gigabyte as announced": [
        head(f"Content-Length: {GIGABYTE}", kind="application/json"),
        *endless(PIECE, GIGABYTE),
    ],
    "a gigabyte in chunks": [
        head("Transfer-Encoding: chunked", kind="application/json"),
        *endless(chunk(PIECE), GIGABYTE),
    ],
    "a gigabyte of one event": [head(), b"data: ", *endless(PIECE, GIGABYTE)],
    "a gigabyte of comments": [head(), *endless(b": " + PIECE[:-3] + b"\n", GIGABYTE)],
    "a gigabyte of empty lines": [head(), *endless(b"\n" * (1 << 18), GIGABYTE)],
    "a gzip bomb": [head("Content-Encoding: gzip", kind="application/json"), bomb(GIGABYTE)],
    "a gzip bomb of events": [head("Content-Encoding: gzip"), bomb(GIGABYTE)],
    "more after a packed body": [
        head("Content-Encoding: gzip", kind="application/json"),
        packed(b"{}"),
        *endless(PIECE, GIGABYTE),
    ],
    "packed bytes that unpack to nothing": [
        head("Content-Encoding: gzip", kind="application/json"),
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff",
        *endless(b"\x00\x00\x00\xff\xff" * 50_000, GIGABYTE),
    ],
    "a gigabyte of error": [head(status=500), *endless(PIECE, GIGABYTE)],
}  # fmt: skip


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Python allocates no more than that while in the block."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("says", HUGE.values(), ids=HUGE)
async def test_a_body_without_end_is_given_up_and_takes_little_memory(says: Bytes) -> None:
    limit = 1_000_000
    async with answering(says) as server:
        model = OpenAIModel(server.base_url, "m", max_body_bytes=limit)
        with at_most(16 * limit):
            with pytest.raises(UpstreamMalformed):
                await model.generate(replace(CALL, timeout_s=30.0), go_on)
        await server.left()
        assert server.sent < 16 * limit  # a stream's limit, and what the sockets' buffers took
        await model.aclose()


async def test_what_follows_a_whole_answer_is_not_read() -> None:
    async with answering(
        [head("Connection: close"), *EVENTS[:-1], *HUGE["a gigabyte"][1:]]
    ) as server:
        model = OpenAIModel(server.base_url, "m", max_body_bytes=1_000_000)
        with at_most(16_000_000):
            assert is_exact(await model.generate(CALL, go_on))
        await server.left()
        assert server.sent < 16_000_000
        await model.aclose()


async def test_the_usual_limit_holds_as_well() -> None:
    async with answering(HUGE["a gigabyte"]) as server:
        model = OpenAIModel(server.base_url, "m")
        with at_most(4 * MAX_BODY_BYTES):
            with pytest.raises(UpstreamMalformed, match="more than 16,777,216 bytes"):
                await model.generate(CALL)
        await server.left()
        await model.aclose()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"choices":' * 200_000,
        b'{"choices": [' + b"[]," * 300_000 + b"[]]}",
        b'{"choices": [{"logprobs": {"content": [' + b"{}," * 300_000 + b"{}]}}]}",
        b'{"error": "' + b"x" * 1_000_000 + b'"}',
        b'{"usage": ' + b"9" * 1_000_000 + b"}",
    ],
    ids=["lists", "objects", "choices", "entries", "error", "number"],
)
async def test_bodies_that_are_all_structure_are_malformed(body: bytes) -> None:
    async with answering([JSON_HEAD, body]) as server:
        model = OpenAIModel(server.base_url, "m")
        with pytest.raises(UpstreamMalformed) as caught:
            await model.generate(CALL)
        await model.aclose()
    assert len(str(caught.value)) < 2000
