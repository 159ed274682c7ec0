"""A run under way, and what it lets be shown meanwhile, for whoever reads along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Generic, TypeVar

from .drive import OnText

__all__ = ["LiveRun"]

T = TypeVar("T")


class LiveRun(Generic[T]):
    """Begins at once, and goes on whether or not somebody reads.

    Args:
        work: the run; what it is given takes each further piece of text, see `Router.respond`.
    """

    def __init__(self, work: Callable[[OnText], Coroutine[object, object, T]]) -> None:
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._run = asyncio.create_task(work(self._pieces.put_nowait))
        self._run.add_done_callback(lambda _: self._pieces.put_nowait(None))

    async def pieces(self) -> AsyncIterator[str]:
        """What is shown, until the run has ended; pieces that have come together are one."""
        while (piece := await self._pieces.get()) is not None:
            is_over = False
            while not self._pieces.empty() and not is_over:
                further = self._pieces.get_nowait()
                is_over = further is None
                piece += further or ""
            yield piece
            if is_over:
                return

    async def ended(self) -> T:
        """What the run has returned. Raises what it raised."""
        return await self._run

    async def cancel(self) -> None:
        """End it; nothing happens to one that has ended."""
        self._run.cancel()
        await asyncio.wait({self._run})
        if not self._run.cancelled():
            self._run.exception()  # looked at: nobody else may want to know
