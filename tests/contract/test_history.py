"""The histories that Surefoot ships, under the suite for all of them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from surefoot.adapters.histories import HistoryStore, Retention
from surefoot.adapters.history_memory import MemoryHistory
from surefoot.adapters.history_redis import RedisHistory
from surefoot.adapters.history_sqlite import SqliteHistory
from surefoot.adapters.redis_link import RedisSettings

from .history_suite import HistoryContract, OpenStore

# The suite asks what is kept, not how fast; a busy machine must not turn into a failure here.
PATIENT = RedisSettings(budget_s=10.0, socket_timeout_s=10.0)


class TestMemoryHistory(HistoryContract):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        async def open_memory(retention: Retention | None = None) -> HistoryStore:
            return MemoryHistory(retention)

        return open_memory


class TestSqliteHistory(HistoryContract):
    @pytest.fixture
    async def open_store(self, tmp_path: Path) -> AsyncIterator[OpenStore]:
        opened: list[HistoryStore] = []

        async def open_file(retention: Retention | None = None) -> HistoryStore:
            opened.append(SqliteHistory(tmp_path / f"{len(opened)}.db", retention))
            return opened[-1]

        yield open_file
        for store in opened:
            await store.aclose()


class TestRedisHistory(HistoryContract):
    @pytest.fixture
    async def open_store(self, redis_url: str) -> AsyncIterator[OpenStore]:
        opened: list[HistoryStore] = []

        async def open_prefix(retention: Retention | None = None) -> HistoryStore:
            prefix = f"sf-test-{uuid.uuid4().hex}"
            opened.append(RedisHistory(redis_url, retention, settings=PATIENT, prefix=prefix))
            return opened[-1]

        yield open_prefix
        for store in opened:
            await store.aclose()
