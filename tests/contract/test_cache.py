"""The cache stores that Surefoot ships, under the suite for both."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from surefoot.adapters.cache_stores import CacheStore, MemoryStore, RedisStore
from surefoot.adapters.redis_link import RedisSettings

from .cache_suite import CacheContract
from .history_suite import Clock

# The suite asks what is kept, not how fast; a busy machine must not turn into a failure here.
PATIENT = RedisSettings(budget_s=10.0, socket_timeout_s=10.0)

OpenSync = Callable[[], tuple[asyncio.Runner, CacheStore]]


def redis_store(url: str) -> RedisStore:
    return RedisStore(url, Counter(), settings=PATIENT, prefix=f"sf-test-{uuid.uuid4().hex}")


class TestMemoryStore(CacheContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def store(self, clock: Clock) -> CacheStore:
        return MemoryStore(clock=clock)

    @pytest.fixture
    def wait(self, clock: Clock) -> Callable[[float], Awaitable[None]]:
        async def pass_time(seconds: float) -> None:
            clock.now += seconds

        return pass_time

    @pytest.fixture
    def open_sync(self) -> Iterator[OpenSync]:
        with asyncio.Runner() as runner:
            yield lambda: (runner, MemoryStore())

    async def test_what_was_not_used_for_longest_makes_room(self) -> None:
        from dataclasses import replace

        from .cache_suite import KEY

        store = MemoryStore(max_bytes=10)
        a, b, c = (replace(KEY, digest=str(n) * 64) for n in (1, 2, 3))
        await store.put(a, b"xxxxx", 60.0)
        await store.put(b, b"yyyyy", 60.0)
        assert await store.get(a) == b"xxxxx"
        await store.put(c, b"zzzzz", 60.0)
        assert [await store.get(key) for key in (a, b, c)] == [b"xxxxx", None, b"zzzzz"]
        await store.put(a, b"x" * 11, 60.0)
        assert await store.get(a) is None


class TestRedisStore(CacheContract):
    @pytest.fixture
    async def store(self, redis_url: str) -> AsyncIterator[CacheStore]:
        store = redis_store(redis_url)
        yield store
        await store.aclose()

    @pytest.fixture
    def wait(self) -> Callable[[float], Awaitable[None]]:
        return asyncio.sleep

    @pytest.fixture
    def open_sync(self, redis_url: str) -> Iterator[OpenSync]:
        store = redis_store(redis_url)
        with asyncio.Runner() as runner:
            yield lambda: (runner, store)
            runner.run(store.aclose())
