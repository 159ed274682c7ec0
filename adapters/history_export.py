"""A history as lines of JSON: to hand people their data, and to move it to another store.

A line has a `kind` and one field of that name: `run`, `turn` (with its `thread`), `feedback` or
`outcome`. Evidence (tokens with their candidates) is not exported: it is large, and nothing that
the text of a run does not say in words. The tenant is not written: whoever imports names it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..router.errors import BadInput, UsageError
from ..router.feedback import Feedback, kept_outcome
from ..router.histories import KeptTurn, RunFilter, Scope
from ..router.protocols import RunRecord
from ..router.wire import decode, encode
from .histories import HistoryStore

__all__ = ["Importer", "export_history"]

SCHEMA = 1
_PAGE = 200


async def export_history(store: HistoryStore, scope: Scope) -> AsyncIterator[dict[str, Any]]:
    """Everything that the scope names, as lines of an export, oldest first.

    Labels and outcomes come with their runs; those of no run that is kept, with the whole tenant.

    Raises:
        StoreError: the history cannot be read.
    """
    tenant, known = scope.tenant, set()
    cursor: str | None = None
    where = RunFilter(thread=scope.thread, user=scope.user)
    while True:
        page = await store.page_of_runs(
            tenant, where, limit=_PAGE, cursor=cursor, oldest_first=True
        )
        for run in page.items:
            known.add(run.result.run_id)
            yield _line("run", encode(replace(run, tenant="")))
            async for line in _said_of(store, tenant, run.result.run_id):
                yield line
        cursor = page.cursor
        if cursor is None:
            break
    async for line in _turns(store, scope):
        yield line
    if scope.user is None and scope.thread is None:
        async for line in _other_outcomes(store, tenant, known):
            yield line


async def _said_of(store: HistoryStore, tenant: str, run_id: str) -> AsyncIterator[dict[str, Any]]:
    for label in await store.labels(tenant, run_id):
        yield _line("feedback", encode(label))
    for outcome in await store.outcomes_of(tenant, run_id):
        yield _line("outcome", dict(outcome.row))


async def _turns(store: HistoryStore, scope: Scope) -> AsyncIterator[dict[str, Any]]:
    async for thread in _threads(store, scope):
        cursor: str | None = None
        while True:
            page = await store.page_of_turns(scope.tenant, thread, limit=_PAGE, cursor=cursor)
            for turn in page.items:
                if scope.user in (None, turn.user):
                    yield {**_line("turn", encode(turn)), "thread": thread}
            cursor = page.cursor
            if cursor is None:
                break


async def _threads(store: HistoryStore, scope: Scope) -> AsyncIterator[str]:
    if scope.thread is not None:
        yield scope.thread
        return
    shown: set[str] = set()  # one that is written to meanwhile comes again
    cursor: str | None = None
    while True:
        page = await store.page_of_threads(scope.tenant, limit=_PAGE, cursor=cursor)
        for thread in page.items:
            if thread not in shown:
                shown.add(thread)
                yield thread
        cursor = page.cursor
        if cursor is None:
            return


async def _other_outcomes(
    store: HistoryStore, tenant: str, known: set[str]
) -> AsyncIterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        page = await store.page_of_outcomes(tenant, limit=_PAGE, cursor=cursor)
        for outcome in page.items:
            if outcome.query_id not in known:
                yield _line("outcome", dict(outcome.row))
        cursor = page.cursor
        if cursor is None:
            return


def _line(kind: str, value: Any) -> dict[str, Any]:
    return {"schema": SCHEMA, "kind": kind, kind: value}


@dataclass(frozen=True, slots=True)
class Importer:
    """Puts lines of an export, or rows of an outcome table, into a history.

    What the history knows already stays as it is, so that an import can be repeated.

    Attributes:
        signal: whose value an outcome's confidence is; the row's own `confidence` where None.
    """

    store: HistoryStore
    tenant: str
    signal: str | None = None

    async def take(self, lines: Iterable[tuple[int, Mapping[str, Any]]], file: str) -> Counter[str]:
        """How many lines of each kind were read.

        Args:
            lines: numbers and objects, as `read_lines` gives them.
            file: their name, for errors.

        Raises:
            BadInput: names file, line and field; what came before it is kept.
            StoreError: the history cannot be written.
        """
        counts: Counter[str] = Counter()
        for number, line in lines:
            try:
                counts[await self._take(line)] += 1
            except UsageError as error:
                raise BadInput(str(error), file=file, line=number) from error
        return counts

    async def _take(self, line: Mapping[str, Any]) -> str:
        kind = line.get("kind")
        if kind is None and "query_id" in line:  # a row of an outcome table
            kind, line = "outcome", {"outcome": line}
        if kind == "run":
            run = decode(RunRecord, _part(line, "run"))
            await self.store.restore(replace(run, tenant=self.tenant))
        elif kind == "turn":
            turn = decode(KeptTurn, _part(line, "turn"))
            await self.store.append(self.tenant, _thread(line), [turn])
        elif kind == "feedback":
            await self.store.label(self.tenant, decode(Feedback, _part(line, "feedback")))
        elif kind == "outcome":
            row = kept_outcome(_part(line, "outcome"), self.signal)
            await self.store.keep_outcomes(self.tenant, [row])
        else:
            raise UsageError(
                f"field 'kind': expected run, turn, feedback or outcome (or a row of an outcome "
                f"table, with query_id), got {kind!r}"
            )
        return str(kind)


def _part(line: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = line.get(name)
    if not isinstance(part, Mapping):
        raise UsageError(f"field '{name}': expected an object, got {type(part).__name__}")
    return part


def _thread(line: Mapping[str, Any]) -> str:
    thread = line.get("thread")
    if not isinstance(thread, str):
        raise UsageError(f"field 'thread': expected a text, got {type(thread).__name__}")
    return thread
