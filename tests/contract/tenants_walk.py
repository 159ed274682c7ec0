"""A random walk of many tenants through one history: nobody ever reads what another has written.

Ids are those that a store which glued them together would mix up. Every text that is written names
its tenant, so that every text that is read can be asked whose it is.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from surefoot.adapters.histories import HistoryStore
from surefoot.router.feedback import Feedback
from surefoot.router.histories import KeptTurn, RunFilter, Scope
from surefoot.router.protocols import RunRecord

from .history_labels_suite import outcome
from .history_suite import NASTY, ask, make_evidence, make_run

TENANTS = [one for one in NASTY if one != "\ud800"]
IDS = ["", "a", "b", "a:b", ":", "{a}", "%", "b:c"]


class Walk:
    """Operations by chance; `strays` counts texts of others that were read, by operation."""

    def __init__(self, store: HistoryStore, seed: int) -> None:
        self.store = store
        self.rng = random.Random(seed)
        self.strays: Counter[str] = Counter()
        self.read = 0
        self._steps: list[Callable[[str], Awaitable[None]]] = [
            self.record,
            self.append,
            self.evidence,
            self.label,
            self.outcomes,
            self.recall,
            self.pages,
            self.labels,
            self.counts,
            self.erase,
        ]

    async def run(self, steps: int) -> None:
        """So many operations."""
        weights = [3, 2, 1, 2, 2, 4, 3, 2, 2, 0.3]
        for step in self.rng.choices(self._steps, weights, k=steps):
            await step(self.rng.choice(TENANTS))

    def _id(self) -> str:
        return self.rng.choice(IDS)

    def _check(self, what: str, tenant: str, texts: Iterable[str]) -> None:
        for text in texts:
            self.read += 1
            self.strays[what] += text != self._mine(tenant)

    @staticmethod
    def _mine(tenant: str) -> str:
        return f"of {tenant!r}"

    def _made(self, tenant: str) -> RunRecord:
        mine = self._mine(tenant)
        run = make_run(
            self._id(), "q", mine, tenant=tenant, thread=self._id(), user=self._id(), evidence={}
        )
        return replace(run, policy_id=mine)

    # --- what writes ---------------------------------------------------------------------------

    async def record(self, tenant: str) -> None:
        await self.store.record(self._made(tenant))

    async def append(self, tenant: str) -> None:
        turn = KeptTurn(self._id(), "q", self._mine(tenant), "", self._id())
        await self.store.append(tenant, self._id(), [turn])

    async def evidence(self, tenant: str) -> None:
        where = (tenant, self._id(), self._id())
        await self.store.put(*where, make_evidence(self._mine(tenant)))
        found = await self.store.get(tenant, self._id(), self._id())
        self._check("get", tenant, [] if found is None else [found.greedy.text])

    async def label(self, tenant: str) -> None:
        said = Feedback(self._id(), self._id(), "right", by=self._mine(tenant))
        await self.store.label(tenant, said)

    async def outcomes(self, tenant: str) -> None:
        one = outcome(self._id() or "q", float(self.rng.random() < 0.5), model=self._mine(tenant))
        await self.store.keep_outcomes(tenant, [one])

    async def erase(self, tenant: str) -> None:
        await self.store.erase(Scope(tenant, user=self._id()), limit=5)

    # --- what reads ----------------------------------------------------------------------------

    async def recall(self, tenant: str) -> None:
        found = await self.store.recall(ask("q", tenant=tenant, thread=self._id()))
        self._check("turns", tenant, [turn.answer for turn in found.turns])
        if found.repeat is not None:
            self._check("repeat", tenant, [found.repeat.attempt.text])

    async def pages(self, tenant: str) -> None:
        where = self.rng.choice([RunFilter(), RunFilter(thread=self._id())])
        runs = (await self.store.page_of_runs(tenant, where, limit=5)).items
        self._check("runs", tenant, [run.policy_id or "" for run in runs])
        turns = (await self.store.page_of_turns(tenant, self._id(), limit=5)).items
        self._check("page of turns", tenant, [one.turn.answer for one in turns])

    async def labels(self, tenant: str) -> None:
        found = await self.store.labels(tenant, self._id())
        self._check("labels", tenant, [one.by for one in found])

    async def counts(self, tenant: str) -> None:
        rows = await self.store.outcomes_of(tenant, self._id())
        self._check("outcomes", tenant, [row.model for row in rows])
        models = await self.store.correctness(tenant)
        self._check("correctness", tenant, [one.model for one in models])
