"""A loopback HTTP server that sends exactly the bytes it is given, and the streams it is given."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import EllipsisType
from typing import Any

__all__ = ["DONE", "Bytes", "RawServer", "answering", "chunk", "event", "head", "spoken"]

Bytes = Sequence[bytes | float | EllipsisType]
"""What is sent for one request: bytes, pauses in seconds, and `...`, which waits until the client
has left; then the connection ends."""

DONE = b"data: [DONE]\n\n"


@dataclass
class RawServer:
    """The running server; `bodies` are the requests as they came, `open` the connections."""

    port: int = 0
    open: int = 0
    sent: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def left(self) -> None:
        """Wait until all clients are gone; a second at most."""
        async with asyncio.timeout(1.0):
            while self.open:
                await asyncio.sleep(0.005)


def head(*headers: str, status: int = 200, kind: str = "text/event-stream") -> bytes:
    """The head of a response."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    """One chunk of HTTP's chunked encoding; the empty one ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(value: object) -> bytes:
    """One event, in UTF-8 without escapes."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def spoken(
    pieces: Iterable[tuple[str, Sequence[bytes]]], finish: str | None = "stop", **usage: int
) -> list[bytes]:
    """The events of one answer: for each piece its text and its tokens as bytes, then the end."""
    events = [event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})]
    for text, tokens in pieces:
        entries = [
            {"token": one.decode("utf-8", "replace"), "logprob": -0.25, "bytes": list(one)}
            for one in tokens
        ]
        choice = {"index": 0, "delta": {"content": text}, "logprobs": {"content": entries}}
        events.append(event({"choices": [choice]}))
    if finish is not None:
        events.append(event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}))
    if usage:
        events.append(event({"choices": [], "usage": usage}))
    return events


@asynccontextmanager
async def answering(script: Bytes | Callable[[int], Bytes]) -> AsyncIterator[RawServer]:
    """Serve until the block ends; a function is given the ordinal of the request, from 0."""
    running = RawServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.open += 1
        try:
            running.bodies.append(await _read(reader))
            says = script(len(running.bodies) - 1) if callable(script) else script
            await _send(running, says, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a cancelled connection is nothing that asyncio's server should report
        finally:
            running.open -= 1
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    async with server:
        yield running


async def _send(
    running: RawServer, says: Bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    for one in says:
        if isinstance(one, bytes):
            writer.write(one)
            await writer.drain()
            running.sent += len(one)
        elif isinstance(one, float):
            await asyncio.sleep(one)
        else:
            await reader.read()


async def _read(reader: asyncio.StreamReader) -> dict[str, Any]:
    asked = (await reader.readuntil(b"\r\n\r\n")).lower()
    size = int(asked.partition(b"content-length:")[2].partition(b"\r\n")[0])
    body: dict[str, Any] = json.loads(await reader.readexactly(size))
    return body
