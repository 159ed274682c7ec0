"""Accounts of spending: what is held and spent never exceeds the limit, in memory and in Redis."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.adapters.redis_link import RedisSettings
from surefoot.adapters.spend_ledger import Hold, MemoryLedger, SpendLedger, Terms
from surefoot.adapters.spend_ledger_redis import RedisLedger
from surefoot.router.errors import StoreError

PATIENT = RedisSettings(budget_s=5.0, socket_timeout_s=5.0)


def terms(wanted: float, limit: float = 1.0, for_s: float = 60.0) -> Terms:
    return Terms(limit, wanted, for_s, 600.0)


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture(params=["memory", "redis"])
async def pair(
    request: pytest.FixtureRequest, prefix: str
) -> AsyncIterator[tuple[SpendLedger, SpendLedger]]:
    """Two users of the same accounts."""
    if request.param == "memory":
        one = MemoryLedger()
        yield one, one
        return
    url = request.getfixturevalue("redis_url")
    made = [RedisLedger(url, Counter(), settings=PATIENT, prefix=prefix) for _ in range(2)]
    yield made[0], made[1]
    for each in made:
        await each.aclose()


Pair = tuple[SpendLedger, SpendLedger]


async def test_what_one_holds_the_other_has_not(pair: Pair) -> None:
    one, two = pair
    assert await one.hold("a", "1", terms(0.6)) == Hold(True, 0.0, 0.0)
    assert await two.hold("a", "2", terms(0.6)) == Hold(False, 0.0, 0.6)
    assert await two.hold("a", "2", terms(0.4)) == Hold(True, 0.0, 0.6)
    assert not (await one.hold("a", "3", terms(0.1))).is_granted
    await one.settle("a", "1", 0.25)
    assert await two.hold("a", "3", terms(0.35)) == Hold(True, 0.25, 0.4)
    assert (await one.hold("b", "1", terms(0.6))).is_granted  # another account


async def test_what_is_settled_is_spent_once(pair: Pair) -> None:
    one, two = pair
    await one.hold("a", "1", terms(0.5))
    await one.settle("a", "1", 0.5)
    await two.settle("a", "1", 0.5)
    await two.settle("a", "never held", 0.5)
    await two.settle("unknown", "1", 0.5)
    assert await one.hold("a", "", terms(0.0)) == Hold(True, 0.5, 0.0)
    await one.hold("a", "2", terms(0.5))
    await one.settle("a", "2", 0.0)  # it came to nothing
    assert (await one.hold("a", "", terms(0.0))).spent == 0.5


async def test_what_nobody_settles_in_time_counts_as_spent(pair: Pair) -> None:
    one, two = pair
    await one.hold("a", "1", terms(0.5, for_s=0.05))
    await asyncio.sleep(0.1)
    assert await two.hold("a", "2", terms(1.0)) == Hold(False, 0.5, 0.0)
    await one.settle("a", "1", 0.1)  # too late: whoever died may have spent all of it
    assert (await two.hold("a", "", terms(0.0))).spent == 0.5


async def test_many_at_once_never_hold_more_than_the_limit(pair: Pair) -> None:
    draw = random.Random(4)
    used = [draw.uniform(0.0, 0.1) for _ in range(100)]

    async def work(number: int) -> float:
        ledger = pair[number % 2]
        hold = await ledger.hold("a", str(number), terms(0.1))
        await asyncio.sleep(0)
        spent = used[number] if hold.is_granted else 0.0
        await ledger.settle("a", str(number), spent)
        return spent

    spent = sum(await asyncio.gather(*[work(number) for number in range(100)]))
    found = await pair[0].hold("a", "", terms(0.0))
    assert found.held == 0.0
    assert found.spent == pytest.approx(spent) and spent <= 1.0 + 1e-9


step = st.tuples(
    st.sampled_from(["hold", "settle", "wait"]), st.integers(0, 5), st.floats(0.0, 2.0)
)


@given(st.lists(step, max_size=40), st.floats(0.0, 3.0))
@settings(max_examples=300, deadline=None)
def test_spent_and_held_stay_within_the_limit_whatever_happens(
    steps: list[tuple[str, int, float]], limit: float
) -> None:
    time = 0.0
    ledger = MemoryLedger(lambda: time)
    granted: dict[str, float] = {}

    async def walk() -> None:
        nonlocal time
        for number, (kind, which, amount) in enumerate(steps):
            if kind == "hold":
                token = f"{which}-{number}"
                if (await ledger.hold("a", token, terms(amount, limit, 5.0))).is_granted:
                    granted[token] = amount
            elif kind == "wait":
                time += 3.0 * amount
            elif granted:
                token = sorted(granted)[which % len(granted)]
                await ledger.settle("a", token, min(amount, granted[token]))
            found = await ledger.hold("a", "", terms(0.0, limit, 5.0))
            assert found.spent + found.held <= limit + 1e-6

    asyncio.run(walk())


async def test_an_account_is_gone_when_nobody_needs_it(redis_url: str, prefix: str) -> None:
    ledger = RedisLedger(redis_url, Counter(), settings=PATIENT, prefix=prefix)
    await ledger.hold("t/k/2026-11", "1", Terms(1.0, 0.5, 60.0, 600.0))
    client = redis.Redis.from_url(redis_url)
    (key,) = client.keys(f"{prefix}:spend:*")
    assert 590_000 < int(client.pttl(key)) <= 600_000
    client.close()
    await ledger.aclose()

    time = 0.0
    memory = MemoryLedger(lambda: time)
    await memory.hold("a", "1", Terms(1.0, 0.5, 60.0, 600.0))
    time = 601.0
    assert (await memory.hold("a", "2", Terms(1.0, 1.0, 60.0, 600.0))).is_granted


async def test_a_redis_that_is_down_is_told() -> None:
    ledger = RedisLedger("redis://127.0.0.1:1/0", Counter())
    with pytest.raises(StoreError):
        await ledger.hold("a", "1", terms(0.5))
    await ledger.aclose()
