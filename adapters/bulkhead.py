"""How many calls of one tier may be under way at once, and how many may wait for their turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from ..router.errors import Overloaded

__all__ = ["Bulkhead", "BulkheadSettings"]


@dataclass(frozen=True, slots=True)
class BulkheadSettings:
    """Bounds of one tier, for each event loop.

    Attributes:
        in_flight: calls at once.
        waiting: calls that may wait; what comes beyond is turned away at once.
    """

    in_flight: int = 64
    waiting: int = 256


@dataclass(slots=True)
class _Lane:
    """What belongs to one event loop."""

    turns: asyncio.Semaphore
    waiting: int = 0


class Bulkhead:
    """Keeps a slow tier from holding everything that the process has.

    Args:
        name: of the tier, for words.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        settings: BulkheadSettings,
        name: str = "the tier",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._name = name
        self._lanes: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lane] = WeakKeyDictionary()

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        return sum(lane.waiting for lane in self._lanes.values())

    @asynccontextmanager
    async def slot(self, within_s: float | None) -> AsyncIterator[float]:
        """A place for one call, waited for no longer than `within_s` seconds; how long it took.

        Raises:
            Overloaded: too many wait, or the time was up before a place was free.
        """
        lane = self._lane()
        began = self._clock()
        await self._turn(lane, within_s)
        try:
            yield self._clock() - began
        finally:
            lane.turns.release()

    async def _turn(self, lane: _Lane, within_s: float | None) -> None:
        if not lane.turns.locked():
            await lane.turns.acquire()  # without a timer: nobody is waiting, so it does not block
            return
        if lane.waiting >= self._settings.waiting:
            raise Overloaded(
                f"{self._settings.in_flight} calls of {self._name} are under way and "
                f"{lane.waiting} wait",
                reach="not_sent",
            )
        lane.waiting += 1
        try:
            async with asyncio.timeout(within_s):
                await lane.turns.acquire()
        except TimeoutError as error:
            raise Overloaded(
                f"no place for a call of {self._name} became free within {within_s:.2f} s",
                reach="not_sent",
            ) from error
        finally:
            lane.waiting -= 1

    def _lane(self) -> _Lane:
        loop = asyncio.get_running_loop()
        lane = self._lanes.get(loop)
        if lane is None:
            lane = self._lanes[loop] = _Lane(asyncio.Semaphore(self._settings.in_flight))
        return lane
