"""Files and values of earlier versions: brought up to date in one step, or read as they are."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from surefoot.adapters.history_redis import RedisHistory
from surefoot.adapters.history_sqlite import SqliteHistory
from surefoot.adapters.redis_link import RedisSettings
from surefoot.router.decisions import Action
from surefoot.router.errors import StoreError
from surefoot.router.evidence import Turn
from surefoot.router.histories import KeptTurn, RunFilter, Scope

from ..contract.history_pages_suite import all_run_ids
from ..contract.history_suite import ask, make_evidence, make_run, questions

VERSION_1 = Path(__file__).with_name("history_version_1.sql")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file as version 1 left it: r1 and r3 in thread t1, r2 abstained in a:b, r4 of another."""
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1.read_text())
    return path


def execute(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()


async def test_a_file_of_version_1_is_brought_up_to_date(path: Path) -> None:
    store = SqliteHistory(path)
    expected = replace(make_run("r1"), user=None, policy_id=None)
    assert await all_run_ids(store, oldest_first=True, limit=1) == ["r1", "r2", "r3"]
    assert (await store.runs("acme"))[-1] == expected
    assert (await store.recall(ask(limit=9))).turns == (
        Turn("Capital of France?", "Paris"),
        Turn("q3", "a3"),
    )
    repeat = (await store.recall(ask())).repeat
    assert repeat is not None and repeat.run_id == "r1"
    assert await store.get("acme", "r1", "2") == make_evidence()
    assert await all_run_ids(store, where=RunFilter(thread="a:b")) == ["r2"]
    assert await all_run_ids(store, where=RunFilter(action=Action.ABSTAIN)) == ["r2"]
    assert await all_run_ids(store, "other") == ["r4"]
    turns = await store.page_of_turns("acme", "t1")
    assert turns.items[0] == KeptTurn("r1", "Capital of France?", "Paris")
    assert not store.failures
    assert execute(path, "PRAGMA user_version") == [(2,)]
    assert execute(path, "PRAGMA integrity_check") == [("ok",)]
    assert execute(path, "SELECT name FROM sqlite_master WHERE name = 'history_runs_1'") == []
    await store.record(make_run("r5", "q5"))
    await store.record(make_run("r1", "again"))  # known as before
    assert await questions(store, ask(limit=9)) == ["Capital of France?", "q3", "q5"]
    erased = await store.erase(Scope("acme", thread="t1"))
    assert erased.counts["runs"] == 3 and erased.is_done
    assert b'"a3"' not in path.read_bytes() and await all_run_ids(store) == ["r2"]
    await store.aclose()


async def test_a_new_file_has_the_tables_of_one_that_was_migrated(
    path: Path, tmp_path: Path
) -> None:
    for file in (path, tmp_path / "new.db"):
        store = SqliteHistory(file)
        await store.runs("acme")
        await store.aclose()
    tables = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY name"
    assert execute(path, tables) == execute(tmp_path / "new.db", tables)


async def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    before = execute(path, "SELECT * FROM history_runs")
    execute(path, "CREATE TABLE history_turns_1 (theirs)")
    store = SqliteHistory(path)
    with pytest.raises(StoreError, match="history_turns_1"):
        await store.runs("acme")
    assert execute(path, "PRAGMA user_version") == [(1,)]
    assert execute(path, "SELECT * FROM history_runs") == before
    execute(path, "DROP TABLE history_turns_1")
    assert await all_run_ids(store) == ["r3", "r2", "r1"]  # the same store goes on
    await store.aclose()


async def test_runs_that_cannot_be_read_are_carried_along(path: Path) -> None:
    for damage, run_id in (("'not json'", "r1"), ("CAST(x'ffff' AS TEXT)", "r2"), ("17", "r3")):
        execute(path, f"UPDATE history_runs SET run = {damage} WHERE run_id = '{run_id}'")
    store = SqliteHistory(path)
    assert await all_run_ids(store) == []
    assert store.failures == {"corrupt": 3}
    assert execute(path, "SELECT COUNT(*) FROM history_runs") == [(4,)]
    await store.aclose()


async def test_a_turn_of_version_1_in_redis_is_read(redis_url: str) -> None:
    prefix = f"sf-test-{uuid.uuid4().hex}"
    patient = RedisSettings(budget_s=10.0, socket_timeout_s=10.0)
    store = RedisHistory(redis_url, settings=patient, prefix=prefix)
    with redis.Redis.from_url(redis_url) as plain:
        plain.rpush(f"{prefix}:h:{{acme}}:t1", b'\x01{"question":"q1","answer":"a1"}')
        plain.zadd(f"{prefix}:t:{{acme}}:t1", {"r1": 1})
    await store.record(make_run("r1", "q1", "a1"))  # its guard is known
    await store.record(make_run("r2", "q2"))
    assert await questions(store, ask()) == ["q1", "q2"]
    turns = await store.page_of_turns("acme", "t1")
    assert turns.items[0] == KeptTurn("r1", "q1", "a1")
    assert (await store.erase(Scope("acme", user="ann"))).counts["turns"] == 2
    assert await questions(store, ask()) == []
    assert not store.failures
    await store.aclose()
