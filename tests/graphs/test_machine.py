"""The compiled graph: its shape, its state, its terms, its events, and runs that are resumed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.errors import GraphDrained
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, interrupt

from surefoot.adapters.history_memory import MemoryHistory
from surefoot.adapters.history_sqlite import SqliteHistory
from surefoot.graphs.drawing import LABELS, mermaid
from surefoot.graphs.graph_state import NODES, RouterContext, result_of
from surefoot.graphs.machine import compile_graph
from surefoot.policies.threshold import BuyBand
from surefoot.router.budget import Budget
from surefoot.router.decisions import Action, Result
from surefoot.router.errors import StoreError, UpstreamUnavailable, UsageError
from surefoot.router.evidence import Alternative, Evidence, Generation, Token
from surefoot.router.histories import Scope
from surefoot.router.plan import RetrievalPlan
from surefoot.router.protocols import Completion, History, ModelCall, OnTokens
from surefoot.router.testing import says

from .worlds import QUESTION, RUN, Setup, World, agreement, build_world, driven, passages

GIVEN: Any = {"question": QUESTION, "run_id": RUN}
THREAD: Any = {"configurable": {"thread_id": "a"}}
SURE, UNSURE = says("Paris", 0.9), says("Lyon", 0.4)
LARGE = (says("Paris, France", 0.95),)
FACTS = passages("France's capital is Paris.", "Lyon is a city.")
SEARCHING = Setup((UNSURE, SURE), LARGE, FACTS)
DOCUMENT = Path(__file__).parents[2] / "docs" / "graph.md"


def graph_of(world: World, **options: Any) -> Any:
    return compile_graph(world.plan, world.performer, clock=world.clock, **options)


async def fresh(setup: Setup, **options: Any) -> Any:
    return graph_of(await build_world(setup), **options)


# --------------------------------------------------------------------------------------- its shape


async def test_there_are_four_nodes_and_every_choice_is_an_edge() -> None:
    graph = await fresh(Setup())
    drawn = graph.get_graph()
    assert set(drawn.nodes) == {"__start__", *NODES, "__end__"}
    edges = {(edge.source, edge.target, edge.conditional) for edge in drawn.edges}
    assert edges == {
        ("__start__", "draft", False),
        ("draft", "assess", True),
        ("draft", "finish", True),
        ("assess", "assess", True),
        ("assess", "draft", True),
        ("assess", "retrieve", True),
        ("assess", "finish", True),
        ("retrieve", "draft", True),
        ("retrieve", "assess", True),
        ("retrieve", "finish", True),
        ("finish", "__end__", False),
    }
    assert {(source, target) for source, target, is_chosen in edges if is_chosen} == set(LABELS)


async def test_the_document_shows_the_graph_that_is_built() -> None:
    picture = mermaid(await fresh(Setup()))
    assert f"```mermaid\n{picture}```\n" in DOCUMENT.read_text(encoding="utf-8")


async def test_no_node_retries_or_caches() -> None:
    nodes = (await fresh(Setup())).builder.nodes
    assert {name: (node.retry_policy, node.cache_policy) for name, node in nodes.items()} == {
        name: (None, None) for name in NODES
    }


def test_the_modules_load_no_langgraph_before_a_graph_is_built() -> None:
    names = ("drawing", "graph_router", "graph_state", "handoff", "machine", "sync_door")
    imports = "; ".join(f"import surefoot.graphs.{name}" for name in names)
    heavy = "[n for n in ('langgraph', 'langchain_core', 'pydantic') if n in sys.modules]"
    code = f"import sys; {imports}; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_its_schemas_are_json_for_studio() -> None:
    graph = await fresh(Setup())
    assert set(graph.get_input_jsonschema()["properties"]) == {"question", "run_id"}
    assert set(graph.get_output_jsonschema()["properties"]) == {"result"}
    assert {"max_cost", "deadline_s", "tenant"} <= set(graph.get_context_jsonschema()["properties"])


# --------------------------------------------------------------------------------------- its state


def long_answer(tokens: int = 200, candidates: int = 20) -> Generation:
    words = [f"w{i}" if i == 0 else f" w{i}" for i in range(tokens)]
    others = tuple(Alternative(f" candidate{i}", -3.0 - i) for i in range(1, candidates))
    return Generation(
        "".join(words),
        tuple(Token(word, -0.1, (Alternative(word, -0.1), *others)) for word in words),
    )


async def test_no_checkpoint_holds_tokens() -> None:
    answer = long_answer()
    assert sum(len(token.top_logprobs) for token in answer.tokens) == 4000
    saver = InMemorySaver()
    graph = await fresh(Setup((answer,)), checkpointer=saver)
    result = result_of(await graph.ainvoke(GIVEN, THREAD))
    assert result.answer == answer.text

    snapshots = [snapshot async for snapshot in graph.aget_state_history(THREAD)]
    assert [s.next for s in snapshots] == [
        (),
        ("finish",),
        ("assess",),
        ("draft",),
        ("__start__",),
    ]
    for snapshot in snapshots:
        text = json.dumps(snapshot.values)
        assert len(text) < 20_000
        assert "top_logprobs" not in text
    held = [saver.serde.dumps_typed(saved)[1] for saved in _everything_in(saver)]
    assert max(map(len, held)) < 20_000


def _everything_in(saver: InMemorySaver) -> list[Any]:
    writes = [write for kept in saver.writes.values() for write in kept.values()]
    values = [saver.serde.loads_typed(write[2]) for write in writes]
    values += [saver.serde.loads_typed(blob) for blob in saver.blobs.values() if blob[0] != "empty"]
    assert len(values) > 10
    return values


async def test_the_state_between_two_nodes_says_what_is_pending() -> None:
    graph = await fresh(SEARCHING)
    seen = [
        (node, update["pending"])
        async for part in graph.astream(GIVEN, stream_mode="updates")
        for node, update in part.items()
    ]
    assert seen == [
        ("draft", "assess"),
        ("assess", "retrieve"),
        ("retrieve", "draft"),
        ("draft", "assess"),
        ("assess", "done"),
        ("finish", "done"),
    ]


async def test_a_question_put_to_a_thread_again_begins_a_new_run() -> None:
    world = await build_world(Setup((SURE, UpstreamUnavailable("down"), SURE), retrieval=None))
    graph = graph_of(world, checkpointer=InMemorySaver())
    first = result_of(await graph.ainvoke({"question": QUESTION}, THREAD))
    interrupted = await graph.ainvoke({"question": QUESTION}, THREAD, interrupt_before=["assess"])
    with pytest.raises(UsageError, match="has not ended"):
        result_of(interrupted)
    with pytest.raises(UsageError, match="has not ended"):  # the first run's is not this run's
        result_of((await graph.aget_state(THREAD)).values)
    third = result_of(await graph.ainvoke({"question": "And Italy's?"}, THREAD))
    assert [first.answer, third.answer] == ["Paris", "Paris"]
    assert third.question == "And Italy's?"
    assert first.run_id != third.run_id
    assert (first.calls, third.calls) == (1, 1)


@pytest.mark.parametrize("bad", [{}, {"run_id": RUN}, {"question": 7}, {"question": "  "}])
async def test_bad_input_is_the_callers_fault(bad: dict[str, Any]) -> None:
    graph = await fresh(Setup())
    with pytest.raises(UsageError, match="question"):
        await graph.ainvoke({"result": None, **bad})


# --------------------------------------------------------------------------------------- its terms


@pytest.mark.parametrize("as_dict", [False, True])
async def test_a_call_sets_its_own_limits(as_dict: bool) -> None:
    limits = {"max_calls": 1, "tenant": "acme"}
    graph = await fresh(SEARCHING)
    context = limits if as_dict else RouterContext(**limits)  # type: ignore[arg-type]
    result = result_of(await graph.ainvoke(GIVEN, context=context))
    assert result.action is Action.ABSTAIN
    assert "would make 2 calls of 1 allowed" in result.reason
    assert result_of(await graph.ainvoke(GIVEN)).action is Action.ANSWER


async def test_a_budget_replaces_all_limits_at_once() -> None:
    setup = Setup((UNSURE,), LARGE, budget=Budget(max_calls=1), retrieval=None)
    graph = await fresh(setup)
    assert result_of(await graph.ainvoke(GIVEN)).calls == 1
    free = RouterContext(budget=Budget(max_rounds=0))
    assert result_of(await graph.ainvoke(GIVEN, context=free)).calls == 2


@pytest.mark.parametrize("limit", range(1, 26))
async def test_the_recursion_limit_never_breaks_a_run_off(limit: int) -> None:
    """It is far away by default; where a caller sets it, the run ends by itself before it."""
    setup = Setup(
        (says("Paris", 0.5),),
        (says("Lyon", 0.5),),
        passages(*"abcdef"),
        RetrievalPlan(k=1),
        buy=(BuyBand("agreement", 0.0, 0.9),),
        buyable=(agreement(),),
    )
    graph = await fresh(setup)
    whole = result_of(await graph.ainvoke(GIVEN))
    assert whole.calls == 15  # five drafts of one answer and two samples each
    config = {"recursion_limit": limit}
    if limit < 4:  # draft, assess and finish, and LangGraph counts one more
        with pytest.raises(UsageError, match=f"by at least {4 - limit}"):
            await graph.ainvoke(GIVEN, config)
        return
    result = result_of(await graph.ainvoke(GIVEN, config))
    assert result.action is Action.ABSTAIN
    assert result.calls <= whole.calls
    # Five drafts, ten assessments, three searches and the end are 19 nodes. The last assessment
    # wants room for five more, itself included.
    is_cut = "used all its steps" in result.reason
    assert is_cut == (limit - 18 < 5)


async def test_time_between_nodes_counts_against_the_deadline() -> None:
    """A slow checkpointer or a slow reader of the stream takes part of the request's time."""
    setup = Setup((UNSURE,), LARGE, FACTS, budget=Budget(deadline_s=10.0), takes_s=1.0)
    world = await build_world(setup)
    state: dict[str, Any] = {}
    async for part in graph_of(world).astream(GIVEN, stream_mode="updates"):
        world.clock.now += 4.0
        for update in part.values():
            state.update(update)
    result = result_of(state)
    # 1 s for the draft; 4 s after it and 4 s after assessing, which end with the search; then none.
    assert result.action is Action.ABSTAIN
    assert "10.00 s allowed" in result.reason
    assert result.latency_s == pytest.approx(14.0)
    assert result_of(await (await fresh(setup)).ainvoke(GIVEN)).action is Action.ANSWER


# -------------------------------------------------------------------------------------- its events


async def test_every_step_and_every_decision_is_an_event() -> None:
    graph = await fresh(SEARCHING)
    events = [event async for event in graph.astream(GIVEN, stream_mode="custom")]
    assert json.loads(json.dumps(events)) == events
    assert {event["run_id"] for event in events} == {RUN}
    brief = [
        (e["step"], e["request"]) if e["event"] == "surefoot.step" else (e["step"], e["action"])
        for e in events
    ]
    assert brief == [
        (1, "draft"),
        (1, "retrieve"),
        (2, f"retrieve 3 for: {QUESTION}"),
        (3, "draft from 2 passages"),
        (3, "answer"),
    ]
    decision = events[-1]
    assert decision["event"] == "surefoot.decision"
    assert (decision["tier"], decision["confidence"]) == (0, pytest.approx(0.9))
    assert decision["reason"] == (await driven(SEARCHING)).reason
    assert events[1]["confidence"] == pytest.approx(0.4)


async def test_no_event_shows_the_words_of_a_draft() -> None:
    graph = await fresh(SEARCHING)
    events = [event async for event in graph.astream(GIVEN, stream_mode="custom")]
    assert "Lyon is a city" not in json.dumps(events)
    assert "Lyon" not in json.dumps([e for e in events if e.get("request", "").startswith("draft")])


async def test_a_run_that_can_do_nothing_says_so_once() -> None:
    graph = await fresh(Setup(budget=Budget(max_cost=1e-9)))
    events = [event async for event in graph.astream(GIVEN, stream_mode="custom")]
    assert [(e["event"], e["action"], e["step"]) for e in events] == [
        ("surefoot.decision", "abstain", 0)
    ]


async def test_recording_a_decision_is_no_second_decision() -> None:
    async def empty() -> History:
        return MemoryHistory()

    graph = await fresh(Setup((SURE,), history=empty))
    events = [event async for event in graph.astream(GIVEN, stream_mode="custom")]
    assert [event.get("action") or event["request"] for event in events] == [
        "recall",
        "draft",
        "answer",
        "record",
    ]


def test_events_reach_a_sync_stream() -> None:
    world = asyncio.run(build_world(SEARCHING))
    events = list(graph_of(world).stream(GIVEN, stream_mode="custom"))
    assert [e["action"] for e in events if "action" in e] == ["retrieve", "answer"]


# ------------------------------------------------------------------------------- runs that go on


@pytest.mark.parametrize("stop", NODES)
@pytest.mark.parametrize("history", [False, True])
async def test_a_run_goes_on_where_it_was_interrupted(stop: str, history: bool) -> None:
    async def empty() -> History:
        return MemoryHistory()

    setup = Setup((UNSURE, SURE), LARGE, FACTS, history=empty if history else None)
    expected = await driven(setup)
    graph = await fresh(setup, checkpointer=InMemorySaver())
    state = await graph.ainvoke(GIVEN, THREAD, interrupt_before=[stop])
    stops = 0
    while (await graph.aget_state(THREAD)).next:
        with pytest.raises(UsageError, match="resume it"):
            result_of(state)
        stops += 1
        state = await graph.ainvoke(None, THREAD, interrupt_before=[stop])
    assert stops == {"draft": 2, "assess": 2, "retrieve": 1, "finish": 1}[stop]
    assert result_of(state) == expected


@pytest.mark.parametrize("stop", ["retrieve", "finish"])
async def test_a_run_goes_on_in_another_process(stop: str, tmp_path: Path) -> None:
    """What was read stays read, though the tokens are gone."""
    file = str(tmp_path / "checkpoints.db")
    expected = await driven(SEARCHING)
    async with AsyncSqliteSaver.from_conn_string(file) as saver:
        world = await build_world(SEARCHING)
        await graph_of(world, checkpointer=saver).ainvoke(GIVEN, THREAD, interrupt_before=[stop])
    made = len(world.models[0].calls)
    async with AsyncSqliteSaver.from_conn_string(file) as saver:
        setup = Setup((UNSURE, SURE)[made:] or (SURE,), LARGE, FACTS)
        graph = await fresh(setup, checkpointer=saver)
        result = result_of(await graph.ainvoke(None, THREAD))
    assert result == expected


def test_a_run_goes_on_in_another_process_by_sync_calls(tmp_path: Path) -> None:
    file = str(tmp_path / "checkpoints.db")
    expected = asyncio.run(driven(SEARCHING))
    with SqliteSaver.from_conn_string(file) as saver:
        graph = asyncio.run(fresh(SEARCHING, checkpointer=saver))
        graph.invoke(GIVEN, THREAD, interrupt_before=["retrieve"])
    with SqliteSaver.from_conn_string(file) as saver:
        graph = asyncio.run(fresh(Setup((SURE,), LARGE, FACTS), checkpointer=saver))
        assert result_of(graph.invoke(None, THREAD)) == expected


async def test_a_checkpointer_and_a_history_of_ones_choice_keep_their_own(tmp_path: Path) -> None:
    """The checkpointer has the run's steps, the history its end; neither needs the other."""
    history = SqliteHistory(tmp_path / "history.db")

    async def opened() -> History:
        return history

    setup = replace(SEARCHING, history=opened)
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        graph = await fresh(setup, checkpointer=saver)
        await graph.ainvoke(GIVEN, THREAD, interrupt_before=["finish"])
        assert len(await history.runs("default", 9)) == 0, "a run that waits is not recorded"
        result = result_of(await graph.ainvoke(None, THREAD))
        (kept,) = await history.runs("default", 9)
        assert kept.result.run_id == result.run_id
        await history.erase(Scope("default"))
        again = result_of((await graph.aget_state(THREAD)).values)
        assert again == result, "what the history forgets, the checkpointer still has"
    await history.aclose()


async def resumed_before_assessing(**options: Any) -> Result:
    """A draft by one process, assessed by another."""
    saver, setup = InMemorySaver(), Setup((SURE,), LARGE, retrieval=None)
    first = await fresh(setup, checkpointer=saver, **options)
    await first.ainvoke(GIVEN, THREAD, interrupt_before=["assess"])
    second = await fresh(setup, checkpointer=saver, **options)
    return result_of(await second.ainvoke(None, THREAD))


async def test_tokens_that_were_lost_are_missed_and_not_made_up() -> None:
    result = await resumed_before_assessing()
    assert (result.answer, result.tier) == ("Paris, France", 1)
    assert "tokens of attempt 1 were not kept" in result.degraded[0]
    assert len(result.degraded) == 1


async def test_an_attempt_store_carries_the_tokens() -> None:
    result = await resumed_before_assessing(attempts=MemoryHistory())
    assert (result.answer, result.tier, result.degraded) == ("Paris", 0, ())


class BrokenStore:
    """An attempt store whose server has gone."""

    async def put(self, tenant: str, run_id: str, attempt_id: str, evidence: Evidence) -> None:
        raise StoreError("the server has gone")

    async def get(self, tenant: str, run_id: str, attempt_id: str) -> Evidence | None:
        raise StoreError("the server has gone")


async def test_a_broken_attempt_store_degrades_and_decides_nothing() -> None:
    plain = await driven(SEARCHING)
    result = result_of(await (await fresh(SEARCHING, attempts=BrokenStore())).ainvoke(GIVEN))
    assert result.degraded == ("attempt store: the server has gone",)
    assert (result.answer, result.confidence, result.trail) == (
        plain.answer,
        plain.confidence,
        plain.trail,
    )


async def interrupted_at_eight_of_ten(world: World) -> Any:
    """A graph that has used 8 of its 10 seconds, interrupted before it searches."""
    graph = graph_of(world, checkpointer=InMemorySaver())
    await graph.ainvoke(GIVEN, THREAD, interrupt_before=["retrieve"])
    world.clock.now += 1000.0  # a person thinks it over
    return graph


async def test_a_resumed_run_has_a_fresh_deadline_and_keeps_what_it_used() -> None:
    setup = Setup((UNSURE, SURE), LARGE, FACTS, takes_s=8.0, budget=Budget(deadline_s=10.0))
    assert (await driven(setup)).action is Action.ANSWER  # the search takes no time here
    graph = await interrupted_at_eight_of_ten(await build_world(setup))
    result = result_of(await graph.ainvoke(None, THREAD))
    assert result.answer == "Paris"
    assert (result.calls, result.rounds, len(result.trail)) == (2, 1, 3)
    assert result.latency_s == pytest.approx(16.0)  # without the time that nobody waited


async def test_a_resuming_call_may_grant_less_time() -> None:
    setup = Setup((UNSURE, SURE), LARGE, FACTS, RetrievalPlan(latency_s=2.0), takes_s=8.0)
    graph = await interrupted_at_eight_of_ten(await build_world(setup))
    short = RouterContext(deadline_s=1.0)
    events = [
        event async for event in graph.astream(None, THREAD, context=short, stream_mode="custom")
    ]
    result = result_of((await graph.aget_state(THREAD)).values)
    assert result.rounds == 1
    assert result.trail[1].outcome.startswith("failed (budget)")
    assert result.answer == "Paris, France"  # no forecast says that the large tier takes long
    assert [(e["step"], e.get("action")) for e in events] == [
        (2, None),
        (2, "escalate"),
        (3, None),
        (3, "answer"),
    ]


async def test_limits_that_a_call_set_hold_until_another_call_lifts_them() -> None:
    setup = Setup((UNSURE,), LARGE, FACTS)
    saver = InMemorySaver()
    world = await build_world(setup)
    graph = graph_of(world, checkpointer=saver)
    two = RouterContext(max_calls=2)
    await graph.ainvoke(GIVEN, THREAD, context=two, interrupt_before=["retrieve"])
    before = (await graph.aget_state(THREAD)).config
    held = result_of(await graph.ainvoke(None, before))
    assert (held.action, held.calls) == (Action.ABSTAIN, 2)
    lifted = result_of(await graph.ainvoke(None, before, context=RouterContext(max_calls=9)))
    assert (lifted.answer, lifted.calls) == ("Paris, France", 3)


async def test_another_tenant_cannot_resume_a_run() -> None:
    graph = await fresh(SEARCHING, checkpointer=InMemorySaver())
    acme = RouterContext(tenant="acme")
    await graph.ainvoke(GIVEN, THREAD, context=acme, interrupt_before=["retrieve"])
    with pytest.raises(UsageError, match="another tenant"):
        await graph.ainvoke(None, THREAD, context=RouterContext(tenant="other"))
    assert result_of(await graph.ainvoke(None, THREAD)).answer == "Paris"


async def test_a_rewound_run_reads_the_text_that_it_has() -> None:
    """Two branches of one run have an attempt of the same number, with other words."""
    setup = Setup((UNSURE, SURE, says("Nice", 0.2)), LARGE, FACTS, then=(Action.RETRIEVE,))
    graph = await fresh(setup, checkpointer=InMemorySaver())
    await graph.ainvoke(GIVEN, THREAD, interrupt_before=["retrieve"])
    searching = (await graph.aget_state(THREAD)).config
    await graph.ainvoke(None, searching, interrupt_before=["assess"])
    paris = (await graph.aget_state(THREAD)).config
    other = result_of(await graph.ainvoke(None, searching))
    assert [attempt.text for attempt in other.attempts[:2]] == ["Lyon", "Nice"]
    back = result_of(await graph.ainvoke(None, paris))
    assert back.attempts[1].text == "Paris"
    assert back.attempts[1].signals != other.attempts[1].signals
    assert any("tokens of attempt 2 were not kept" in note for note in back.degraded)


# ------------------------------------------------------------------------- what passes through it


class AsksFirst:
    """A model that has a person's leave for each call."""

    def __init__(self) -> None:
        self.calls = 0

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        answer = interrupt({"may I": "call"})
        self.calls += 1
        return Completion((says(str(answer), 0.9),), 3, 1)

    async def aclose(self) -> None:
        """Nothing is held."""


async def asking_world() -> tuple[World, AsksFirst]:
    world, model = await build_world(Setup((UNSURE,), retrieval=None)), AsksFirst()
    world.performer.models = (world.performer.models[0], model)
    return world, model


async def test_an_interrupt_inside_a_tier_passes_through() -> None:
    world, model = await asking_world()
    graph = graph_of(world, checkpointer=InMemorySaver())
    state = await graph.ainvoke(GIVEN, THREAD)
    assert [one.value for one in state["__interrupt__"]] == [{"may I": "call"}]
    assert model.calls == 0
    result = result_of(await graph.ainvoke(Command(resume="Marseille"), THREAD))
    assert (result.answer, result.degraded, model.calls) == ("Marseille", (), 1)


def test_an_interrupt_inside_a_tier_passes_through_the_sync_door() -> None:
    world, _ = asyncio.run(asking_world())
    graph = graph_of(world, checkpointer=InMemorySaver())
    assert graph.invoke(GIVEN, THREAD)["__interrupt__"][0].value == {"may I": "call"}
    assert result_of(graph.invoke(Command(resume="Nice"), THREAD)).answer == "Nice"


async def test_a_bug_passes_through_and_nothing_paid_is_forgotten() -> None:
    """The crash comes between two purchases of one assessment."""
    setup = Setup(
        (says("Paris", 0.5), says("Paris", 0.5), ValueError("a bug"), says("Paris", 0.5)),
        retrieval=None,
        buy=(BuyBand("one", 0.3, 0.7), BuyBand("two", 0.0, 0.9)),
        buyable=(agreement(1, "one"), agreement(2, "two")),
        order=("two", "min_token_prob"),
    )
    world = await build_world(setup)
    graph = graph_of(world, checkpointer=InMemorySaver())
    with pytest.raises(ValueError, match="a bug"):
        await graph.ainvoke(GIVEN, THREAD)
    used = (await graph.aget_state(THREAD)).values["run"]["state"]["spend"]
    assert used["calls"] == 2  # the draft and the first sample; the crashed call told nothing
    result = result_of(await graph.ainvoke(None, THREAD))
    assert (result.answer, result.confidence, result.calls) == ("Paris", 1.0, 3)


async def test_a_drain_keeps_the_run_for_later() -> None:
    world = await build_world(SEARCHING)
    graph = graph_of(world, checkpointer=InMemorySaver())
    control = RunControl()
    control.request_drain("shutdown")
    with pytest.raises(GraphDrained):
        await graph.ainvoke(GIVEN, THREAD, control=control)
    assert (await graph.aget_state(THREAD)).next
    assert result_of(await graph.ainvoke(None, THREAD)) == await driven(SEARCHING)


class Spans(BaseCallbackHandler):
    """The names of the spans that a tracer would see."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self.names.append(kwargs["name"])


async def test_a_node_is_one_span() -> None:
    spans = Spans()
    await (await fresh(Setup((SURE,)))).ainvoke(GIVEN, {"callbacks": [spans]})
    assert [name for name in spans.names if name != "next_node"] == [
        "surefoot",
        "draft",
        "assess",
        "finish",
    ]


class OuterState(TypedDict, total=False):
    """The state of an application around the graph."""

    question: str
    result: dict[str, Any] | None
    said: str


async def test_it_is_a_node_of_another_graph_interrupts_included() -> None:
    world, _ = await asking_world()

    def say(state: OuterState) -> OuterState:
        result = result_of(state)
        return {"said": f"{result.answer}!"}

    outer: Any = StateGraph(OuterState)
    outer.add_node("gate", graph_of(world))
    outer.add_node("say", say)
    outer.add_edge(START, "gate")
    outer.add_edge("gate", "say")
    outer.add_edge("say", END)
    application = outer.compile(checkpointer=InMemorySaver())
    state = await application.ainvoke({"question": QUESTION}, THREAD)
    assert state["__interrupt__"][0].value == {"may I": "call"}
    state = await application.ainvoke(Command(resume="Nice"), THREAD)
    assert state["said"] == "Nice!"
    assert result_of(state).calls == 2


def drafts(calls: Sequence[ModelCall]) -> int:
    return sum(call.temperature == 0.0 for call in calls)


async def test_many_runs_at_once_do_not_mix() -> None:
    setup = Setup((says("Paris", 0.5),), buy=(BuyBand("agreement", 0.3, 0.7),), retrieval=None)
    setup.buyable, setup.order = (agreement(),), ("agreement", "min_token_prob")
    world = await build_world(setup)
    graph = graph_of(world)
    questions = [f"What is the capital of country {i}?" for i in range(20)]
    states = await asyncio.gather(*(graph.ainvoke({"question": q}) for q in questions))
    results = [result_of(state) for state in states]
    assert [result.question for result in results] == questions
    assert {(result.calls, result.degraded) for result in results} == {(3, ())}
    assert drafts(world.models[0].calls) == 20
