"""F15: strange values in the history are misses and no crashes, and in 100,000 operations by chance
no tenant reads what another has written."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from surefoot.adapters.histories import HistoryStore, Retention
from surefoot.adapters.history_memory import MemoryHistory
from surefoot.adapters.history_redis import RedisHistory
from surefoot.adapters.history_sqlite import SqliteHistory
from surefoot.adapters.redis_link import RedisSettings
from surefoot.router.decisions import Action
from surefoot.router.histories import KeptTurn
from surefoot.router.perform import Session
from surefoot.router.protocols import RecallQuery, RunRecord
from surefoot.router.requests import Recalled

from ..adapters.scripted_upstream import running_upstream
from ..contract.history_suite import Clock
from ..contract.tenants_walk import Walk
from .deployment import deployed

OPERATIONS = {"memory": 40_000, "sqlite": 30_000, "redis": 30_000}
KEEP = Retention(max_turns=5, max_runs=200)  # in memory: of all tenants together
PATIENT = RedisSettings(budget_s=10.0, socket_timeout_s=10.0)
SESSION = Session("a", "t")
HUGE = 64 * 2**20


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", list(OPERATIONS))
async def test_nobody_reads_what_another_has_written(
    kind: str, tmp_path: Path, redis_url: str
) -> None:
    def opened() -> HistoryStore:
        if kind == "memory":
            return MemoryHistory(KEEP, clock=Clock())
        if kind == "sqlite":
            return SqliteHistory(tmp_path / "h.db", KEEP, clock=Clock())
        prefix = f"sf-test-{uuid.uuid4().hex}"
        return RedisHistory(redis_url, KEEP, settings=PATIENT, prefix=prefix)

    store = opened()
    walk = Walk(store, seed=7)
    await walk.run(OPERATIONS[kind])
    await store.aclose()
    assert walk.read > OPERATIONS[kind]
    assert +walk.strays == {}
    assert not store.failures


class Careless(MemoryHistory):
    """The control: one shelf for all, whose names are glued together."""

    async def record(self, run: RunRecord) -> None:
        pass

    async def append(self, tenant: str, thread: str, turns: Any) -> int:
        return await super().append("", f"{tenant}:{thread}", turns)

    async def recall(self, query: RecallQuery) -> Recalled:
        glued = RecallQuery("", f"{query.tenant}:{query.thread}", "q", "f", query.limit)
        return await super().recall(glued)


async def test_a_careless_store_is_found_out() -> None:
    store = Careless(KEEP, clock=Clock())
    await store.append("a:b", "c", [KeptTurn("1", "q", "a", "", None)])
    walk = Walk(store, seed=7)
    await walk.run(2_000)
    assert walk.strays["turns"] > 0


def as_bytes(plain: Any, key: bytes) -> None:
    plain.set(key, b"\xff\x00 no JSON, no MessagePack \xc1")


def as_json(plain: Any, key: bytes) -> None:
    plain.set(key, b'{"schema": 99, "run": [], "turns": null}')


def as_list(plain: Any, key: bytes) -> None:
    plain.delete(key)
    plain.rpush(key, b"x", b'{"a": 1}')


def as_hash(plain: Any, key: bytes) -> None:
    plain.delete(key)
    plain.hset(key, mapping={"run": b"\xc1", "version": b"1e999"})


def as_sorted_set(plain: Any, key: bytes) -> None:
    plain.delete(key)
    plain.zadd(key, {b"r1": 1.0, b"": 2.0})


def as_huge(plain: Any, key: bytes) -> None:
    plain.set(key, b"[" * HUGE)


@pytest.mark.parametrize("spoil", [as_bytes, as_json, as_list, as_hash, as_sorted_set, as_huge])
async def test_a_strange_value_is_a_miss(
    spoil: Callable[[Any, bytes], None], tmp_path: Path, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as plain:
        plain.flushdb()
        async with running_upstream() as upstream:
            tier = ("small", "ok", upstream.base_url)
            async with deployed(tmp_path, tier, history=redis_url) as built:
                asked = [f"Which city, {number}?" for number in range(3)]
                for question in asked:
                    await built.router.ask(question, session=SESSION)
                found: Any = plain.keys("*")
                keys = list(found)
                assert len(keys) >= 5
                # One key at a time, and then all of them.
                for spoiled in [
                    *([key] for key in keys[:20]),
                    keys[:1] if spoil is as_huge else keys,
                ]:
                    for key in spoiled:
                        spoil(plain, key)
                    for question in asked:
                        result = await built.router.ask(question, session=SESSION)
                        assert result.action is Action.ANSWER and result.answer == "Paris."
        plain.flushdb()
