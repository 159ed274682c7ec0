"""Monitor states in one SQLite file, shared by the processes of one machine."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

from ..router.errors import StoreCorrupt
from .history_format import key_part
from .sqlite_file import SqliteFile, transaction

__all__ = ["SqliteMonitorStore"]

_SCHEMA = 1

_TABLES = (
    """CREATE TABLE IF NOT EXISTS monitor_states (
        key TEXT PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL)""",
)


class SqliteMonitorStore:
    """Texts by key with versions; a text is replaced only by who has seen the one before.

    The file and its folder are made at first use. It is a file of its own, beside the history's:
    each keeps its schema's version as the file's `user_version`. `failures` counts errors by kind.

    Every method raises a StoreCorrupt where the file is damaged or no SQLite file at all, and a
    StoreError where it cannot be used otherwise; the next call tries again from the start.

    Args:
        busy_timeout_s: how long to wait while another process writes.
    """

    def __init__(self, path: str | Path, *, busy_timeout_s: float = 2.0) -> None:
        self.failures: Counter[str] = Counter()
        self._file = SqliteFile(
            path, _TABLES, _SCHEMA, self.failures, busy_timeout_s=busy_timeout_s
        )

    async def load(self, key: str) -> tuple[int, str] | None:
        """Version and text; None where the key is unknown."""

        def read(connection: sqlite3.Connection) -> tuple[int, str] | None:
            row = connection.execute(
                "SELECT version, state FROM monitor_states WHERE key = ?", (key_part(key),)
            ).fetchone()
            return None if row is None else (row[0], self._decoded(row[1]))

        return await self._file.run(read)

    async def save(self, key: str, text: str, *, expected: int) -> bool:
        """Replace the text if its version is still `expected`, 0 for a key that is unknown."""

        def write(connection: sqlite3.Connection) -> bool:
            # The write lock is taken before the look, so that nobody can write in between.
            with transaction(connection):
                row = {"key": key_part(key), "text": text, "expected": expected}
                if expected == 0:
                    changed = connection.execute(
                        "INSERT OR IGNORE INTO monitor_states (key, version, state)"
                        " VALUES (:key, 1, :text)",
                        row,
                    )
                else:
                    changed = connection.execute(
                        "UPDATE monitor_states SET version = version + 1, state = :text"
                        " WHERE key = :key AND version = :expected",
                        row,
                    )
                return changed.rowcount == 1

        return await self._file.run(write)

    async def aclose(self) -> None:
        """Close the file once everything asked for so far is done. Idempotent."""
        await self._file.aclose()

    def _decoded(self, text: bytes) -> str:
        try:
            return text.decode()
        except UnicodeDecodeError as error:
            self.failures["corrupt"] += 1
            raise StoreCorrupt(f"{self._file.path}: a monitor state is damaged: {error}") from error
