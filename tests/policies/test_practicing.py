"""Practice: the loop itself through all rounds, each thread its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from surefoot.graphs.prompter import TemplatePrompter
from surefoot.policies.practicing import Practice, Practiced, tasks_of
from surefoot.policies.questions import Question
from surefoot.router.errors import UpstreamUnavailable
from surefoot.router.evidence import Generation, Passage
from surefoot.router.perform import Performer
from surefoot.router.plan import Plan, RetrievalPlan
from surefoot.router.protocols import Completion, ModelCall, OnTokens
from surefoot.router.sizing import PromptSizer
from surefoot.router.testing import FunctionModel

from ..router.plans import LARGE, SMALL, plan_of

TIERS = [(0, "small"), (1, "large")]


def questions(n: int) -> tuple[Question, ...]:
    return tuple(Question(f"q{i}", f"What is number{i}?", (f"answer{i}",)) for i in range(n))


def number_in(call: ModelCall) -> str:
    """The question's number, wherever the prompt shows it."""
    text = call.prompt.text or " ".join(one.content for one in call.prompt.messages)
    return text.rpartition("number")[2].partition("?")[0]


class Shelf:
    """Finds passages of its own for each query: the next two each time."""

    def __init__(self, most: int = 10) -> None:
        self.most = most
        self.queries: list[str] = []

    async def search(self, query: str, k: int) -> Sequence[Passage]:
        self.queries.append(query)
        await asyncio.sleep(random.Random(query).random() / 200)
        name = query.partition("number")[2].partition("?")[0]
        found = [Passage(f"{name}-{i}", f"T{name}-{i}", "text", 1.0 - i / 100) for i in range(k)]
        return found[: self.most]


class Slow(FunctionModel):
    """Takes its time, differently for every question."""

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        await asyncio.sleep(random.Random(number_in(call)).random() / 50)
        return await super().generate(call, on_tokens)


def practice(
    small: FunctionModel,
    large: FunctionModel | None = None,
    shelf: Shelf | None = None,
    **more: int,
) -> Practice:
    prompter = TemplatePrompter(("few_shot", "few_shot"))
    tiers = (replace(SMALL, context=4000), replace(LARGE, context=4000))
    retrieval = RetrievalPlan(k=2, stop_unchanged=True)
    plan: Plan = plan_of(0.99, tiers=tiers, retrieval=retrieval, sizer=PromptSizer(prompter))
    performer = Performer(plan, (small, large or small), prompter, shelf or Shelf())
    return Practice(plan, performer, more.get("rounds", 2), more.get("parallel", 1))


async def run(
    work: Practice, n: int, tiers: Sequence[tuple[int, str]] = TIERS[:1]
) -> list[Practiced]:
    tasks, _ = tasks_of(questions(n), tiers)
    return [one async for one in work.run(tasks)]


async def test_all_rounds_are_kept_also_behind_a_right_answer() -> None:
    model = FunctionModel(lambda call: f"answer{number_in(call)}")
    (only,) = await run(practice(model), 1)
    assert [one.state.round for one in only.states] == [0, 1, 2]
    assert [one.labels.em for one in only.states] == [True] * 3
    assert [len(one.state.passages) for one in only.states] == [0, 2, 4]
    assert only.states[2].state.found_in == (1, 1, 2, 2)
    assert len(model.calls) == 3


async def test_threads_that_end_in_any_order_keep_their_own_states() -> None:
    model = Slow(lambda call: f"answer{number_in(call)}")
    found = await run(practice(model, parallel=8), 40)
    assert [one.task.question.id for one in found] == [f"q{i}" for i in range(40)]
    for i, one in enumerate(found):
        assert {state.thread_id for state in one.states} == {f"q{i}/small"}
        for record in one.states:
            assert record.state.answer == f"answer{i}"
            assert all(p.id.startswith(f"{i}-") for p in record.state.passages)
            assert set(record.state.previous_answers) <= {f"answer{i}"}
            assert all(f"number{i}?" in query for query in record.state.queries)


async def test_every_tier_practices_for_itself() -> None:
    small, large = FunctionModel(lambda call: "s"), FunctionModel(lambda call: "l")
    found = await run(practice(small, large), 2, TIERS)
    assert [one.task.thread_id for one in found] == ["q0/small", "q0/large", "q1/small", "q1/large"]
    assert [one.states[0].state.answer for one in found] == ["s", "l", "s", "l"]
    assert len(small.calls) == len(large.calls) == 6


async def test_a_search_that_finds_nothing_new_ends_the_thread() -> None:
    (only,) = await run(practice(FunctionModel(lambda call: "a"), shelf=Shelf(most=2), rounds=5), 1)
    assert only.problem is None
    assert [one.state.round for one in only.states] == [0, 1]


async def test_a_model_that_fails_at_one_question_fails_there_alone() -> None:
    def answer(call: ModelCall) -> str | UpstreamUnavailable:
        is_second = number_in(call) == "1" and "text" in call.prompt.text
        return UpstreamUnavailable("gone") if is_second else "a"

    first, second, third = await run(practice(FunctionModel(answer)), 3)
    assert first.problem is None and third.problem is None
    assert second.states == () and "gone" in (second.problem or "")


async def test_a_retriever_that_fails_makes_the_thread_fail() -> None:
    class Broken(Shelf):
        async def search(self, query: str, k: int) -> Sequence[Passage]:
            raise UpstreamUnavailable("no index")

    (only,) = await run(practice(FunctionModel(lambda call: "a"), shelf=Broken()), 1)
    assert "no index" in (only.problem or "") and only.states == ()


async def test_a_tier_without_logprobs_practices_too() -> None:
    work = practice(FunctionModel(lambda call: "a"))
    tiers = tuple(replace(tier, lacks="it gives no logprobs") for tier in work.plan.tiers)
    (only,) = await run(replace(work, plan=replace(work.plan, tiers=tiers)), 1)
    assert only.problem is None and len(only.states) == 3


async def test_no_stop_of_the_deployment_ends_a_thread() -> None:
    work = practice(FunctionModel(lambda call: "a"))
    assert work.plan.retrieval is not None
    stops = replace(work.plan.retrieval, stop_unchanged=True, least_gain=0.5, situated_margin=0.0)
    (only,) = await run(replace(work, plan=replace(work.plan, retrieval=stops)), 1)
    assert [one.state.round for one in only.states] == [0, 1, 2]


async def test_what_a_thread_took_is_told_also_where_it_failed() -> None:
    def answer(call: ModelCall) -> str | UpstreamUnavailable:
        return UpstreamUnavailable("gone") if "text" in call.prompt.text else "a"

    (failed,) = await run(practice(FunctionModel(answer)), 1)
    (whole,) = await run(practice(FunctionModel(lambda call: "a")), 1)
    assert failed.problem is not None and failed.calls >= 1
    assert 0.0 < failed.cost < whole.cost
    assert whole.cost == pytest.approx(sum(one.extra["cost"] for one in whole.states))
    assert whole.calls == sum(one.extra["calls"] for one in whole.states) == 3


async def test_an_answer_that_was_cut_is_a_state_without_one() -> None:
    model = FunctionModel(lambda call: Generation("half", (), "length"))
    (only,) = await run(practice(model), 1)
    assert [one.state.answer for one in only.states] == ["", "", ""]
    assert [one.labels.em for one in only.states] == [None] * 3


async def test_no_more_threads_are_under_way_than_allowed() -> None:
    under_way, most = 0, 0

    class Counting(FunctionModel):
        async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.002)
            under_way -= 1
            return await super().generate(call, on_tokens)

    await run(practice(Counting(lambda call: "a"), parallel=3), 12)
    assert most == 3


async def test_breaking_off_leaves_nothing_running() -> None:
    work = practice(Slow(lambda call: "a"), parallel=4)
    tasks, _ = tasks_of(questions(20), TIERS[:1])
    before = asyncio.all_tasks()
    running = work.run(tasks)
    await anext(running)
    await running.aclose()  # type: ignore[attr-defined]  # an async generator
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("rounds", [0, 1, 3])
async def test_the_forecast_is_never_less_than_what_it_took(rounds: int) -> None:
    model = FunctionModel(lambda call: "some answer of several words")
    work = practice(model, rounds=rounds)
    tasks, _ = tasks_of(questions(3), TIERS)
    ahead = [work.forecast(task) for task in tasks]
    found = [one async for one in work.run(tasks)]
    for forecast, one in zip(ahead, found, strict=True):
        assert forecast.calls >= sum(state.extra["calls"] for state in one.states) == rounds + 1
        assert (forecast.cost or 0.0) >= sum(state.extra["cost"] for state in one.states)


def test_a_question_that_is_asked_twice_is_practiced_once() -> None:
    first, second = questions(2)
    again = replace(first, id="q9", question="what is  number0?")
    tasks, repeated = tasks_of((first, again, second), TIERS)
    assert [task.thread_id for task in tasks] == ["q0/small", "q0/large", "q1/small", "q1/large"]
    assert repeated == 1
