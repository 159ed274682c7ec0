"""Results by exact key, each computed once however many ask for it at the same time.

The cache is a help and never a condition: a store that fails costs its time budget and then
nothing, the result is computed, and the failure is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..router.errors import DeadlineExceeded, RunError, StoreError
from .cache_keys import CacheKey
from .cache_stores import CacheStore

__all__ = ["CacheSettings", "Codec", "ExactCache", "Found"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """How long results are kept, and how those who wait for one behave.

    Attributes:
        ttl_s: seconds that a result is kept, less or more by `jitter`, a share of it, so that what
            was computed together does not expire together.
        lease_s: seconds after which another process takes over from one that has died computing.
        poll_s: seconds between two looks of a process that waits for another's result.
    """

    ttl_s: float = 3600.0
    jitter: float = 0.1
    lease_s: float = 10.0
    poll_s: float = 0.02


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """A result as bytes and back.

    Attributes:
        pack: the result as bytes; None where it must not be kept.
        unpack: raises ValueError where the bytes are no result.
    """

    pack: Callable[[T], bytes | None]
    unpack: Callable[[bytes], T]


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A result, and whether it was computed for somebody else."""

    value: T
    is_shared: bool


class ExactCache:
    """A cache over one store.

    Attributes:
        counts: `hit`, `miss`, `shared` (waited for another's result), `taken_over` (its maker was
            gone), `corrupt`, `store_failed`.

    Args:
        rng: for the jitter of lifetimes.
        sleep: between two looks at another's work.
    """

    def __init__(
        self,
        store: CacheStore,
        settings: CacheSettings | None = None,
        *,
        rng: random.Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._store = store
        self._settings = settings or CacheSettings()
        self._rng = rng or random.Random()
        self._sleep = sleep
        self._flights: dict[CacheKey, asyncio.Future[object]] = {}

    async def through(
        self, key: CacheKey, make: Callable[[], Awaitable[T]], codec: Codec[T]
    ) -> Found[T]:
        """The kept result, else what `make` computes, once for all who ask meanwhile.

        A failure is shared with those who wait, so that a thousand of them do not try in turn; a
        deadline or a cancellation is the leader's own affair, and somebody else takes over.

        Raises:
            RunError: as `make`.
        """
        while True:
            flight = self._flights.get(key)
            if flight is None or flight.get_loop() is not asyncio.get_running_loop():
                return await self._lead(key, make, codec)
            try:
                value = await asyncio.shield(flight)
            except DeadlineExceeded:
                continue
            except asyncio.CancelledError:
                if flight.cancelled() and not _being_cancelled():
                    continue  # the leader was given up, not we
                raise
            self.counts["shared"] += 1
            return Found(value, True)  # type: ignore[arg-type]  # one key, one kind of result

    async def aclose(self) -> None:
        """Close the store."""
        await self._store.aclose()

    async def _lead(
        self, key: CacheKey, make: Callable[[], Awaitable[T]], codec: Codec[T]
    ) -> Found[T]:
        flight: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        try:
            found = await self._found_or_made(key, make, codec)
        except RunError as error:
            flight.set_exception(error)
            flight.exception()  # looked at: there may be nobody else to do it
            raise
        except BaseException:
            flight.cancel()
            raise
        else:
            flight.set_result(found.value)
            return found
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]

    async def _found_or_made(
        self, key: CacheKey, make: Callable[[], Awaitable[T]], codec: Codec[T]
    ) -> Found[T]:
        token, waited = uuid.uuid4().hex, False
        while True:
            kept = await self._kept(key, codec)
            if kept is not None:
                self.counts["shared" if waited else "hit"] += 1
                return kept
            if await self._may_compute(key, token):
                break
            waited = True
            await self._sleep(self._settings.poll_s)
        try:
            # Whoever held the lease until now may have kept its result since we looked.
            kept = await self._kept(key, codec)
            if kept is not None:
                self.counts["shared"] += 1
                return kept
            self.counts["taken_over"] += waited
            self.counts["miss"] += 1
            return await self._make(key, token, make, codec)
        finally:
            await self._let_go(key, token)

    async def _make(
        self, key: CacheKey, token: str, make: Callable[[], Awaitable[T]], codec: Codec[T]
    ) -> Found[T]:
        renewing = asyncio.create_task(self._renew(key, token))
        try:
            value = await make()
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing
        packed = codec.pack(value)
        if packed is not None:
            spread = 1.0 + self._settings.jitter * self._rng.uniform(-1.0, 1.0)
            try:
                await self._store.put(key, packed, self._settings.ttl_s * spread)
            except StoreError:
                self.counts["store_failed"] += 1
        return Found(value, False)

    async def _kept(self, key: CacheKey, codec: Codec[T]) -> Found[T] | None:
        try:
            packed = await self._store.get(key)
        except StoreError:
            self.counts["store_failed"] += 1
            return None
        if packed is None:
            return None
        try:
            return Found(codec.unpack(packed), True)
        except ValueError:
            self.counts["corrupt"] += 1
            return None

    async def _may_compute(self, key: CacheKey, token: str) -> bool:
        try:
            return await self._store.lease(key, token, self._settings.lease_s)
        except StoreError:
            self.counts["store_failed"] += 1
            return True

    async def _renew(self, key: CacheKey, token: str) -> None:
        while True:
            await self._sleep(self._settings.lease_s / 3.0)
            with contextlib.suppress(StoreError):
                await self._store.renew(key, token, self._settings.lease_s)

    async def _let_go(self, key: CacheKey, token: str) -> None:
        try:
            await self._store.release(key, token)
        except StoreError:
            self.counts["store_failed"] += 1


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
