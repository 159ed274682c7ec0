"""From the history's URL to the history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from ..router.errors import ConfigurationError
from ..router.feedback import CorrectnessLog, FeedbackLog, OutcomeLog
from ..router.histories import Eraser, RunLog, ThreadLog
from ..router.protocols import AttemptStore, History, RunRecord
from .history_format import Retention

__all__ = ["HistoryStore", "Retention", "open_history"]


class HistoryStore(
    History,
    AttemptStore,
    RunLog,
    ThreadLog,
    FeedbackLog,
    OutcomeLog,
    CorrectnessLog,
    Eraser,
    Protocol,
):
    """A history that also keeps evidence while a run is under way, turns of the application's own,
    labels and outcomes, can be read page by page, and forgets on demand; all of ours do."""

    async def restore(self, run: RunRecord) -> None:
        """Keep a run of another history without its turn, which comes with its thread."""
        ...

    @property
    def failures(self) -> Counter[str]:
        """How often what went wrong, by kind; unreadable values included."""
        ...


def open_history(url: str, retention: Retention | None = None) -> HistoryStore:
    """The history that a URL names: `memory:`, `sqlite:///FILE`, `redis://HOST:PORT/DB`,
    `rediss://HOST:PORT/DB` or `unix:///SOCKET?db=N`.

    `sqlite:///` is followed by a path, relative as in `sqlite:///surefoot.db` or absolute as in
    `sqlite:////var/lib/surefoot.db`. Nothing is opened or reached for before the first use.

    Raises:
        ConfigurationError: not such a URL; names the nearest scheme where there is one.
        MissingExtra: redis-py is not installed.
    """
    scheme = url.partition(":")[0]
    opener = _OPENERS.get(scheme) if ":" in url else None
    if opener is None:
        raise _unknown(url)
    return opener(url, retention)


def _open_memory(url: str, retention: Retention | None) -> HistoryStore:
    from .history_memory import MemoryHistory

    if url not in ("memory:", "memory://"):
        raise _wrong("a history in memory takes no name: write memory:")
    return MemoryHistory(retention)


def _open_sqlite(url: str, retention: Retention | None) -> HistoryStore:
    from .history_sqlite import SqliteHistory

    start, path = "sqlite:///", url.removeprefix("sqlite:///")
    if not url.startswith(start) or not path:
        raise _wrong("a file is named after three slashes: write sqlite:///surefoot.db")
    if path == ":memory:":
        raise _wrong("a history in memory is not an SQLite one: write memory:")
    return SqliteHistory(Path(path).expanduser(), retention)


def _open_redis(url: str, retention: Retention | None) -> HistoryStore:
    from .history_redis import RedisHistory

    return RedisHistory(url, retention)


_OPENERS: dict[str, Callable[[str, Retention | None], HistoryStore]] = {
    "memory": _open_memory,
    "sqlite": _open_sqlite,
    "redis": _open_redis,
    "rediss": _open_redis,
    "unix": _open_redis,
}


def _wrong(message: str) -> ConfigurationError:
    return ConfigurationError(f"history.url: {message}", field="history.url")


def _unknown(url: str) -> ConfigurationError:
    # Only the scheme is shown: what follows may hold a password.
    scheme, colon, _ = url.partition(":")
    known = ", ".join(f"{name}:" for name in _OPENERS)
    if not colon:
        return _wrong(f"expected a URL that starts with one of {known} (a file: sqlite:///FILE)")
    near = get_close_matches(scheme.lower(), _OPENERS, n=1)
    hint = f"did you mean '{near[0]}:'?" if near else f"use one of {known}"
    return _wrong(f"there is no history '{scheme}:'; {hint}")
