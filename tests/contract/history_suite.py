"""What every history must do, whatever it is made of.

Derive a test class from `HistoryContract` and give it a fixture `open_store` that opens a store
with given retention; each call must open an empty one of its own. The builders below are plain
functions that other tests use too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.adapters.histories import HistoryStore, Retention
from surefoot.router.decisions import (
    Action,
    Alternative,
    Attempt,
    Comparison,
    Result,
    TrailStep,
)
from surefoot.router.errors import StoreError
from surefoot.router.evidence import Alternative as Candidate
from surefoot.router.evidence import CriticVerdict, Evidence, Generation, Passage, Token, Turn
from surefoot.router.protocols import RecallQuery, RunRecord
from surefoot.router.requests import Repeat
from surefoot.router.signals import Estimate, Signal, Unavailable

OpenStore = Callable[..., Awaitable[HistoryStore]]

NASTY = [
    *("", "a", "b", "a:b", ":", "::", "{x}", "{", "}", "{}", "%", "%3A", "%25", "a%3Ab", "*", "?"),
    *("ü", "u\u0308", "日本", "\x00", "\n", " ", "a ", "\u202e", "../a", "'", '"', "\\", "\ud800"),
]
"""Ids that would collide or escape where a store glued them together carelessly."""

SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
"""Every example opens a store of its own, and the derived classes share one property on purpose."""

ids = st.one_of(st.sampled_from(NASTY), st.text(":{}%aü\x00", max_size=4))


class Clock:
    """Seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def make_evidence(text: str = "Paris") -> Evidence:
    """Evidence with tokens, samples and matrices, so that something would be missed."""
    candidates = (Candidate(text, -0.1), Candidate(" Lyon", -2.5))
    token = Token(text, -0.1, candidates, special=False)
    greedy = Generation(text, (token, Token("</s>", None, (), special=True)))
    return Evidence(
        question="Capital of France?",
        greedy=greedy,
        id="e1",
        samples=(Generation("Lyon", (), None), greedy),
        passages=(Passage("p1", "France", "Paris is the capital.", 7.25),),
        nli=(((0.1, 0.2, 0.7),),),
        greedy_similarity=(0.5, 1.0),
        sample_token_similarity=((0.25,), ()),
        asked={"p_true": (Generation("True"),)},
        without_context=Generation("Nice"),
        previous_answers=("Rome",),
        peers={"large": Generation("Paris!")},
    )


def make_attempt(text: str = "Paris", **changes: object) -> Attempt:
    """An attempt with every field set to something that is not its default."""
    attempt = Attempt(
        id="2",
        tier=1,
        round=1,
        retrieved=True,
        text=text,
        finish_reason="stop",
        cost=None,
        latency_s=0.25,
        signals={
            "mean_logprob": Signal("mean_logprob", 0.9, -0.1, "confidence", {"k": 3, "ok": True}),
            "p_true": Unavailable("no logprobs"),
        },
        signal_costs={"p_true": 0.5, "judge": None},
        estimate=Estimate(0.875, "mean_logprob", True, "abc"),
        passage_ids=("p1",),
    )
    return replace(attempt, **changes)  # type: ignore[arg-type]  # any field, by name


def make_run(
    run_id: str,
    question: str = "Capital of France?",
    answer: str | None = "Paris",
    *,
    tenant: str = "acme",
    thread: str | None = "t1",
    fingerprint: str = "f1",
    recognized: bool = False,
    evidence: dict[str, Evidence] | None = None,
    user: str | None = "ann",
    at: str = "2026-11-22T10:00:00+00:00",
) -> RunRecord:
    """A finished run; without an answer it is an abstention with a best attempt."""
    attempt = make_attempt(answer or "Lyon?")
    step = TrailStep(
        step=1,
        request="draft",
        tier=1,
        outcome="5 tokens",
        signals=attempt.signals,
        estimate=Unavailable("not calibrated"),
        compared=(Comparison("estimate", 0.875, ">=", 0.7),),
        alternatives=(Alternative(Action.ESCALATE, 2, 0.1, 1.5, "over budget"),),
        action="answer",
        reason="sure enough",
        cost=None,
        elapsed_s=0.5,
    )
    result = Result(
        run_id=run_id,
        question=question,
        action=Action.ABSTAIN if answer is None else Action.ANSWER,
        answer=answer,
        confidence=None if answer is None else 0.875,
        reason="sure enough",
        tier=1,
        model="m",
        rounds=1,
        cost=0.125,
        latency_s=0.75,
        calls=2,
        tokens=40,
        best=attempt,
        attempts=(make_attempt("Rome", id="1", tier=0), attempt),
        passages=(Passage("p1", "France", "Paris is the capital.", 7.25),),
        degraded=("retriever: slow",),
        trail=(step,),
        certificate="c1",
        recognized=recognized,
    )
    return RunRecord(tenant, thread, fingerprint, result, at, evidence or {}, user, "policy-1")


def ask(
    question: str = "Capital of France?",
    *,
    tenant: str = "acme",
    thread: str | None = "t1",
    fingerprint: str = "f1",
    limit: int = 4,
) -> RecallQuery:
    """A query that the defaults of `make_run` fit."""
    return RecallQuery(tenant, thread, question, fingerprint, limit)


async def questions(store: HistoryStore, query: RecallQuery) -> list[str]:
    """The questions of the turns that are recalled."""
    return [turn.question for turn in (await store.recall(query)).turns]


class HistoryContract:
    """The suite; `open_store` comes from the derived class."""

    @pytest.fixture
    async def store(self, open_store: OpenStore) -> HistoryStore:
        return await open_store()

    async def test_nothing_is_known_at_first(self, store: HistoryStore) -> None:
        recalled = await store.recall(ask())
        assert recalled.turns == () and recalled.repeat is None
        assert list(await store.runs("acme")) == []
        assert await store.get("acme", "r1", "1") is None

    async def test_a_run_comes_back_without_loss(self, store: HistoryStore) -> None:
        run = make_run("r1", evidence={"2": make_evidence()})
        await store.record(run)
        assert list(await store.runs("acme")) == [replace(run, evidence={})]
        assert (await store.recall(ask())).turns == (Turn("Capital of France?", "Paris"),)
        assert await store.get("acme", "r1", "2") == make_evidence()
        assert not store.failures

    async def test_recording_again_changes_nothing(self, store: HistoryStore) -> None:
        await store.record(make_run("r1", evidence={"2": make_evidence("first")}))
        await store.record(make_run("r1", answer="Rome", evidence={"2": make_evidence("second")}))
        assert [run.result.answer for run in await store.runs("acme")] == ["Paris"]
        recalled = await store.recall(ask())
        assert recalled.turns == (Turn("Capital of France?", "Paris"),)
        assert recalled.repeat is not None and recalled.repeat.attempt.text == "Paris"
        assert await store.get("acme", "r1", "2") == make_evidence("first")

    async def test_the_same_run_id_of_another_tenant_is_another_run(
        self, store: HistoryStore
    ) -> None:
        await store.record(make_run("r1"))
        await store.record(make_run("r1", answer="Rome", tenant="other"))
        assert [run.result.answer for run in await store.runs("acme")] == ["Paris"]
        assert [run.result.answer for run in await store.runs("other")] == ["Rome"]

    async def test_turns_are_the_latest_and_oldest_first(self, store: HistoryStore) -> None:
        for number in range(5):
            await store.record(make_run(f"r{number}", f"q{number}"))
        assert await questions(store, ask(limit=3)) == ["q2", "q3", "q4"]
        assert await questions(store, ask(limit=9)) == ["q0", "q1", "q2", "q3", "q4"]
        assert await questions(store, ask(limit=0)) == []
        assert await questions(store, ask(limit=-1)) == []
        assert await questions(store, ask(thread="t2")) == []
        assert await questions(store, ask(thread=None)) == []

    async def test_runs_are_newest_first_and_limited(self, store: HistoryStore) -> None:
        for number in range(4):
            await store.record(make_run(f"r{number}", thread=None))
        assert [run.result.run_id for run in await store.runs("acme", 3)] == ["r3", "r2", "r1"]
        assert list(await store.runs("acme", 0)) == []
        assert list(await store.runs("acme", -1)) == []

    async def test_an_abstention_is_a_run_but_no_turn_and_no_repeat(
        self, store: HistoryStore
    ) -> None:
        await store.record(make_run("r1", answer=None))
        recalled = await store.recall(ask())
        assert recalled.turns == () and recalled.repeat is None
        assert [run.result.run_id for run in await store.runs("acme")] == ["r1"]

    async def test_a_run_without_a_thread_is_no_turn(self, store: HistoryStore) -> None:
        await store.record(make_run("r1", thread=None))
        assert await questions(store, ask(thread="")) == []
        assert (await store.recall(ask(thread=None))).repeat is not None

    async def test_threads_are_trimmed(self, open_store: OpenStore) -> None:
        store = await open_store(Retention(max_turns=2))
        for number in range(4):
            await store.record(make_run(f"r{number}", f"q{number}"))
        await store.record(make_run("r3", "q3"))
        assert await questions(store, ask(limit=9)) == ["q2", "q3"]

    async def test_the_served_attempt_of_the_latest_equal_question(
        self, store: HistoryStore
    ) -> None:
        await store.record(make_run("r1", "Capital of France?", "Rome"))
        await store.record(make_run("r2", "  capital of   FRANCE", "Paris"))
        await store.record(make_run("r3", "Capital of Spain?", "Madrid"))
        expected = Repeat("r2", "2026-11-22T10:00:00+00:00", make_attempt("Paris"))
        assert (await store.recall(ask("Capital of France"))).repeat == expected
        assert (await store.recall(ask(fingerprint="f2"))).repeat is None
        assert (await store.recall(ask(tenant="other"))).repeat is None
        assert (await store.recall(ask("Capital of Italy?"))).repeat is None

    async def test_only_a_first_hand_answer_is_a_repeat(self, store: HistoryStore) -> None:
        await store.record(make_run("r1", answer="Paris"))
        await store.record(make_run("r2", answer="Paris", recognized=True))
        await store.record(make_run("r3", answer=None))
        repeat = (await store.recall(ask())).repeat
        assert repeat is not None and repeat.run_id == "r1"
        assert await questions(store, ask()) == ["Capital of France?"] * 2

    async def test_an_answer_that_no_attempt_gave_is_no_repeat(self, store: HistoryStore) -> None:
        run = make_run("r1")
        await store.record(replace(run, result=replace(run.result, best=None)))
        run = make_run("r2")
        await store.record(replace(run, result=replace(run.result, answer="PARIS")))
        assert (await store.recall(ask())).repeat is None

    async def test_evidence_is_replaced_and_keeps_its_tokens(self, store: HistoryStore) -> None:
        await store.put("acme", "r1", "1", make_evidence("Rome"))
        verdict = CriticVerdict(None, 0.25)
        better = replace(make_evidence("Paris"), critique=verdict)
        await store.put("acme", "r1", "1", better)
        found = await store.get("acme", "r1", "1")
        assert found == better
        assert found.greedy.tokens[0].top_logprobs[1] == Candidate(" Lyon", -2.5)
        assert await store.get("acme", "r1", "2") is None
        assert await store.get("acme", "r2", "1") is None
        assert await store.get("other", "r1", "1") is None

    async def test_concurrent_records_lose_and_double_nothing(self, store: HistoryStore) -> None:
        runs = [make_run(f"r{number}", f"q{number}") for number in range(20)]
        await asyncio.gather(*(store.record(run) for run in runs + runs))
        found = await questions(store, ask(limit=99))
        assert sorted(found) == sorted(run.result.question for run in runs)
        assert len(await store.runs("acme", 99)) == 20

    async def test_everything_expires(self, open_store: OpenStore) -> None:
        store = await open_store(Retention(ttl_s=0.2))
        await store.record(make_run("r1", evidence={"2": make_evidence()}))
        await asyncio.sleep(0.25)  # Redis keeps its own time
        recalled = await store.recall(ask())
        assert recalled.turns == () and recalled.repeat is None
        assert list(await store.runs("acme")) == []
        assert await store.get("acme", "r1", "2") is None

    async def test_a_text_that_is_no_unicode_fails_alone(self, store: HistoryStore) -> None:
        """Memory may keep it; a store that cannot says so, and goes on."""
        try:
            await store.record(make_run("r1", question="\ud800"))
        except StoreError as error:
            assert "JSON" in str(error)
        await store.record(make_run("r2"))
        assert (await store.runs("acme"))[0].result.run_id == "r2"

    async def test_closing_twice_is_fine(self, store: HistoryStore) -> None:
        await store.record(make_run("r1"))
        await store.aclose()
        await store.aclose()

    @given(pairs=st.lists(st.tuples(ids, ids), min_size=2, max_size=5, unique=True))
    @settings(max_examples=25, suppress_health_check=SHARED)
    async def test_nothing_crosses_tenants_or_threads(
        self, open_store: OpenStore, pairs: list[tuple[str, str]]
    ) -> None:
        store = await open_store()
        for number, (tenant, thread) in enumerate(pairs):
            await store.record(
                make_run(f"r{number}", "q", f"answer {number}", tenant=tenant, thread=thread)
            )
            await store.put(tenant, thread, thread, make_evidence(f"answer {number}"))
        latest = {tenant: number for number, (tenant, _) in enumerate(pairs)}
        for number, (tenant, thread) in enumerate(pairs):
            recalled = await store.recall(ask("q", tenant=tenant, thread=thread))
            assert recalled.turns == (Turn("q", f"answer {number}"),)
            assert recalled.repeat is not None
            assert recalled.repeat.attempt.text == f"answer {latest[tenant]}"
            mine = {run.result.answer for run in await store.runs(tenant)}
            own = [n for n, (other, _) in enumerate(pairs) if other == tenant]
            assert mine == {f"answer {n}" for n in own}
            assert {run.thread for run in await store.runs(tenant)} == {pairs[n][1] for n in own}
            assert await store.get(tenant, thread, thread) == make_evidence(f"answer {number}")
        assert not store.failures
