"""What every cache store promises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.adapters.cache_keys import CacheKey
from surefoot.adapters.cache_stores import MAX_VALUE_BYTES, CacheStore

KEY = CacheKey("completion", "t", "0" * 64)
tenants = st.text(max_size=6).filter(lambda text: text.isprintable() or not text) | st.sampled_from(
    ["a:b", "a", "b", "{a}", "a}", "%", "%25", "", "*", "a:b:c", "\n"]
)

OpenCache = Callable[[], Awaitable[CacheStore]]


class CacheContract:
    """Subclasses give `store` and `wait`, which lets so many seconds pass for it."""

    async def test_what_was_put_comes_back(self, store: CacheStore) -> None:
        assert await store.get(KEY) is None
        for value in (b"", b"\x00\xff{}", b"x" * 100_000):
            await store.put(KEY, value, 60.0)
            assert await store.get(KEY) == value

    async def test_it_expires(
        self, store: CacheStore, wait: Callable[[float], Awaitable[None]]
    ) -> None:
        await store.put(KEY, b"v", 0.2)
        assert await store.get(KEY) == b"v"
        await wait(0.25)
        assert await store.get(KEY) is None

    async def test_another_tenant_kind_or_digest_is_another_key(self, store: CacheStore) -> None:
        await store.put(KEY, b"v", 60.0)
        for other in (
            CacheKey("completion", "u", KEY.digest),
            CacheKey("verdict", "t", KEY.digest),
            CacheKey("completion", "t", "1" * 64),
        ):
            assert await store.get(other) is None

    async def test_what_is_too_large_is_left_out(self, store: CacheStore) -> None:
        await store.put(KEY, b"x" * (MAX_VALUE_BYTES + 1), 60.0)
        assert await store.get(KEY) is None

    async def test_one_holds_the_lease(
        self, store: CacheStore, wait: Callable[[float], Awaitable[None]]
    ) -> None:
        assert await store.lease(KEY, "a", 0.3)
        assert not await store.lease(KEY, "b", 0.3)
        await store.release(KEY, "b")  # not b's to give
        assert not await store.lease(KEY, "b", 0.3)
        await wait(0.2)
        assert await store.renew(KEY, "a", 0.3)
        assert not await store.renew(KEY, "b", 0.3)
        await wait(0.2)
        assert not await store.lease(KEY, "b", 0.3)
        await store.release(KEY, "a")
        assert await store.lease(KEY, "b", 0.3)
        await wait(0.35)
        assert not await store.renew(KEY, "b", 0.3)
        assert await store.lease(KEY, "c", 0.3)

    async def test_of_many_who_want_the_lease_one_gets_it(self, store: CacheStore) -> None:
        got = await asyncio.gather(*(store.lease(KEY, str(n), 5.0) for n in range(20)))
        assert sum(got) == 1

    # Each subclass runs it on a store of its own: two executors are what is meant.
    @settings(
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
        deadline=None,
    )
    @given(tenant=tenants, other=tenants)
    def test_nothing_crosses_tenants(
        self, open_sync: Callable[[], tuple[asyncio.Runner, CacheStore]], tenant: str, other: str
    ) -> None:
        runner, store = open_sync()
        mine, theirs = (CacheKey("completion", name, KEY.digest) for name in (tenant, other))
        runner.run(store.put(mine, b"mine", 60.0))
        found = runner.run(store.get(theirs))
        assert (found == b"mine") is (tenant == other)
        runner.run(store.put(mine, b"", 0.001))
