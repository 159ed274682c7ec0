"""Monitor states in Redis: the contract, and what breaks."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
import redis

from surefoot.adapters.monitor_store_redis import RedisMonitorStore
from surefoot.adapters.redis_link import RedisSettings
from surefoot.router.errors import StoreCorrupt, StoreError

from ..contract.monitor_store_suite import MonitorStoreSuite

PATIENT = RedisSettings(budget_s=5.0, socket_timeout_s=5.0)


class TestRedisMonitorStore(MonitorStoreSuite):
    @pytest.fixture
    async def store(self, redis_url: str) -> AsyncIterator[RedisMonitorStore]:
        made = RedisMonitorStore(redis_url, settings=PATIENT, prefix=f"test-{uuid.uuid4().hex}")
        yield made
        await made.aclose()


async def test_what_is_damaged_is_not_taken_for_nothing(redis_url: str) -> None:
    prefix = f"test-{uuid.uuid4().hex}"
    store = RedisMonitorStore(redis_url, settings=PATIENT, prefix=prefix)
    client = redis.Redis.from_url(redis_url)
    try:
        client.hset(f"{prefix}:mon:{{k}}", "version", "1")
        with pytest.raises(StoreCorrupt):
            await store.load("k")
        client.set(f"{prefix}:mon:{{t}}", "text")
        with pytest.raises(StoreError):
            await store.save("t", "x", expected=0)
    finally:
        client.delete(f"{prefix}:mon:{{k}}", f"{prefix}:mon:{{t}}")
        client.close()
        await store.aclose()
