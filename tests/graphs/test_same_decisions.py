"""The graph and the plain driver end alike, to the last word of the trail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from surefoot.adapters.compare_lexical import LexicalComparer
from surefoot.adapters.history_memory import MemoryHistory
from surefoot.graphs.graph_state import RouterContext, result_of
from surefoot.graphs.machine import compile_graph
from surefoot.policies.threshold import BuyBand
from surefoot.router.budget import Budget, Price
from surefoot.router.decisions import Action, Choice, Result, Rung
from surefoot.router.errors import StoreError, UpstreamUnavailable
from surefoot.router.evidence import Evidence, Token
from surefoot.router.perform import Session
from surefoot.router.plan import RetrievalPlan
from surefoot.router.protocols import History, Needs, RecallQuery, RunRecord, Situation
from surefoot.router.requests import Continue, PrefixVerdict, Recalled, Stop
from surefoot.router.signals import Reading, Signal
from surefoot.router.testing import FixedEstimator, says

from .worlds import AT, QUESTION, RUN, Setup, World, agreement, build_world, driven, passages

SURE, UNSURE = says("Paris", 0.9), says("Lyon", 0.4)
LARGE = (says("Paris, France", 0.95),)
FACTS = passages("France's capital is Paris.", "Lyon is a city.")


class BrokenHistory(MemoryHistory):
    """A history whose server has gone."""

    async def recall(self, query: RecallQuery) -> Recalled:
        raise StoreError("the server has gone")

    async def record(self, run: RunRecord) -> None:
        raise StoreError("the server has gone")


class BrokenPolicy:
    """A policy with a bug."""

    def decide(self, situation: Situation) -> Choice:
        raise KeyError("tier")


class NoLyon:
    """A prefix gate that stops at Lyon, and keeps what stands before."""

    def judge(self, rung: Rung, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
        for number, token in enumerate(tokens[seen:], seen):
            if token.token.strip() == "Lyon":
                return Stop("not Lyon", keep=number)
        return Continue()


def broken_estimate(evidence: Evidence) -> Reading:
    raise ZeroDivisionError("no tokens")


async def broken_history() -> History:
    return BrokenHistory()


def alike(n: int) -> FixedEstimator:
    """The mean similarity of the answer to `n` samples."""

    def mean(evidence: Evidence) -> Reading:
        assert evidence.greedy_similarity is not None
        value = sum(evidence.greedy_similarity) / n
        return Signal("alike", value, value)

    return FixedEstimator("alike", mean, Needs(samples=n, compare="similarity"))


def history_of(question: str, thread: str | None = None) -> Callable[[], Awaitable[History]]:
    """A memory that answered this question before, as any run of the deployment would."""

    async def made() -> History:
        history = MemoryHistory()
        earlier = replace(await driven(Setup((SURE,), question=question)), run_id="earlier")
        await history.record(RunRecord("default", thread, "", earlier, AT))
        return history

    return made


NEAR = (BuyBand("agreement", 0.3, 0.7),)
BUYING: dict[str, Any] = {
    "buy": NEAR,
    "buyable": (agreement(),),
    "order": ("agreement", "min_token_prob"),
}


@dataclass(frozen=True)
class Scenario:
    """A setup, and what must come of it by hand."""

    setup: Setup
    action: Action
    answer: str | None
    requests: tuple[str, ...]
    degraded: int = 0


SCENARIOS = {
    "answers at once": Scenario(Setup((SURE,)), Action.ANSWER, "Paris", ("draft",)),
    "retrieves, then answers": Scenario(
        Setup((UNSURE, SURE), found=FACTS), Action.ANSWER, "Paris", ("draft", "retrieve", "draft")
    ),
    "retrieves twice, then escalates": Scenario(
        Setup((UNSURE,), LARGE, FACTS, RetrievalPlan(k=1)),
        Action.ANSWER,
        "Paris, France",
        ("draft", "retrieve", "draft", "retrieve", "draft", "retrieve", "draft"),
    ),
    "finds nothing": Scenario(
        Setup((UNSURE,), LARGE), Action.ANSWER, "Paris, France", ("draft", "retrieve", "draft")
    ),
    "the retriever fails": Scenario(
        Setup((UNSURE,), LARGE, UpstreamUnavailable("no index")),
        Action.ANSWER,
        "Paris, France",
        ("draft", "retrieve", "draft"),
        degraded=1,
    ),
    "what is found does not fit": Scenario(
        Setup((UNSURE,), LARGE, passages("word " * 400), context=120),
        Action.ANSWER,
        "Paris, France",
        ("draft", "retrieve", "draft"),
    ),
    "escalates": Scenario(
        Setup((UNSURE,), LARGE, retrieval=None), Action.ANSWER, "Paris, France", ("draft", "draft")
    ),
    "nobody is sure": Scenario(
        Setup((UNSURE,), (UNSURE,), retrieval=None), Action.ABSTAIN, None, ("draft", "draft")
    ),
    "a tier fails": Scenario(
        Setup((UpstreamUnavailable("down"),), LARGE, FACTS),
        Action.ANSWER,
        "Paris, France",
        ("draft", "draft"),
        degraded=1,
    ),
    "all tiers fail": Scenario(
        Setup((UpstreamUnavailable("down"),), (UpstreamUnavailable("down too"),)),
        Action.ABSTAIN,
        None,
        ("draft", "draft"),
        degraded=2,
    ),
    "buys samples": Scenario(
        Setup((says("Paris", 0.5),), retrieval=None, **BUYING),
        Action.ANSWER,
        "Paris",
        ("draft", "sample"),
    ),
    "buys samples in vain": Scenario(
        Setup((says("Paris", 0.5), UpstreamUnavailable("busy")), LARGE, FACTS, **BUYING),
        Action.ANSWER,
        "Paris, France",
        # The sample fails, the search succeeds, the draft from it fails: the large tier answers.
        ("draft", "sample", "retrieve", "draft", "draft"),
        degraded=1,
    ),
    "buys a comparison": Scenario(
        Setup(
            # Of three samples two share half their words with the answer, one is the answer.
            (says("It is Paris", 0.5), *map(says, ("Is it Rome?", "It is Paris.", "It is Oslo"))),
            LARGE,
            retrieval=None,
            buy=(BuyBand("alike", 0.3, 0.7),),
            buyable=(alike(3),),
            order=("alike", "min_token_prob"),
            comparers={"similarity": LexicalComparer()},
            threshold=2 / 3,
        ),
        Action.ANSWER,
        "It is Paris",
        ("draft", "sample", "compare"),
    ),
    "nothing is there that compares": Scenario(
        Setup(
            (says("Paris", 0.5), says("Rome")),
            LARGE,
            retrieval=None,
            buy=(BuyBand("alike", 0.3, 0.7),),
            buyable=(alike(1),),
            order=("alike", "min_token_prob"),
        ),
        Action.ANSWER,
        "Paris, France",
        ("draft", "sample", "compare", "draft"),
    ),
    "buys from two shops": Scenario(
        Setup(
            (says("Paris", 0.5),),
            retrieval=None,
            buy=(BuyBand("first", 0.3, 0.7), BuyBand("agreement", 0.0, 0.7)),
            buyable=(
                FixedEstimator("first", 0.5, Needs(samples=1)),
                agreement(3),
            ),
            order=("agreement", "first", "min_token_prob"),
        ),
        Action.ANSWER,
        "Paris",
        ("draft", "sample", "sample"),
    ),
    "asks what nobody can answer": Scenario(
        Setup(
            (says("Paris", 0.5),),
            LARGE,
            retrieval=None,
            buy=(BuyBand("opposition", 0.3, 0.7),),
            buyable=(FixedEstimator("opposition", 0.9, Needs(asked="no such kind")),),
        ),
        Action.ANSWER,
        "Paris, France",
        ("draft", "ask", "draft"),
    ),
    "the money ends": Scenario(
        Setup((UNSURE,), LARGE, retrieval=None, budget=Budget(max_cost=2e-4)),
        Action.ABSTAIN,
        None,
        ("draft",),
    ),
    "no money at all": Scenario(Setup(budget=Budget(max_cost=1e-9)), Action.ABSTAIN, None, ()),
    "the time ends": Scenario(
        Setup((UNSURE,), LARGE, FACTS, budget=Budget(deadline_s=3.0), takes_s=1.6, latency_s=1.5),
        Action.ABSTAIN,
        None,
        ("draft",),
    ),
    "the calls end": Scenario(
        Setup((UNSURE,), LARGE, FACTS, budget=Budget(max_calls=2)),
        Action.ABSTAIN,
        None,
        ("draft", "retrieve", "draft"),
    ),
    "the steps end": Scenario(
        Setup((UNSURE,), (UNSURE,), FACTS, RetrievalPlan(k=1), budget=Budget(max_steps=4)),
        Action.ABSTAIN,
        None,
        ("draft", "retrieve", "draft"),
    ),
    "a draft is cut": Scenario(
        Setup((says("Paris is", 0.9, finish_reason="length"),), LARGE, retrieval=None),
        Action.ANSWER,
        "Paris, France",
        ("draft", "draft"),
    ),
    "a draft is empty": Scenario(
        Setup((says(""),), LARGE, retrieval=None),
        Action.ANSWER,
        "Paris, France",
        ("draft", "draft"),
    ),
    "a draft is stopped": Scenario(
        Setup((says("Lyon is the capital"),), LARGE, retrieval=None, prefix_gate=NoLyon()),
        Action.ANSWER,
        "Paris, France",
        ("draft", "draft"),
    ),
    "a weak step is gone on from": Scenario(
        Setup(
            (says("It is big. Lyon I think. So Lyon."),),
            LARGE,
            retrieval=None,
            prefix_gate=NoLyon(),
            finish=True,
        ),
        Action.ANSWER,
        "It is big. Paris, France",
        ("draft", "draft,"),
    ),
    "a repeat is recognized": Scenario(
        Setup(history=history_of(QUESTION)), Action.ANSWER, "Paris", ("recall", "record")
    ),
    "a follow-up sees its turns": Scenario(
        Setup(
            (SURE,),
            history=history_of("Who wrote Hamlet?", thread="t"),
            session=Session("default", "t"),
            question="And who was his wife?",
        ),
        Action.ANSWER,
        "Paris",
        ("recall", "draft", "record"),
    ),
    "remembers": Scenario(
        Setup((UNSURE,), LARGE, FACTS, history=history_of("Who wrote Hamlet?")),
        Action.ANSWER,
        "Paris, France",
        ("recall", "draft", "retrieve", "draft", "retrieve", "draft", "record"),
    ),
    "the history fails": Scenario(
        Setup((SURE,), history=broken_history),
        Action.ANSWER,
        "Paris",
        ("recall", "draft", "record"),
        degraded=2,
    ),
    "a price is unknown": Scenario(
        Setup(
            (UNSURE,),
            LARGE,
            retrieval=None,
            prices=(Price(1e-6, 2e-6), None),
            budget=Budget(max_cost=1.0),
        ),
        Action.ANSWER,
        "Paris, France",
        ("draft", "draft"),
        degraded=1,
    ),
    "the policy has a bug": Scenario(
        Setup((SURE,), policy=BrokenPolicy()), Action.ABSTAIN, None, ("draft",)
    ),
    "an estimator has a bug": Scenario(
        Setup((SURE,), LARGE, retrieval=None, free=(FixedEstimator("x", broken_estimate),)),
        Action.ABSTAIN,
        None,
        ("draft", "draft"),
    ),
}

Driven = Callable[[World, Setup], Awaitable[Result]]


def given(setup: Setup) -> dict[str, Any]:
    return {"question": setup.question, "run_id": RUN}


def terms(setup: Setup) -> RouterContext:
    return RouterContext(tenant=setup.session.tenant, thread=setup.session.thread)


async def awaited(world: World, setup: Setup) -> Result:
    graph = compile_graph(world.plan, world.performer, clock=world.clock)
    return result_of(await graph.ainvoke(given(setup), context=terms(setup)))


async def called(world: World, setup: Setup) -> Result:
    """By `invoke`, in a thread without an event loop."""
    graph = compile_graph(world.plan, world.performer, clock=world.clock)
    call = asyncio.to_thread(graph.invoke, given(setup), context=terms(setup))
    return result_of(await call)


async def checkpointed(world: World, setup: Setup) -> Result:
    """With a checkpoint after each node, every one of them plain JSON."""
    graph = compile_graph(
        world.plan, world.performer, clock=world.clock, checkpointer=InMemorySaver()
    )
    config: Any = {"configurable": {"thread_id": "a"}}
    context = replace(terms(setup), thread=setup.session.thread or "none")
    state = await graph.ainvoke(given(setup), config, context=context)
    snapshots = [snapshot async for snapshot in graph.aget_state_history(config)]
    for snapshot in snapshots:
        assert json.loads(json.dumps(snapshot.values)) == snapshot.values
    spent = [s.values["run"]["state"]["spend"] for s in snapshots if s.values.get("run")]
    for later, earlier in pairwise(spent):  # newest first: it only grows
        assert all(later[name] >= earlier[name] for name in earlier)
    return result_of(state)


@pytest.mark.parametrize("ended", [awaited, called, checkpointed])
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
async def test_the_graph_ends_as_the_plain_driver(scenario: Scenario, ended: Driven) -> None:
    setup = scenario.setup
    plain, world = await build_world(setup), await build_world(setup)
    expected = await driven(setup, plain)
    assert (expected.action, expected.answer) == (scenario.action, scenario.answer)
    assert tuple(step.request.split()[0] for step in expected.trail) == scenario.requests
    assert len(expected.degraded) == scenario.degraded

    assert await ended(world, setup) == expected

    for ours, theirs in zip(world.models, plain.models, strict=True):
        assert ours.calls == theirs.calls
    assert world.retriever.queries == plain.retriever.queries
    if world.history is not None and plain.history is not None and ended is not checkpointed:
        assert await world.history.runs("default") == await plain.history.runs("default")
