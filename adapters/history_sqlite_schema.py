"""The tables of the SQLite history, and how files of earlier versions are brought up to date."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from ..router.histories import microseconds

__all__ = ["MIGRATIONS", "SWEEP", "TABLES"]

# AUTOINCREMENT: a number that was erased never comes again, so a cursor never misses what follows.
TABLES = (
    """CREATE TABLE IF NOT EXISTS history_runs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, run_id TEXT NOT NULL,
        kept_at REAL NOT NULL, question_key TEXT NOT NULL, fingerprint TEXT NOT NULL,
        version INTEGER NOT NULL, run TEXT NOT NULL, repeat TEXT, thread TEXT, user TEXT,
        action TEXT, at_us INTEGER, UNIQUE (tenant, run_id))""",
    """CREATE TABLE IF NOT EXISTS history_turns (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, thread TEXT NOT NULL,
        run_id TEXT NOT NULL, kept_at REAL NOT NULL, version INTEGER NOT NULL, turn BLOB NOT NULL,
        user TEXT, UNIQUE (tenant, thread, run_id))""",
    """CREATE TABLE IF NOT EXISTS history_evidence (
        seq INTEGER PRIMARY KEY, tenant TEXT NOT NULL, run_id TEXT NOT NULL,
        attempt_id TEXT NOT NULL, kept_at REAL NOT NULL, version INTEGER NOT NULL,
        evidence TEXT NOT NULL, UNIQUE (tenant, run_id, attempt_id))""",
    """CREATE TABLE IF NOT EXISTS history_feedback (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, run_id TEXT NOT NULL,
        feedback_id TEXT NOT NULL, kept_at REAL NOT NULL, version INTEGER NOT NULL,
        feedback TEXT NOT NULL, UNIQUE (tenant, run_id, feedback_id))""",
    """CREATE TABLE IF NOT EXISTS history_outcomes (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, query_id TEXT NOT NULL,
        rung TEXT NOT NULL, kept_at REAL NOT NULL, version INTEGER NOT NULL, outcome TEXT NOT NULL,
        UNIQUE (tenant, query_id, rung))""",
    """CREATE TABLE IF NOT EXISTS history_counted (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, query_id TEXT NOT NULL,
        rung TEXT NOT NULL, model TEXT NOT NULL, bin INTEGER NOT NULL, ok INTEGER NOT NULL,
        confidence REAL, loss REAL NOT NULL, kept_at REAL NOT NULL,
        UNIQUE (tenant, query_id, rung))""",
    "CREATE INDEX IF NOT EXISTS history_runs_by_tenant ON history_runs (tenant, seq)",
    "CREATE INDEX IF NOT EXISTS history_runs_by_thread ON history_runs (tenant, thread, seq)",
    "CREATE INDEX IF NOT EXISTS history_runs_by_user ON history_runs (tenant, user, seq)",
    """CREATE INDEX IF NOT EXISTS history_repeats
        ON history_runs (tenant, question_key, fingerprint, seq) WHERE repeat IS NOT NULL""",
    "CREATE INDEX IF NOT EXISTS history_turns_by_thread ON history_turns (tenant, thread, seq)",
    "CREATE INDEX IF NOT EXISTS history_turns_by_user ON history_turns (tenant, user)",
    "CREATE INDEX IF NOT EXISTS history_outcomes_by_seq ON history_outcomes (tenant, seq)",
    """CREATE INDEX IF NOT EXISTS history_counted_by_model
        ON history_counted (tenant, model, rung, seq)""",
    "CREATE INDEX IF NOT EXISTS history_runs_by_age ON history_runs (kept_at)",
    "CREATE INDEX IF NOT EXISTS history_turns_by_age ON history_turns (kept_at)",
    "CREATE INDEX IF NOT EXISTS history_evidence_by_age ON history_evidence (kept_at)",
    "CREATE INDEX IF NOT EXISTS history_feedback_by_age ON history_feedback (kept_at)",
    "CREATE INDEX IF NOT EXISTS history_outcomes_by_age ON history_outcomes (kept_at)",
    "CREATE INDEX IF NOT EXISTS history_counted_by_age ON history_counted (kept_at)",
)

SWEEP = (
    "DELETE FROM history_runs WHERE kept_at <= :cutoff",
    "DELETE FROM history_evidence WHERE kept_at <= :cutoff",
    "DELETE FROM history_feedback WHERE kept_at <= :cutoff",
    "DELETE FROM history_outcomes WHERE kept_at <= :cutoff",
    "DELETE FROM history_counted WHERE kept_at <= :cutoff",
    """DELETE FROM history_turns WHERE kept_at <= :cutoff AND NOT EXISTS (
        SELECT 1 FROM history_turns AS younger WHERE younger.tenant = history_turns.tenant
        AND younger.thread = history_turns.thread AND younger.kept_at > :cutoff)""",
)
"""What removes everything that has expired; a thread lives as long as its latest turn."""

_OLD_INDEXES = (
    "history_runs_by_tenant",
    "history_repeats",
    "history_turns_by_thread",
    "history_runs_by_age",
    "history_turns_by_age",
)


def _from_1_to_2(connection: sqlite3.Connection) -> None:
    """Users, threads and times become columns; runs, turns and their order stay as they are."""
    for name in _OLD_INDEXES:
        connection.execute(f"DROP INDEX IF EXISTS {name}")
    for table in ("history_runs", "history_turns"):
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_1")
    for statement in TABLES:
        connection.execute(statement)
    connection.create_function("facts_of_run", 1, _facts_of_run, deterministic=True)
    connection.execute(
        "INSERT INTO history_runs (seq, tenant, run_id, kept_at, question_key, fingerprint,"
        " version, run, repeat, thread, action, at_us)"
        " SELECT seq, tenant, run_id, kept_at, question_key, fingerprint, version, run, repeat,"
        " json_extract(facts, '$.thread'), json_extract(facts, '$.action'),"
        " json_extract(facts, '$.at_us')"
        " FROM (SELECT *, facts_of_run(CAST(run AS BLOB)) AS facts FROM history_runs_1)"
        " ORDER BY seq"
    )
    connection.execute(
        "INSERT INTO history_turns (seq, tenant, thread, run_id, kept_at, version, turn)"
        " SELECT seq, tenant, thread, run_id, kept_at, version, turn FROM history_turns_1"
        " ORDER BY seq"
    )
    for table in ("history_runs", "history_turns"):
        connection.execute(f"DROP TABLE {table}_1")


def _facts_of_run(text: bytes | None) -> str:
    """What the new columns say of a run of version 1; nothing where it cannot be read."""
    facts: dict[str, Any] = {"thread": None, "action": None, "at_us": None}
    try:
        run = json.loads(text or b"")
        facts["thread"] = run["thread"]
        facts["action"] = run["result"]["action"]
        facts["at_us"] = microseconds(run["at"])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return json.dumps(facts)


MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {1: _from_1_to_2}
"""By version, what brings a file to the next one."""
