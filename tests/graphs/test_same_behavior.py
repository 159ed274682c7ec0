"""Every door behaves alike on the same recorded answers: the plain driver, the graph, the chat
model, the gate in an agent, and the replay of an outcome table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from surefoot.adapters.model_langchain import LangChainModel
from surefoot.graphs.caller_prompter import CallerPrompter
from surefoot.graphs.chat_model import RouterChatModel
from surefoot.graphs.gate_models import GateTier
from surefoot.graphs.graph_state import result_of
from surefoot.graphs.machine import compile_graph
from surefoot.graphs.middleware import ConfidenceMiddleware
from surefoot.graphs.prompter import TemplatePrompter
from surefoot.policies.recorded import Replayer
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.decisions import Action, Result
from surefoot.router.drive import Router
from surefoot.router.estimators.catalogue import estimator
from surefoot.router.evidence import Passage
from surefoot.router.perform import Performer
from surefoot.router.plan import Plan, RetrievalPlan, TierPlan
from surefoot.router.sizing import PromptSizer
from surefoot.router.testing import FixedRetriever

from ..policies.worlds import outcome, table_of
from .gated import says

NAMES = ("agent", "large")
THRESHOLDS = (0.8, 0.6)
QUESTION = "What is the capital of Norway?"
FACT = "Norway's capital has been Oslo since 1814."

Said = tuple[str, float]
"""An answer and the probability of each of its tokens."""

Recording = Mapping[tuple[int, bool], Said]
"""By tier, and whether it has seen the passage."""


@dataclass(frozen=True)
class End:
    """How a run ended, as every door can tell it."""

    action: str
    answer: str | None
    tier: str | None
    confidence: float | None


RECORDINGS: dict[str, tuple[Recording, End]] = {
    "sure at once": (
        {(0, False): ("Oslo", 0.9)},
        End("answer", "Oslo", "agent", 0.9),
    ),
    "at the threshold": (
        {(0, False): ("Oslo", 0.8 + 1e-9)},
        End("answer", "Oslo", "agent", 0.8),
    ),
    "sure with the passage": (
        {(0, False): ("Bergen", 0.5), (0, True): ("Oslo", 0.95)},
        End("answer", "Oslo", "agent", 0.95),
    ),
    "the larger one is sure": (
        {(0, False): ("Bergen", 0.5), (0, True): ("Bergen", 0.6), (1, True): ("Oslo", 0.7)},
        End("answer", "Oslo", "large", 0.7),
    ),
    "nobody is sure": (
        {(0, False): ("Bergen", 0.5), (0, True): ("Bergen", 0.6), (1, True): ("Oslo", 0.55)},
        End("abstain", None, None, None),
    ),
    "no words": (
        {(0, False): ("Bergen", 0.5), (0, True): ("", 1.0), (1, True): ("Oslo", 0.9)},
        End("answer", "Oslo", "large", 0.9),
    ),
}


class Recorded(BaseChatModel):
    """Says what was recorded, by whether the passage is among the messages."""

    tier: int
    recording: dict[tuple[int, bool], Said]

    @property
    def _llm_type(self) -> str:
        return "recorded"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        has_seen = any(FACT in one.text for one in messages)
        text, p = self.recording[self.tier, has_seen]
        return ChatResult(generations=[ChatGeneration(message=says(text, p))])


def models(recording: Recording) -> tuple[Recorded, Recorded]:
    return Recorded(tier=0, recording=dict(recording)), Recorded(tier=1, recording=dict(recording))


def policy() -> ThresholdPolicy:
    rules = tuple(RungRule(tier, bound) for tier, bound in enumerate(THRESHOLDS))
    return ThresholdPolicy(rules, NAMES)


def deployment(recording: Recording) -> tuple[Plan, Performer, TemplatePrompter]:
    prompter = TemplatePrompter(("chat", "chat"))
    plan = Plan(
        tiers=tuple(TierPlan(name, name) for name in NAMES),
        policy=policy(),
        assessor=BareAssessor(("perplexity",)),
        sizer=PromptSizer(prompter),
        free=(estimator("perplexity"),),
        retrieval=RetrievalPlan(k=1),
    )
    tiers = tuple(LangChainModel(one) for one in models(recording))
    found = FixedRetriever((Passage("p", "Norway", FACT, 1.0),))
    return plan, Performer(plan, tiers, prompter, found), prompter


def router_of(recording: Recording) -> Router:
    plan, performer, prompter = deployment(recording)
    return Router(
        plan, performer, callers=lambda asked: CallerPrompter(asked, (True, True), prompter)
    )


def end_of(result: Result) -> End:
    tier = None if result.tier is None else NAMES[result.tier]
    return End(result.action.value, result.answer, tier, result.confidence)


async def plainly(recording: Recording) -> End:
    async with router_of(recording) as router:
        return end_of(await router.ask(QUESTION))


async def by_graph(recording: Recording) -> End:
    plan, performer, _ = deployment(recording)
    state: Any = await compile_graph(plan, performer).ainvoke({"question": QUESTION})
    return end_of(result_of(state))


async def by_chat_model(recording: Recording) -> End:
    async with router_of(recording) as router:
        model = RouterChatModel(router=router, names=NAMES)
        message = await model.ainvoke(QUESTION)
    told = message.response_metadata["surefoot"]
    has_answered = told["action"] == "answer"
    answer = message.text if has_answered else None
    return End(told["action"], answer, told["tier"], told["confidence"])


async def in_an_agent(recording: Recording) -> End:
    small, large = models(recording)
    gate = ConfidenceMiddleware(
        threshold=dict(zip(NAMES, THRESHOLDS, strict=True)),
        escalate_to=[GateTier(large, name="large")],
        retriever=lambda query: [Document(FACT, metadata={"title": "Norway"})],
    )
    agent: Any = create_agent(small, middleware=[gate])
    found: Any = await agent.ainvoke({"messages": [("user", QUESTION)]})
    told = found["gate"]
    has_answered = told["action"] == "answer"
    answer = found["messages"][-1].text if has_answered else None
    tier = told["tier"] if has_answered else None
    return End(told["action"], answer, tier, told["confidence"])


async def by_replay(recording: Recording) -> End:
    table = table_of(
        outcome(
            "q", tier, int(seen), answer=text, cost=0.0, signals={"perplexity": p if text else None}
        )
        for (tier, seen), (text, p) in recording.items()
    )
    replayer = Replayer(table, NAMES, policy(), BareAssessor(("perplexity",)))
    return end_of(replayer.replay("q"))


DOORS: dict[str, Callable[[Recording], Awaitable[End]]] = {
    "plain": plainly,
    "graph": by_graph,
    "chat model": by_chat_model,
    "agent": in_an_agent,
    "replay": by_replay,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", RECORDINGS)
async def test_every_door_ends_alike(name: str, door: str) -> None:
    recording, expected = RECORDINGS[name]
    found = await DOORS[door](recording)
    assert (found.action, found.answer, found.tier) == (
        expected.action,
        expected.answer,
        expected.tier,
    )
    if expected.action == Action.ANSWER.value:
        assert found.confidence == pytest.approx(expected.confidence, abs=1e-6)
    else:
        assert found.confidence is None
