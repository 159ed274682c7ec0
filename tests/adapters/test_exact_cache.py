"""Each result once, however many ask for it, and whatever becomes of the store or of its maker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from surefoot.adapters.cache_keys import CacheKey
from surefoot.adapters.cache_stores import MemoryStore
from surefoot.adapters.exact_cache import CacheSettings, Codec, ExactCache
from surefoot.router.errors import DeadlineExceeded, StoreError, UpstreamUnavailable

KEY = CacheKey("completion", "t", "0" * 64)


def _text(packed: bytes) -> str:
    if packed == b"damaged":
        raise ValueError("damaged")
    return packed.decode()


TEXT: Codec[str] = Codec(lambda text: None if text == "secret" else text.encode(), _text)


class Maker:
    """Makes texts, slowly, and counts how often."""

    def __init__(self, *results: str | BaseException, seconds: float = 0.01) -> None:
        self.results = list(results)
        self.seconds = seconds
        self.made = 0

    async def __call__(self) -> str:
        self.made += 1
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        await asyncio.sleep(self.seconds)
        if isinstance(result, BaseException):
            raise result
        return result


class Broken(MemoryStore):
    """Fails at what it is told to fail at."""

    def __init__(self, *broken: str) -> None:
        super().__init__()
        for name in broken:
            setattr(self, name, self._fail)

    async def _fail(self, *_: object) -> None:
        raise StoreError("out of order")


async def test_a_result_is_made_once_and_kept() -> None:
    cache, make = ExactCache(MemoryStore()), Maker("a")
    first = await cache.through(KEY, make, TEXT)
    again = await cache.through(KEY, make, TEXT)
    assert (first.value, first.is_shared) == ("a", False)
    assert (again.value, again.is_shared) == ("a", True)
    assert make.made == 1
    assert cache.counts == {"miss": 1, "hit": 1, "taken_over": 0}


async def test_what_must_not_be_kept_is_shared_by_those_who_wait_and_no_further() -> None:
    cache, make = ExactCache(MemoryStore()), Maker("secret")
    found = await asyncio.gather(*(cache.through(KEY, make, TEXT) for _ in range(5)))
    assert {one.value for one in found} == {"secret"} and make.made == 1
    await cache.through(KEY, make, TEXT)
    assert make.made == 2


async def test_two_hundred_at_once_are_one_call() -> None:
    cache, make = ExactCache(MemoryStore()), Maker("a")
    found = await asyncio.gather(*(cache.through(KEY, make, TEXT) for _ in range(200)))
    assert make.made == 1
    assert [one.value for one in found] == ["a"] * 200
    assert sum(one.is_shared for one in found) == 199
    assert cache.counts["shared"] == 199


async def test_two_caches_over_one_store_make_it_once() -> None:
    store, make = MemoryStore(), Maker("a", seconds=0.05)
    caches = [ExactCache(store, CacheSettings(poll_s=0.005)) for _ in range(4)]
    found = await asyncio.gather(*(cache.through(KEY, make, TEXT) for cache in caches * 5))
    assert make.made == 1
    assert {one.value for one in found} == {"a"}


async def test_a_failure_is_shared_and_not_kept() -> None:
    cache, make = ExactCache(MemoryStore()), Maker(UpstreamUnavailable("down"), "a")
    failed = await asyncio.gather(
        *(cache.through(KEY, make, TEXT) for _ in range(9)), return_exceptions=True
    )
    assert all(isinstance(one, UpstreamUnavailable) for one in failed)
    assert make.made == 1
    assert (await cache.through(KEY, make, TEXT)).value == "a"


async def test_a_leader_out_of_time_is_followed_by_another() -> None:
    cache, make = ExactCache(MemoryStore()), Maker(DeadlineExceeded("late"), "a")
    found = await asyncio.gather(
        *(cache.through(KEY, make, TEXT) for _ in range(9)), return_exceptions=True
    )
    assert sum(isinstance(one, DeadlineExceeded) for one in found) == 1
    assert make.made == 2


async def test_a_leader_that_is_cancelled_is_followed_by_another() -> None:
    cache, make = ExactCache(MemoryStore()), Maker("a", seconds=0.05)
    tasks = [asyncio.create_task(cache.through(KEY, make, TEXT)) for _ in range(5)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    found = await asyncio.gather(*tasks[1:])
    assert {one.value for one in found} == {"a"}
    assert make.made == 2
    assert tasks[0].cancelled()


async def test_a_follower_that_is_cancelled_disturbs_nobody() -> None:
    cache, make = ExactCache(MemoryStore()), Maker("a", seconds=0.05)
    tasks = [asyncio.create_task(cache.through(KEY, make, TEXT)) for _ in range(5)]
    await asyncio.sleep(0.01)
    tasks[3].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found.pop(3), asyncio.CancelledError)
    assert make.made == 1


async def test_a_process_that_died_is_followed_within_the_lease() -> None:
    store, make = MemoryStore(), Maker("a")
    assert await store.lease(KEY, "the dead", 0.1)
    cache = ExactCache(store, CacheSettings(lease_s=0.1, poll_s=0.01))
    async with asyncio.timeout(0.5):
        assert (await cache.through(KEY, make, TEXT)).value == "a"
    assert (make.made, cache.counts["taken_over"]) == (1, 1)


async def test_a_slow_maker_holds_on_to_its_lease() -> None:
    store, make = MemoryStore(), Maker("a", seconds=0.4)
    settings = CacheSettings(lease_s=0.1, poll_s=0.01)
    found = await asyncio.gather(
        *(ExactCache(store, settings).through(KEY, make, TEXT) for _ in range(3))
    )
    assert make.made == 1
    assert [one.value for one in found] == ["a"] * 3


async def test_a_damaged_value_is_a_miss_and_is_replaced() -> None:
    store, make = MemoryStore(), Maker("a")
    await store.put(KEY, b"damaged", 60.0)
    cache = ExactCache(store)
    assert (await cache.through(KEY, make, TEXT)).value == "a"
    assert cache.counts["corrupt"] >= 1
    assert await store.get(KEY) == b"a"


@pytest.mark.parametrize("broken", ["get", "put", "lease", "renew", "release"])
async def test_a_store_that_fails_costs_a_result_nothing(broken: str) -> None:
    cache, make = ExactCache(Broken(broken), CacheSettings(lease_s=0.03)), Maker("a", seconds=0.02)
    for _ in range(2):
        assert (await cache.through(KEY, make, TEXT)).value == "a"
    assert make.made == (2 if broken in ("get", "put") else 1)
    assert (cache.counts["store_failed"] > 0) is (broken != "renew")


async def test_lifetimes_are_spread() -> None:
    kept: list[float] = []

    class Listening(MemoryStore):
        async def put(self, key: CacheKey, value: bytes, ttl_s: float) -> None:
            kept.append(ttl_s)

    cache = ExactCache(Listening(), CacheSettings(ttl_s=100.0))
    for n in range(50):
        await cache.through(CacheKey("verdict", "t", str(n)), Maker("a", seconds=0.0), TEXT)
    assert all(90.0 <= ttl <= 110.0 for ttl in kept)
    assert max(kept) - min(kept) > 10.0


async def test_nothing_is_left_running() -> None:
    before = asyncio.all_tasks()
    cache = ExactCache(MemoryStore())
    make: Callable[[], Awaitable[str]] = Maker("a")
    await asyncio.gather(*(cache.through(KEY, make, TEXT) for _ in range(20)))
    assert asyncio.all_tasks() == before
