"""The history in memory: what it forgets, and when."""

from __future__ import annotations

from surefoot.adapters.history_format import Retention
from surefoot.adapters.history_memory import MemoryHistory

from ..contract.history_suite import Clock, ask, make_evidence, make_run, questions


async def test_only_the_latest_evidence_is_kept() -> None:
    store = MemoryHistory(Retention(max_evidence=2))
    for attempt in ("1", "2", "1", "3"):
        await store.put("acme", "r", attempt, make_evidence(attempt))
    assert await store.get("acme", "r", "2") is None  # "1" was put again after it
    assert await store.get("acme", "r", "1") == make_evidence("1")
    assert await store.get("acme", "r", "3") == make_evidence("3")


async def test_only_the_latest_runs_are_kept() -> None:
    store = MemoryHistory(Retention(max_runs=2))
    for number in range(3):
        await store.record(make_run(f"r{number}", thread=f"t{number}"))
    assert [run.result.run_id for run in await store.runs("acme")] == ["r2", "r1"]
    assert await questions(store, ask(thread="t0")) == []


async def test_a_forgotten_run_does_not_double_its_turn() -> None:
    store = MemoryHistory(Retention(max_runs=1))
    await store.record(make_run("r1", "q1"))
    await store.record(make_run("r2", "q2"))
    await store.record(make_run("r1", "q1"))
    assert await questions(store, ask()) == ["q1", "q2"]


async def test_a_thread_lives_as_long_as_it_is_used() -> None:
    clock = Clock()
    store = MemoryHistory(Retention(ttl_s=10), clock=clock)
    await store.record(make_run("r1", "q1"))
    clock.now += 9
    await store.record(make_run("r2", "q2"))
    clock.now += 9
    assert await questions(store, ask()) == ["q1", "q2"]
    assert [run.result.run_id for run in await store.runs("acme")] == ["r2"]
    assert (await store.recall(ask("q1"))).repeat is None
    assert (await store.recall(ask("q2"))).repeat is not None
    clock.now += 1
    assert await questions(store, ask()) == []
    await store.record(make_run("r3", "q3"))
    assert await questions(store, ask()) == ["q3"]
