"""Labels, outcomes and what they count for in the SQLite history."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..router.decisions import Rung
from ..router.feedback import Correctness, Feedback, JudgedOutcome, KeptOutcome
from ..router.histories import Page
from .history_format import SCHEMA, Retention, from_key_part, key_part, read_record, to_text
from .history_outcomes import (
    Count,
    correctness_of,
    count_of,
    outcome_text,
    read_outcome,
    rung_of_part,
    rung_part,
)
from .history_pages import page_of_rows

__all__ = ["SqliteOutcomes"]


@dataclass(frozen=True, slots=True)
class SqliteOutcomes:
    """Statements over an open connection; whoever calls has begun the transaction.

    Attributes:
        cutoff: what was kept at this time or before has expired.
    """

    retention: Retention
    failures: Counter[str]
    clock: Callable[[], float]
    cutoff: Callable[[], float]

    def label(self, connection: sqlite3.Connection, tenant: str, feedback: Feedback) -> bool:
        """Keep a label; False where its id is known."""
        ids = (key_part(tenant), key_part(feedback.run_id), key_part(feedback.id))
        connection.execute(  # expired, but not swept yet
            "DELETE FROM history_feedback WHERE tenant = ? AND run_id = ? AND kept_at <= ?",
            (*ids[:2], self.cutoff()),
        )
        begun = self._begun(connection, *ids[:2])
        made = connection.execute(
            "INSERT OR IGNORE INTO history_feedback (tenant, run_id, feedback_id, kept_at, version,"
            " feedback) VALUES (?, ?, ?, ?, ?, ?)",
            (*ids, begun, SCHEMA, to_text(feedback)),
        )
        if made.rowcount == 1:  # what is said of one run expires together
            connection.execute(
                "UPDATE history_feedback SET kept_at = ? WHERE tenant = ? AND run_id = ?",
                (begun, *ids[:2]),
            )
        return made.rowcount == 1

    def labels(
        self, connection: sqlite3.Connection, tenant: str, run_id: str
    ) -> tuple[Feedback, ...]:
        """What was said of a run, in the order in which it came."""
        rows = connection.execute(
            "SELECT version, feedback FROM history_feedback WHERE tenant = ? AND run_id = ?"
            " AND kept_at > ? ORDER BY seq",
            (key_part(tenant), key_part(run_id), self.cutoff()),
        ).fetchall()
        found = (read_record(Feedback, version, text, self.failures) for version, text in rows)
        return tuple(one for one in found if one is not None)

    def keep(self, connection: sqlite3.Connection, tenant: str, outcome: KeptOutcome) -> None:
        """Keep or replace a row, and count it."""
        ids = (key_part(tenant), key_part(outcome.query_id), rung_part(outcome.rung))
        begun = self._begun(connection, *ids[:2])
        # INSERT OR REPLACE gives a row that is replaced a new number: it was written last.
        connection.execute(
            "INSERT OR REPLACE INTO history_outcomes (tenant, query_id, rung, kept_at, version,"
            " outcome) VALUES (?, ?, ?, ?, ?, ?)",
            (*ids, begun, SCHEMA, outcome_text(outcome)),
        )
        count = count_of(outcome)
        if count is None:
            connection.execute(
                "DELETE FROM history_counted WHERE tenant = ? AND query_id = ? AND rung = ?", ids
            )
        else:
            self._count(connection, ids, count, begun)

    def _count(
        self, connection: sqlite3.Connection, ids: tuple[str, str, str], count: Count, begun: float
    ) -> None:
        model = key_part(count.model)
        connection.execute(
            "INSERT OR REPLACE INTO history_counted (tenant, query_id, rung, model, bin, ok,"
            " confidence, loss, kept_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*ids, model, count.bin, count.ok, count.judged.confidence, count.judged.loss, begun),
        )
        connection.execute(
            "DELETE FROM history_counted WHERE tenant = ?1 AND model = ?2 AND rung = ?3 AND seq <="
            " (SELECT seq FROM history_counted WHERE tenant = ?1 AND model = ?2 AND rung = ?3"
            " ORDER BY seq DESC LIMIT 1 OFFSET ?4)",
            (ids[0], model, ids[2], self.retention.max_outcomes),
        )

    def _begun(self, connection: sqlite3.Connection, tenant: str, run_id: str) -> float:
        """When the life of something began that lives as long as its run, if there is one."""
        row = connection.execute(
            "SELECT kept_at FROM history_runs WHERE tenant = ? AND run_id = ? AND kept_at > ?",
            (tenant, run_id, self.cutoff()),
        ).fetchone()
        return self.clock() if row is None else float(row[0])

    def of(
        self, connection: sqlite3.Connection, tenant: str, query_id: str
    ) -> tuple[KeptOutcome, ...]:
        """The rows of a query, by rung."""
        rows = connection.execute(
            "SELECT version, outcome FROM history_outcomes WHERE tenant = ? AND query_id = ?"
            " AND kept_at > ?",
            (key_part(tenant), key_part(query_id), self.cutoff()),
        ).fetchall()
        found = (read_outcome(version, text, self.failures) for version, text in rows)
        return tuple(sorted((one for one in found if one is not None), key=lambda one: one.rung))

    def page(
        self, connection: sqlite3.Connection, tenant: str, limit: int, after: int
    ) -> Page[KeptOutcome]:
        """All rows of some queries, by the number of the row written last."""
        rows = connection.execute(
            "SELECT MAX(seq) AS latest, query_id FROM history_outcomes WHERE tenant = ?"
            " AND kept_at > ? GROUP BY query_id HAVING latest > ? ORDER BY latest LIMIT ?",
            (key_part(tenant), self.cutoff(), after, max(0, limit) + 1),
        ).fetchall()
        page = page_of_rows([(seq, from_key_part(query.decode())) for seq, query in rows], limit)
        found = [row for query in page.items for row in self.of(connection, tenant, query)]
        return Page(tuple(found), page.cursor)

    def correctness(
        self, connection: sqlite3.Connection, tenant: str, recent: int
    ) -> Sequence[Correctness]:
        """By model and rung."""
        rows = connection.execute(
            "SELECT model, rung, bin, COUNT(*), SUM(ok) FROM history_counted WHERE tenant = ?"
            " AND kept_at > ? GROUP BY model, rung, bin",
            (key_part(tenant), self.cutoff()),
        ).fetchall()
        counts: dict[tuple[str, Rung], dict[int, tuple[int, int]]] = {}
        for model, rung, bin, n, ok in rows:
            key = (from_key_part(model.decode()), rung_of_part(rung.decode()))
            counts.setdefault(key, {})[bin] = (n, ok)
        return [
            correctness_of(*key, bins, self._recent(connection, tenant, *key, recent))
            for key, bins in sorted(counts.items())
        ]

    def _recent(
        self, connection: sqlite3.Connection, tenant: str, model: str, rung: Rung, limit: int
    ) -> list[JudgedOutcome]:
        rows = connection.execute(
            "SELECT query_id, confidence, loss FROM history_counted WHERE tenant = ? AND model = ?"
            " AND rung = ? AND kept_at > ? ORDER BY seq DESC LIMIT ?",
            (key_part(tenant), key_part(model), rung_part(rung), self.cutoff(), max(0, limit)),
        ).fetchall()
        return [
            JudgedOutcome(from_key_part(query.decode()), confidence, loss)
            for query, confidence, loss in rows
        ]
