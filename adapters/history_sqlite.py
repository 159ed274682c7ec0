"""A history in one SQLite file: durable, no server, shared by the processes of one machine."""

from __future__ import annotations

import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ..router.evidence import Evidence, Turn
from ..router.protocols import RecallQuery, RunRecord
from ..router.requests import Recalled, Repeat
from ..router.text import question_key
from .history_format import (
    SCHEMA,
    Retention,
    key_part,
    read_record,
    read_run,
    repeat_of,
    run_text,
    to_text,
)
from .sqlite_file import SqliteFile, transaction

__all__ = ["SqliteHistory"]

_SWEEP_EVERY = 64
"""Records between two removals of what has expired; reads never show it anyway."""

_TABLES = (
    """CREATE TABLE IF NOT EXISTS history_runs (
        seq INTEGER PRIMARY KEY, tenant TEXT NOT NULL, run_id TEXT NOT NULL, kept_at REAL NOT NULL,
        question_key TEXT NOT NULL, fingerprint TEXT NOT NULL, version INTEGER NOT NULL,
        run TEXT NOT NULL, repeat TEXT, UNIQUE (tenant, run_id))""",
    """CREATE TABLE IF NOT EXISTS history_turns (
        seq INTEGER PRIMARY KEY, tenant TEXT NOT NULL, thread TEXT NOT NULL, run_id TEXT NOT NULL,
        kept_at REAL NOT NULL, version INTEGER NOT NULL, turn TEXT NOT NULL,
        UNIQUE (tenant, thread, run_id))""",
    """CREATE TABLE IF NOT EXISTS history_evidence (
        seq INTEGER PRIMARY KEY, tenant TEXT NOT NULL, run_id TEXT NOT NULL,
        attempt_id TEXT NOT NULL, kept_at REAL NOT NULL, version INTEGER NOT NULL,
        evidence TEXT NOT NULL, UNIQUE (tenant, run_id, attempt_id))""",
    "CREATE INDEX IF NOT EXISTS history_runs_by_tenant ON history_runs (tenant, seq)",
    """CREATE INDEX IF NOT EXISTS history_repeats
        ON history_runs (tenant, question_key, fingerprint, seq) WHERE repeat IS NOT NULL""",
    "CREATE INDEX IF NOT EXISTS history_turns_by_thread ON history_turns (tenant, thread, seq)",
    "CREATE INDEX IF NOT EXISTS history_runs_by_age ON history_runs (kept_at)",
    "CREATE INDEX IF NOT EXISTS history_turns_by_age ON history_turns (kept_at)",
    "CREATE INDEX IF NOT EXISTS history_evidence_by_age ON history_evidence (kept_at)",
)

_SWEEP = (
    "DELETE FROM history_runs WHERE kept_at <= :cutoff",
    "DELETE FROM history_evidence WHERE kept_at <= :cutoff",
    """DELETE FROM history_turns WHERE kept_at <= :cutoff AND NOT EXISTS (
        SELECT 1 FROM history_turns AS younger WHERE younger.tenant = history_turns.tenant
        AND younger.thread = history_turns.thread AND younger.kept_at > :cutoff)""",
)


class SqliteHistory:
    """Keeps runs, turns and evidence in one file; several processes may share it.

    The file and its folder are made at first use; ids stand in it percent-encoded. The schema's
    version is the file's `user_version`, which no other store may use in the same file. Nothing is
    deleted but what `retention` says. `failures` counts errors and unreadable values by kind.

    Every method raises a StoreCorrupt where the file is damaged or no SQLite file at all, and a
    StoreError where it cannot be used otherwise; the next call tries again from the start.

    Args:
        busy_timeout_s: how long to wait while another process writes.
        clock: seconds since the epoch, since what is kept outlives the process.
    """

    def __init__(
        self,
        path: str | Path,
        retention: Retention | None = None,
        *,
        busy_timeout_s: float = 2.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.failures: Counter[str] = Counter()
        self._retention = retention or Retention()
        self._clock = clock
        self._records = 0
        self._file = SqliteFile(path, _TABLES, SCHEMA, self.failures, busy_timeout_s=busy_timeout_s)

    async def recall(self, query: RecallQuery) -> Recalled:
        """The latest turns of the thread and the latest answer to an equal question."""
        return await self._file.run(
            lambda connection: Recalled(
                self._turns(connection, query), self._repeat(connection, query)
            )
        )

    async def record(self, run: RunRecord) -> None:
        """Keep run, turn and evidence in one transaction; a known run id changes nothing."""
        await self._file.run(lambda connection: self._record(connection, run))

    async def runs(self, tenant: str, limit: int = 20) -> Sequence[RunRecord]:
        """The tenant's latest runs, newest first, without their evidence."""

        def read(connection: sqlite3.Connection) -> list[RunRecord]:
            rows = connection.execute(
                "SELECT version, run FROM history_runs WHERE tenant = ? AND kept_at > ?"
                " ORDER BY seq DESC LIMIT ?",
                (key_part(tenant), self._cutoff(), max(0, limit)),
            )
            found = (read_run(tenant, version, text, self.failures) for version, text in rows)
            return [run for run in found if run is not None]

        return await self._file.run(read)

    async def put(self, tenant: str, run_id: str, attempt_id: str, evidence: Evidence) -> None:
        """Keep or replace the evidence of one attempt."""

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                self._put(connection, tenant, run_id, attempt_id, evidence)

        await self._file.run(write)

    async def get(self, tenant: str, run_id: str, attempt_id: str) -> Evidence | None:
        """The evidence, or None where it is unknown or was forgotten."""

        def read(connection: sqlite3.Connection) -> Evidence | None:
            row = connection.execute(
                "SELECT version, evidence FROM history_evidence"
                " WHERE tenant = ? AND run_id = ? AND attempt_id = ? AND kept_at > ?",
                (key_part(tenant), key_part(run_id), key_part(attempt_id), self._cutoff()),
            ).fetchone()
            return None if row is None else read_record(Evidence, row[0], row[1], self.failures)

        return await self._file.run(read)

    async def aclose(self) -> None:
        """Close the file once everything asked for so far is done. Idempotent."""
        await self._file.aclose()

    def _cutoff(self) -> float:
        """What was kept at this time or before has expired."""
        lifetime_s = self._retention.lifetime_s()
        return self._clock() - lifetime_s if math.isfinite(lifetime_s) else -math.inf

    def _turns(self, connection: sqlite3.Connection, query: RecallQuery) -> tuple[Turn, ...]:
        if query.thread is None or query.limit <= 0:
            return ()
        rows = connection.execute(
            "SELECT kept_at, version, turn FROM history_turns WHERE tenant = ? AND thread = ?"
            " ORDER BY seq DESC LIMIT ?",
            (key_part(query.tenant), key_part(query.thread), query.limit),
        ).fetchall()
        if not rows or rows[0][0] <= self._cutoff():
            return ()
        turns = (read_record(Turn, row[1], row[2], self.failures) for row in reversed(rows))
        return tuple(turn for turn in turns if turn is not None)

    def _repeat(self, connection: sqlite3.Connection, query: RecallQuery) -> Repeat | None:
        asked = question_key(query.question)
        row = connection.execute(
            "SELECT version, repeat FROM history_runs WHERE tenant = ? AND question_key = ?"
            " AND fingerprint = ? AND repeat IS NOT NULL AND kept_at > ? ORDER BY seq DESC LIMIT 1",
            (key_part(query.tenant), asked, key_part(query.fingerprint), self._cutoff()),
        ).fetchone()
        return None if row is None else read_record(Repeat, row[0], row[1], self.failures)

    def _record(self, connection: sqlite3.Connection, run: RunRecord) -> None:
        repeat = repeat_of(run)
        row = {
            "tenant": key_part(run.tenant),
            "run_id": key_part(run.result.run_id),
            "kept_at": self._clock(),
            "question_key": question_key(run.result.question),
            "fingerprint": key_part(run.fingerprint),
            "version": SCHEMA,
            "run": run_text(run),
            "repeat": None if repeat is None else to_text(repeat),
        }
        with transaction(connection):
            made = connection.execute(
                "INSERT OR IGNORE INTO history_runs (tenant, run_id, kept_at, question_key,"
                " fingerprint, version, run, repeat) VALUES (:tenant, :run_id, :kept_at,"
                " :question_key, :fingerprint, :version, :run, :repeat)",
                row,
            )
            if made.rowcount == 0:
                return
            self._append(connection, run)
            for attempt_id, evidence in run.evidence.items():
                self._put(connection, run.tenant, run.result.run_id, attempt_id, evidence)
            self._sweep(connection)

    def _append(self, connection: sqlite3.Connection, run: RunRecord) -> None:
        turn = run.turn
        if run.thread is None or turn is None:
            return
        thread = (key_part(run.tenant), key_part(run.thread))
        # The run itself may have been forgotten before its thread was, hence IGNORE.
        connection.execute(
            "INSERT OR IGNORE INTO history_turns (tenant, thread, run_id, kept_at, version, turn)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*thread, key_part(run.result.run_id), self._clock(), SCHEMA, to_text(turn)),
        )
        connection.execute(
            "DELETE FROM history_turns WHERE tenant = ?1 AND thread = ?2 AND seq <= (SELECT seq"
            " FROM history_turns WHERE tenant = ?1 AND thread = ?2 ORDER BY seq DESC LIMIT 1"
            " OFFSET ?3)",
            (*thread, self._retention.max_turns),
        )

    def _put(
        self,
        connection: sqlite3.Connection,
        tenant: str,
        run_id: str,
        attempt_id: str,
        evidence: Evidence,
    ) -> None:
        ids = (key_part(tenant), key_part(run_id), key_part(attempt_id))
        connection.execute(
            "INSERT INTO history_evidence (tenant, run_id, attempt_id, kept_at, version, evidence)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET kept_at = excluded.kept_at,"
            " version = excluded.version, evidence = excluded.evidence",
            (*ids, self._clock(), SCHEMA, to_text(evidence)),
        )
        # By number and not by count: counting would read through rows of 100 kB at every put.
        connection.execute(
            "DELETE FROM history_evidence WHERE seq <= (SELECT MAX(seq) FROM history_evidence) - ?",
            (self._retention.max_evidence,),
        )

    def _sweep(self, connection: sqlite3.Connection) -> None:
        due = self._records % _SWEEP_EVERY == 0 and math.isfinite(self._retention.lifetime_s())
        self._records += 1
        if due:
            for statement in _SWEEP:
                connection.execute(statement, {"cutoff": self._cutoff()})
