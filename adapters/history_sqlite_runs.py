"""Runs, repeats and evidence in the SQLite history."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..router.evidence import Evidence
from ..router.histories import Page, RunFilter, microseconds
from ..router.protocols import RecallQuery, RunRecord
from ..router.requests import Repeat
from ..router.text import question_key
from .history_format import (
    SCHEMA,
    Retention,
    key_part,
    key_part_or_none,
    read_record,
    read_run,
    repeat_of,
    run_text,
    to_text,
)
from .history_pages import page_of_rows

__all__ = ["SqliteRuns"]


@dataclass(frozen=True, slots=True)
class SqliteRuns:
    """Statements over an open connection; whoever calls has begun the transaction.

    Attributes:
        cutoff: what was kept at this time or before has expired.
    """

    retention: Retention
    failures: Counter[str]
    clock: Callable[[], float]
    cutoff: Callable[[], float]

    def keep(self, connection: sqlite3.Connection, run: RunRecord) -> bool:
        """Keep run and evidence; False where the run is known."""
        repeat = repeat_of(run)
        row = {
            "tenant": key_part(run.tenant),
            "run_id": key_part(run.result.run_id),
            "kept_at": self.clock(),
            "question_key": question_key(run.result.question),
            "fingerprint": key_part(run.fingerprint),
            "version": SCHEMA,
            "run": run_text(run),
            "repeat": None if repeat is None else to_text(repeat),
            "thread": key_part_or_none(run.thread),
            "user": key_part_or_none(run.user),
            "action": run.result.action.value,
            "at_us": microseconds(run.at),
        }
        connection.execute(  # what has expired but was not swept yet is as good as gone
            "DELETE FROM history_runs WHERE tenant = :tenant AND run_id = :run_id"
            " AND kept_at <= :cutoff",
            {"tenant": row["tenant"], "run_id": row["run_id"], "cutoff": self.cutoff()},
        )
        made = connection.execute(
            "INSERT OR IGNORE INTO history_runs (tenant, run_id, kept_at, question_key,"
            " fingerprint, version, run, repeat, thread, user, action, at_us) VALUES (:tenant,"
            " :run_id, :kept_at, :question_key, :fingerprint, :version, :run, :repeat, :thread,"
            " :user, :action, :at_us)",
            row,
        )
        if made.rowcount == 0:
            return False
        for attempt_id, evidence in run.evidence.items():
            self.put(connection, run.tenant, run.result.run_id, attempt_id, evidence)
        return True

    def beyond_cap(self, connection: sqlite3.Connection, tenant: str) -> list[str]:
        """Key parts of the runs of a tenant that are too many, oldest first."""
        if self.retention.max_runs is None:
            return []
        rows = connection.execute(
            "SELECT run_id FROM history_runs WHERE tenant = ? ORDER BY seq DESC LIMIT -1 OFFSET ?",
            (key_part(tenant), self.retention.max_runs),
        ).fetchall()
        return [run_id.decode() for (run_id,) in reversed(rows)]

    def repeat(self, connection: sqlite3.Connection, query: RecallQuery) -> Repeat | None:
        """The latest answer to an equal question."""
        asked = question_key(query.question)
        row = connection.execute(
            "SELECT version, repeat FROM history_runs WHERE tenant = ? AND question_key = ?"
            " AND fingerprint = ? AND repeat IS NOT NULL AND kept_at > ? ORDER BY seq DESC LIMIT 1",
            (key_part(query.tenant), asked, key_part(query.fingerprint), self.cutoff()),
        ).fetchone()
        return None if row is None else read_record(Repeat, row[0], row[1], self.failures)

    def find(self, connection: sqlite3.Connection, tenant: str, run_id: str) -> RunRecord | None:
        """The run of that id."""
        row = connection.execute(
            "SELECT version, run FROM history_runs WHERE tenant = ? AND run_id = ? AND kept_at > ?",
            (key_part(tenant), key_part(run_id), self.cutoff()),
        ).fetchone()
        return None if row is None else read_run(tenant, row[0], row[1], self.failures)

    def page(
        self,
        connection: sqlite3.Connection,
        tenant: str,
        where: RunFilter,
        limit: int,
        after: int | None,
        oldest_first: bool,
    ) -> Page[RunRecord]:
        """Runs from a number on."""
        conditions, values = _conditions(where)
        if after is not None:
            conditions.append(f"seq {'>' if oldest_first else '<'} ?")
            values.append(after)
        rows = connection.execute(
            "SELECT seq, version, run FROM history_runs WHERE tenant = ? AND kept_at > ?"
            + "".join(f" AND {condition}" for condition in conditions)
            + f" ORDER BY seq {'ASC' if oldest_first else 'DESC'} LIMIT ?",
            (key_part(tenant), self.cutoff(), *values, max(0, limit) + 1),
        ).fetchall()
        found = [
            (seq, read_run(tenant, version, text, self.failures))
            for seq, version, text in rows[: max(0, limit)]
        ]
        return page_of_rows([*found, *((seq, None) for seq, _, _ in rows[len(found) :])], limit)

    def put(
        self,
        connection: sqlite3.Connection,
        tenant: str,
        run_id: str,
        attempt_id: str,
        evidence: Evidence,
    ) -> None:
        """Keep or replace the evidence of one attempt."""
        ids = (key_part(tenant), key_part(run_id), key_part(attempt_id))
        connection.execute(
            "INSERT INTO history_evidence (tenant, run_id, attempt_id, kept_at, version, evidence)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET kept_at = excluded.kept_at,"
            " version = excluded.version, evidence = excluded.evidence",
            (*ids, self.clock(), SCHEMA, to_text(evidence)),
        )
        # By number and not by count: counting would read through rows of 100 kB at every put.
        connection.execute(
            "DELETE FROM history_evidence WHERE seq <= (SELECT MAX(seq) FROM history_evidence) - ?",
            (self.retention.max_evidence,),
        )

    def get(
        self, connection: sqlite3.Connection, tenant: str, run_id: str, attempt_id: str
    ) -> Evidence | None:
        """The evidence, or None where it is unknown or was forgotten."""
        row = connection.execute(
            "SELECT version, evidence FROM history_evidence"
            " WHERE tenant = ? AND run_id = ? AND attempt_id = ? AND kept_at > ?",
            (key_part(tenant), key_part(run_id), key_part(attempt_id), self.cutoff()),
        ).fetchone()
        return None if row is None else read_record(Evidence, row[0], row[1], self.failures)


def _conditions(where: RunFilter) -> tuple[list[str], list[Any]]:
    wanted: tuple[tuple[str, Any], ...] = (
        ("thread = ?", key_part_or_none(where.thread)),
        ("user = ?", key_part_or_none(where.user)),
        ("action = ?", where.action),
        ("at_us >= ?", _bound(where.since)),
        ("at_us < ?", _bound(where.until)),
    )
    given = [(condition, value) for condition, value in wanted if value is not None]
    return [condition for condition, _ in given], [value for _, value in given]


def _bound(moment: datetime | None) -> int | None:
    return None if moment is None else microseconds(moment.isoformat())
