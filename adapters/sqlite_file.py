"""One SQLite file off the event loop: opened at first use, in WAL mode, with errors that explain.

Write-ahead logging lets readers and a writer work side by side; `synchronous=NORMAL` survives a
killed process without loss and a power cut without damage. One thread owns the one connection, so
the event loop never waits for the disk; other processes may open the same file.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from ..router.errors import StoreCorrupt, StoreError

__all__ = ["SqliteFile", "empty_log", "transaction"]

T = TypeVar("T")

_MOVE_AWAY = (
    "the file is damaged or no SQLite database, and nothing was deleted: stop what uses it, move it"
    " away together with its -wal and -shm files, and the next call starts an empty one"
)
_PAUSE_S = 0.01  # between two attempts to switch to WAL; in the file's own thread
_NOT_WRITABLE = "check that the path names a file and that this user may write it and its folder"

_KINDS = {
    sqlite3.SQLITE_BUSY: ("locked", "another process holds it: try again, or end that process"),
    sqlite3.SQLITE_LOCKED: ("locked", "another process holds it: try again, or end that process"),
    sqlite3.SQLITE_FULL: ("full", "free some space on its disk, or keep less (history.ttl_s)"),
    sqlite3.SQLITE_READONLY: ("not_writable", _NOT_WRITABLE),
    sqlite3.SQLITE_PERM: ("not_writable", _NOT_WRITABLE),
    sqlite3.SQLITE_CANTOPEN: ("not_writable", _NOT_WRITABLE),
    sqlite3.SQLITE_CORRUPT: ("corrupt", _MOVE_AWAY),
    sqlite3.SQLITE_NOTADB: ("corrupt", _MOVE_AWAY),
}
_OTHER = ("sqlite", "check the disk under it")
_STILL_USABLE = {"locked", "full"}


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. Takes the write lock at once, so that it cannot fail for it half-way."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # the first error is the one to report
            connection.rollback()
        raise


def empty_log(connection: sqlite3.Connection) -> bool:
    """Move everything from the write-ahead log into the file and cut the log to nothing.

    False where another process is reading, and the log still holds what was deleted.
    """
    (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


class SqliteFile:
    """A file with a schema, and the thread that talks to it.

    File and folder are made at first use; after damage or a lost disk the next call opens it anew.

    Args:
        tables: statements that make the schema; each must be harmless where it is in place.
        version: of the schema, kept as the file's `user_version`; a file of a later one is refused.
        failures: counted by kind here.
        busy_timeout_s: how long to wait while another process writes.
        migrations: by version, what brings a file of it to the next one. All that are needed are
            done in one transaction, at the first use of an older file.
    """

    def __init__(
        self,
        path: str | Path,
        tables: Sequence[str],
        version: int,
        failures: Counter[str],
        *,
        busy_timeout_s: float = 2.0,
        migrations: Mapping[int, Callable[[sqlite3.Connection], None]] | None = None,
    ) -> None:
        self.path = Path(path)
        self._migrations = migrations or {}
        self._tables = tables
        self._version = version
        self._failures = failures
        self._busy_timeout_s = busy_timeout_s
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="surefoot-sqlite")

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, called in the file's thread.

        Raises:
            StoreCorrupt: the file is damaged, or is no SQLite file.
            StoreError: it cannot be used for another reason, which the message names.
        """
        if self._closed:
            raise StoreError(f"{self.path} was closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._guarded, work)

    async def aclose(self) -> None:
        """Close the file once everything asked for so far is done. Idempotent."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._worker, self._disconnect)
        self._worker.shutdown()

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
            isolation_level=None,  # `transaction` opens them by hand
        )
        try:
            # Damaged text must come back as bytes that fail to decode, not as an sqlite3 error.
            connection.text_factory = bytes
            self._use_wal(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            # What is deleted is overwritten: nobody is to find it in the file's free pages.
            connection.execute("PRAGMA secure_delete = ON")
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Switch to write-ahead logging, also while others open the same new file.

        The switch wants the file to itself, and SQLite refuses it at once instead of waiting for
        the connection's timeout where two processes try it at the same time. So it is tried again.
        """
        give_up = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                code = error.sqlite_errorcode & 0xFF
                if code != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up:
                    raise
            time.sleep(_PAUSE_S)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found > self._version:
                self._failures["unknown_version"] += 1
                raise StoreError(
                    f"{self.path} has schema version {found}, and this release knows up to "
                    f"{self._version}: upgrade surefoot, or configure another file"
                )
            # A new file has version 0, and nothing to bring up to date.
            for version in range(found or self._version, self._version):
                migrate = self._migrations.get(version)
                if migrate is not None:
                    migrate(connection)
            for statement in self._tables:
                connection.execute(statement)
            if found < self._version:
                connection.execute(f"PRAGMA user_version = {self._version}")

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _explained(self, error: sqlite3.Error | OSError) -> StoreError:
        code = sqlite3.SQLITE_CANTOPEN
        if isinstance(error, sqlite3.Error):
            # The low byte is the primary code; the rest says more of the same.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        kind, advice = _KINDS.get(code, _OTHER)
        self._failures[kind] += 1
        if kind not in _STILL_USABLE:
            self._disconnect()
        message = f"{self.path}: {error}; {advice}"
        return StoreCorrupt(message) if kind == "corrupt" else StoreError(message)
