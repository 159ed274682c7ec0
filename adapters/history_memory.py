"""A history in the memory of one process: for tests, scripts, and services that may forget."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

from ..router.evidence import Evidence, Turn
from ..router.feedback import Correctness, Feedback, KeptOutcome
from ..router.histories import Erased, KeptTurn, Page, RunFilter, Scope
from ..router.protocols import RecallQuery, RunRecord
from ..router.requests import Recalled, Repeat
from ..router.text import question_key
from .history_format import Retention, repeat_of
from .history_memory_outcomes import Outcomes
from .history_memory_shelf import Shelf
from .history_pages import page_of

__all__ = ["MemoryHistory"]


class MemoryHistory:
    """Keeps runs, turns, evidence, labels and outcomes in this process, within a `Retention`.

    Safe to share between threads and event loops. Nothing is copied: records are frozen.
    `failures` is there for symmetry with the other stores and stays empty.

    Args:
        clock: monotonic seconds.
    """

    def __init__(
        self, retention: Retention | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        keep = retention or Retention()
        ttl_s, cap = keep.lifetime_s(), keep.run_cap
        self.failures: Counter[str] = Counter()
        self._max_turns = keep.max_turns
        self._lock = Lock()
        self._runs: Shelf[tuple[str, str], RunRecord] = Shelf(cap, ttl_s, clock)
        self._threads: Shelf[tuple[str, str], deque[tuple[int, KeptTurn]]] = Shelf(
            cap, ttl_s, clock
        )
        self._repeats: Shelf[tuple[str, str, str], Repeat] = Shelf(cap, ttl_s, clock)
        self._evidence: Shelf[tuple[str, str, str], Evidence] = Shelf(
            keep.max_evidence, ttl_s, clock
        )
        self._labels: Shelf[tuple[str, str], dict[str, Feedback]] = Shelf(cap, ttl_s, clock)
        self._outcomes = Outcomes(cap, ttl_s, keep.max_outcomes, clock)
        self._turns_ever = 0

    # --- runs ----------------------------------------------------------------------------------

    async def recall(self, query: RecallQuery) -> Recalled:
        """The latest turns of the thread and the latest answer to an equal question."""
        with self._lock:
            key = (query.tenant, question_key(query.question), query.fingerprint)
            return Recalled(self._turns(query), self._repeats.get(key))

    def _turns(self, query: RecallQuery) -> tuple[Turn, ...]:
        if query.thread is None or query.limit <= 0:
            return ()
        thread = self._threads.get((query.tenant, query.thread)) or ()
        return tuple(kept.turn for _, kept in thread)[-query.limit :]

    async def record(self, run: RunRecord) -> None:
        """Keep a run; a run id that is known already changes nothing."""
        with self._lock:
            if self._keep(run) and run.thread is not None and run.turn is not None:
                self._append(run.tenant, run.thread, [_turn_of(run, run.turn)])

    async def restore(self, run: RunRecord) -> None:
        """Keep a run of another history without its turn, which comes with its thread."""
        with self._lock:
            self._keep(run)

    def _keep(self, run: RunRecord) -> bool:
        key = (run.tenant, run.result.run_id)
        if self._runs.get(key) is not None:
            return False
        for tenant, run_id in self._runs.keep(key, replace(run, evidence={})):
            self._forget(tenant, run_id)
        repeat = repeat_of(run)
        if repeat is not None:
            asked = question_key(run.result.question)
            self._repeats.keep((run.tenant, asked, run.fingerprint), repeat)
        for attempt_id, evidence in run.evidence.items():
            self._evidence.keep((*key, attempt_id), evidence)
        return True

    async def runs(self, tenant: str, limit: int = 20) -> Sequence[RunRecord]:
        """The tenant's latest runs, newest first, without their evidence."""
        return (await self.page_of_runs(tenant, limit=limit)).items

    async def find_run(self, tenant: str, run_id: str) -> RunRecord | None:
        """The run of that id; None where the tenant has none."""
        with self._lock:
            return self._runs.get((tenant, run_id))

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
        wanted = where or RunFilter()
        with self._lock:
            found = [
                (number, run)
                for (owner, _), number, run in self._runs.items()
                if owner == tenant and wanted.takes(run)
            ]
        return page_of(found, limit, cursor, oldest_first)

    # --- threads -------------------------------------------------------------------------------

    async def append(self, tenant: str, thread: str, turns: Sequence[KeptTurn]) -> int:
        """Append turns, each id once; how many were new."""
        with self._lock:
            return self._append(tenant, thread, turns)

    def _append(self, tenant: str, thread: str, turns: Sequence[KeptTurn]) -> int:
        known = self._threads.get((tenant, thread)) or deque(maxlen=self._max_turns)
        ids = {kept.id for _, kept in known}
        new: dict[str, KeptTurn] = {}
        for turn in turns:
            if turn.id not in ids:
                new.setdefault(turn.id, turn)
        for turn in new.values():
            self._turns_ever += 1
            known.append((self._turns_ever, turn))
        if new:
            self._threads.keep((tenant, thread), known)
        return len(new)

    async def page_of_turns(
        self, tenant: str, thread: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[KeptTurn]:
        """Turns of a thread, oldest first."""
        with self._lock:
            found = list(self._threads.get((tenant, thread)) or ())
        return page_of(found, limit, cursor, oldest_first=True)

    async def page_of_threads(
        self, tenant: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[str]:
        """Threads that have turns, the one that was quiet for longest first."""
        with self._lock:
            found = [
                (number, name)
                for (owner, name), number, _ in self._threads.items()
                if owner == tenant
            ]
        return page_of(found, limit, cursor, oldest_first=True)

    # --- evidence ------------------------------------------------------------------------------

    async def put(self, tenant: str, run_id: str, attempt_id: str, evidence: Evidence) -> None:
        """Keep or replace the evidence of one attempt."""
        with self._lock:
            self._evidence.keep((tenant, run_id, attempt_id), evidence)

    async def get(self, tenant: str, run_id: str, attempt_id: str) -> Evidence | None:
        """The evidence, or None where it is unknown or was forgotten."""
        with self._lock:
            return self._evidence.get((tenant, run_id, attempt_id))

    # --- labels and outcomes -------------------------------------------------------------------

    async def label(self, tenant: str, feedback: Feedback) -> bool:
        """Keep a label as long as its run; False where its id is known."""
        key = (tenant, feedback.run_id)
        with self._lock:
            known = self._labels.get(key) or {}
            if feedback.id in known:
                return False
            self._labels.keep(key, {**known, feedback.id: feedback}, self._runs.kept_at(key))
            return True

    async def labels(self, tenant: str, run_id: str) -> Sequence[Feedback]:
        """What was said of a run, in the order in which it came."""
        with self._lock:
            return tuple((self._labels.get((tenant, run_id)) or {}).values())

    async def keep_outcomes(self, tenant: str, outcomes: Sequence[KeptOutcome]) -> None:
        """Keep or replace rows, by query and rung."""
        with self._lock:
            for one in outcomes:
                self._outcomes.keep(tenant, one, self._runs.kept_at((tenant, one.query_id)))

    async def outcomes_of(self, tenant: str, query_id: str) -> Sequence[KeptOutcome]:
        """The rows of a query."""
        with self._lock:
            return self._outcomes.of(tenant, query_id)

    async def page_of_outcomes(
        self, tenant: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[KeptOutcome]:
        """All rows of some queries, the one written to longest ago first."""
        with self._lock:
            page = page_of(self._outcomes.queries(tenant), limit, cursor, oldest_first=True)
        return Page(tuple(row for rows in page.items for row in rows), page.cursor)

    async def correctness(self, tenant: str, recent: int = 0) -> Sequence[Correctness]:
        """By model and rung, over the outcomes that are kept."""
        with self._lock:
            return self._outcomes.correctness(tenant, recent)

    # --- forgetting ----------------------------------------------------------------------------

    async def erase(self, scope: Scope, *, limit: int = 100) -> Erased:
        """Erase some runs of what the scope names, and all that belongs to them."""
        from .history_memory_erase import Shelves, erase

        with self._lock:
            shelves = Shelves(
                self._runs, self._threads, self._evidence, self._labels, self._outcomes
            )
            return erase(shelves, scope, limit, self._forget)

    def _forget(self, tenant: str, run_id: str) -> Counter[str]:
        """Everything of a run but its turn; how much it was."""
        key = (tenant, run_id)
        run = self._runs.drop(key)
        if run is not None:
            asked = (tenant, question_key(run.result.question), run.fingerprint)
            repeat = self._repeats.get(asked)
            if repeat is not None and repeat.run_id == run_id:
                self._repeats.drop(asked)
        attempts = [known for known, _, _ in self._evidence.items() if known[:2] == key]
        for attempt in attempts:
            self._evidence.drop(attempt)
        return Counter(
            runs=int(run is not None),
            evidence=len(attempts),
            feedback=len(self._labels.drop(key) or ()),
            outcomes=self._outcomes.forget(tenant, run_id),
        )

    async def aclose(self) -> None:
        """Nothing to give back."""


def _turn_of(run: RunRecord, turn: Turn) -> KeptTurn:
    return KeptTurn(run.result.run_id, turn.question, turn.answer, run.at, run.user)
