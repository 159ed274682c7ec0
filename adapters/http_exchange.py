"""One request and its answer, which can be given up at any moment without losing a connection.

httpcore (1.0) forgets a connection whose request is cancelled just after it was connected, or just
while its response is closed: it belongs to nobody, and counts against the pool for ever. Callers
that leave, hedged calls that lose and deadlines do that all the time, and a full pool answers
nobody. So the exchange has a task of its own, which nobody cancels but this module, at most once,
and at steps that httpcore survives: its trace says when.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpExchange"]

_MOST_AHEAD = 2**18  # bytes that may wait to be taken

_CONNECTED = frozenset({"connection.connect_tcp.complete", "connection.start_tls.complete"})
# A handshake may hang, and what is cancelled in it is closed by the other side.
_SENDING = frozenset({"connection.start_tls.started", "http11.send_request_headers.started"})
_CLOSING = "http11.response_closed.started"


class HttpExchange:
    """Use it in an `async with` block, whose end gives up what is not over.

    Raises:
        httpx.HTTPError: from the block's beginning or from `pieces`, whatever went wrong.
    """

    def __init__(self, client: httpx.AsyncClient, request: httpx.Request) -> None:
        self._client = client
        self._request = request
        self._response: httpx.Response | None = None
        self._pieces: deque[bytes] = deque()
        self._ahead = 0
        self._changed: asyncio.Future[None] | None = None  # what the caller waits for
        self._taken = asyncio.Event()  # what the exchange waits for where it is far ahead
        self._task: asyncio.Task[None] | None = None
        self._must_not_be_cancelled = False
        self._is_given_up = False

    async def __aenter__(self) -> httpx.Response:
        """The answer's head; its body comes by `pieces`, not by the response."""
        self._request.extensions["trace"] = self._traced
        self._task = asyncio.create_task(self._run())
        try:
            while self._response is None:
                await self._news(self._task)
        except BaseException:
            await self.__aexit__()
            raise
        return self._response

    async def __aexit__(self, *exc: object) -> None:
        task = self._task
        if task is None:
            return
        if not task.done():
            self._is_given_up = True
            _ENDING.add(task)  # the loop itself holds tasks only weakly
            task.add_done_callback(_ENDING.discard)
            if not self._must_not_be_cancelled:
                task.cancel()
            await asyncio.wait((task,))
        if not task.cancelled():
            task.exception()  # looked at, or asyncio would log it as never retrieved

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes off the wire."""
        assert self._task is not None
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._ahead -= len(piece)
                self._taken.set()
                yield piece
            if self._task.done():
                self._task.result()
                return
            await self._news(self._task)

    async def _news(self, task: asyncio.Task[None]) -> None:
        """Wait until something has come; raises what the exchange failed with."""
        if task.done():
            task.result()
            return
        self._changed = asyncio.get_running_loop().create_future()
        task.add_done_callback(self._tell)
        try:
            await self._changed
        finally:
            task.remove_done_callback(self._tell)
            self._changed = None

    def _tell(self, _: object = None) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    async def _run(self) -> None:
        response = await self._client.send(self._request, stream=True)
        try:
            self._response = response
            self._tell()
            # Not by `aiter_raw`, which closes the response before it ends.
            async for piece in _stream_of(response):
                self._pieces.append(piece)
                self._ahead += len(piece)
                self._tell()
                while self._ahead > _MOST_AHEAD:
                    self._taken.clear()
                    await self._taken.wait()
        finally:
            await response.aclose()

    async def _traced(self, event: str, info: object) -> None:
        """Called by httpcore at every step."""
        if event in _CONNECTED or event == _CLOSING:
            self._must_not_be_cancelled = True
        elif event in _SENDING:
            self._must_not_be_cancelled = False
            if self._is_given_up and self._task is not None:
                self._task.cancel()


_ENDING: set[asyncio.Task[None]] = set()


def _stream_of(response: httpx.Response) -> httpx.AsyncByteStream:
    from httpx import AsyncByteStream

    assert isinstance(response.stream, AsyncByteStream)
    return response.stream
