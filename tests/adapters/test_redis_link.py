"""The breaker in front of Redis, as a state machine over a clock that the test owns."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.redis_link import Breaker, RedisLink, RedisSettings
from surefoot.router.errors import StoreError

from ..contract.history_suite import Clock


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(3, 5.0, clock)
    for _ in range(3):
        assert breaker.admit()
        breaker.failure()
    return breaker


def test_it_opens_on_consecutive_failures_only() -> None:
    breaker = Breaker(3, 5.0, Clock())
    for works in (False, False, True, False, False):
        assert breaker.admit()
        breaker.success() if works else breaker.failure()
    assert not breaker.is_open
    breaker.failure()
    assert breaker.is_open and not breaker.admit()


def test_one_probe_at_a_time_decides() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 4.999
    assert not breaker.admit()
    clock.now = 5.0
    assert [breaker.admit() for _ in range(10)] == [True] + [False] * 9
    breaker.failure()
    clock.now = 9.999
    assert not breaker.admit()
    clock.now = 10.0
    assert breaker.admit()
    breaker.success()
    assert not breaker.is_open and breaker.admit()


def test_a_probe_that_is_given_up_makes_room_for_the_next() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 5.0
    assert breaker.admit()
    breaker.abandon()
    assert breaker.admit() and not breaker.admit()


def test_late_failures_do_not_keep_it_open() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 4.0
    breaker.failure()  # a call from before it opened
    clock.now = 5.0
    assert breaker.admit()


@given(st.lists(st.sampled_from(["success", "failure", "abandon", "wait"]), max_size=60))
def test_it_never_sticks(steps: list[str]) -> None:
    clock = Clock()
    breaker = Breaker(3, 5.0, clock)
    for step in steps:
        if step == "wait":
            clock.now += 2.5
        elif breaker.admit():
            getattr(breaker, step)()
    clock.now += 5.0
    assert breaker.admit()


async def cancelled_call(link: RedisLink) -> None:
    """Make a call that would take a minute, and give it up."""

    async def sleep(client: object) -> None:
        await asyncio.sleep(60)

    call = asyncio.create_task(link.call(sleep))
    await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_cancelled_call_is_no_failure(redis_url: str) -> None:
    failures: Counter[str] = Counter()
    link = RedisLink(redis_url, RedisSettings(budget_s=10.0, open_after=1), failures)
    await cancelled_call(link)
    assert await link.call(lambda client: client.ping())
    assert not failures
    await link.aclose()


async def test_a_cancelled_probe_makes_room_for_the_next(redis_url: str) -> None:
    clock, failures = Clock(), Counter[str]()
    link = RedisLink(redis_url, RedisSettings(budget_s=10.0, open_after=1), failures, clock)

    async def fail(client: object) -> None:
        raise OSError("gone")

    with pytest.raises(StoreError, match="gone"):
        await link.call(fail)
    clock.now = 5.0
    await cancelled_call(link)
    assert await link.call(lambda client: client.ping())
    assert failures == {"connection": 1}
    await link.aclose()


async def test_messages_hold_no_password() -> None:
    url = "redis://user:secret@127.0.0.1:1/0?password=secret"
    link = RedisLink(url, RedisSettings(open_after=1), Counter())
    for expected in ("127.0.0.1:1", "not asked again"):
        with pytest.raises(StoreError, match=expected) as caught:
            await link.call(lambda client: client.ping())
        assert "secret" not in str(caught.value)
    await link.aclose()
    with pytest.raises(StoreError, match="closed") as caught:
        await link.call(lambda client: client.ping())
    assert "secret" not in str(caught.value)


async def test_a_closed_link_says_so(redis_url: str) -> None:
    link = RedisLink(redis_url, RedisSettings(), Counter())
    await link.aclose()
    with pytest.raises(StoreError, match="closed"):
        await link.call(lambda client: client.ping())
