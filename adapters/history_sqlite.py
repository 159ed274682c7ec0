"""A history in one SQLite file: durable, no server, shared by the processes of one machine.

Write-ahead logging lets readers and a writer work side by side; `synchronous=NORMAL` survives a
killed process without loss and a power cut without damage. One thread per history owns the one
connection, so the event loop never waits for the disk.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from ..router.errors import StoreCorrupt, StoreError
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

__all__ = ["SqliteHistory"]

T = TypeVar("T")

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
    """CREATE INDEX IF NOT EXISTS history_runs_by_tenant ON history_runs (tenant, seq)""",
    """CREATE INDEX IF NOT EXISTS history_repeats
        ON history_runs (tenant, question_key, fingerprint, seq) WHERE repeat IS NOT NULL""",
    """CREATE INDEX IF NOT EXISTS history_turns_by_thread
        ON history_turns (tenant, thread, seq)""",
    """CREATE INDEX IF NOT EXISTS history_runs_by_age ON history_runs (kept_at)""",
    """CREATE INDEX IF NOT EXISTS history_turns_by_age ON history_turns (kept_at)""",
    """CREATE INDEX IF NOT EXISTS history_evidence_by_age ON history_evidence (kept_at)""",
)

_SWEEP = (
    "DELETE FROM history_runs WHERE kept_at <= :cutoff",
    "DELETE FROM history_evidence WHERE kept_at <= :cutoff",
    """DELETE FROM history_turns AS old WHERE kept_at <= :cutoff AND NOT EXISTS (
        SELECT 1 FROM history_turns AS young WHERE young.tenant = old.tenant
        AND young.thread = old.thread AND young.kept_at > :cutoff)""",
)


class SqliteHistory:
    """Keeps runs, turns and evidence in one file; several processes may share it.

    The file and its folder are made at first use. Ids stand in it percent-encoded. The schema's
    version is the file's `user_version`, so no other store may use that number in the same file.
    Nothing is ever deleted but what `retention` says. `failures` counts errors and unreadable
    values by kind.

    Args:
        busy_timeout_s: how long to wait while another process writes.
        clock: seconds since the epoch, since what is kept outlives the process.

    Every method raises a StoreError where the file cannot be used; a StoreCorrupt where it is
    damaged or no SQLite file at all. The next call tries again from the start.
    """

    def __init__(
        self,
        path: str | Path,
        retention: Retention | None = None,
        *,
        busy_timeout_s: float = 2.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(path)
        self.failures: Counter[str] = Counter()
        self._retention = retention or Retention()
        self._busy_timeout_s = busy_timeout_s
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._records = 0
        self._closed = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="surefoot-sqlite")

    async def recall(self, query: RecallQuery) -> Recalled:
        """The latest turns of the thread and the latest answer to an equal question."""
        return await self._run(
            lambda connection: Recalled(
                self._turns(connection, query), self._repeat(connection, query)
            )
        )

    async def record(self, run: RunRecord) -> None:
        """Keep run, turn and evidence in one transaction; a known run id changes nothing."""
        await self._run(lambda connection: self._record(connection, run))

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

        return await self._run(read)

    async def put(self, tenant: str, run_id: str, attempt_id: str, evidence: Evidence) -> None:
        """Keep or replace the evidence of one attempt."""

        def write(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                self._put(connection, tenant, run_id, attempt_id, evidence)

        await self._run(write)

    async def get(self, tenant: str, run_id: str, attempt_id: str) -> Evidence | None:
        """The evidence, or None where it is unknown or was forgotten."""

        def read(connection: sqlite3.Connection) -> Evidence | None:
            row = connection.execute(
                "SELECT version, evidence FROM history_evidence"
                " WHERE tenant = ? AND run_id = ? AND attempt_id = ? AND kept_at > ?",
                (key_part(tenant), key_part(run_id), key_part(attempt_id), self._cutoff()),
            ).fetchone()
            return None if row is None else read_record(Evidence, *row, self.failures)

        return await self._run(read)

    async def aclose(self) -> None:
        """Close the file once everything asked for so far is done. Idempotent."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._worker, self._disconnect)
        self._worker.shutdown()

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise StoreError(f"the history {self.path} was closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._guarded, work)

    def _guarded(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = self._connect()
            return work(self._connection)
        except (sqlite3.Error, OSError) as error:
            raise self._explained(error) from error

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_timeout_s,
            isolation_level=None,  # transactions are opened by hand, as BEGIN IMMEDIATE
            check_same_thread=False,  # the worker is one thread, but not always the same one
        )
        try:
            # Damaged text must come back as bytes that fail to decode, not as an sqlite3 error.
            connection.text_factory = bytes
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        with _transaction(connection):
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA:
                self.failures["unknown_version"] += 1
                raise StoreError(
                    f"{self.path} has schema version {version}, and this release reads up to "
                    f"{SCHEMA}: upgrade surefoot, or name another file in history.url"
                )
            for statement in _TABLES:
                connection.execute(statement)
            if version < SCHEMA:
                connection.execute(f"PRAGMA user_version = {SCHEMA}")

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _explained(self, error: sqlite3.Error | OSError) -> StoreError:
        """What happened and what to do; a damaged or lost file is opened anew by the next call."""
        # The low byte is the primary code; the rest says more of the same.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if isinstance(error, OSError):
            code = sqlite3.SQLITE_CANTOPEN
        if code not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL):
            self._disconnect()
        kind, advice = _ADVICE.get(code, ("sqlite", "see the cause"))
        self.failures[kind] += 1
        message = f"history {self.path}: {error}; {advice}"
        return StoreCorrupt(message) if kind == "corrupt" else StoreError(message)

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
        turns = (read_record(Turn, *row[1:], self.failures) for row in reversed(rows))
        return tuple(turn for turn in turns if turn is not None)

    def _repeat(self, connection: sqlite3.Connection, query: RecallQuery) -> Repeat | None:
        asked = question_key(query.question)
        row = connection.execute(
            "SELECT version, repeat FROM history_runs WHERE tenant = ? AND question_key = ?"
            " AND fingerprint = ? AND repeat IS NOT NULL AND kept_at > ? ORDER BY seq DESC LIMIT 1",
            (key_part(query.tenant), asked, key_part(query.fingerprint), self._cutoff()),
        ).fetchone()
        return None if row is None else read_record(Repeat, *row, self.failures)

    def _record(self, connection: sqlite3.Connection, run: RunRecord) -> None:
        tenant, run_id = key_part(run.tenant), key_part(run.result.run_id)
        repeat = repeat_of(run)
        row = (
            *(tenant, run_id, self._clock(), question_key(run.result.question)),
            *(key_part(run.fingerprint), SCHEMA, run_text(run)),
            None if repeat is None else to_text(repeat),
        )
        with _transaction(connection):
            if connection.execute(
                "SELECT 1 FROM history_runs WHERE tenant = ? AND run_id = ?", (tenant, run_id)
            ).fetchone():
                return
            connection.execute(
                "INSERT INTO history_runs (tenant, run_id, kept_at, question_key, fingerprint,"
                " version, run, repeat) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            self._append(connection, run)
            for attempt_id, evidence in run.evidence.items():
                self._put(connection, run.tenant, run.result.run_id, attempt_id, evidence)
            self._sweep(connection)

    def _append(self, connection: sqlite3.Connection, run: RunRecord) -> None:
        turn = run.turn
        if run.thread is None or turn is None:
            return
        thread = (key_part(run.tenant), key_part(run.thread))
        # The run itself may have been forgotten before its thread was.
        connection.execute(
            "INSERT OR IGNORE INTO history_turns (tenant, thread, run_id, kept_at, version, turn)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*thread, key_part(run.result.run_id), self._clock(), SCHEMA, to_text(turn)),
        )
        connection.execute(
            "DELETE FROM history_turns WHERE tenant = ?1 AND thread = ?2 AND seq <= ("
            " SELECT seq FROM history_turns WHERE tenant = ?1 AND thread = ?2"
            " ORDER BY seq DESC LIMIT 1 OFFSET ?3)",
            (*thread, self._retention.max_turns),
        )
