"""A loopback HTTP server that answers, or fails to, as the name of the requested model says.

It speaks HTTP by hand, so that it can break off anywhere; it keeps every request it has read.

Beside the names in `BEHAVIORS` there are `slow:SECONDS`, `endless`, `stream:NAME` and `stall:NAME`
(see `Upstream.streams`), `fed` (see `Upstream.feed`), and `in-turn:A,B,C`, which behaves like A at
the first request for that model, then like B, and from then on like C.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote

__all__ = [
    "Seen",
    "Upstream",
    "answer_events",
    "chat_choice",
    "chunk",
    "events",
    "running_upstream",
    "text_choice",
]

CONTENT = [
    {"token": " Paris", "logprob": -0.25, "top_logprobs": [{"token": " Paris", "logprob": -0.25}]},
    {"token": ".", "logprob": -0.5, "top_logprobs": []},
]
LEGACY = {
    "tokens": [" Paris", "."],
    "token_logprobs": [-0.25, -0.5],
    "top_logprobs": [{" Paris": -0.25}, {}],
    "text_offset": [0, 6],
}


def chat_choice(**changes: Any) -> dict[str, Any]:
    """A complete answer of the chat endpoint."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Paris."},
        "logprobs": {"content": CONTENT},
        "finish_reason": "stop",
    }
    return {**choice, **changes}


def text_choice(**changes: Any) -> dict[str, Any]:
    """A complete answer of the older completions."""
    return {"index": 0, "text": " Paris.", "logprobs": LEGACY, "finish_reason": "stop", **changes}


EVENTS_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def chunk(text: str | None, *, finish: str | None = None, **changes: Any) -> dict[str, Any]:
    """One chunk of a streamed chat answer; a text brings its one token."""
    entry = {"token": text, "logprob": -0.25, "top_logprobs": [{"token": text, "logprob": -0.25}]}
    choice = {
        "index": 0,
        "delta": {} if text is None else {"content": text},
        "logprobs": None if text is None else {"content": [entry]},
        "finish_reason": finish,
    }
    return {"object": "chat.completion.chunk", "choices": [{**choice, **changes}]}


def events(*chunks: dict[str, Any] | str, end: str = "\n\n", done: bool = True) -> bytes:
    """A stream of events; a text stands for a line as it is."""
    lines = [one if isinstance(one, str) else f"data: {_json(one)}" for one in chunks]
    lines += ["data: [DONE]"] if done else []
    return "".join(line + end for line in lines).encode()


def _json(chunk: dict[str, Any]) -> str:
    return json.dumps(chunk, ensure_ascii=False)  # characters of several bytes, as they are


def answer_events(text: str = "Paris is a city.", finish: str = "stop") -> list[dict[str, Any]]:
    """A whole answer in chunks of one word each, then how it ended and its usage."""
    words = [word if n == 0 else f" {word}" for n, word in enumerate(text.split(" "))]
    usage = {"prompt_tokens": 11, "completion_tokens": len(words)}
    last = {"object": "chat.completion.chunk", "choices": [], "usage": usage}
    return [*(chunk(word) for word in words), chunk(None, finish=finish), last]


@dataclass(frozen=True)
class Seen:
    """One request as it arrived; `at` is in monotonic seconds."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float = field(default_factory=time.monotonic)


@dataclass
class Upstream:
    """The running server.

    Attributes:
        script: how models behave that do not do what their name says; may be changed at any time.
        streams: what `stream:NAME` sends as events, and `stall:NAME` before it falls silent.
        feed: what `fed` sends as events, each as soon as a test puts it there; None closes.
    """

    base_url: str = ""
    seen: list[Seen] = field(default_factory=list)
    open_connections: int = 0
    bytes_sent: int = 0
    script: dict[str, str] = field(default_factory=dict)
    streams: dict[str, bytes] = field(default_factory=dict)
    feed: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)

    def count(self, model: str) -> int:
        """How many requests came for a model."""
        return sum(seen.body["model"] == model for seen in self.seen)

    def wanted(self, model: str) -> str:
        """How the model behaves at the request that came last."""
        wanted = self.script.get(model, model)
        name, _, turns = wanted.partition(":")
        if name != "in-turn":
            return wanted
        each = turns.split(",")
        return each[min(self.count(model), len(each)) - 1]


Answer = bytes | None
"""Bytes to send before the connection is closed; None: say nothing until the client leaves."""


def http(
    status: int, body: bytes | dict[str, Any], *headers: str, length: int | None = None
) -> bytes:
    """A response; `length` is what it claims to hold."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(data) if length is None else length}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*head, "", ""]).encode() + data


def completion(seen: Seen, n: int = 1, **changes: Any) -> dict[str, Any]:
    """A body with `n` equal choices that fits the endpoint."""
    make = chat_choice if "messages" in seen.body else text_choice
    return {
        "object": "completion",
        "choices": [make(**changes) for _ in range(n)],
        "usage": {"prompt_tokens": 11, "completion_tokens": 2 * n},
    }


def error(message: str, **more: Any) -> dict[str, Any]:
    """An error body as OpenAI writes it."""
    return {"error": {"message": message, **more}}


def behave(seen: Seen, wanted: str) -> Answer:
    """What the model name asks for: NAME or NAME:ARGUMENT."""
    name, _, argument = wanted.partition(":")
    return BEHAVIORS[name](seen, argument)


def status(seen: Seen, argument: str) -> Answer:
    return http(int(argument), error("it went wrong", type="test_error"))


def limited(seen: Seen, argument: str) -> Answer:
    headers = [f"Retry-After: {unquote(argument)}"] if argument else []
    return http(429, error("slow down"), *headers)


def one_only(seen: Seen, argument: str) -> Answer:
    if seen.body.get("n", 1) > 1:
        return http(400, error("Field 'n': Value must be between 1 <= value <= 1, but got 3"))
    return http(200, completion(seen))


def new_limit(seen: Seen, argument: str) -> Answer:
    if "max_tokens" in seen.body:
        return http(400, error("Unsupported parameter: use 'max_completion_tokens' instead."))
    return http(200, completion(seen))


def no_stream(seen: Seen, argument: str) -> Answer:
    if seen.body.get("stream"):
        return http(400, error("Streaming is not supported: unsupported parameter 'stream'"))
    return http(200, completion(seen))


def raw_body(body: Any, *headers: str) -> Callable[[Seen, str], Answer]:
    return lambda seen, argument: http(200, body, *headers)


def changed(**changes: Any) -> Callable[[Seen, str], Answer]:
    return lambda seen, argument: http(200, completion(seen, **changes))


def cut(seen: Seen, argument: str) -> Answer:
    whole = http(200, completion(seen))
    return whole[: len(whole) - int(argument)]


def cut_gzip(seen: Seen, argument: str) -> Answer:
    packed = gzip.compress(json.dumps(completion(seen)).encode())
    return http(200, packed[: -int(argument)], "Content-Encoding: gzip")


def zipped(seen: Seen, argument: str) -> Answer:
    packed = gzip.compress(json.dumps(completion(seen)).encode())
    return http(200, packed, "Content-Encoding: gzip")


@cache
def bomb(size: int) -> bytes:
    """A response of a few kilobytes that unpacks to `size` bytes."""
    return http(200, gzip.compress(b" " * size), "Content-Encoding: gzip")


def refuses_n(seen: Seen, argument: str) -> Answer:
    """Refuses several answers at once; for one it behaves as its argument says."""
    if seen.body.get("n", 1) > 1:
        return http(400, error("Only one completion choice is allowed"))
    return behave(seen, argument)


BEHAVIORS: dict[str, Callable[[Seen, str], Answer]] = {
    "ok": lambda seen, argument: http(200, completion(seen, seen.body.get("n", 1))),
    "one-at-a-time": one_only,
    "always-one": lambda seen, argument: http(200, completion(seen)),
    "always-five": lambda seen, argument: http(200, completion(seen, 5)),
    "new-limit": new_limit,
    "no-stream": no_stream,
    "status": status,
    "429": limited,
    "html": raw_body(b"<html>Sign in</html>"),
    "badjson": raw_body(b'{"choices": ['),
    "binary": raw_body(b"\xff\xfe\x00"),
    "nothing": raw_body(b""),
    "deep": raw_body(b"[" * 100_000),
    "list": raw_body(b"[1, 2]"),
    "empty": raw_body({"choices": []}),
    "no-choices": raw_body({"object": "list", "data": []}),
    "choice-is-text": raw_body({"choices": ["Paris"]}),
    "error-200": raw_body(error("The upstream model is gone", code=502)),
    "error-200-plain": raw_body({"error": "something broke"}),
    "null-content": changed(message={"role": "assistant", "content": None}, text=None),
    "no-message": changed(message=None, text=7),
    "no-finish": changed(finish_reason=None),
    "odd-finish": changed(finish_reason="abort"),
    "length": changed(finish_reason="length"),
    "filtered": changed(finish_reason="content_filter"),
    "tools": changed(
        message={"content": None, "tool_calls": [{"id": "1"}]}, finish_reason="tool_calls"
    ),
    "weather": changed(
        message={
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
                }
            ],
        },
        finish_reason="tool_calls",
        logprobs={
            "content": [
                {"token": token, "logprob": logprob, "top_logprobs": []}
                for token, logprob in (('{"city": "', -0.01), ("Paris", -0.1), ('"}', -0.01))
            ]
        },
    ),
    "refusal": changed(message={"content": None, "refusal": "I cannot say."}),
    "parts": changed(message={"content": [{"type": "text", "text": "Paris"}, {"text": "."}]}),
    "other-tokens": changed(logprobs={"content": [{"token": "Lyon", "logprob": -0.1}]}),
    "no-logprobs": changed(logprobs=None),
    "content-shape": changed(logprobs={"content": CONTENT}),
    "no-usage": lambda seen, argument: http(200, {**completion(seen), "usage": None}),
    "overflow": lambda seen, argument: http(
        400, error("This model's maximum context length is 8 tokens.", code=argument or None)
    ),
    "echo-key": lambda seen, argument: http(401, error(f"wrong key {seen.headers}")),
    "redirect": lambda seen, argument: http(301, b"", "Location: http://example.com/v1"),
    "hang": lambda seen, argument: None,
    "cut": cut,
    "cut-gzip": cut_gzip,
    "gzip": zipped,
    "bomb": lambda seen, argument: bomb(int(argument)),
    "refuses-n": refuses_n,
    "brotli": raw_body(b"\x0b\x02\x80", "Content-Encoding: br"),
    "hang-up": lambda seen, argument: b"",
    "half-head": lambda seen, argument: b"HTTP/1.1 200 OK\r\nContent-Le",
}


@asynccontextmanager
async def running_upstream(port: int = 0) -> AsyncIterator[Upstream]:
    """Serve on a loopback port, a free one unless it is given, until the block ends."""
    upstream = Upstream()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.open_connections += 1
        try:
            seen = await _read(reader)
            upstream.seen.append(seen)
            wanted = upstream.wanted(seen.body["model"])
            if wanted == "endless":
                await _send_for_ever(writer, upstream)
            if wanted.startswith("slow:"):
                if await _left_within(reader, float(wanted.removeprefix("slow:"))):
                    return
                wanted = "ok"
            if wanted == "fed":
                await _send_as_fed(reader, writer, upstream)
                return
            name, _, argument = wanted.partition(":")
            if name in ("stream", "stall"):
                writer.write(EVENTS_HEAD + upstream.streams[argument])
                await writer.drain()
                if name == "stall":
                    await reader.read()
                return
            answer = behave(seen, wanted)
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            upstream.open_connections -= 1
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    upstream.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield upstream


async def _left_within(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Whether the client leaves before so much time has passed."""
    try:
        async with asyncio.timeout(seconds):
            await reader.read()
    except TimeoutError:
        return False
    return True


async def _send_as_fed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: Upstream
) -> None:
    """Until there is no more, or the client leaves."""
    writer.write(EVENTS_HEAD)
    leaving = asyncio.create_task(reader.read())
    while True:
        getting = asyncio.create_task(upstream.feed.get())
        await asyncio.wait({getting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not getting.done() or (piece := getting.result()) is None:
            getting.cancel()
            leaving.cancel()
            return
        writer.write(piece)
        await writer.drain()


async def _send_for_ever(writer: asyncio.StreamWriter, upstream: Upstream) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b" " * 65536)
        await writer.drain()
        upstream.bytes_sent += 65536


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        key.strip().lower(): value.strip()
        for key, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(head[0].split(" ")[1], headers, json.loads(body))
