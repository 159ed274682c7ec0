"""What histories keep beside runs, and the small seams through which they are read and emptied.

Nothing crosses tenants. Times are ISO 8601 as in `RunRecord.at`; a cursor is a text that only the
history that gave it understands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar

from .decisions import Action
from .errors import UsageError
from .evidence import Turn
from .protocols import RunRecord

__all__ = [
    "Erased",
    "Eraser",
    "KeptTurn",
    "Page",
    "RunFilter",
    "RunLog",
    "Scope",
    "ThreadLog",
    "microseconds",
    "moment_of",
]

T_co = TypeVar("T_co", covariant=True)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """Some of many items.

    Attributes:
        cursor: where the next page begins; None where this was the last one.
    """

    items: tuple[T_co, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """A turn as a history keeps it.

    Attributes:
        id: of the run that it came from, or the application's own; appended at most once.
        at: when it was, ISO 8601; empty where unknown.
        user: who asked; None where unknown.
    """

    id: str
    question: str
    answer: str
    at: str = ""
    user: str | None = None

    @property
    def turn(self) -> Turn:
        """What a prompt shows of it."""
        return Turn(self.question, self.answer)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are meant; None takes all.

    Attributes:
        since: of this moment or after it.
        until: before this moment. A run without a readable time is outside of any bound.
    """

    thread: str | None = None
    user: str | None = None
    action: Action | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes_moment(self, at: str) -> bool:
        """Whether a run that ended then is among them."""
        return self.takes_microseconds(microseconds(at))

    def takes_microseconds(self, at_us: int | None) -> bool:
        """The same of microseconds since the epoch; None where there is no readable time."""
        if self.since is None and self.until is None:
            return True
        if at_us is None or (self.since is not None and at_us < _since_epoch(self.since)):
            return False
        return self.until is None or at_us < _since_epoch(self.until)

    def takes(self, run: RunRecord) -> bool:
        """Whether a run is among them."""
        return (
            (self.thread is None or run.thread == self.thread)
            and (self.user is None or run.user == self.user)
            and (self.action is None or run.result.action is self.action)
            and self.takes_moment(run.at)
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose data: everything of a tenant, or of one of its users, or of one of its threads.

    Raises:
        UsageError: both a user and a thread are named.
    """

    tenant: str
    user: str | None = None
    thread: str | None = None

    def __post_init__(self) -> None:
        if self.user is not None and self.thread is not None:
            raise UsageError("name a user or a thread, not both")


@dataclass(frozen=True, slots=True)
class Erased:
    """What one call has erased.

    Attributes:
        counts: how many by what they were (`runs`, `turns`, `evidence`, `feedback`, `outcomes`).
        is_done: whether nothing is left; else call again.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    is_done: bool = True


class RunLog(Protocol):
    """Reads runs, one or page by page. Raises a StoreError where it cannot."""

    async def find_run(self, tenant: str, run_id: str) -> RunRecord | None:
        """The run of that id, without its evidence; None where the tenant has none."""
        ...

    async def page_of_runs(
        self,
        tenant: str,
        where: RunFilter | None = None,
        *,
        limit: int = 50,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> Page[RunRecord]:
        """Runs in the order in which they were recorded, newest first, without their evidence.

        Runs that are recorded meanwhile move nothing: newest first they are not shown, oldest
        first they come last.
        """
        ...


class ThreadLog(Protocol):
    """Keeps turns that did not come from runs, and reads all of them page by page."""

    async def append(self, tenant: str, thread: str, turns: Sequence[KeptTurn]) -> int:
        """Append turns, each id once; how many were new."""
        ...

    async def page_of_turns(
        self, tenant: str, thread: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[KeptTurn]:
        """Turns of a thread, oldest first; those appended meanwhile come last."""
        ...

    async def page_of_threads(
        self, tenant: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[str]:
        """Threads that have turns, the one that was quiet for longest first.

        A thread that is written to meanwhile may come again.
        """
        ...


class Eraser(Protocol):
    """Forgets what it was told to forget, for good."""

    async def erase(self, scope: Scope, *, limit: int = 100) -> Erased:
        """Erase some `limit` runs of what the scope names and all that belongs to them.

        Whatever breaks, what was erased stays erased, and the next call goes on. Evidence of runs
        that were never recorded (their process died) belongs to nobody known, and goes with the
        first user or thread that is erased.
        """
        ...


def moment_of(at: str) -> datetime | None:
    """The moment that a text in ISO 8601 names (UTC where it names no zone); None if it is none."""
    try:
        return _aware(datetime.fromisoformat(at))
    except ValueError:
        return None


def microseconds(at: str) -> int | None:
    """The moment that a text names in microseconds since the epoch; None where it names none."""
    moment = moment_of(at)
    return None if moment is None else _since_epoch(moment)


def _since_epoch(moment: datetime) -> int:
    return (_aware(moment) - _EPOCH) // timedelta(microseconds=1)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
