"""The SQLite history on damaged, full, locked and shared files."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.history_format import Retention
from surefoot.adapters.history_sqlite import SqliteHistory
from surefoot.router.errors import StoreCorrupt, StoreError
from surefoot.router.wire import encode_json

from ..contract.history_suite import Clock, ask, make_evidence, make_run, questions

WRITER = """
import asyncio, sys
from dataclasses import replace
from surefoot.adapters.history_sqlite import SqliteHistory
from surefoot.router.decisions import Result
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.protocols import RunRecord
from surefoot.router.wire import decode_json

path, name, count, template = sys.argv[1:]
with open(template, encoding="utf-8") as file:
    result = decode_json(Result, file.read())

def run(run_id):
    evidence = {"1": Evidence(run_id, Generation(run_id * 500))}
    renamed = replace(result, run_id=run_id, question=run_id)
    return RunRecord("acme", "t1", "f1", renamed, "2026-11-22T10:00:00+00:00", evidence)

async def main():
    store = SqliteHistory(path, busy_timeout_s=20)
    for number in range(int(count)):
        await store.record(run(f"shared-{number}"))
        await store.record(run(f"{name}-{number}"))
        print(number, flush=True)
    await store.aclose()

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteHistory]:
    history = SqliteHistory(path)
    yield history
    await history.aclose()


@contextmanager
def other_connection(path: Path) -> Iterator[sqlite3.Connection]:
    """As another program would open the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def execute(path: Path, statement: str) -> list[Any]:
    with other_connection(path) as connection:
        return connection.execute(statement).fetchall()


def start_writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    template = path.with_suffix(".json")
    template.write_text(encode_json(make_run("r").result))
    command = [sys.executable, "-c", WRITER, str(path), name, str(count), str(template)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    """Before the switch to WAL was tried again, about one opening in sixty was refused."""
    for turn in range(60):
        stores = [SqliteHistory(tmp_path / f"{turn}.db") for _ in range(6)]
        await asyncio.gather(*[store.runs("acme") for store in stores])
        for store in stores:
            await store.aclose()


async def test_it_outlives_the_process(path: Path, store: SqliteHistory) -> None:
    await store.record(make_run("r1", evidence={"2": make_evidence()}))
    await store.aclose()
    again = SqliteHistory(path)
    assert await questions(again, ask()) == ["Capital of France?"]
    assert await again.get("acme", "r1", "2") == make_evidence()
    await again.aclose()
    assert execute(path, "PRAGMA journal_mode") == [("wal",)]
    assert execute(path, "PRAGMA user_version") == [(2,)]


async def test_two_processes_write_to_one_file(path: Path, store: SqliteHistory) -> None:
    writers = [start_writer(path, name, 40) for name in ("a", "b")]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    found = await questions(store, ask(limit=999))
    numbers = range(40)
    expected = [f"{name}-{number}" for name in ("a", "b", "shared") for number in numbers]
    assert sorted(found) == sorted(expected)
    for name in ("a", "b"):
        own = [question for question in found if question.startswith(f"{name}-")]
        assert own == [f"{name}-{number}" for number in numbers]
    assert len(await store.runs("acme", 999)) == 120
    assert not store.failures


async def test_a_killed_process_leaves_whole_runs_only(path: Path, store: SqliteHistory) -> None:
    writer = start_writer(path, "a", 100_000)
    assert writer.stdout is not None
    with writer.stdout:
        written = next(int(line) for line in writer.stdout if int(line) >= 20)
        writer.send_signal(signal.SIGKILL)
        written = max([written, *(int(line) for line in writer.stdout if line.endswith("\n"))])
    writer.wait()
    runs = [run.result.run_id for run in await store.runs("acme", 1_000_000)]
    for name in ("shared", "a"):
        assert {f"{name}-{number}" for number in range(written + 1)} <= set(runs)
    turns = execute(path, "SELECT run_id FROM history_turns ORDER BY seq DESC")
    assert [run_id for (run_id,) in turns] == runs[: len(turns)]
    assert len(turns) == min(200, len(runs))
    kept = [await store.get("acme", run_id, "1") for run_id in runs[:1000]]
    assert all(evidence is not None for evidence in kept)
    assert execute(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize(
    "damage",
    ["'not json'", "x'ff00ff'", "CAST(x'ffff' AS TEXT)", "''", "'{}'", "17", "'[[[[[['"],
)
async def test_a_corrupt_value_is_a_miss(path: Path, store: SqliteHistory, damage: str) -> None:
    await store.record(make_run("r1", "q1"))
    await store.record(make_run("r2", "q2", evidence={"2": make_evidence()}))
    for table, column in (("runs", "run"), ("runs", "repeat"), ("turns", "turn")):
        execute(path, f"UPDATE history_{table} SET {column} = {damage} WHERE run_id = 'r2'")
    execute(path, f"UPDATE history_evidence SET evidence = {damage}")
    assert [run.result.run_id for run in await store.runs("acme")] == ["r1"]
    assert await questions(store, ask()) == ["q1"]
    assert (await store.recall(ask("q2"))).repeat is None
    assert await store.get("acme", "r2", "2") is None
    assert store.failures == {"corrupt": 5}  # the turn was recalled twice
    await store.record(make_run("r3", "q3"))
    assert await questions(store, ask()) == ["q1", "q3"]


async def test_a_value_of_an_unknown_version_is_a_miss(path: Path, store: SqliteHistory) -> None:
    await store.record(make_run("r1", evidence={"2": make_evidence()}))
    for table in ("runs", "turns", "evidence"):
        execute(path, f"UPDATE history_{table} SET version = 3")
    recalled = await store.recall(ask())
    assert recalled.turns == () and recalled.repeat is None
    assert list(await store.runs("acme")) == []
    assert await store.get("acme", "r1", "2") is None
    assert store.failures == {"unknown_version": 4}


async def test_a_file_that_is_no_database(path: Path, store: SqliteHistory) -> None:
    path.write_bytes(b"a letter to someone\n" * 400)
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match="move it away") as caught:
            await store.recall(ask())
        assert str(path) in str(caught.value)
    assert path.read_bytes() == b"a letter to someone\n" * 400
    assert store.failures == {"corrupt": 2}
    path.rename(path.with_suffix(".bad"))
    await store.record(make_run("r1"))
    assert await questions(store, ask()) == ["Capital of France?"]


async def test_damage_that_shows_at_a_query(path: Path, store: SqliteHistory) -> None:
    for number in range(40):
        await store.record(make_run(f"r{number}", evidence={"2": make_evidence()}))
    await store.aclose()
    size = path.stat().st_size
    with path.open("r+b") as file:  # the schema's page stays whole
        file.seek(16 * 1024)
        file.write(b"\xa5" * (size - 16 * 1024))
    damaged = SqliteHistory(path)
    with pytest.raises(StoreCorrupt, match="move it away"):
        await damaged.runs("acme", 99)
    assert path.stat().st_size == size
    for part in path.parent.glob(f"{path.name}*"):
        part.rename(part.with_name(f"bad-{part.name}"))
    await damaged.record(make_run("r1", "q1"))  # the same history goes on with a new file
    assert await questions(damaged, ask()) == ["q1"]
    assert path.is_file()
    await damaged.aclose()


async def test_a_file_of_a_later_release(path: Path, store: SqliteHistory) -> None:
    execute(path, "PRAGMA user_version = 7")
    with pytest.raises(StoreError, match=r"schema version 7.*up to 2"):
        await store.record(make_run("r1"))
    assert execute(path, "SELECT name FROM sqlite_master") == []


async def test_tables_of_others_are_left_alone(path: Path, store: SqliteHistory) -> None:
    execute(path, "CREATE TABLE runs (theirs)")
    await store.record(make_run("r1"))
    assert execute(path, "SELECT * FROM runs") == []


async def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.db").mkdir()
    for bad in (tmp_path / "file" / "history.db", tmp_path / "folder.db"):
        store = SqliteHistory(bad)
        with pytest.raises(StoreError, match="check that the path") as caught:
            await store.recall(ask())
        assert str(bad) in str(caught.value)
        assert store.failures == {"not_writable": 1}
        await store.aclose()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_is_read_only(path: Path, store: SqliteHistory) -> None:
    path.parent.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="check that the path"):
            await store.record(make_run("r1"))
    finally:
        path.parent.chmod(0o700)
    await store.record(make_run("r1"))


def limit_connections(monkeypatch: pytest.MonkeyPatch, *pragmas: str) -> None:
    """Every connection made from now on starts with these."""
    connect = sqlite3.connect

    def limited(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", limited)


async def test_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit_connections(monkeypatch, "max_page_count = 60")
    store = SqliteHistory(path)
    kept = 0
    with pytest.raises(StoreError, match="free some space"):
        for kept in range(100):
            await store.record(make_run(f"r{kept}", f"q{kept}"))
    assert kept > 1
    assert store.failures == {"full": 1}
    assert len(await store.runs("acme", 99)) == kept  # the run that did not fit left no trace
    assert len(await questions(store, ask(limit=99))) == kept
    await store.aclose()


async def test_a_disk_that_turned_read_only(
    path: Path, store: SqliteHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.record(make_run("r1"))
    await store.aclose()
    store = SqliteHistory(path)
    with monkeypatch.context() as patch:
        limit_connections(patch, "query_only = ON")
        with pytest.raises(StoreError, match="check that the path"):
            await store.recall(ask())
    assert await questions(store, ask()) == ["Capital of France?"]
    await store.aclose()


async def test_a_locked_file_times_out_and_the_loop_goes_on(path: Path) -> None:
    store = SqliteHistory(path, busy_timeout_s=0.3)
    await store.record(make_run("r1", "q1"))
    with other_connection(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        writing = asyncio.create_task(store.record(make_run("r2", "q2")))
        ticks = 0
        while not writing.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert 0.2 < time.monotonic() - started < 2
        assert ticks > 5
        with pytest.raises(StoreError, match="another process"):
            await writing
        connection.execute("ROLLBACK")
    await store.record(make_run("r2", "q2"))
    assert await questions(store, ask()) == ["q1", "q2"]
    assert store.failures == {"locked": 1}
    await store.aclose()


async def test_what_has_expired_is_hidden_and_then_removed(path: Path) -> None:
    clock = Clock()
    store = SqliteHistory(path, Retention(ttl_s=100), clock=clock)
    await store.record(make_run("r1", "q1", evidence={"2": make_evidence()}))
    await store.record(make_run("r1", "q1", thread="left", tenant="other"))
    clock.now += 99
    await store.record(make_run("r2", "q2"))
    clock.now += 1
    assert await questions(store, ask()) == ["q1", "q2"]  # a thread lives while it is used
    assert await questions(store, ask(thread="left", tenant="other")) == []
    assert (await store.recall(ask("q1"))).repeat is None
    assert await store.get("acme", "r1", "2") is None
    assert [run.result.run_id for run in await store.runs("acme")] == ["r2"]
    for number in range(64):
        await store.record(make_run(f"s{number}", thread=None))
    tenants = "SELECT tenant, run_id FROM history_runs WHERE run_id < 's' ORDER BY seq"
    assert execute(path, tenants) == [("acme", "r2")]
    assert execute(path, "SELECT tenant FROM history_turns") == [("acme",), ("acme",)]
    assert execute(path, "SELECT * FROM history_evidence") == []
    await store.aclose()


async def test_evidence_is_capped(path: Path) -> None:
    store = SqliteHistory(path, Retention(max_evidence=3))
    for number in range(6):
        await store.put("acme", "r", str(number), make_evidence())
        await store.put("acme", "r", str(number), make_evidence(str(number)))
    kept = [number for number in range(6) if await store.get("acme", "r", str(number))]
    assert kept == [3, 4, 5]
    await store.aclose()


async def test_a_lost_run_does_not_double_its_turn(path: Path, store: SqliteHistory) -> None:
    for number in (1, 2):
        await store.record(make_run(f"r{number}", f"q{number}"))
    execute(path, "DELETE FROM history_runs")
    await store.record(make_run("r1", "q1"))
    assert await questions(store, ask()) == ["q1", "q2"]


async def test_a_closed_history_says_so(store: SqliteHistory) -> None:
    await store.aclose()
    with pytest.raises(StoreError, match="closed"):
        await store.recall(ask())


def test_one_history_serves_several_event_loops(path: Path) -> None:
    store = SqliteHistory(path)
    asyncio.run(store.record(make_run("r1", "q1")))
    assert asyncio.run(questions(store, ask())) == ["q1"]
    asyncio.run(store.aclose())
