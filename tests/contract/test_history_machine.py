"""The state machine over the histories that Surefoot ships."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from surefoot.adapters.histories import HistoryStore, Retention
from surefoot.adapters.history_memory import MemoryHistory
from surefoot.adapters.history_redis import RedisHistory
from surefoot.adapters.history_sqlite import SqliteHistory
from surefoot.adapters.redis_link import RedisSettings

from .history_machine import HistoryMachine
from .history_suite import Clock

PATIENT = RedisSettings(budget_s=10.0, socket_timeout_s=10.0)
HOW = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Memory:
    """A process that dies takes its history along. Its bound is one of all tenants together."""

    survives = False
    max_runs: int | None = None

    def __init__(self) -> None:
        self.clock = Clock()

    async def open(self, retention: Retention) -> HistoryStore:
        return MemoryHistory(retention, clock=self.clock)

    async def age(self, seconds: float) -> None:
        self.clock.now += seconds

    async def crash(self, store: HistoryStore) -> None:
        pass

    def close(self) -> None:
        pass


class Sqlite(Memory):
    """A file: whoever opens it next goes on."""

    survives = True
    max_runs = 5

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="sf-machine-")

    async def open(self, retention: Retention) -> HistoryStore:
        return SqliteHistory(Path(self.folder.name) / "h.db", retention, clock=self.clock)

    async def crash(self, store: HistoryStore) -> None:
        await store.aclose()  # a thread cannot be killed: test_history_sqlite kills processes

    def close(self) -> None:
        self.folder.cleanup()


class RedisWorld(Memory):
    """A server with its own clock: all it keeps is made to expire sooner."""

    survives = True
    max_runs = 5

    def __init__(self, url: str) -> None:
        super().__init__()
        self.clock.now = 1_800_000_000.0
        self.url = url
        self.prefix = f"sf-test-{uuid.uuid4().hex}"

    async def open(self, retention: Retention) -> HistoryStore:
        return RedisHistory(
            self.url, retention, settings=PATIENT, prefix=self.prefix, now=self.clock
        )

    async def age(self, seconds: float) -> None:
        self.clock.now += seconds
        with redis.Redis.from_url(self.url) as plain:
            for key in plain.scan_iter(f"{self.prefix}:*", count=1000):
                left: Any = plain.pttl(key)
                plain.pexpire(key, max(0, left - round(1000 * seconds)))

    async def crash(self, store: HistoryStore) -> None:
        await store.aclose()


def run_machine(make_world: Any) -> None:
    class Machine(HistoryMachine):
        def make_world(self) -> Any:
            return make_world()

    run_state_machine_as_test(Machine, settings=HOW)


def test_memory_is_what_the_model_says() -> None:
    run_machine(Memory)


def test_sqlite_is_what_the_model_says() -> None:
    run_machine(Sqlite)


@pytest.mark.slow
def test_redis_is_what_the_model_says(redis_url: str) -> None:
    run_machine(lambda: RedisWorld(redis_url))
