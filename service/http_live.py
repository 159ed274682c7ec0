"""A stream whose answer is still being written while it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..router.drive import Answered, OnText
from .http_gateway import unless_left

__all__ = ["LiveResponse", "LiveRun", "Telling"]


class LiveRun:
    """A run under way, and what it lets be shown meanwhile.

    Args:
        work: the run; what it is given takes each further piece of text.
    """

    def __init__(self, work: Callable[[OnText], Coroutine[object, object, Answered]]) -> None:
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._run = asyncio.create_task(work(self._pieces.put_nowait))
        self._run.add_done_callback(lambda _: self._pieces.put_nowait(None))

    async def first(self, receive: Receive) -> str | None:
        """The first piece; None where the run has ended without showing anything.

        Raises:
            ClientDisconnect: the client left; the run is cancelled.
        """
        try:
            return await unless_left(receive, self._pieces.get())
        except BaseException:
            await self.cancel()
            raise

    async def further(self) -> AsyncIterator[str]:
        """What is shown after that; pieces that have come together are one."""
        while (piece := await self._pieces.get()) is not None:
            is_over = False
            while not self._pieces.empty() and not is_over:
                further = self._pieces.get_nowait()
                is_over = further is None
                piece += further or ""
            yield piece
            if is_over:
                return

    async def ended(self) -> Answered:
        """How it ended. Raises what it raised."""
        return await self._run

    async def cancel(self) -> None:
        """End it; nobody waits for it anymore."""
        self._run.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({self._run})


@dataclass(frozen=True, slots=True)
class Telling:
    """How a live answer is put.

    Attributes:
        piece: the event with a piece of the answer, and whether it is the first.
        end: all events that are left once the run has ended, given what the client has.
        failure: the event that tells of what the run raised.
    """

    piece: Callable[[str, bool], bytes]
    end: Callable[[Answered, str], bytes]
    failure: Callable[[Exception], bytes]


class LiveResponse(Response):
    """Sends pieces as they come. The run is cancelled as soon as the client leaves.

    Its status and headers have gone out before the decision is known: what goes wrong later is told
    in an event.
    """

    def __init__(
        self, run: LiveRun, first: str, telling: Telling, headers: Mapping[str, str]
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(headers)
        self._run = run
        self._first = first
        self._telling = telling

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""

        async def body(data: bytes, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": more})

        headers = self.raw_headers
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        try:
            with suppress(ClientDisconnect, OSError):  # nobody is left who could be told
                await unless_left(receive, self._tell(body))
        finally:
            await self._run.cancel()

    async def _tell(self, body: Callable[..., Awaitable[None]]) -> None:
        told, telling = self._first, self._telling
        await body(telling.piece(told, True))
        async for piece in self._run.further():
            await body(telling.piece(piece, False))
            told += piece
        try:
            last = telling.end(await self._run.ended(), told)
        except Exception as error:
            await body(telling.failure(error), False)
            raise
        await body(last, False)
