"""Hints over a real Redis, and over real sockets between two services."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from surefoot.adapters.breaker_hints import RedisHintBoard
from surefoot.adapters.redis_link import RedisSettings
from surefoot.router.errors import StoreError

from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration
from ..redis_fixture import RedisServer
from ..service.serving import CITY, Service, running_service

PATIENT = RedisSettings(budget_s=5.0, socket_timeout_s=5.0)


def board(url: str, prefix: str) -> RedisHintBoard:
    return RedisHintBoard(url, Counter(), settings=PATIENT, prefix=prefix)


async def test_a_hint_is_heard_until_its_time_is_up(redis_url: str) -> None:
    prefix = uuid4().hex
    one, other = board(redis_url, prefix), board(redis_url, prefix)
    assert await other.heard(["a", "b"]) == {}
    await one.tell("a", "me:1", 60.0)
    assert await other.heard(["a", "b"]) == {"a": "me:1"}
    await one.tell("a", "me:2", 0.05)
    await asyncio.sleep(0.1)
    assert await other.heard(["a", "b"]) == {}
    await one.aclose()
    await other.aclose()


async def test_what_is_no_token_is_not_heard(redis_url: str) -> None:
    prefix = uuid4().hex
    one = board(redis_url, prefix)
    async with Redis.from_url(redis_url) as redis:
        await redis.set(f"{prefix}:b:a", b"x" * 100_000, ex=60)
        assert await one.heard(["a"]) == {}
        await redis.hset(f"{prefix}:b:c", "field", "value")
        with pytest.raises(StoreError):
            await one.heard(["c"])
        await redis.delete(f"{prefix}:b:c")
    await one.aclose()


async def state(service: Service) -> str:
    text = (await service.client.get("/metrics")).text
    (line,) = [one for one in text.splitlines() if one.startswith("surefoot_breaker_state{")]
    return line


async def test_a_replica_probes_sooner_after_another_has_opened(
    tmp_path: Path, start_redis: Callable[..., RedisServer]
) -> None:
    redis = start_redis()
    async with running_upstream() as upstream:
        upstream.script["a"] = "500"
        toml = configuration(
            ("small", "a", upstream.base_url),
            history=redis.url,
            resilience="attempts = 1\nbreaker_failures = 3\nopen_s = 60.0",
        )
        async with (
            running_service(tmp_path / "a", toml) as one,
            running_service(tmp_path / "b", toml) as other,
        ):
            assert (await state(other)).endswith(" 0.0")
            for _ in range(3):
                await one.client.post("/v1/chat/completions", json=CITY)
            assert await state(one) == 'surefoot_breaker_state{tier="small"} 2.0'
            async with asyncio.timeout(20.0):
                while not (await state(other)).endswith(" 1.0"):
                    await asyncio.sleep(0.05)
            before = len(upstream.seen)
            await other.client.post("/v1/chat/completions", json=CITY)
            assert len(upstream.seen) == before + 1, "its one probe, in place of three failures"
            assert (await state(other)).endswith(" 2.0")

            redis.kill()
            for service in (one, other):
                assert (await service.client.get("/readyz")).status_code == 200
