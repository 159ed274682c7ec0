"""A stream whose answer is still being written while it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..router.drive import Answered
from ..router.live_run import LiveRun
from .http_gateway import unless_left

__all__ = ["LiveResponse", "Telling", "first_piece"]


async def first_piece(
    run: LiveRun[Answered], pieces: AsyncIterator[str], receive: Receive
) -> str | None:
    """The first of the run's pieces; None where it has ended without showing anything.

    Raises:
        ClientDisconnect: the client left; the run is cancelled.
    """

    async def first() -> str | None:
        return await anext(pieces, None)

    try:
        return await unless_left(receive, first())
    except BaseException:
        await run.cancel()
        raise


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

    Args:
        first: the first piece.
        pieces: those behind it.
    """

    def __init__(
        self,
        run: LiveRun[Answered],
        first: str,
        pieces: AsyncIterator[str],
        telling: Telling,
        headers: Mapping[str, str],
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(headers)
        self._run = run
        self._first = first
        self._pieces = pieces
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
        async for piece in self._pieces:
            await body(telling.piece(piece, False))
            told += piece
        try:
            last = telling.end(await self._run.ended(), told)
        except Exception as error:
            await body(telling.failure(error), False)
            raise
        await body(last, False)
