"""The gate inside LangChain's agents: answer, retrieve, escalate, abstain; sync and async."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from surefoot.graphs.gate_models import GateTier
from surefoot.graphs.middleware import ConfidenceMiddleware
from surefoot.policies.profile import FittedRung, FittedTier, Profile
from surefoot.router.budget import Budget, Price
from surefoot.router.decisions import Action
from surefoot.router.errors import ConfigurationError, DeadlineExceeded, ProfileMismatch
from surefoot.router.shared_budget import SharedBudget

from .gated import Scripted, says

QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}


def asked(agent: Any, is_async: bool, given: Any = None, config: Any = None) -> dict[str, Any]:
    found: dict[str, Any]
    if is_async:
        found = asyncio.run(agent.ainvoke(given or QUESTION, config))
    else:
        found = agent.invoke(given or QUESTION, config)
    return found


both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@both
def test_a_sure_answer_is_served_as_it_came(is_async: bool) -> None:
    model = Scripted(answers=[says("Paris.", 0.9)])
    gate = ConfidenceMiddleware(threshold=0.8)
    found = asked(create_agent(model, middleware=[gate]), is_async)
    assert found["messages"][-1].text == "Paris."
    assert found["messages"][-1].usage_metadata["total_tokens"] == 15
    decision = found["gate"]
    assert (decision["action"], decision["tier"], decision["gated"]) == ("answer", "agent", True)
    assert decision["confidence"] == pytest.approx(0.9)
    assert decision["signal"] == "perplexity"
    assert decision["model"] == "scripted"
    assert model.seen[0]["logprobs"] is True  # asked for, though the application did not


@both
def test_an_unsure_answer_goes_to_the_next_tier(is_async: bool) -> None:
    small = Scripted(answers=[says("Lyon.", 0.4)], model_name="small")
    large = Scripted(answers=[says("Paris.", 0.95)], model_name="large")
    gate = ConfidenceMiddleware(threshold=0.8, escalate_to=[large])
    found = asked(create_agent(small, middleware=[gate], system_prompt="Be brief."), is_async)
    texts = [one.text for one in found["messages"]]
    assert texts == ["What is the capital of France?", "Paris."]
    assert (found["gate"]["tier"], found["gate"]["attempts"]) == ("large", 2)
    shown = [one.text for one in large.seen[0]["messages"]]
    assert shown == ["Be brief.", "What is the capital of France?"]


@both
def test_with_nothing_left_to_try_it_abstains(is_async: bool) -> None:
    small = Scripted(answers=[says("Lyon.", 0.4)])
    gate = ConfidenceMiddleware(threshold=0.8, abstain=lambda found: f"No: {found['reason']}")
    found = asked(create_agent(small, middleware=[gate]), is_async)
    assert found["gate"]["action"] == "abstain"
    assert found["gate"]["confidence"] is None
    said = found["messages"][-1]
    assert isinstance(said, AIMessage)
    assert said.text.startswith("No: agent is 0.40 sure")
    assert said.response_metadata["surefoot"] == {"action": "abstain"}
    assert all("Lyon" not in one.text for one in found["messages"])


def test_the_best_draft_above_the_floor_is_better_than_none() -> None:
    small = Scripted(answers=[says("Paris.", 0.7)], model_name="small")
    large = Scripted(answers=[says("Lyon.", 0.6)], model_name="large")
    gate = ConfidenceMiddleware(threshold=0.8, escalate_to=[large], floor=0.5)
    found = asked(create_agent(small, middleware=[gate]), False)
    assert found["messages"][-1].text == "Paris."
    assert found["gate"]["tier"] == "agent"


def test_no_logprobs_are_no_confidence() -> None:
    gate = ConfidenceMiddleware(threshold=0.0)
    found = asked(create_agent(Scripted(answers=[says("Paris.", None)]), middleware=[gate]), False)
    assert found["gate"]["action"] == "abstain"
    assert "no logprobs" in found["gate"]["reason"]


def test_an_answer_that_broke_off_is_never_served() -> None:
    cut = says("Paris is")
    cut.response_metadata["finish_reason"] = "length"
    silent = AIMessage("Paris.")
    for message in (cut, silent):
        gate = ConfidenceMiddleware(threshold=0.0)
        found = asked(create_agent(Scripted(answers=[message]), middleware=[gate]), False)
        assert found["gate"]["action"] == "abstain"


@both
def test_a_tier_that_fails_hands_over_and_with_none_left_its_error_comes_out(
    is_async: bool,
) -> None:
    down = Scripted(answers=[ConnectionError("no route")], model_name="down")
    up = Scripted(answers=[says("Paris.")], model_name="up")
    gate = ConfidenceMiddleware(threshold=0.8, escalate_to=[up])
    found = asked(create_agent(down, middleware=[gate]), is_async)
    assert found["messages"][-1].text == "Paris."
    assert any("no route" in words for words in found["gate"]["degraded"])
    alone = ConfidenceMiddleware(threshold=0.8)
    with pytest.raises(ConnectionError, match="no route"):
        asked(create_agent(down, middleware=[alone]), is_async)


def test_a_model_that_refuses_logprobs_is_asked_without() -> None:
    refusing = ValueError("logprobs is not supported with this model")
    model = Scripted(answers=[refusing, says("Paris.")])
    gate = ConfidenceMiddleware(threshold=0.8)
    agent = create_agent(model, middleware=[gate])
    assert asked(agent, False)["gate"]["action"] == "answer"
    asked(agent, False)
    assert [one["logprobs"] for one in model.seen] == [True, None, None]


@both
def test_passages_stand_in_the_question_of_the_next_draft(is_async: bool) -> None:
    model = Scripted(answers=[says("Lyon.", 0.3), says("Paris.", 0.97)])
    searched: list[str] = []

    def find(query: str) -> list[Document]:
        searched.append(query)
        return [Document("Paris has been the capital of France.", metadata={"title": "France"})]

    gate = ConfidenceMiddleware(threshold=0.8, retriever=find)
    found = asked(create_agent(model, middleware=[gate]), is_async)
    assert searched == ["What is the capital of France?"]
    assert found["messages"][-1].text == "Paris."
    assert found["gate"]["rounds"] == 1
    shown = model.seen[1]["messages"]
    assert [type(one) for one in shown] == [HumanMessage]
    assert "Paris has been the capital of France." in shown[0].text
    assert shown[0].text.endswith("What is the capital of France?")
    # ... and nowhere in the agent's own conversation
    assert found["messages"][0].text == "What is the capital of France?"


@both
def test_samples_are_bought_through_the_agents_own_handler(is_async: bool) -> None:
    from surefoot.policies.threshold import BuyBand, RungRule, ThresholdPolicy

    answers = [says("Paris.", 0.6), *[says("Paris.", 0.5)] * 5]
    model = Scripted(answers=answers)
    rule = RungRule(0, 0.9, buy=(BuyBand("self_consistency", 0.5, 0.9),))
    gate = ConfidenceMiddleware(
        policy=ThresholdPolicy((rule,), ("agent",)), buy=["self_consistency"], temperature=0.7
    )
    found = asked(create_agent(model, middleware=[gate]), is_async)
    assert found["gate"]["signal"] == "self_consistency"
    assert found["gate"]["confidence"] == pytest.approx(1.0)
    assert [one["temperature"] for one in model.seen] == [None, *[0.7] * 5]


def test_prices_and_budget_hold_over_all_drafts() -> None:
    small = Scripted(answers=[says("Lyon.", 0.4)], model_name="small")
    large = Scripted(answers=[says("Paris.")], model_name="large")
    tier = GateTier(large, price=Price(0.01, 0.02), max_output=100)
    gate = ConfidenceMiddleware(
        threshold=0.8, escalate_to=[tier], price=Price(0.001, 0.002), budget=Budget(max_cost=0.5)
    )
    found = asked(create_agent(small, middleware=[gate]), False)
    assert found["gate"]["action"] == "abstain"  # 100 tokens at 0.02 would be 2.0
    assert not large.seen
    rich = ConfidenceMiddleware(
        threshold=0.8, escalate_to=[tier], price=Price(0.001, 0.002), budget=Budget(max_cost=5.0)
    )
    found = asked(create_agent(small, middleware=[rich]), False)
    assert found["gate"]["tier"] == "large"
    assert found["gate"]["cost"] == pytest.approx(10 * 0.001 + 5 * 0.002 + 10 * 0.01 + 5 * 0.02)


def test_settings_of_one_provider_do_not_go_to_another() -> None:
    from langchain.agents.middleware import wrap_model_call

    @wrap_model_call
    def caching(request: Any, handler: Any) -> Any:
        headers = {"x-session-affinity": "a", "x-team": "b"}
        settings = {"prompt_cache_key": "k", "cache_control": {}, "top_p": 1, "headers": headers}
        return handler(request.override(model_settings=settings, tool_choice="auto"))

    @tool
    def weather(city: str) -> str:
        """The weather."""
        return "sunny"

    small = Scripted(answers=[says("Lyon.", 0.4)], model_name="small")
    large = Scripted(answers=[says("Paris.")], model_name="large")
    gate = ConfidenceMiddleware(threshold=0.8, escalate_to=[large])
    stack: list[Any] = [caching, gate]
    asked(create_agent(small, [weather], middleware=stack), False)
    assert small.seen[0]["kwargs"]["prompt_cache_key"] == "k"
    told = large.seen[0]["kwargs"]
    assert told["tools"] == ["weather"]
    assert told["tool_choice"] == "auto"
    assert told["top_p"] == 1
    assert told["headers"] == {"x-team": "b"}
    assert "prompt_cache_key" not in told and "cache_control" not in told


def test_wrong_arguments_are_named() -> None:
    model = Scripted(answers=[])
    with pytest.raises(ConfigurationError, match="either threshold"):
        ConfidenceMiddleware()
    with pytest.raises(ConfigurationError, match="the tiers are agent, scripted"):
        ConfidenceMiddleware(threshold={"agent": 0.5, "scriptd": 0.5}, escalate_to=[model])
    with pytest.raises(ConfigurationError, match="two tiers are called 'scripted'"):
        ConfidenceMiddleware(threshold=0.5, escalate_to=[model, model])
    with pytest.raises(ConfigurationError, match="somewhere to tell"):
        ConfidenceMiddleware(threshold=0.5, mode="observe")
    with pytest.raises(ConfigurationError, match="has to be bought"):
        ConfidenceMiddleware(threshold=0.5, signals=["self_consistency"])


async def test_the_deadline_of_a_budget_ends_a_slow_tier() -> None:
    class Slow(Scripted):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(30.0)

    model = Slow(answers=[says("Paris.")], model_name="slow")
    gate = ConfidenceMiddleware(threshold=0.8, budget=Budget(deadline_s=0.05))
    with pytest.raises(DeadlineExceeded):
        await create_agent(model, middleware=[gate]).ainvoke(QUESTION)  # type: ignore[call-overload]  # a plain dict


def test_the_guide_adds_the_gate_in_at_most_ten_lines() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "middleware.md").read_text(encoding="utf-8")
    blocks = guide.split("```python\n")[1:]
    app = next(text for one in blocks if "ConfidenceMiddleware(" in (text := one.split("```")[0]))
    assert "create_agent(" in app
    assert len([line for line in app.splitlines() if line.strip()]) <= 10


@both
def test_a_profile_decides_instead_of_thresholds(is_async: bool) -> None:
    up = (Action.ESCALATE,)
    small = FittedRung(0, False, 0.7, up, (), (), "perplexity")
    large = FittedRung(1, False, 0.0, (), (), (), gated=False)
    rungs = tuple(replace(one, retrieved=seen) for one in (small, large) for seen in (False, True))
    profile = Profile((FittedTier("small"), FittedTier("large")), rungs)
    models = [Scripted(answers=[says("Lyon.", p)], model_name="small") for p in (0.6, 0.8)]
    last = Scripted(answers=[says("Paris.", 0.1)], model_name="large")
    gate = ConfidenceMiddleware(profile=profile, escalate_to=[last])
    first, second = (asked(create_agent(one, middleware=[gate]), is_async) for one in models)
    assert (first["messages"][-1].text, first["gate"]["gated"]) == ("Paris.", False)
    assert (second["messages"][-1].text, second["gate"]["gated"]) == ("Lyon.", True)
    with pytest.raises(ProfileMismatch, match="fitted on 2 tiers"):
        ConfidenceMiddleware(profile=profile)
    with pytest.raises(ProfileMismatch, match="perplexity"):
        ConfidenceMiddleware(profile=profile, escalate_to=[last], signals=["min_token_prob"])


@both
def test_gates_of_two_agents_share_a_budget(is_async: bool) -> None:
    shared = SharedBudget(max_calls=3)
    agents, larger = [], []
    for _ in range(2):
        small = Scripted(answers=[says("Lyon.", 0.4)], model_name="small")
        large = Scripted(answers=[says("Paris.", 0.95)], model_name="large")
        gate = ConfidenceMiddleware(threshold=0.8, escalate_to=[large], shared=shared)
        agents.append(create_agent(small, middleware=[gate]))
        larger.append(large)
    first = asked(agents[0], is_async)
    assert first["gate"]["action"] == "answer"
    second = asked(agents[1], is_async)  # one call is left, for its own draft
    assert second["gate"]["action"] == "abstain" and not larger[1].seen
    assert "would make 2 calls of 1 allowed" in str(second["gate"])
    assert shared.used.calls == 3


def test_a_chat_model_settles_with_a_shared_budget() -> None:
    from surefoot.graphs.chat_model import RouterChatModel

    from .test_same_behavior import RECORDINGS, router_of

    shared = SharedBudget(max_calls=4)
    model = RouterChatModel(router=router_of(RECORDINGS["nobody is sure"][0]), shared=shared)
    found = [model.invoke("What is the capital of Norway?") for _ in range(2)]
    model.close()
    told = [one.response_metadata["surefoot"]["calls"] for one in found]
    assert told == [3, 1] and shared.used.calls == 4
