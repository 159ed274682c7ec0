"""F14: whatever ails Redis, no request fails; each waits 50 ms for it at most, then not at all, and
it is found again without a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from surefoot.graphs.config import Built
from surefoot.router.decisions import Action, Result
from surefoot.router.perform import Session

from ..adapters.scripted_upstream import running_upstream
from ..fault_proxy import HEALTHY, Fault, FaultProxy
from ..redis_fixture import RedisServer
from .deployment import deployed

StartRedis = Callable[..., RedisServer]

BUDGET_S = 0.05
SLACK_S = 0.02  # for a busy machine's scheduling, on top of the promise
RECOVERY_S = 6.0


@asynccontextmanager
async def remembering(folder: Path, history: str) -> AsyncIterator[Built]:
    """A deployment that keeps its history there."""
    async with running_upstream() as upstream:
        async with deployed(folder, ("small", "ok", upstream.base_url), history=history) as built:
            yield built


async def timed(built: Built, questions: int) -> tuple[list[Result], list[float]]:
    """So many requests one after the other; every one must be answered."""
    results, times = [], []
    for number in range(questions):
        began = time.perf_counter()
        question = f"Which city, {time.monotonic()} {number}?"
        result = await built.router.ask(question, session=Session(thread="t"))
        times.append(time.perf_counter() - began)
        assert result.action is Action.ANSWER, result
        results.append(result)
    return results, times


async def remembers(built: Built) -> bool:
    """Whether a request is kept and recalled without trouble."""
    (result,), _ = await timed(built, 1)
    return not result.degraded


async def recovered(built: Built) -> None:
    async with asyncio.timeout(RECOVERY_S + 5.0):
        while not await remembers(built):
            await asyncio.sleep(0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(refuse=True), id="refused"),
        pytest.param(Fault(black_hole=True), id="black hole"),
        pytest.param(Fault(latency=1.0), id="slow"),
        pytest.param(Fault(cut_after=40, reset=True), id="reset"),
        pytest.param(Fault(cut_after=7), id="cut"),
    ],
)
async def test_a_broken_way_to_redis(fault: Fault, tmp_path: Path, start_redis: StartRedis) -> None:
    server = start_redis()
    async with FaultProxy(server.socket) as proxy:
        async with remembering(tmp_path, f"redis://127.0.0.1:{proxy.port}/0") as built:
            _, healthy = await timed(built, 20)
            usual = sorted(healthy)[len(healthy) // 2]
            assert await remembers(built)
            proxy.plan = fault
            await proxy.drop()
            results, times = await timed(built, 8)
            assert all(any("history" in why for why in one.degraded) for one in results)
            waited = sorted(times)[-3]  # a busy machine may make one or two late
            assert waited - usual <= BUDGET_S + SLACK_S
            _, times = await timed(built, 20)  # the breaker is open now
            assert sorted(times)[10] - usual <= 0.01
            proxy.plan = HEALTHY
            await proxy.drop()
            await recovered(built)


async def test_redis_that_is_down_at_the_start(tmp_path: Path, start_redis: StartRedis) -> None:
    server = start_redis()
    server.kill()
    async with remembering(tmp_path, server.url) as built:
        results, _ = await timed(built, 3)
        assert all("history" in " ".join(one.degraded) for one in results)
        server.start()
        await recovered(built)


def read_only(plain: Any) -> None:
    plain.replicaof("127.0.0.1", 1)


def out_of_memory(plain: Any) -> None:
    plain.config_set("maxmemory", 1)


def without_scripts(plain: Any) -> None:
    plain.script_flush()


def every_connection_killed(plain: Any) -> None:
    plain.client_kill_filter(_type="normal", skipme=True)


@pytest.mark.parametrize(
    ("spoil", "mend", "is_felt"),
    [
        (read_only, lambda plain: plain.replicaof("no", "one"), True),
        (out_of_memory, lambda plain: plain.config_set("maxmemory", 0), True),
        (without_scripts, lambda plain: None, False),
        (every_connection_killed, lambda plain: None, False),
    ],
)
async def test_redis_that_serves_no_longer(
    spoil: Callable[[Any], None],
    mend: Callable[[Any], object],
    is_felt: bool,
    tmp_path: Path,
    start_redis: StartRedis,
) -> None:
    server = start_redis()
    async with remembering(tmp_path, server.url) as built:
        assert await remembers(built)
        with redis.Redis.from_url(server.url) as plain:
            spoil(plain)
            results, _ = await timed(built, 3)
            assert any(one.degraded for one in results) is is_felt
            mend(plain)
        await recovered(built)
