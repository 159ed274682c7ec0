"""Evidence between two nodes: this process's memory first, then the store."""

from __future__ import annotations

import asyncio

from surefoot.adapters.history_memory import MemoryHistory
from surefoot.graphs.handoff import Handoff
from surefoot.router.decisions import Attempt
from surefoot.router.errors import StoreError
from surefoot.router.evidence import Evidence
from surefoot.router.testing import says


def attempt(text: str, id: str = "1") -> Attempt:
    return Attempt(id, 0, 0, False, text, "stop", 0.0, 0.0)


def evidence(text: str) -> Evidence:
    return Evidence("q", says(text))


async def test_what_is_kept_is_found_for_its_run_and_tenant_only() -> None:
    handoff, kept = Handoff(), evidence("Paris")
    handoff.keep("a", "run", {"1": kept})
    assert await handoff.fetch("a", "run", [attempt("Paris")]) == ({"1": kept}, None)
    assert await handoff.fetch("b", "run", [attempt("Paris")]) == ({}, None)
    assert await handoff.fetch("a", "other", [attempt("Paris")]) == ({}, None)
    assert await handoff.fetch("a", "run", [attempt("Paris", "2")]) == ({}, None)


async def test_evidence_of_another_text_is_not_the_attempts() -> None:
    store = MemoryHistory()
    handoff = Handoff(store)
    handoff.keep("a", "run", {"1": evidence("Lyon")})
    await store.put("a", "run", "1", evidence("Nice"))
    assert await handoff.fetch("a", "run", [attempt("Paris")]) == ({}, None)


async def test_white_space_around_a_text_makes_no_difference() -> None:
    handoff, kept = Handoff(), evidence(" Paris\n")
    handoff.keep("a", "run", {"1": kept})
    assert await handoff.fetch("a", "run", [attempt("Paris")]) == ({"1": kept}, None)


async def test_finished_runs_go_first_and_then_the_oldest() -> None:
    handoff = Handoff(cap=2)
    for run in ("one", "two"):
        handoff.keep("a", run, {"1": evidence(run)})
    handoff.finished("a", "two")
    handoff.finished("a", "unknown")
    handoff.keep("a", "three", {"1": evidence("three")})
    held = [run for run in ("one", "two", "three") if await found(handoff, run)]
    assert held == ["one", "three"]
    handoff.keep("a", "one", {"1": evidence("one")})
    handoff.keep("a", "four", {"1": evidence("four")})
    held = [run for run in ("one", "three", "four") if await found(handoff, run)]
    assert held == ["one", "four"]


async def found(handoff: Handoff, run: str) -> bool:
    return bool((await handoff.fetch("a", run, [attempt(run)]))[0])


async def test_the_store_serves_another_process() -> None:
    store, kept = MemoryHistory(), evidence("Paris")
    assert await Handoff(store).store("a", "run", [("1", kept)]) is None
    assert await Handoff(store).fetch("a", "run", [attempt("Paris")]) == ({"1": kept}, None)


class BadStore:
    """Fails, or never answers."""

    def __init__(self, hangs: bool) -> None:
        self.hangs = hangs
        self.calls = 0

    async def put(self, tenant: str, run_id: str, attempt_id: str, evidence: Evidence) -> None:
        await self._fail()

    async def get(self, tenant: str, run_id: str, attempt_id: str) -> Evidence | None:
        await self._fail()
        return None

    async def _fail(self) -> None:
        self.calls += 1
        if self.hangs:
            await asyncio.Event().wait()
        raise StoreError("gone")


async def test_a_store_that_fails_is_reported_and_asked_no_further() -> None:
    two = [attempt("Paris"), attempt("Lyon", "2")]
    for hangs, problem in ((False, "gone"), (True, "no answer within 0.01 s")):
        store = BadStore(hangs)
        handoff = Handoff(store, timeout_s=0.01)
        assert await handoff.fetch("a", "run", two) == ({}, problem)
        texts = [("1", evidence("Paris")), ("2", evidence("Lyon"))]
        assert await handoff.store("a", "run", texts) == problem
        assert store.calls == 2


async def test_the_store_is_not_asked_for_what_is_at_hand() -> None:
    store = BadStore(hangs=False)
    handoff, kept = Handoff(store), evidence("Paris")
    handoff.keep("a", "run", {"1": kept})
    assert await handoff.fetch("a", "run", [attempt("Paris")]) == ({"1": kept}, None)
    assert store.calls == 0
