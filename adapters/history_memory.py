"""A history in the memory of one process: for tests, scripts, and services that may forget."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from threading import Lock
from typing import Generic, TypeVar

from ..router.evidence import Evidence, Turn
from ..router.protocols import RecallQuery, RunRecord
from ..router.requests import Recalled, Repeat
from ..router.text import question_key
from .history_format import Retention, repeat_of

__all__ = ["MemoryHistory"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Shelf(Generic[K, V]):
    """A mapping that forgets: the least recently kept beyond `cap`, and what is over `ttl_s`."""

    def __init__(self, cap: int, ttl_s: float, clock: Callable[[], float]) -> None:
        self._cap = cap
        self._ttl_s = ttl_s
        self._clock = clock
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        found = self._kept.get(key)
        return None if found is None or self._is_over(found[0]) else found[1]

    def keep(self, key: K, value: V) -> None:
        self._kept[key] = (self._clock(), value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._cap or self._is_over(next(iter(self._kept.values()))[0]):
            self._kept.popitem(last=False)  # the oldest stands first

    def newest(self) -> list[V]:
        """Everything that is still kept, newest first."""
        return [value for at, value in reversed(self._kept.values()) if not self._is_over(at)]

    def _is_over(self, at: float) -> bool:
        return self._clock() - at >= self._ttl_s


class MemoryHistory:
    """Keeps runs, turns and evidence in this process, within the caps of a `Retention`.

    Safe to share between threads and event loops. Nothing is copied: records are frozen.
    `failures` is there for symmetry with the other stores and stays empty.

    Args:
        clock: monotonic seconds.
    """

    def __init__(
        self, retention: Retention | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        keep = retention or Retention()
        ttl_s = keep.lifetime_s()
        self.failures: Counter[str] = Counter()
        self._max_turns = keep.max_turns
        self._lock = Lock()
        self._runs: _Shelf[tuple[str, str], RunRecord] = _Shelf(keep.max_runs, ttl_s, clock)
        self._threads: _Shelf[tuple[str, str], deque[tuple[str, Turn]]] = _Shelf(
            keep.max_runs, ttl_s, clock
        )
        self._repeats: _Shelf[tuple[str, str, str], Repeat] = _Shelf(keep.max_runs, ttl_s, clock)
        self._evidence: _Shelf[tuple[str, str, str], Evidence] = _Shelf(
            keep.max_evidence, ttl_s, clock
        )

    async def recall(self, query: RecallQuery) -> Recalled:
        """The latest turns of the thread and the latest answer to an equal question."""
        with self._lock:
            key = (query.tenant, question_key(query.question), query.fingerprint)
            return Recalled(self._turns(query), self._repeats.get(key))

    def _turns(self, query: RecallQuery) -> tuple[Turn, ...]:
        if query.thread is None or query.limit <= 0:
            return ()
        thread = self._threads.get((query.tenant, query.thread)) or ()
        return tuple(turn for _, turn in thread)[-query.limit :]

    async def record(self, run: RunRecord) -> None:
        """Keep a run; a run id that is known already changes nothing."""
        key = (run.tenant, run.result.run_id)
        with self._lock:
            if self._runs.get(key) is not None:
                return
            self._runs.keep(key, replace(run, evidence={}))
            self._append(run)
            repeat = repeat_of(run)
            if repeat is not None:
                asked = question_key(run.result.question)
                self._repeats.keep((run.tenant, asked, run.fingerprint), repeat)
            for attempt_id, evidence in run.evidence.items():
                self._evidence.keep((*key, attempt_id), evidence)

    def _append(self, run: RunRecord) -> None:
        turn = run.turn
        if run.thread is None or turn is None:
            return
        key = (run.tenant, run.thread)
        thread = self._threads.get(key) or deque(maxlen=self._max_turns)
        # The run itself may have been forgotten before its thread was.
        if all(run_id != run.result.run_id for run_id, _ in thread):
            thread.append((run.result.run_id, turn))
        self._threads.keep(key, thread)

    async def runs(self, tenant: str, limit: int = 20) -> Sequence[RunRecord]:
        """The tenant's latest runs, newest first, without their evidence."""
        with self._lock:
            return [run for run in self._runs.newest() if run.tenant == tenant][: max(0, limit)]

    async def put(self, tenant: str, run_id: str, attempt_id: str, evidence: Evidence) -> None:
        """Keep or replace the evidence of one attempt."""
        with self._lock:
            self._evidence.keep((tenant, run_id, attempt_id), evidence)

    async def get(self, tenant: str, run_id: str, attempt_id: str) -> Evidence | None:
        """The evidence, or None where it is unknown or was forgotten."""
        with self._lock:
            return self._evidence.get((tenant, run_id, attempt_id))

    async def aclose(self) -> None:
        """Nothing to give back."""
