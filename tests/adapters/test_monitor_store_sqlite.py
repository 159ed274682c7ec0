"""Monitor states in SQLite: the contract, several processes at once, killed and damaged files."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from surefoot.adapters.monitor_store_sqlite import SqliteMonitorStore
from surefoot.policies.monitor_state import EventKind
from surefoot.policies.monitor_store import load_state, update_state
from surefoot.router.errors import StoreCorrupt, StoreError

from ..contract.monitor_store_suite import MonitorStoreSuite, noted

WRITER = """
import asyncio, sys
from dataclasses import replace
from surefoot.adapters.monitor_store_sqlite import SqliteMonitorStore
from surefoot.policies.monitor_state import MonitorEvent, MonitorState, moved
from surefoot.policies.monitor_store import update_state

path, kind, count = sys.argv[1:]

def change(state):
    if state is None:
        state, _ = moved(MonitorState("k"), MonitorEvent("new_certificate", 1.0, "", "c1"))
    after, _ = moved(state, MonitorEvent(kind, 2.0, kind))
    return replace(after, certified_at=state.certified_at + 1.0)  # counts the changes

async def main():
    store = SqliteMonitorStore(path, busy_timeout_s=30)
    for number in range(int(count)):
        await update_state(store, "k", change)
        print(number, flush=True)
    await store.aclose()

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "monitor.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteMonitorStore]:
    made = SqliteMonitorStore(path)
    yield made
    await made.aclose()


class TestSqliteMonitorStore(MonitorStoreSuite):
    """Uses the module's `store`."""


def start_writer(path: Path, kind: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), kind, str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_processes_at_once_lose_no_change(path: Path) -> None:
    kinds: tuple[EventKind, ...] = ("drift_alarm", "risk_alarm", "too_few_audits")
    writers = [start_writer(path, kind, 40) for kind in kinds]
    for writer in writers:
        _, errors = writer.communicate(timeout=100)
        assert writer.returncode == 0, errors
    store = SqliteMonitorStore(path)
    state = await load_state(store, "k")
    await store.aclose()
    assert state is not None
    assert state.status == "revoked"
    assert all(state.has_noted(kind) for kind in kinds)
    assert state.certified_at == 121  # each of 3 x 40 changes was made on top of the others


async def test_a_revoked_state_survives_a_kill(path: Path) -> None:
    writer = start_writer(path, "risk_alarm", 10_000)
    assert writer.stdout is not None
    for _ in range(5):
        assert writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    writer.communicate(timeout=30)
    store = SqliteMonitorStore(path)
    state = await update_state(store, "k", lambda kept: noted(kept, "drift_alarm"))
    await store.aclose()
    assert state.status == "revoked"


async def test_a_damaged_file_is_an_error_and_no_fresh_start(
    path: Path, store: SqliteMonitorStore
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all, " * 500)
    with pytest.raises(StoreCorrupt, match="damaged or no SQLite"):
        await load_state(store, "k")
    assert store.failures["corrupt"] == 1


async def test_a_damaged_text_is_an_error(path: Path, store: SqliteMonitorStore) -> None:
    await update_state(store, "k", lambda kept: noted(kept, "risk_alarm"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE monitor_states SET state = X'FFFE'")
    with pytest.raises(StoreCorrupt, match="a monitor state is damaged"):
        await load_state(store, "k")


async def test_a_file_that_another_process_holds(path: Path) -> None:
    store = SqliteMonitorStore(path, busy_timeout_s=0.1)
    await store.save("k", "a", expected=0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process holds it"):
            await store.save("k", "b", expected=1)
        assert await store.load("k") == (1, "a")
        other.execute("ROLLBACK")
    assert await store.save("k", "b", expected=1)
    await store.aclose()


async def test_a_file_of_a_later_version_is_refused(path: Path, store: SqliteMonitorStore) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="schema version 99"):
        await store.load("k")
