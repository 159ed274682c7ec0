"""The service's own watch on its certificate: labels of audited traffic, fed to the monitor.

Runs and labels are read from the history, so that every replica sees all of them; the state is kept
where all share it, and never becomes less safe by what one of them does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..policies.monitor import MonitorSettings, run_monitor
from ..policies.monitor_evidence import Promise, RungScores
from ..policies.monitor_feed import FeedProgress
from ..policies.monitor_state import MonitorState, MonitorStatus, reaction_to
from ..policies.monitor_store import MonitorStore, load_state, update_state
from ..policies.outcome_table import Outcome, OutcomeTable
from ..policies.run_rows import outcome_of_row, rows_of_run
from ..policies.score_summaries import scores_of_profile
from ..router.decisions import Rung
from ..router.errors import StoreError, UsageError
from ..router.histories import RunFilter, moment_of
from ..router.protocols import RunRecord
from .monitor_run import promise_of

if TYPE_CHECKING:
    from ..graphs.config import Built

__all__ = ["MonitorFeed"]

_LOG = logging.getLogger("surefoot.service")
_EVERY_S = 60.0
_SETTLED_S = 2.0
"""Runs are read once they are this old: what is recorded later with an earlier time is skipped."""

_LOOK_BACK_S = 3600.0
_PAGE = 200
_MOST_RUNS = 20_000


@dataclass(frozen=True, slots=True)
class _Watched:
    """The promise, and where its state is kept under the profile's fingerprint."""

    store: MonitorStore
    promise: Promise
    rungs: Sequence[RungScores]
    policy_id: str


class MonitorFeed:
    """Feeds runs and labels to the monitor of the running profile.

    Attributes:
        status: of the promise, as far as this process knows; None where there is none to watch.

    Args:
        tenants: whose traffic the service serves.
        now: seconds since the epoch.
        every_s: how often to look without being woken.
        most_runs: of each tenant at a time; what is left is read the next time.
    """

    def __init__(
        self,
        built: Built,
        tenants: Sequence[str],
        *,
        now: Callable[[], float] = time.time,
        every_s: float = _EVERY_S,
        most_runs: int = _MOST_RUNS,
    ) -> None:
        self.status: MonitorStatus | None = None
        self._built = built
        self._tenants = tuple(dict.fromkeys(tenants))
        self._now = now
        self._every_s = every_s
        self._most_runs = most_runs
        self._woken = asyncio.Event()
        self._labeled: set[tuple[str, str]] = set()
        self._looked_back_at = -math.inf
        self._one_at_a_time = asyncio.Lock()
        self._watched = _watched(built)

    @property
    def is_on(self) -> bool:
        """Whether there is a promise to watch, and a history to watch it by."""
        return self._watched is not None

    @property
    def remark(self) -> str | None:
        """What every answer has to say of its certificate; None while it holds."""
        if self.status is None:
            return None
        reaction = reaction_to(self.status)
        return None if reaction.vouches else f"certificate: {reaction.words}"

    @property
    def has_closed(self) -> bool:
        """Whether gates let nothing through anymore, so that all runs are other than usual."""
        return self.status is not None and not reaction_to(self.status).gates

    def wake(self, tenant: str, run_id: str) -> None:
        """A label has come: look soon."""
        if self.is_on:
            self._labeled.add((tenant, run_id))
            self._woken.set()

    async def run(self) -> None:
        """Watch until cancelled. A failing store is logged, and tried again."""
        while True:
            self._woken.clear()
            try:
                await self.update()
            except (StoreError, UsageError) as error:
                _LOG.warning("the monitor could not be fed: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._woken.wait()
            await asyncio.sleep(_SETTLED_S)

    async def update(self) -> MonitorState | None:
        """Feed what is new; the state afterwards, None where nothing is watched.

        Raises:
            StoreError: history or state cannot be read.
            UsageError: the state is about another certificate.
        """
        if self._watched is None:
            return None
        async with self._one_at_a_time:
            labeled = set(self._labeled)
            state = await self._fed(self._watched, labeled)
            self._labeled -= labeled  # only now: what could not be fed is fed the next time
        if state.status != self.status:
            _LOG.warning("the certificate is %s: %s", state.status, state.reaction.words)
        self.status = state.status
        if self._built.gate is not None:
            self._built.gate.follow(state.reaction)
        return state

    async def _fed(self, watched: _Watched, labeled: set[tuple[str, str]]) -> MonitorState:
        key, now = watched.policy_id, self._now()
        state = await load_state(watched.store, key)
        evidence = None if state is None else state.evidence
        progress = None if evidence is None else evidence.progress
        table = await self._table(progress, now - _SETTLED_S, labeled)
        audit = self._built.audit
        least = None if audit is None else audit.least
        told = MonitorSettings(least_propensity=least, policy_id=key)

        def change(before: MonitorState | None) -> MonitorState:
            promise, rungs = watched.promise, watched.rungs
            return run_monitor(table, promise, rungs, before, now, key=key, settings=told)[0]

        return await update_state(watched.store, key, change)

    async def _table(
        self, progress: FeedProgress | None, until: float, labeled: set[tuple[str, str]]
    ) -> OutcomeTable:
        """What is new, and runs whose label may have come since they were read."""
        mark = None if progress is None else progress.mark
        found = await self._new(mark, until)
        if progress is not None and mark is not None:
            found += await self._late(progress, mark, labeled)
        queries: dict[str, dict[Rung, Outcome]] = {}
        for tenant, run in found:
            outcomes = [outcome_of_row(row) for row in await self._rows(tenant, run)]
            if outcomes:
                queries[run.result.run_id] = {one.rung: one for one in outcomes}
        return OutcomeTable(queries)

    async def _new(self, mark: float | None, until: float) -> list[tuple[str, RunRecord]]:
        """No tenant's more than another's: what there was no room for of one must not lie before
        what was read of the others."""
        found: list[tuple[str, RunRecord]] = []
        last = datetime.fromtimestamp(until, UTC)
        first = None if mark is None else datetime.fromtimestamp(mark, UTC)
        for tenant in self._tenants:
            runs, is_all = await self._runs(tenant, RunFilter(since=first, until=last))
            found += [(tenant, run) for run in runs]
            if not is_all:
                last = min(last, moment_of(runs[-1].at) or last)
        return [(tenant, run) for tenant, run in found if (moment_of(run.at) or last) <= last]

    async def _late(
        self, progress: FeedProgress, mark: float, labeled: set[tuple[str, str]]
    ) -> list[tuple[str, RunRecord]]:
        """Those that were labeled through this process; now and then all that wait for a label,
        since people also label by other ways."""
        history, found = self._built.history, list[tuple[str, RunRecord]]()
        assert history is not None
        for tenant, run_id in labeled:
            run = await history.find_run(tenant, run_id)
            if run is not None:
                found.append((tenant, run))
        now = self._now()
        waiting = [ts for _, ts in progress.pending if ts >= 0.0]
        if waiting and now - self._looked_back_at >= _LOOK_BACK_S:
            self._looked_back_at = now
            since = datetime.fromtimestamp(min(waiting), UTC)
            where = RunFilter(since=since, until=datetime.fromtimestamp(mark + 1.0, UTC))
            for tenant in self._tenants:
                runs, _ = await self._runs(tenant, where)
                found += [(tenant, run) for run in runs]
        return found

    async def _runs(self, tenant: str, where: RunFilter) -> tuple[list[RunRecord], bool]:
        """The oldest runs, and whether these are all."""
        history = self._built.history
        assert history is not None
        runs: list[RunRecord] = []
        cursor: str | None = None
        while len(runs) < self._most_runs:
            page = await history.page_of_runs(
                tenant, where, limit=_PAGE, cursor=cursor, oldest_first=True
            )
            runs += page.items
            cursor = page.cursor
            if cursor is None:
                return runs, True
        return runs, False

    async def _rows(self, tenant: str, run: RunRecord) -> list[dict[str, object]]:
        history = self._built.history
        assert history is not None
        labels = await history.labels(tenant, run.result.run_id)
        return rows_of_run(run, labels, self._built.names)


def _watched(built: Built) -> _Watched | None:
    profile, store = built.profile, built.monitor_store
    if profile is None or store is None or built.history is None:
        return None
    if profile.certificate is None or profile.certificate.date is None:
        return None
    promise = promise_of(profile, "the profile")
    return _Watched(store, promise, scores_of_profile(profile), profile.fingerprint)
