"""Confidence over whole conversations: agents' threads and chats."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from surefoot.graphs.conversation_reading import answers_in, confidence_of
from surefoot.graphs.middleware import ConfidenceMiddleware
from surefoot.router.conversation_confidence import AnswerConfidence
from surefoot.router.errors import ConfigurationError

from .gated import Scripted, says

THREAD = {"configurable": {"thread_id": "t"}}


def told(text: str, **decision: Any) -> AIMessage:
    return AIMessage(text, response_metadata={"surefoot": decision} if decision else {})


def test_answers_are_read_from_their_messages() -> None:
    called = AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "1"}])
    messages = [
        HumanMessage("Which city?"),
        called,
        ToolMessage("Lyon", tool_call_id="1"),
        told("Paris", confidence=0.9, calibrated=True, action="answer"),
        HumanMessage("And which river?"),
        told("I do not know.", action="abstain"),
        told("The Seine"),
        told("The Rhone", confidence=1.5, calibrated="yes"),
        told("The Loire", confidence=True),
    ]
    assert answers_in(messages) == [
        AnswerConfidence(0.9, True),
        AnswerConfidence(None),
        AnswerConfidence(None),
        AnswerConfidence(None),
    ]
    assert confidence_of(messages[:4]).expected_wrong == pytest.approx(0.1)


def test_an_agent_s_thread_adds_up() -> None:
    model = Scripted(answers=[says("Paris.", 0.9), says("The Seine.", 0.8)])
    gate = ConfidenceMiddleware(threshold=0.7)
    agent: Any = create_agent(model, middleware=[gate], checkpointer=InMemorySaver())
    first = agent.invoke({"messages": [HumanMessage("Which city?")]}, THREAD)
    assert first["gate"]["conversation"]["answers"] == 1
    second = agent.invoke({"messages": [HumanMessage("Which river?")]}, THREAD)
    found = second["gate"]["conversation"]
    assert (found["answers"], found["unjudged"]) == (2, 0)
    assert found["expected_wrong"] == pytest.approx(0.3)
    assert found["all_right"] == pytest.approx([0.7, 0.8])
    assert confidence_of(second["messages"]).expected_wrong == pytest.approx(0.3)


def test_the_more_doubt_was_spent_the_surer_an_answer_has_to_be() -> None:
    small = Scripted(answers=[says("Paris.", 0.9), says("The Seine.", 0.8), says("Gold.", 0.99)])
    large = Scripted(answers=[says("Surely the Seine.", 0.95)], model_name="large")
    gate = ConfidenceMiddleware(threshold=0.7, escalate_to=[large], conversation_limit=0.165)
    agent: Any = create_agent(small, middleware=[gate], checkpointer=InMemorySaver())
    said = [
        agent.invoke({"messages": [HumanMessage(words)]}, THREAD)["gate"]
        for words in ("Which city?", "Which river?", "Which metal?", "And another?")
    ]
    assert [one["tier"] for one in said] == ["agent", "large", "agent", None]
    assert said[1]["conversation"]["expected_wrong"] == pytest.approx(0.15)
    assert said[2]["conversation"]["expected_wrong"] == pytest.approx(0.16)
    assert said[3]["action"] == "abstain"  # .95 and .99 would both be too much now
    assert "wrong answers would be expected in this conversation" in said[3]["reason"]
    assert said[3]["conversation"] == said[2]["conversation"]


def test_a_limit_is_checked_when_the_gate_is_made() -> None:
    with pytest.raises(ConfigurationError) as raised:
        ConfidenceMiddleware(threshold=0.7, conversation_limit=-1.0)
    assert raised.value.field == "conversation_limit"
