"""Erasing from the SQLite history."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence

from ..router.histories import Erased, Scope
from .history_format import key_part

__all__ = ["SqliteEraser"]

# What belongs to a run, by what it is called, and the column with the run's id.
_PARTS = (
    ("runs", "history_runs", "run_id"),
    ("evidence", "history_evidence", "run_id"),
    ("feedback", "history_feedback", "run_id"),
    ("outcomes", "history_outcomes", "query_id"),
    ("counted", "history_counted", "query_id"),
)


class SqliteEraser:
    """Statements over an open connection; whoever calls has begun the transaction."""

    def forget(
        self, connection: sqlite3.Connection, tenant: str, run_ids: Sequence[str]
    ) -> Counter[str]:
        """Everything of these runs (key parts) but their turns; how much it was."""
        counts: Counter[str] = Counter()
        pairs = [(key_part(tenant), run_id) for run_id in run_ids]
        for what, table, column in _PARTS:
            counts[what] += connection.executemany(
                f"DELETE FROM {table} WHERE tenant = ? AND {column} = ?", pairs
            ).rowcount
        del counts["counted"]  # part of an outcome
        return counts

    def erase(self, connection: sqlite3.Connection, scope: Scope, limit: int) -> Erased:
        """Some `limit` runs of the scope, and after the last one what else there is."""
        tenant = key_part(scope.tenant)
        condition, values = _condition(scope)
        rows = connection.execute(
            f"SELECT run_id FROM history_runs WHERE tenant = ?{condition} ORDER BY seq LIMIT ?",
            (tenant, *values, limit + 1),
        ).fetchall()
        run_ids = [run_id.decode() for (run_id,) in rows[:limit]]
        counts: Counter[str] = Counter()
        if scope.user is not None:  # turns of version 1 name no user, but their run
            counts["turns"] += connection.executemany(
                "DELETE FROM history_turns WHERE tenant = ? AND run_id = ?",
                [(tenant, run_id) for run_id in run_ids],
            ).rowcount
        counts += self.forget(connection, scope.tenant, run_ids)
        if len(rows) > limit:
            return Erased(dict(+counts), is_done=False)
        counts["turns"] += connection.execute(
            f"DELETE FROM history_turns WHERE tenant = ?{condition}", (tenant, *values)
        ).rowcount
        counts += self._left_over(connection, scope)
        return Erased(dict(+counts))

    def _left_over(self, connection: sqlite3.Connection, scope: Scope) -> Counter[str]:
        """What is left without a run: all of the tenant's, or evidence that nobody owns."""
        tenant, counts = key_part(scope.tenant), Counter[str]()
        if scope.user is not None or scope.thread is not None:
            counts["evidence"] += connection.execute(
                "DELETE FROM history_evidence WHERE tenant = ?1 AND run_id NOT IN"
                " (SELECT run_id FROM history_runs WHERE tenant = ?1)",
                (tenant,),
            ).rowcount
            return counts
        for what, table, _ in _PARTS:
            erased = connection.execute(f"DELETE FROM {table} WHERE tenant = ?", (tenant,))
            counts[what] += erased.rowcount
        del counts["counted"]
        return counts


def _condition(scope: Scope) -> tuple[str, tuple[str, ...]]:
    if scope.user is not None:
        return " AND user = ?", (key_part(scope.user),)
    if scope.thread is not None:
        return " AND thread = ?", (key_part(scope.thread),)
    return "", ()
