"""Evidence of runs under way, handed from node to node outside of any checkpoint."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Iterable, Sequence
from threading import Lock
from typing import TypeVar

from ..router.decisions import Attempt
from ..router.errors import StoreError
from ..router.evidence import Evidence
from ..router.protocols import AttemptStore

__all__ = ["Handoff"]

T = TypeVar("T")


class Handoff:
    """Keeps evidence in this process, and in an attempt store where one is given.

    The process's own memory is what the nodes of one call use. The store is for a run that is
    resumed elsewhere; where it fails, the run goes on and says so.
    Safe to share between threads and event loops.

    Args:
        cap: runs whose evidence this process keeps; finished runs are the first to go. They are
            kept so that a checkpoint that was rewound finds its evidence.
        timeout_s: seconds that one call of the store may take.
    """

    def __init__(
        self, store: AttemptStore | None = None, *, cap: int = 256, timeout_s: float = 2.0
    ) -> None:
        self._store = store
        self._cap = cap
        self._timeout_s = timeout_s
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str], dict[str, Evidence]] = OrderedDict()

    async def fetch(
        self, tenant: str, run_id: str, attempts: Sequence[Attempt]
    ) -> tuple[dict[str, Evidence], str | None]:
        """The evidence of these attempts as far as it is known, and what went wrong, if anything.

        Evidence of another text under the same id belongs to a branch that was rewound: left out.
        """
        with self._lock:
            known = dict(self._kept.get((tenant, run_id), ()))
        found = {a.id: known[a.id] for a in attempts if _belongs(known.get(a.id), a)}
        if self._store is None or len(found) == len(attempts):
            return found, None
        for attempt in attempts:
            if attempt.id not in found:
                looked, problem = await self._ask(self._store.get(tenant, run_id, attempt.id))
                if problem is not None:
                    return found, problem
                if looked is not None and _belongs(looked, attempt):
                    found[attempt.id] = looked
        return found, None

    def keep(self, tenant: str, run_id: str, evidence: dict[str, Evidence]) -> None:
        """Keep all evidence of a run in this process; the dict is taken over, not copied."""
        with self._lock:
            self._kept[tenant, run_id] = evidence
            self._kept.move_to_end((tenant, run_id))
            while len(self._kept) > self._cap:
                self._kept.popitem(last=False)

    async def store(
        self, tenant: str, run_id: str, evidence: Iterable[tuple[str, Evidence]]
    ) -> str | None:
        """Put evidence into the attempt store, if there is one; what went wrong, if anything."""
        if self._store is None:
            return None
        for attempt_id, one in evidence:
            _, problem = await self._ask(self._store.put(tenant, run_id, attempt_id, one))
            if problem is not None:
                return problem
        return None

    def finished(self, tenant: str, run_id: str) -> None:
        """Let the evidence of this run go before that of any run under way."""
        with self._lock:
            if (tenant, run_id) in self._kept:
                self._kept.move_to_end((tenant, run_id), last=False)

    async def _ask(self, call: Awaitable[T]) -> tuple[T | None, str | None]:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await call, None
        except TimeoutError:
            return None, f"no answer within {self._timeout_s:.2f} s"
        except StoreError as error:
            return None, str(error)


def _belongs(evidence: Evidence | None, attempt: Attempt) -> bool:
    return evidence is not None and evidence.greedy.text.strip() == attempt.text
