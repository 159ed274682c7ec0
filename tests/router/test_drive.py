"""The plain driver, end to end over the shipped doubles."""

from __future__ import annotations

import asyncio
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.policies.threshold import BuyBand, RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.budget import Budget, Price
from surefoot.router.decisions import Action, Result, Rung, TrailStep
from surefoot.router.drive import Router, checked_question, drive, new_run_id
from surefoot.router.errors import ContextTooLong, UpstreamUnavailable, UsageError
from surefoot.router.evidence import Evidence, Token, Turn
from surefoot.router.loop import open_run
from surefoot.router.perform import Performer, Session
from surefoot.router.plan import Plan, RetrievalPlan, TierPlan
from surefoot.router.protocols import Completion, ModelCall, Needs, OnTokens
from surefoot.router.requests import Continue, PrefixVerdict, Recalled, Stop
from surefoot.router.signals import Reading, Signal, Unavailable
from surefoot.router.sizing import PromptSizer
from surefoot.router.testing import (
    FixedEstimator,
    FixedRetriever,
    FunctionModel,
    PlainPrompter,
    ScriptedModel,
    says,
)

from .deployments import LATE, Hanging, Notebook, router_of
from .plans import FOUND, FRANCE, plan_of

TIERS = (
    TierPlan("small", "m", context=100, max_output=20, price=Price(1.0, 1.0)),
    TierPlan("large", "l", context=200, max_output=20, price=Price(10.0, 10.0)),
)


def first_word_sure(evidence: Evidence) -> Reading:
    """The probability of the first token."""
    if not evidence.greedy.tokens:
        return Unavailable("no tokens")
    p = 2.718281828459045 ** (evidence.greedy.tokens[0].logprob or 0.0)
    return Signal("sure", round(p, 6), p)


def plan(**changes: Any) -> Plan:
    """Two tiers that answer at 0.7; as sure as the first token; prompts are really built."""
    return plan_of(
        **{
            "tiers": TIERS,
            "free": (FixedEstimator("sure", first_word_sure),),
            "sizer": PromptSizer(PlainPrompter()),
            "retrieval": None,
            **changes,
        }
    )


# --- a run ----------------------------------------------------------------------------------------


async def test_a_sure_answer() -> None:
    model = ScriptedModel(says("Paris it is", 0.9))
    async with router_of(plan(), model, ScriptedModel("no")) as router:
        result = await router.ask(f"  {FRANCE}\n")
    assert (result.answer, result.confidence, result.model) == ("Paris it is", 0.9, "m")
    assert (result.question, result.calls, result.tokens) == (FRANCE, 1, 9)
    assert result.cost == 9.0
    assert len(result.run_id) == 32 and result.run_id != new_run_id()
    assert result.latency_s > 0.0


async def test_an_unsure_answer_goes_up() -> None:
    small, large = ScriptedModel(says("Lyon", 0.4)), ScriptedModel(says("Paris", 0.8))
    result = await router_of(plan(), small, large).ask(FRANCE)
    assert (result.answer, result.tier, result.calls) == ("Paris", 1, 2)
    assert [step.action for step in result.trail] == ["escalate", "answer"]
    assert result.cost == pytest.approx(7.0 + 70.0)


async def test_steps_are_told_as_they_happen_and_time_is_the_drivers() -> None:
    ticks = iter([100.0, 100.5, 102.0])
    seen: list[TrailStep] = []
    router = router_of(plan(), ScriptedModel(says("Lyon", 0.4)), ScriptedModel(says("Paris", 0.8)))
    run = open_run(router.plan, FRANCE, run_id="r")
    result = await drive(
        run, router.performer, Session(), clock=lambda: next(ticks), on_step=seen.append
    )
    assert tuple(seen) == result.trail
    assert [step.elapsed_s for step in seen] == [0.5, 1.5]
    assert result.latency_s == 2.0


async def test_many_runs_at_once_do_not_meet() -> None:
    def echo(call: ModelCall) -> str:
        return call.prompt.text.split()[-1]

    model = FunctionModel(echo)
    router = router_of(plan(), model, model)
    questions = [f"What is the number {i}" for i in range(50)]
    results = await asyncio.gather(*(router.ask(question) for question in questions))
    assert [result.answer for result in results] == [str(i) for i in range(50)]
    assert len({result.run_id for result in results}) == 50


async def test_nothing_is_left_running_after_a_run_with_everything_failing() -> None:
    before = asyncio.all_tasks()
    router = router_of(
        plan(remember=True, retrieval=RetrievalPlan(), budget=Budget(deadline_s=0.2)),
        ScriptedModel(says("Lyon", 0.1)),
        Hanging(),
        retriever=Hanging(),
        history=Hanging(),
        store_timeout_s=0.02,
    )
    result = await router.ask(FRANCE)
    assert result.action is Action.ABSTAIN
    assert asyncio.all_tasks() == before


# --- deadlines ------------------------------------------------------------------------------------


async def late_by(deadline_s: float, make: Callable[[], Router]) -> tuple[float, Result]:
    """How long after its deadline a run ended: the best of three, since machines are busy."""
    lateness, result = math.inf, None
    for _ in range(3):
        router, start = make(), time.monotonic()
        result = await router.ask(FRANCE)
        lateness = min(lateness, time.monotonic() - start - deadline_s)
        if lateness < 0.1:
            break
    assert result is not None
    return lateness, result


@pytest.mark.parametrize("hanging", ["small", "large", "retriever"])
@pytest.mark.parametrize("remember", [False, True])
async def test_there_is_a_result_by_the_deadline(hanging: str, remember: bool) -> None:
    stuck, unsure = Hanging(), ScriptedModel(says("Lyon", 0.4))

    def make() -> Router:
        return router_of(
            plan(
                budget=Budget(deadline_s=0.2),
                retrieval=RetrievalPlan() if hanging == "retriever" else None,
                remember=remember,
            ),
            stuck if hanging == "small" else unsure,
            stuck if hanging == "large" else unsure,
            retriever=stuck if hanging == "retriever" else None,
            history=Notebook(),
        )

    lateness, result = await late_by(0.2, make)
    assert lateness < 0.1
    assert stuck.is_cancelled
    assert result.action is Action.ABSTAIN
    failure = next(step for step in result.trail if step.outcome.startswith("failed"))
    assert failure.outcome.startswith("failed (deadline): no answer within 0.")
    assert (result.best is None) == (hanging == "small")
    assert any("no answer within" in words for words in result.degraded)


async def test_a_history_that_hangs_as_well_does_not_move_the_deadline() -> None:
    made = plan(budget=Budget(deadline_s=0.2), remember=True)
    lateness, result = await late_by(
        0.2, lambda: router_of(made, Hanging(), Hanging(), history=Hanging())
    )
    assert lateness < 0.1
    assert [step.request for step in result.trail] == ["recall", "record"]


async def test_the_next_tier_gets_what_is_left_of_the_time() -> None:
    limits: list[float | None] = []

    def note(call: ModelCall) -> str:
        limits.append(call.timeout_s)
        return "Paris"

    tiers = (replace(TIERS[0], latency_s=0.0), TIERS[1])
    router = router_of(
        plan(tiers=tiers, budget=Budget(deadline_s=5.0), free=(FixedEstimator("sure", 0.1),)),
        FunctionModel(note),
        FunctionModel(note),
    )
    await router.ask(FRANCE)
    first, second = limits
    assert first == 5.0
    assert second is not None and 4.5 < second < 5.0


# --- what fails around it -------------------------------------------------------------------------


async def test_a_failing_history_degrades_and_the_answer_stays() -> None:
    router = router_of(
        plan(remember=True),
        ScriptedModel(says("Paris", 0.9)),
        ScriptedModel("no"),
        history=Notebook(LATE),
    )
    result = await router.ask(FRANCE)
    assert result.answer == "Paris"
    assert result.degraded == ("history: the store is away", "history: the store is away")
    assert result.trail[0].outcome == "failed (store): the store is away"


async def test_a_failing_retriever_degrades_and_the_next_tier_is_asked() -> None:
    router = router_of(
        plan(retrieval=RetrievalPlan()),
        ScriptedModel(says("Lyon", 0.4)),
        ScriptedModel(says("Paris", 0.9)),
        retriever=FixedRetriever(error=UpstreamUnavailable("index gone")),
    )
    result = await router.ask(FRANCE)
    assert (result.answer, result.tier) == ("Paris", 1)
    assert result.degraded == ("retriever: index gone",)
    assert [step.action for step in result.trail] == ["retrieve", "escalate", "answer"]


async def test_a_failing_tier_never_makes_an_unsure_answer_sure() -> None:
    router = router_of(
        plan(), ScriptedModel(says("Lyon", 0.4)), ScriptedModel(UpstreamUnavailable("down"))
    )
    result = await router.ask(FRANCE)
    assert (result.action, result.answer) == (Action.ABSTAIN, None)
    assert result.best is not None and result.best.text == "Lyon"
    assert result.degraded == ("tier large: unavailable: down",)


async def test_samples_reuse_the_tier_and_change_the_decision() -> None:
    def agreement(evidence: Evidence) -> Reading:
        texts = [sample.text for sample in evidence.samples]
        share = texts.count(evidence.greedy.text) / len(texts)
        return Signal("votes", share, share)

    def answer(call: ModelCall) -> str:
        return "Paris" if call.temperature == 0.0 or call.seed % 2 else "Lyon"

    band = (BuyBand("votes", 0.0, 0.95),)
    model = FunctionModel(answer)
    made = plan(
        tiers=TIERS[:1],
        policy=ThresholdPolicy((RungRule(0, 0.7, buy=band),), ("small",)),
        assessor=BareAssessor(("votes", "sure")),
        buyable=(FixedEstimator("votes", agreement, Needs(samples=4)),),
    )
    result = await router_of(made, model).ask(FRANCE)
    assert [call.n for call in model.calls] == [1, 4]
    assert (result.action, result.trail[-1].estimate) == (
        Action.ABSTAIN,
        result.attempts[0].estimate,
    )
    assert result.attempts[0].signals["votes"] == Signal("votes", 0.5, 0.5)
    # Four times six words of prompt and one of answer, at 1 each.
    assert result.attempts[0].signal_costs == {"votes": 28.0}


# --- the prefix gate ------------------------------------------------------------------------------


class Gate:
    """Stops at a hesitation and releases a name."""

    def __init__(self) -> None:
        self.verdicts: list[PrefixVerdict] = []
        self.rungs: set[Rung] = set()

    def judge(self, rung: Rung, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
        """By the last word."""
        verdict: PrefixVerdict = Continue(release=tokens[-1].token.strip() == "Paris")
        if tokens[-1].token.strip() == "um":
            verdict = Stop("hesitates")
        self.verdicts.append(verdict)
        self.rungs.add(rung)
        return verdict


async def test_a_stopped_draft_is_paid_for_and_never_served() -> None:
    gate = Gate()
    small = ScriptedModel(says("Well um it is Lyon", 0.99))
    large = ScriptedModel(says("It is Paris indeed", 0.9))
    router = router_of(plan(prefix_gate=gate), small, large)
    result = await router.ask(FRANCE)
    assert gate.verdicts == [
        Continue(),
        Stop("hesitates"),
        *(Continue(), Continue(), Continue(release=True), Continue()),
    ]
    assert gate.rungs == {Rung(0, 0, False), Rung(1, 0, False)}
    stopped, whole = result.attempts
    assert (stopped.text, stopped.finish_reason) == ("Well um", "stopped")
    assert stopped.estimate == Unavailable("the draft was stopped: hesitates")
    assert stopped.cost == 6.0 + 2.0  # the prompt, and two words of five
    assert (result.answer, result.best) == ("It is Paris indeed", whole)
    assert result.cost == stopped.cost + (whole.cost or 0.0)


async def test_a_stopped_draft_is_not_served_even_where_nothing_else_is_left() -> None:
    router = router_of(
        plan(tiers=TIERS[:1], policy=plan_of().policy, prefix_gate=Gate()),
        ScriptedModel(says("um", 0.99)),
    )
    result = await router.ask(FRANCE)
    assert (result.action, result.answer, result.best) == (Action.ABSTAIN, None, None)


async def test_without_a_gate_no_tokens_are_fed() -> None:
    class Watching(ScriptedModel):
        async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
            assert on_tokens is None
            return await super().generate(call)

    result = await router_of(plan(), Watching(says("Paris", 0.9)), ScriptedModel("no")).ask(FRANCE)
    assert result.answer == "Paris"


# --- questions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["", "  \n", "\x00", " \x00\t"])
async def test_an_empty_question_is_refused(question: str) -> None:
    router = router_of(plan(), ScriptedModel("a"), ScriptedModel("b"))
    with pytest.raises(UsageError, match="the question is empty"):
        await router.ask(question)


async def test_a_question_of_a_million_characters_is_too_long_at_once() -> None:
    model = ScriptedModel("a")
    start = time.monotonic()
    with pytest.raises(ContextTooLong, match="needs about 333,361 tokens") as caught:
        await router_of(plan(), model, model).ask("long " * 200_000)
    assert time.monotonic() - start < 1.0
    assert (caught.value.largest, model.calls) == (200, [])


async def test_odd_characters_are_cleaned_before_anyone_sees_them() -> None:
    model = ScriptedModel(says("Paris", 0.9))
    result = await router_of(plan(), model, model).ask("What\x00 is \ud83d here \ud83d\ude00?")
    assert result.question == "What is \ufffd here \U0001f600?"
    assert model.calls[0].prompt.text == result.question


@settings(max_examples=60)
@given(st.text(st.characters(), max_size=200))
def test_a_question_is_clean_empty_or_too_long(question: str) -> None:
    try:
        clean = checked_question(plan(), question)
    except UsageError as error:
        assert isinstance(error, ContextTooLong) or not question.replace("\x00", "").strip()
        return
    assert clean and clean.encode() and "\x00" not in clean


def test_a_question_that_one_tier_can_take_is_taken() -> None:
    assert checked_question(plan(), "word " * 80).startswith("word")
    with pytest.raises(ContextTooLong) as caught:
        checked_question(plan(), "word " * 120)
    assert (caught.value.needed, caught.value.largest) == (200 + 8 + 20, 200)


async def test_earlier_turns_and_repeats_come_from_the_history() -> None:
    book = Notebook(recalled=Recalled((Turn("Who wrote Hamlet?", "Shakespeare"),)))
    model = ScriptedModel(says("In 1616", 0.9))
    router = router_of(plan(remember=True), model, model, history=book)
    result = await router.ask("When did he die?", session=Session("acme", "t1"))
    assert "Shakespeare" in model.calls[0].prompt.text
    (kept,) = book.kept
    assert (kept.tenant, kept.thread, kept.result.answer) == ("acme", "t1", "In 1616")
    assert kept.evidence["1"].greedy.tokens == says("In 1616", 0.9).tokens
    assert result.trail[-1].outcome == "kept"


# --- cancelling -----------------------------------------------------------------------------------


async def test_cancelling_a_run_ends_it() -> None:
    model = Hanging()
    task = asyncio.ensure_future(router_of(plan(), model, model).ask(FRANCE))
    await model.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.is_cancelled


async def test_a_callers_own_time_limit_is_not_taken_for_the_runs() -> None:
    model = Hanging()
    router = router_of(plan(budget=Budget(deadline_s=60.0)), model, model)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await router.ask(FRANCE)
    assert model.is_cancelled


# --- the sync door --------------------------------------------------------------------------------


@pytest.fixture
def sync_router() -> Iterator[Router]:
    model = FunctionModel(lambda _: says("Paris", 0.9))
    with router_of(plan(), model, model) as router:
        yield router


def test_the_sync_door_can_be_used_again_and_again(sync_router: Router) -> None:
    seen: list[TrailStep] = []
    first = sync_router.ask_sync(FRANCE, on_step=seen.append)
    second = sync_router.ask_sync(FRANCE, budget=Budget(max_calls=0))
    assert (first.answer, second.answer, len(seen)) == ("Paris", None, 1)
    assert "no tier can draft" in second.reason


def test_all_sync_calls_share_one_loop() -> None:
    loops: set[object] = set()

    def note(call: ModelCall) -> str:
        loops.add(asyncio.get_running_loop())
        return "Paris"

    with router_of(plan(), FunctionModel(note), FunctionModel(note)) as router:
        router.ask_sync(FRANCE)
        router.ask_sync(FRANCE)
    assert len(loops) == 1


def test_sync_callers_in_many_threads_take_turns(sync_router: Router) -> None:
    with ThreadPoolExecutor(8) as pool:
        results: list[Result] = list(pool.map(sync_router.ask_sync, [FRANCE] * 40))
    assert {result.answer for result in results} == {"Paris"}


async def test_the_sync_door_is_shut_inside_a_running_loop() -> None:
    model = ScriptedModel(says("Paris", 0.9))
    router = router_of(plan(), model, model)
    with pytest.raises(UsageError, match=r"use `await router.ask\(...\)` instead"):
        router.ask_sync(FRANCE)
    with pytest.raises(UsageError):
        router.close()
    assert (await router.ask(FRANCE)).answer == "Paris"


def test_an_interrupt_ends_a_sync_call_and_the_door_still_works() -> None:
    model = Hanging()
    book = Notebook()
    router = router_of(plan(), model, model, history=book)
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        router.ask_sync(FRANCE)
    assert time.monotonic() - start < 5.0
    assert model.is_cancelled
    assert router.ask_sync(FRANCE, budget=Budget(max_calls=0)).action is Action.ABSTAIN
    router.close()
    assert book.is_closed and model.is_closed


def test_closing_twice_or_unused_does_no_harm() -> None:
    model = ScriptedModel("a")
    router = router_of(plan(), model, model)
    router.close()
    router.close()


def test_the_loop_is_closed_even_where_a_model_cannot_be() -> None:
    class Stuck(ScriptedModel):
        async def aclose(self) -> None:
            raise UpstreamUnavailable("stuck")

    router = router_of(plan(), Stuck(says("Paris", 0.9)), ScriptedModel("b"))
    router.ask_sync(FRANCE)
    with pytest.raises(UpstreamUnavailable, match="stuck"):
        router.close()
    assert router._runner is None


async def test_a_search_that_works_in_part_is_said_once_in_the_run() -> None:
    class Half(FixedRetriever):
        degraded = ("the encoder failed: passages are found by their words alone",)

    plan = plan_of(0.1)
    models = tuple(FunctionModel(lambda call: "Lyon") for _ in range(2))
    performer = Performer(plan, models, PlainPrompter(), Half(FOUND))
    result = await Router(plan, performer).ask(FRANCE)
    assert result.rounds >= 1
    assert list(result.degraded) == list(Half.degraded)
