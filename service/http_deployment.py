"""A deployment while it serves: requests finish on the one that they began on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..graphs.config import Built

__all__ = ["Deployment"]


class Deployment:
    """What was built, and how many requests are on it.

    Attributes:
        users: requests that are on it.
    """

    def __init__(self, built: Built) -> None:
        self.built = built
        self.users = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def in_use(self) -> Iterator[Built]:
        """Keep it open for the length of a request."""
        self.users += 1
        self._idle.clear()
        try:
            yield self.built
        finally:
            self.users -= 1
            if not self.users:
                self._idle.set()

    async def aclose(self) -> None:
        """Close it now."""
        await self.built.router.aclose()

    async def retire(self, patience_s: float) -> None:
        """Close it once nobody is on it anymore, or the time is up, or this is cancelled."""
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._idle.wait()
        finally:
            await self.aclose()
