"""Turns of conversations in the SQLite history."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..router.evidence import Turn
from ..router.histories import KeptTurn, Page
from ..router.protocols import RecallQuery, RunRecord
from .history_format import SCHEMA, Retention, from_key_part, key_part, key_part_or_none
from .history_pages import page_of_rows
from .history_turns import pack_turns, read_turn

__all__ = ["SqliteThreads"]


@dataclass(frozen=True, slots=True)
class SqliteThreads:
    """Statements over an open connection; whoever calls has begun the transaction.

    Attributes:
        cutoff: a thread whose latest turn was kept at this time or before has expired.
    """

    retention: Retention
    failures: Counter[str]
    clock: Callable[[], float]
    cutoff: Callable[[], float]

    def latest(self, connection: sqlite3.Connection, query: RecallQuery) -> tuple[Turn, ...]:
        """The latest turns, oldest first."""
        if query.thread is None or query.limit <= 0:
            return ()
        rows = connection.execute(
            "SELECT kept_at, version, turn FROM history_turns WHERE tenant = ? AND thread = ?"
            " ORDER BY seq DESC LIMIT ?",
            (key_part(query.tenant), key_part(query.thread), query.limit),
        ).fetchall()
        if not rows or rows[0][0] <= self.cutoff():
            return ()
        turns = (read_turn("", row[1], row[2], self.failures) for row in reversed(rows))
        return tuple(kept.turn for kept in turns if kept is not None)

    def append_turn_of(self, connection: sqlite3.Connection, run: RunRecord) -> None:
        """Append what the conversation gained by a run, if anything."""
        turn = run.turn
        if run.thread is not None and turn is not None:
            kept = KeptTurn(run.result.run_id, turn.question, turn.answer, run.at, run.user)
            # The run itself may have been forgotten before its thread was: `append` looks again.
            self.append(connection, run.tenant, run.thread, [kept])

    def append(
        self, connection: sqlite3.Connection, tenant: str, thread: str, turns: Sequence[KeptTurn]
    ) -> int:
        """Append turns, each id once, and trim the thread; how many were new."""
        where, at = (key_part(tenant), key_part(thread)), self.clock()
        rows = [
            (*where, key_part(turn.id), at, SCHEMA, packed, key_part_or_none(turn.user))
            for turn, packed in zip(turns, pack_turns(turns), strict=True)
        ]
        if not self._is_alive(connection, where):  # expired, but not swept yet
            connection.execute("DELETE FROM history_turns WHERE tenant = ? AND thread = ?", where)
        made = connection.executemany(
            "INSERT OR IGNORE INTO history_turns (tenant, thread, run_id, kept_at, version, turn,"
            " user) VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        ).rowcount
        connection.execute(
            "DELETE FROM history_turns WHERE tenant = ?1 AND thread = ?2 AND seq <= (SELECT seq"
            " FROM history_turns WHERE tenant = ?1 AND thread = ?2 ORDER BY seq DESC LIMIT 1"
            " OFFSET ?3)",
            (*where, self.retention.max_turns),
        )
        return made

    def page(
        self, connection: sqlite3.Connection, tenant: str, thread: str, limit: int, after: int
    ) -> Page[KeptTurn]:
        """Turns from a number on, oldest first."""
        where = (key_part(tenant), key_part(thread))
        if not self._is_alive(connection, where):
            return Page(())
        rows = connection.execute(
            "SELECT seq, run_id, version, turn FROM history_turns WHERE tenant = ? AND thread = ?"
            " AND seq > ? ORDER BY seq LIMIT ?",
            (*where, after, max(0, limit) + 1),
        ).fetchall()
        found = [
            (seq, read_turn(from_key_part(id.decode()), version, packed, self.failures))
            for seq, id, version, packed in rows
        ]
        return page_of_rows(found, limit)

    def names(
        self, connection: sqlite3.Connection, tenant: str, limit: int, after: int
    ) -> Page[str]:
        """Threads by the number of their latest turn."""
        rows = connection.execute(
            "SELECT MAX(seq) AS latest, thread FROM history_turns WHERE tenant = ?"
            " GROUP BY thread HAVING latest > ? AND MAX(kept_at) > ? ORDER BY latest LIMIT ?",
            (key_part(tenant), after, self.cutoff(), max(0, limit) + 1),
        ).fetchall()
        return page_of_rows([(seq, from_key_part(name.decode())) for seq, name in rows], limit)

    def _is_alive(self, connection: sqlite3.Connection, where: tuple[str, str]) -> bool:
        latest = connection.execute(
            "SELECT kept_at FROM history_turns WHERE tenant = ? AND thread = ?"
            " ORDER BY seq DESC LIMIT 1",
            where,
        ).fetchone()
        return latest is not None and latest[0] > self.cutoff()
