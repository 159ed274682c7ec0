"""How much at once: requests under way, requests that wait, and requests a minute."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from .http_errors import overloaded

__all__ = ["Admission", "RateLimit"]


class RateLimit:
    """A token bucket: a minute's requests may come at once, and are given back steadily.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / 60.0
        self._most = max(1.0, per_minute)
        self._left = self._most
        self._clock = clock
        self._at = clock()

    def take(self) -> float:
        """Seconds until a request may be made; 0 means now, and it is counted."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left >= 1.0:
            self._left -= 1.0
            return 0.0
        return (1.0 - self._left) / self._rate


class Admission:
    """Bounds on requests under way and on those that wait for their turn, first come first served.

    Attributes:
        in_flight: requests under way.
        waiting: requests that wait.
    """

    def __init__(self, max_in_flight: int, max_waiting: int) -> None:
        self.in_flight = 0
        self.waiting = 0
        self._most = max_in_flight
        self._max_waiting = max_waiting
        self._queue: deque[asyncio.Future[None]] = deque()

    def resize(self, max_in_flight: int, max_waiting: int) -> None:
        """Other bounds. Requests under way keep their places, also where there are fewer now."""
        self._most, self._max_waiting = max_in_flight, max_waiting
        self._hand_on()

    def check(self) -> None:
        """Raises HttpError (503) where a request that came now would have to be turned away."""
        if self.in_flight >= self._most and self.waiting >= self._max_waiting:
            raise overloaded("too many requests are under way; try again in a moment")

    @asynccontextmanager
    async def place(self, patience_s: float) -> AsyncIterator[None]:
        """Wait for a place and hold it.

        Raises:
            HttpError: 503 where there is no room to wait, or none became free in time.
        """
        self.check()
        self.waiting += 1
        try:
            async with asyncio.timeout(patience_s):
                await self._take()
        except TimeoutError as error:
            raise overloaded("no place became free within the request's deadline") from error
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self.in_flight -= 1
            self._hand_on()

    async def _take(self) -> None:
        if self.in_flight < self._most and not self._queue:
            self.in_flight += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given the place just before
                self.in_flight -= 1
                self._hand_on()
            else:
                self._queue.remove(turn)
            raise

    def _hand_on(self) -> None:
        while self._queue and self.in_flight < self._most:
            turn = self._queue.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)
