"""A history in one SQLite file: durable, no server, shared by the processes of one machine."""

from __future__ import annotations

import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ..router.errors import StoreError
from ..router.evidence import Evidence
from ..router.feedback import Correctness, Feedback, KeptOutcome
from ..router.histories import Erased, KeptTurn, Page, RunFilter, Scope
from ..router.protocols import RecallQuery, RunRecord
from ..router.requests import Recalled
from .history_format import SCHEMA, Retention
from .history_pages import cursor_number
from .history_sqlite_erase import SqliteEraser
from .history_sqlite_outcomes import SqliteOutcomes
from .history_sqlite_runs import SqliteRuns
from .history_sqlite_schema import MIGRATIONS, SWEEP, TABLES
from .history_sqlite_threads import SqliteThreads
from .sqlite_file import SqliteFile, empty_log, transaction

__all__ = ["SqliteHistory"]

T = TypeVar("T")

_SWEEP_EVERY = 64
"""Records between two removals of what has expired; reads never show it anyway."""


class SqliteHistory:
    """Keeps runs, turns, evidence, labels and outcomes in one file, for several processes.

    The file and its folder are made at first use; ids stand in it percent-encoded. The schema's
    version is the file's `user_version`, which no other store may use in the same file; an older
    file is brought up to date in one transaction, one of a later release is refused. Nothing is
    deleted but what `retention` says and `erase` is told, and what is deleted is overwritten.
    `failures` counts errors and unreadable values by kind.

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
        self._file = SqliteFile(
            path,
            TABLES,
            SCHEMA,
            self.failures,
            busy_timeout_s=busy_timeout_s,
            migrations=MIGRATIONS,
        )
        self._eraser = SqliteEraser()
        self._threads = SqliteThreads(self._retention, self.failures, clock, self._cutoff)
        self._runs = SqliteRuns(self._retention, self.failures, clock, self._cutoff)
        self._outcomes = SqliteOutcomes(self._retention, self.failures, clock, self._cutoff)

    def _cutoff(self) -> float:
        """What was kept at this time or before has expired."""
        lifetime_s = self._retention.lifetime_s()
        return self._clock() - lifetime_s if math.isfinite(lifetime_s) else -math.inf

    # --- runs ----------------------------------------------------------------------------------

    async def recall(self, query: RecallQuery) -> Recalled:
        """The latest turns of the thread and the latest answer to an equal question."""
        return await self._file.run(
            lambda connection: Recalled(
                self._threads.latest(connection, query), self._runs.repeat(connection, query)
            )
        )

    async def record(self, run: RunRecord) -> None:
        """Keep run, turn and evidence in one transaction; a known run id changes nothing."""

        def write(connection: sqlite3.Connection) -> None:
            if self._keep(connection, run):
                self._threads.append_turn_of(connection, run)

        await self._write(write)

    async def restore(self, run: RunRecord) -> None:
        """Keep a run of another history without its turn, which comes with its thread."""
        await self._write(lambda connection: self._keep(connection, run))

    def _keep(self, connection: sqlite3.Connection, run: RunRecord) -> bool:
        if not self._runs.keep(connection, run):
            return False
        for old in self._runs.beyond_cap(connection, run.tenant):
            self._eraser.forget(connection, run.tenant, [old])
        if self._records % _SWEEP_EVERY == 0:
            self._sweep(connection)
        self._records += 1
        return True

    async def runs(self, tenant: str, limit: int = 20) -> Sequence[RunRecord]:
        """The tenant's latest runs, newest first, without their evidence."""
        return (await self.page_of_runs(tenant, limit=limit)).items

    async def find_run(self, tenant: str, run_id: str) -> RunRecord | None:
        """The run of that id; None where the tenant has none."""
        return await self._file.run(lambda connection: self._runs.find(connection, tenant, run_id))

    async def page_of_runs(
        self,
        tenant: str,
        where: RunFilter | None = None,
        *,
        limit: int = 50,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> Page[RunRecord]:
        """Runs in the order in which they were recorded, without their evidence."""
        wanted, after = where or RunFilter(), cursor_number(cursor)
        return await self._file.run(
            lambda connection: self._runs.page(
                connection, tenant, wanted, limit, after, oldest_first
            )
        )

    # --- threads -------------------------------------------------------------------------------

    async def append(self, tenant: str, thread: str, turns: Sequence[KeptTurn]) -> int:
        """Append turns, each id once; how many were new."""
        return await self._write(
            lambda connection: self._threads.append(connection, tenant, thread, turns)
        )

    async def page_of_turns(
        self, tenant: str, thread: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[KeptTurn]:
        """Turns of a thread, oldest first."""
        after = cursor_number(cursor) or 0
        return await self._file.run(
            lambda connection: self._threads.page(connection, tenant, thread, limit, after)
        )

    async def page_of_threads(
        self, tenant: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[str]:
        """Threads that have turns, the one that was quiet for longest first."""
        after = cursor_number(cursor) or 0
        return await self._file.run(
            lambda connection: self._threads.names(connection, tenant, limit, after)
        )

    # --- evidence ------------------------------------------------------------------------------

    async def put(self, tenant: str, run_id: str, attempt_id: str, evidence: Evidence) -> None:
        """Keep or replace the evidence of one attempt."""
        await self._write(
            lambda connection: self._runs.put(connection, tenant, run_id, attempt_id, evidence)
        )

    async def get(self, tenant: str, run_id: str, attempt_id: str) -> Evidence | None:
        """The evidence, or None where it is unknown or was forgotten."""
        return await self._file.run(
            lambda connection: self._runs.get(connection, tenant, run_id, attempt_id)
        )

    # --- labels and outcomes -------------------------------------------------------------------

    async def label(self, tenant: str, feedback: Feedback) -> bool:
        """Keep a label as long as its run; False where its id is known."""
        return await self._write(
            lambda connection: self._outcomes.label(connection, tenant, feedback)
        )

    async def labels(self, tenant: str, run_id: str) -> Sequence[Feedback]:
        """What was said of a run, in the order in which it came."""
        return await self._file.run(
            lambda connection: self._outcomes.labels(connection, tenant, run_id)
        )

    async def keep_outcomes(self, tenant: str, outcomes: Sequence[KeptOutcome]) -> None:
        """Keep or replace rows, by query and rung; all of them or none."""

        def write(connection: sqlite3.Connection) -> None:
            for one in outcomes:
                self._outcomes.keep(connection, tenant, one)

        await self._write(write)

    async def outcomes_of(self, tenant: str, query_id: str) -> Sequence[KeptOutcome]:
        """The rows of a query."""
        return await self._file.run(
            lambda connection: self._outcomes.of(connection, tenant, query_id)
        )

    async def page_of_outcomes(
        self, tenant: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[KeptOutcome]:
        """All rows of some queries, the one written to longest ago first."""
        after = cursor_number(cursor) or 0
        return await self._file.run(
            lambda connection: self._outcomes.page(connection, tenant, limit, after)
        )

    async def correctness(self, tenant: str, recent: int = 0) -> Sequence[Correctness]:
        """By model and rung, over the outcomes that are kept."""
        return await self._file.run(
            lambda connection: self._outcomes.correctness(connection, tenant, recent)
        )

    # --- forgetting ----------------------------------------------------------------------------

    async def erase(self, scope: Scope, *, limit: int = 100) -> Erased:
        """Erase some runs of what the scope names, and all that belongs to them.

        Raises:
            StoreError: everything was erased, but the file's log cannot be emptied while another
                process reads; call again.
        """

        def write(connection: sqlite3.Connection) -> Erased:
            self._sweep(connection)
            return self._eraser.erase(connection, scope, max(1, limit))

        erased = await self._write(write)
        if erased.is_done and not await self._file.run(empty_log):
            self.failures["log_in_use"] += 1
            raise StoreError(
                f"{self._file.path}-wal still holds what was erased, since another process is "
                "reading: erase again when it has ended"
            )
        return erased

    async def aclose(self) -> None:
        """Close the file once everything asked for so far is done. Idempotent."""
        await self._file.aclose()

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def write(connection: sqlite3.Connection) -> T:
            with transaction(connection):
                return work(connection)

        return await self._file.run(write)

    def _sweep(self, connection: sqlite3.Connection) -> None:
        if math.isfinite(self._retention.lifetime_s()):
            for statement in SWEEP:
                connection.execute(statement, {"cutoff": self._cutoff()})
