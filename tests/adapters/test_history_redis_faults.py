"""A Redis that is absent, killed, silent, read-only, full, moved, reset or no Redis at all (F14).

Redis is optional for a run, so the numbers are about the caller's time: at most the budget while it
fails, next to nothing once the breaker is open, and back without a new client.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from surefoot.adapters.history_redis import RedisHistory
from surefoot.adapters.redis_link import RedisSettings
from surefoot.router.errors import StoreError

from ..contract.history_suite import Clock, ask, make_evidence, make_run, questions
from ..redis_fixture import RedisServer

StartRedis = Callable[..., RedisServer]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def failing_times(store: RedisHistory, calls: int) -> list[float]:
    """How long each of so many failing calls takes, in seconds, shortest first."""
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        with pytest.raises(StoreError):
            await store.recall(ask())
        times.append(time.perf_counter() - started)
    return sorted(times)


@asynccontextmanager
async def fake_redis(handle: Handler) -> AsyncIterator[str]:
    """A server on a loopback port that treats every connection as told."""
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(4096):
        pass
    writer.close()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    # Closing with a linger of no time sends RST instead of FIN.
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()


def reply_always(reply: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(reply)
        writer.close()

    return handle


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("kind", ["port", "socket"])
async def test_absent_redis_costs_little_and_then_nothing(kind: str, tmp_path: Path) -> None:
    port = f"redis://127.0.0.1:{closed_port()}/0"
    url = port if kind == "port" else f"unix://{tmp_path}/no.sock"
    store = RedisHistory(url)
    assert (await failing_times(store, 5))[0] < 0.1
    assert store.failures == {"connection": 5}
    assert (await failing_times(store, 20))[0] < 0.005
    assert store.failures == {"connection": 5, "open": 20}
    for call in (
        store.record(make_run("r1")),
        store.runs("acme"),
        store.put("acme", "r1", "1", make_evidence()),
        store.get("acme", "r1", "1"),
    ):
        with pytest.raises(StoreError, match="not asked again"):
            await call
    await store.aclose()


async def test_the_budget_holds_against_a_black_hole() -> None:
    async with fake_redis(stay_silent) as url:
        store = RedisHistory(url)
        times = await failing_times(store, 5)
        assert 0.045 < times[0] < 0.1
        assert store.failures == {"timeout": 5}
        assert (await failing_times(store, 20))[0] < 0.005
        await store.aclose()


async def test_the_budget_holds_for_each_of_many_callers() -> None:
    """More of them than connections, so that some start to talk just when their time is up."""
    async with fake_redis(stay_silent) as url:
        store = RedisHistory(url)
        times = await asyncio.gather(*(failing_times(store, 1) for _ in range(150)))
        assert max(times)[0] < 0.3
        assert store.failures == {"timeout": 150}
        await store.aclose()
    give_up = time.monotonic() + 2.0
    while len(asyncio.all_tasks()) > 1:  # the fake server's side ends a moment later
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)


async def test_killed_and_restarted_redis_is_found_again(start_redis: StartRedis) -> None:
    server, clock = start_redis(), Clock()
    store = RedisHistory(server.url, clock=clock, settings=RedisSettings(budget_s=1.0))
    await store.record(make_run("r1", "q1"))
    server.kill()
    await failing_times(store, 5)
    server.start()
    with pytest.raises(StoreError, match="not asked again"):
        await store.recall(ask())
    clock.now += 5.0
    await store.record(make_run("r2", "q2"))  # the script went with the old process
    assert await questions(store, ask()) == ["q2"]
    await store.aclose()


async def test_a_restart_between_two_calls_is_not_noticed(start_redis: StartRedis) -> None:
    server = start_redis()
    store = RedisHistory(server.url, settings=RedisSettings(budget_s=5.0))
    await asyncio.gather(*(store.record(make_run(f"r{number}")) for number in range(8)))
    server.kill()
    server.start()
    await asyncio.gather(*(store.record(make_run(f"s{number}")) for number in range(8)))
    assert len(await store.runs("acme")) == 8
    assert not store.failures
    await store.aclose()


async def test_a_call_over_budget_leaves_no_answer_behind(start_redis: StartRedis) -> None:
    """The late answer to one question must never be taken for the answer to the next."""
    server = start_redis()
    one = RedisSettings(max_connections=1, budget_s=0.1, open_after=99)
    store = RedisHistory(server.url, settings=one)
    for thread in ("t1", "t2"):
        await store.record(make_run(thread, f"asked in {thread}", thread=thread))
    with redis.Redis.from_url(server.url) as plain:
        plain.client_pause(300, all=True)
    with pytest.raises(StoreError, match="within 100 ms"):
        await store.recall(ask(thread="t1"))
    await asyncio.sleep(0.35)
    for thread in ("t2", "t1", "t2"):
        assert await questions(store, ask(thread=thread)) == [f"asked in {thread}"]
    assert store.failures == {"timeout": 1}
    await store.aclose()


async def test_a_replica_is_read_but_not_written(start_redis: StartRedis) -> None:
    server = start_redis()
    store = RedisHistory(server.url, settings=RedisSettings(budget_s=5.0))
    await store.record(make_run("r1"))
    with redis.Redis.from_url(server.url) as plain:
        plain.replicaof("127.0.0.1", str(closed_port()))
        with pytest.raises(StoreError, match="read only"):
            await store.record(make_run("r2", "q2"))
        with pytest.raises(StoreError, match="read only"):
            await store.put("acme", "r1", "1", make_evidence())
        assert await questions(store, ask()) == ["Capital of France?"]
        plain.replicaof("NO", "ONE")
    await store.record(make_run("r2", "q2"))
    assert await questions(store, ask()) == ["Capital of France?", "q2"]
    assert store.failures == {"read_only": 2}
    await store.aclose()


async def test_a_full_redis_writes_nothing_by_halves(start_redis: StartRedis) -> None:
    server = start_redis()
    store = RedisHistory(server.url, settings=RedisSettings(budget_s=5.0))
    await store.record(make_run("r1"))
    with redis.Redis.from_url(server.url) as plain:
        plain.config_set("maxmemory", "1")
        before = plain.dbsize()
        with pytest.raises(StoreError, match="memory"):
            await store.record(make_run("r2", "q2", thread="t2", evidence={"1": make_evidence()}))
        assert plain.dbsize() == before
        assert await questions(store, ask()) == ["Capital of France?"]
        plain.config_set("maxmemory", "0")
    assert store.failures == {"out_of_memory": 1}
    await store.record(make_run("r2", "q2", thread="t2"))
    assert await questions(store, ask(thread="t2")) == ["q2"]
    await store.aclose()


async def test_a_cluster_without_its_slots(start_redis: StartRedis) -> None:
    server = start_redis("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
    store = RedisHistory(server.url, settings=RedisSettings(budget_s=5.0))
    for call in (store.recall(ask()), store.record(make_run("r1"))):
        with pytest.raises(StoreError):
            await call
    assert store.failures == {"moved": 2}
    await store.aclose()


@pytest.mark.parametrize(
    "handle",
    [
        reset,
        reply_always(b"-MOVED 3999 127.0.0.1:6381\r\n"),
        reply_always(b"-LOADING Redis is loading the dataset in memory\r\n"),
        reply_always(b"-NOAUTH Authentication required.\r\n"),
        reply_always(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>"),
        reply_always(b"*99999999\r\n"),
        reply_always(b"$-7\r\n\x00\xff"),
        reply_always(b":1\r\n"),
    ],
    ids=["reset", "moved", "loading", "noauth", "http", "endless", "garbage", "numbers"],
)
async def test_whatever_answers_is_a_store_error_in_time(handle: Handler) -> None:
    async with fake_redis(handle) as url:
        store = RedisHistory(url)
        assert (await failing_times(store, 5))[0] < 0.1
        assert store.failures.total() == 5
        assert (await failing_times(store, 5))[0] < 0.005
        assert store.failures["open"] == 5
        await store.aclose()
