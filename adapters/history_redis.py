"""A history in plain Redis (7.0, or anything that knows the commands of 6.2): many processes.

Where everything lies is told in `history_redis_keys`, what happens in one step on the server in
`history_redis_scripts`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from ..router.evidence import Evidence
from ..router.feedback import Correctness, Feedback, KeptOutcome
from ..router.histories import Erased, KeptTurn, Page, RunFilter, Scope
from ..router.protocols import RecallQuery, RunRecord
from ..router.requests import Recalled
from .history_format import Retention
from .history_redis_erase import RedisEraser
from .history_redis_outcomes import RedisOutcomes
from .history_redis_place import Place
from .history_redis_runs import RedisRuns
from .history_redis_scripts import MAX_VALUE_BYTES
from .history_redis_threads import RedisThreads
from .redis_link import RedisLink, RedisSettings

__all__ = ["MAX_VALUE_BYTES", "RedisHistory"]


class RedisHistory:
    """Keeps runs, turns, evidence, labels and outcomes in Redis, for any number of processes.

    Every method raises a StoreError within `settings.budget_s` a call where Redis does not serve
    it, and at once while the breaker is open; Redis is found again without a new history. Values
    that are corrupt, of an unknown schema version, of a foreign type or larger than
    `MAX_VALUE_BYTES` count as absent. `failures` counts all of these by kind.

    Args:
        url: `redis://HOST:PORT/DB`, `rediss://` for TLS, `unix:///PATH?db=N`.
        prefix: of every key.
        clock: monotonic seconds, for the breaker.
        now: seconds since the epoch, for the order of what is kept.
    """

    def __init__(
        self,
        url: str,
        retention: Retention | None = None,
        *,
        settings: RedisSettings | None = None,
        prefix: str = "sf",
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.failures: Counter[str] = Counter()
        link = RedisLink(url, settings or RedisSettings(), self.failures, clock)
        self._link = link
        place = Place(link, prefix, retention or Retention(), self.failures, now)
        self._threads = RedisThreads(place)
        self._outcomes = RedisOutcomes(place)
        self._eraser = RedisEraser(place, self._outcomes, self._threads)
        self._runs = RedisRuns(place, self._threads, self._eraser)

    # --- runs ----------------------------------------------------------------------------------

    async def recall(self, query: RecallQuery) -> Recalled:
        """The latest turns of the thread and the latest answer to an equal question."""
        return await self._runs.recall(query)

    async def record(self, run: RunRecord) -> None:
        """Keep run, turn and evidence in one atomic script; a known run id changes nothing."""
        await self._runs.keep(run, with_turn=True)

    async def restore(self, run: RunRecord) -> None:
        """Keep a run of another history without its turn, which comes with its thread."""
        await self._runs.keep(run, with_turn=False)

    async def runs(self, tenant: str, limit: int = 20) -> Sequence[RunRecord]:
        """The tenant's latest runs, newest first, without their evidence."""
        return (await self._runs.page(tenant, RunFilter(), limit, None, False)).items

    async def find_run(self, tenant: str, run_id: str) -> RunRecord | None:
        """The run of that id; None where the tenant has none."""
        return await self._runs.find(tenant, run_id)

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
        return await self._runs.page(tenant, where or RunFilter(), limit, cursor, oldest_first)

    # --- threads -------------------------------------------------------------------------------

    async def append(self, tenant: str, thread: str, turns: Sequence[KeptTurn]) -> int:
        """Append turns in one atomic script, each id once; how many were new."""
        return await self._threads.append(tenant, thread, turns)

    async def page_of_turns(
        self, tenant: str, thread: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[KeptTurn]:
        """Turns of a thread, oldest first."""
        return await self._threads.page(tenant, thread, limit, cursor)

    async def page_of_threads(
        self, tenant: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[str]:
        """Threads that have turns, the one that was quiet for longest first."""
        return await self._threads.names(tenant, limit, cursor)

    # --- evidence ------------------------------------------------------------------------------

    async def put(self, tenant: str, run_id: str, attempt_id: str, evidence: Evidence) -> None:
        """Keep or replace the evidence of one attempt."""
        await self._runs.put(tenant, run_id, attempt_id, evidence)

    async def get(self, tenant: str, run_id: str, attempt_id: str) -> Evidence | None:
        """The evidence, or None where it is unknown or was forgotten."""
        return await self._runs.get(tenant, run_id, attempt_id)

    # --- labels and outcomes -------------------------------------------------------------------

    async def label(self, tenant: str, feedback: Feedback) -> bool:
        """Keep a label as long as its run; False where its id is known."""
        return await self._outcomes.label(tenant, feedback)

    async def labels(self, tenant: str, run_id: str) -> Sequence[Feedback]:
        """What was said of a run, in the order in which it came."""
        return await self._outcomes.labels(tenant, run_id)

    async def keep_outcomes(self, tenant: str, outcomes: Sequence[KeptOutcome]) -> None:
        """Keep or replace rows, by query and rung; those of one query in one step."""
        await self._outcomes.keep(tenant, outcomes)

    async def outcomes_of(self, tenant: str, query_id: str) -> Sequence[KeptOutcome]:
        """The rows of a query."""
        return await self._outcomes.of(tenant, query_id)

    async def page_of_outcomes(
        self, tenant: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[KeptOutcome]:
        """All rows of some queries, the one written to longest ago first."""
        return await self._outcomes.page(tenant, limit, cursor)

    async def correctness(self, tenant: str, recent: int = 0) -> Sequence[Correctness]:
        """By model and rung, over the outcomes that are kept."""
        return await self._outcomes.correctness(tenant, recent)

    # --- forgetting ----------------------------------------------------------------------------

    async def erase(self, scope: Scope, *, limit: int = 100) -> Erased:
        """Erase some runs of what the scope names, and all that belongs to them: run by run, each
        in one atomic script."""
        return await self._eraser.erase(scope, max(1, limit))

    async def aclose(self) -> None:
        """Close the connections that this event loop has opened. Idempotent."""
        await self._link.aclose()
