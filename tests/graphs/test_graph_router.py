"""The graph behind the plain driver's door."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from surefoot.adapters.history_memory import MemoryHistory
from surefoot.graphs.graph_router import GraphRouter
from surefoot.router.budget import Budget
from surefoot.router.decisions import Action, TrailStep
from surefoot.router.drive import Router
from surefoot.router.errors import ContextTooLong, UsageError
from surefoot.router.perform import Session
from surefoot.router.protocols import History
from surefoot.router.testing import says

from .worlds import AT, QUESTION, Setup, World, build_world, passages

SEARCHING = Setup(
    (says("Lyon", 0.4), says("Paris", 0.9)), found=passages("France's capital is Paris.")
)


def router_of(world: World, **options: Any) -> GraphRouter:
    return GraphRouter(world.plan, world.performer, clock=world.clock, **options)


async def remembering() -> History:
    return MemoryHistory()


async def test_ask_gives_the_result_and_each_step_as_the_plain_router_does() -> None:
    ours, theirs = await build_world(SEARCHING), await build_world(SEARCHING)
    seen: list[TrailStep] = []
    expected: list[TrailStep] = []
    async with router_of(ours) as router:
        result = await router.ask(QUESTION, on_step=seen.append)
    async with Router(theirs.plan, theirs.performer, clock=theirs.clock) as plain:
        same = await plain.ask(QUESTION, on_step=expected.append)
    assert seen == expected == list(same.trail)
    assert (result.answer, result.trail, result.reason) == (same.answer, same.trail, same.reason)
    assert result.run_id != same.run_id


async def test_steps_go_only_to_the_call_that_wanted_them() -> None:
    router = router_of(await build_world(SEARCHING))
    seen: list[str] = []
    await asyncio.gather(
        router.ask("Where is A?", on_step=lambda step: seen.append(step.request)),
        router.ask("Where is B?"),
    )
    await router.ask("Where is C?")
    assert [request for request in seen if "for:" in request] in (
        [],
        ["retrieve 3 for: Where is A?"],
    )
    assert seen[0] == "draft"


def test_ask_sync_needs_no_event_loop() -> None:
    world = asyncio.run(build_world(SEARCHING))
    seen: list[str] = []
    with router_of(world) as router:
        first = router.ask_sync(QUESTION, on_step=lambda step: seen.append(step.request))
        second = router.ask_sync(QUESTION)
    assert (first.answer, second.answer) == ("Paris", "Paris")
    assert seen == ["draft", f"retrieve 3 for: {QUESTION}", "draft from 1 passage"]


def test_sync_callers_share_the_graph_from_many_threads() -> None:
    world = asyncio.run(build_world(Setup((says("Paris", 0.9),))))
    questions = [f"What is the capital of country {i}?" for i in range(16)]
    with router_of(world) as router, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda q: router.graph.invoke({"question": q}), questions))
    assert [result["result"]["question"] for result in results] == questions


async def test_session_and_budget_reach_the_run() -> None:
    world = await build_world(Setup((says("Paris", 0.4),), retrieval=None, history=remembering))
    router = router_of(world)
    result = await router.ask(
        QUESTION, session=Session("acme", "t"), budget=Budget(max_calls=1, max_rounds=0)
    )
    assert (result.action, result.calls) == (Action.ABSTAIN, 1)
    assert world.history is not None
    (kept,) = await world.history.runs("acme")
    assert (kept.thread, kept.at, kept.result.run_id) == ("t", AT, result.run_id)
    assert await world.history.runs("default") == ()


async def test_the_checkpointers_thread_is_the_conversation() -> None:
    world = await build_world(Setup((says("Shakespeare", 0.9),), history=remembering))
    router = router_of(world, checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "42"}}
    await router.ask("Who wrote the tragedy Hamlet?", config=config)
    await router.ask("When did he write it?", config=config)
    shown = [call.prompt.text for call in world.models[0].calls]
    assert shown[1] == "Who wrote the tragedy Hamlet?\nShakespeare\nWhen did he write it?"


async def test_bad_questions_are_the_callers_fault() -> None:
    router = router_of(await build_world(Setup(context=80)))
    with pytest.raises(UsageError, match="empty"):
        await router.ask(" ")
    with pytest.raises(ContextTooLong):
        await router.ask("word " * 100)
