"""A history as a state machine against a model of plain lists and dicts.

The same machine drives all stores: it appends, trims, lets time pass, crashes and goes on, erases,
and after every step compares what a reader sees. A store is brought by a `World`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from surefoot.adapters.histories import HistoryStore, Retention
from surefoot.router.feedback import Feedback
from surefoot.router.histories import KeptTurn, RunFilter, Scope
from surefoot.router.protocols import RunRecord

from .history_labels_suite import counted, outcome
from .history_suite import ask, make_run

TTL_S = 1000.0
KEEP = Retention(ttl_s=TTL_S, max_turns=3)

# Ids that a store which glued them together would mix up.
tenants = st.sampled_from(["a", "a:b", "{a}", ""])
threads = st.sampled_from(["b", "b:c", "%3A"])
users = st.sampled_from([None, "u", "u:{v}"])
numbers = st.integers(0, 7)


class World(Protocol):
    """Opens a store, ages it, and says what a crash leaves, and how many runs a tenant has."""

    survives: bool
    max_runs: int | None

    async def open(self, retention: Retention) -> HistoryStore: ...

    async def age(self, seconds: float) -> None: ...

    async def crash(self, store: HistoryStore) -> None: ...

    def close(self) -> None: ...


@dataclass
class Kept:
    """Something with the time when its life began."""

    at: float
    value: Any


@dataclass
class Model:
    """What one tenant's history should be."""

    max_runs: int | None
    runs: dict[str, Kept] = field(default_factory=dict)
    threads: dict[str, tuple[float, list[KeptTurn]]] = field(default_factory=dict)
    labels: dict[str, tuple[float, dict[str, Feedback]]] = field(default_factory=dict)
    losses: dict[str, Kept] = field(default_factory=dict)

    def expire(self, now: float) -> None:
        over = now - TTL_S
        self.runs = {key: one for key, one in self.runs.items() if one.at > over}
        self.threads = {key: one for key, one in self.threads.items() if one[0] > over}
        self.labels = {key: one for key, one in self.labels.items() if one[0] > over}
        self.losses = {key: one for key, one in self.losses.items() if one.at > over}

    def append(self, now: float, thread: str, turns: list[KeptTurn]) -> None:
        _, known = self.threads.get(thread, (now, []))
        new = [one for one in turns if one.id not in [old.id for old in known]]
        if new:
            self.threads[thread] = (now, (known + new)[-KEEP.max_turns :])

    def record(self, now: float, run: RunRecord) -> None:
        id = run.result.run_id
        if id in self.runs:
            return
        self.runs[id] = Kept(now, run)
        if run.thread is not None and run.turn is not None:
            turn = KeptTurn(id, run.turn.question, run.turn.answer, run.at, run.user)
            self.append(now, run.thread, [turn])
        if self.max_runs is not None:
            for old in list(self.runs)[: -self.max_runs]:
                self.forget(old)

    def began(self, now: float, run_id: str) -> float:
        return self.runs[run_id].at if run_id in self.runs else now

    def forget(self, run_id: str) -> None:
        self.runs.pop(run_id, None)
        self.labels.pop(run_id, None)
        self.losses.pop(run_id, None)

    def erase(self, scope: Scope) -> None:
        for id, kept in list(self.runs.items()):
            if scope.user is not None:
                goes = kept.value.user == scope.user
            else:
                goes = scope.thread in (None, kept.value.thread)
            if goes:
                self.forget(id)
        for name, (at, turns) in list(self.threads.items()):
            if scope.user is not None:
                turns = [one for one in turns if one.user != scope.user]
            elif scope.thread in (None, name):
                turns = []
            self.threads[name] = (at, turns)
            if not turns:
                del self.threads[name]
        if scope.user is None and scope.thread is None:
            self.labels.clear()
            self.losses.clear()


class HistoryMachine(RuleBasedStateMachine):
    """The machine; a derived class names its world."""

    recorded = Bundle("recorded")

    def make_world(self) -> World:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.world = self.make_world()
        self.store = self.runner.run(self.world.open(replace(KEEP, max_runs=self.world.max_runs)))
        self.models: dict[str, Model] = {}
        self.now = 0.0

    def model(self, tenant: str) -> Model:
        model = self.models.setdefault(tenant, Model(self.world.max_runs))
        model.expire(self.now)
        return model

    @rule(
        target=recorded,
        tenant=tenants,
        number=numbers,
        thread=st.none() | threads,
        user=users,
        answered=st.booleans(),
    )
    def record(
        self, tenant: str, number: int, thread: str | None, user: str | None, answered: bool
    ) -> tuple[str, str]:
        id = f"r{number}"
        run = make_run(
            id,
            f"q{number} of {tenant}",
            f"for {tenant}" if answered else None,
            tenant=tenant,
            thread=thread,
            user=user,
        )
        self.runner.run(self.store.record(run))
        self.model(tenant).record(self.now, run)
        return tenant, id

    @rule(tenant=tenants, thread=threads, numbers=st.lists(numbers, max_size=5), user=users)
    def append(self, tenant: str, thread: str, numbers: list[int], user: str | None) -> None:
        turns = [KeptTurn(f"k{one}", f"q{one} of {tenant}", "a", "", user) for one in numbers]
        unique = list({one.id: one for one in turns}.values())
        self.runner.run(self.store.append(tenant, thread, turns))
        self.model(tenant).append(self.now, thread, unique)

    @rule(run=recorded, number=numbers)
    def label(self, run: tuple[str, str], number: int) -> None:
        tenant, run_id = run
        said = Feedback(f"f{number}", run_id, "right", by=f"said in {tenant}")
        is_new = self.runner.run(self.store.label(tenant, said))
        model = self.model(tenant)
        at, known = model.labels.get(run_id, (model.began(self.now, run_id), {}))
        assert is_new == (said.id not in known)
        # Labels of a run that is gone are renewed together.
        at = model.runs[run_id].at if run_id in model.runs else self.now if is_new else at
        model.labels[run_id] = (at, {**known, said.id: said})

    @rule(run=recorded, loss=st.sampled_from([0.0, 1.0, None]))
    def judge(self, run: tuple[str, str], loss: float | None) -> None:
        tenant, run_id = run
        self.runner.run(self.store.keep_outcomes(tenant, [outcome(run_id, loss)]))
        model = self.model(tenant)
        model.losses[run_id] = Kept(model.began(self.now, run_id), loss)

    @rule(seconds=st.sampled_from([1.0, 400.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.runner.run(self.world.age(seconds))
        self.now += seconds

    @rule()
    def crash(self) -> None:
        self.runner.run(self.world.crash(self.store))
        if not self.world.survives:
            self.models.clear()
        self.store = self.runner.run(self.world.open(replace(KEEP, max_runs=self.world.max_runs)))

    @rule(tenant=tenants, user=users, thread=st.none() | threads)
    def erase(self, tenant: str, user: str | None, thread: str | None) -> None:
        scope = Scope(tenant, user, None if user is not None else thread)
        while not self.runner.run(self.store.erase(scope, limit=2)).is_done:
            pass
        self.model(tenant).erase(scope)

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def readers_see_the_model(self) -> None:
        for tenant in self.models:
            self.runner.run(self._compare(tenant, self.model(tenant)))
        assert not self.store.failures

    async def _compare(self, tenant: str, model: Model) -> None:
        page = await self.store.page_of_runs(tenant, limit=9)
        expected = [replace(kept.value, evidence={}) for kept in model.runs.values()]
        assert list(page.items) == expected[::-1]
        for name in ("b", "b:c", "%3A"):
            _, turns = model.threads.get(name, (0.0, []))
            assert list((await self.store.page_of_turns(tenant, name)).items) == turns
            recalled = await self.store.recall(ask(tenant=tenant, thread=name, limit=9))
            assert list(recalled.turns) == [one.turn for one in turns]
            of_thread = await self.store.page_of_runs(tenant, RunFilter(thread=name))
            assert [run for run in expected if run.thread == name] == list(of_thread.items)[::-1]
        for number in range(8):
            _, labels = model.labels.get(f"r{number}", (0.0, {}))
            assert list(await self.store.labels(tenant, f"r{number}")) == list(labels.values())
        losses = [kept.value for kept in model.losses.values() if kept.value is not None]
        correctness = await self.store.correctness(tenant)
        assert [counted(one) for one in correctness] == (
            [{9: (len(losses), losses.count(0.0))}] if losses else []
        )

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.store.aclose())
            self.runner.close()
            self.world.close()
