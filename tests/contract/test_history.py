"""The histories that Surefoot ships, under the suite for all of them."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis

from surefoot.adapters.histories import HistoryStore, Retention
from surefoot.adapters.history_memory import MemoryHistory
from surefoot.adapters.history_redis import RedisHistory
from surefoot.adapters.history_sqlite import SqliteHistory
from surefoot.adapters.redis_link import RedisSettings

from .history_erase_suite import HistoryErasing, Raw
from .history_export_suite import HistoryExports
from .history_labels_suite import HistoryLabels
from .history_pages_suite import HistoryPages
from .history_suite import HistoryContract, OpenStore

# The suite asks what is kept, not how fast; a busy machine must not turn into a failure here.
PATIENT = RedisSettings(budget_s=10.0, socket_timeout_s=10.0)


class Everything(HistoryContract, HistoryPages, HistoryLabels, HistoryErasing, HistoryExports):
    """All suites at once."""


def everything_in(part: object, seen: frozenset[int] = frozenset()) -> Iterator[str]:
    """The text of everything that an object of ours holds."""
    if id(part) in seen:
        return
    seen |= {id(part)}
    if isinstance(part, Mapping):
        for key, value in part.items():
            yield from everything_in(key, seen)
            yield from everything_in(value, seen)
    elif isinstance(part, list | tuple | set | frozenset | deque):
        for one in part:
            yield from everything_in(one, seen)
    elif hasattr(part, "__dict__") and type(part).__module__.startswith("surefoot"):
        yield from everything_in(vars(part), seen)
    else:
        yield repr(part)


def values_of(plain: Any, key: bytes) -> list[bytes]:
    """Everything under a key of Redis."""
    kind = plain.type(key)
    if kind == b"string":
        return [plain.get(key)]
    if kind == b"list":
        return list(plain.lrange(key, 0, -1))
    if kind == b"zset":
        return list(plain.zrange(key, 0, -1))
    assert kind == b"hash"
    return [text for pair in plain.hgetall(key).items() for text in pair]


class TestMemoryHistory(Everything):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        async def open_memory(retention: Retention | None = None) -> HistoryStore:
            return MemoryHistory(retention)

        return open_memory

    @pytest.fixture
    def raw(self) -> Raw:
        async def read(store: HistoryStore) -> bytes:
            return "\n".join(everything_in(store)).encode("utf-8", "surrogatepass")

        return read


class TestSqliteHistory(Everything):
    @pytest.fixture
    async def open_store(self, tmp_path: Path) -> AsyncIterator[OpenStore]:
        opened: list[HistoryStore] = []

        async def open_file(retention: Retention | None = None) -> HistoryStore:
            opened.append(SqliteHistory(tmp_path / f"{len(opened)}.db", retention))
            return opened[-1]

        yield open_file
        for store in opened:
            await store.aclose()

    @pytest.fixture
    def raw(self, tmp_path: Path) -> Raw:
        async def read(store: HistoryStore) -> bytes:
            return b"\n".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))

        return read


class TestRedisHistory(Everything):
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

    @pytest.fixture
    def raw(self, redis_url: str) -> Raw:
        async def read(store: HistoryStore) -> bytes:
            prefix = vars(store)["_runs"].place.prefix
            with redis.Redis.from_url(redis_url) as plain:
                return b"\n".join(
                    line
                    for key in plain.scan_iter(f"{prefix}:*")
                    for line in (key, *values_of(plain, key))
                )

        return read
