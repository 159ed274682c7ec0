"""A rate that several processes keep together."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import redis

from surefoot.adapters.rate_limit_redis import RedisRateLimit
from surefoot.adapters.redis_link import RedisSettings
from surefoot.router.errors import StoreError

PATIENT = RedisSettings(budget_s=5.0, socket_timeout_s=5.0)


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
async def rates(redis_url: str, prefix: str) -> AsyncIterator[tuple[RedisRateLimit, ...]]:
    """Two replicas."""
    made = tuple(
        RedisRateLimit(redis_url, Counter(), settings=PATIENT, prefix=prefix) for _ in range(2)
    )
    yield made
    for one in made:
        await one.aclose()


async def test_together_they_let_through_what_one_may(rates: tuple[RedisRateLimit, ...]) -> None:
    one, two = rates
    waits = await asyncio.gather(*[each.take("k", 10.0) for each in (one, two) for _ in range(10)])
    assert waits.count(0.0) == 10
    refused = [wait for wait in waits if wait > 0.0]
    assert all(5.0 < wait <= 6.0 for wait in refused)  # a tenth of a minute, less what has passed
    assert await one.take("other", 10.0) == 0.0


async def test_what_was_used_comes_back_steadily(rates: tuple[RedisRateLimit, ...]) -> None:
    began, taken = time.monotonic(), 0
    while await rates[taken % 2].take("k", 600.0) == 0.0:
        taken += 1
    await asyncio.sleep(
        0.35
    )  # three and a half requests at ten a second, or more on a busy machine
    through = sum([await rates[1].take("k", 600.0) == 0.0 for _ in range(10)])
    assert through >= 3
    assert 600 + 3 <= taken + through <= 600 + 10.0 * (time.monotonic() - began) + 1


async def test_the_key_is_gone_once_it_is_full_again(
    rates: tuple[RedisRateLimit, ...], redis_url: str, prefix: str
) -> None:
    await rates[0].take("k", 60.0)
    client = redis.Redis.from_url(redis_url)
    (key,) = client.keys(f"{prefix}:rate:*")
    assert 59_000 < int(client.pttl(key)) <= 61_000
    client.close()


async def test_a_redis_that_is_down_is_told() -> None:
    limit = RedisRateLimit("redis://127.0.0.1:1/0", Counter())
    with pytest.raises(StoreError):
        await limit.take("k", 10.0)
    await limit.aclose()
