"""The gate beside structured output, streams, interrupts, and LangChain's own middleware."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
)
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from surefoot.graphs.middleware import ConfidenceMiddleware
from surefoot.policies.tool_risk import ToolRisk

from .gated import Scripted, calls, says

ASKED: Any = {"messages": [{"role": "user", "content": "Where is the Eiffel Tower?"}]}
CONFIG: Any = {"configurable": {"thread_id": "t"}}


class Place(BaseModel):
    """A place."""

    city: str
    year: int


def structured(city: str, year: int, **weak: float) -> AIMessage:
    return calls(("Place", {"city": city, "year": year}), p=0.99, **weak)


def written(city: str, **weak: float) -> AIMessage:
    return says(json.dumps({"city": city, "year": 1889}), 0.99, **weak)


# --- structured output --------------------------------------------------------------------------


def test_a_structured_answer_is_as_sure_as_its_least_sure_field() -> None:
    small = Scripted(answers=[structured("Lyon", 1889, Lyon=0.5)])
    large = Scripted(answers=[structured("Paris", 1889, Paris=0.9)], model_name="large")
    gate = ConfidenceMiddleware(threshold=0.8, escalate_to=[large])
    agent = create_agent(small, middleware=[gate], response_format=ToolStrategy(Place))
    found = agent.invoke(ASKED)
    assert found["structured_response"] == Place(city="Paris", year=1889)
    assert found["gate"]["signal"] == "field_confidence"
    assert found["gate"]["confidence"] == pytest.approx(0.9)
    assert found["gate"]["fields"] == pytest.approx({"0.city": 0.9, "0.year": 0.99})


def test_so_is_one_that_the_provider_writes_as_text() -> None:
    small = Scripted(answers=[written("Lyon", Lyon=0.5)])
    large = Scripted(answers=[written("Paris")], model_name="large")
    gate = ConfidenceMiddleware(threshold=0.8, escalate_to=[large])
    agent = create_agent(small, middleware=[gate], response_format=ProviderStrategy(Place))
    found = agent.invoke(ASKED)
    assert found["structured_response"] == Place(city="Paris", year=1889)
    assert found["gate"]["fields"] == pytest.approx({"city": 0.99, "year": 0.99})


def test_an_unsure_structured_answer_is_withheld() -> None:
    model = Scripted(answers=[structured("Lyon", 1889, Lyon=0.5)])
    gate = ConfidenceMiddleware(threshold=0.8)
    agent = create_agent(model, middleware=[gate], response_format=ToolStrategy(Place))
    found = agent.invoke(ASKED)
    assert found["gate"]["action"] == "abstain"
    assert found.get("structured_response") is None


def test_a_structured_answer_that_breaks_the_schema_is_a_failed_tier() -> None:
    broken = calls(("Place", {"city": "Lyon", "year": "long ago"}), p=0.99)
    small = Scripted(answers=[broken])
    large = Scripted(answers=[structured("Paris", 1889)], model_name="large")
    gate = ConfidenceMiddleware(threshold=0.8, escalate_to=[large])
    strict = ToolStrategy(Place, handle_errors=False)
    found = create_agent(small, middleware=[gate], response_format=strict).invoke(ASKED)
    assert found["structured_response"] == Place(city="Paris", year=1889)


def test_tools_beside_a_schema_are_calls_and_pass() -> None:
    @tool
    def look_up(name: str) -> str:
        """Look up a place."""
        return "Paris"

    first = calls(("look_up", {"name": "Eiffel"}), p=0.3)  # of no declared risk
    model = Scripted(answers=[first, structured("Paris", 1889)])
    gate = ConfidenceMiddleware(threshold=0.8)
    agent = create_agent(model, [look_up], middleware=[gate], response_format=ToolStrategy(Place))
    assert agent.invoke(ASKED)["structured_response"] == Place(city="Paris", year=1889)


# --- streams ------------------------------------------------------------------------------------


def two_tiers() -> Any:
    small = Scripted(answers=[says("Certainly in Lyon.", 0.4)])
    large = Scripted(answers=[says("In Paris.", 0.95)], model_name="large")
    return create_agent(
        small, middleware=[ConfidenceMiddleware(threshold=0.8, escalate_to=[large])]
    )


def test_a_plain_agent_streams_its_tokens() -> None:
    """The counterpart: what the next tests look for would show."""
    agent = create_agent(Scripted(answers=[says("Certainly in Lyon.")]))
    parts = [part.text for part, _ in agent.stream(ASKED, stream_mode="messages")]  # type: ignore[union-attr]  # LangGraph types a stream by no mode
    assert len(parts) > 2 and "".join(parts) == "Certainly in Lyon."


def test_a_rejected_draft_never_shows_in_a_stream() -> None:
    parts = [part.text for part, _ in two_tiers().stream(ASKED, stream_mode="messages")]
    assert "".join(parts) == "In Paris."


async def test_nor_in_an_async_one() -> None:
    stream = two_tiers().astream(ASKED, stream_mode="messages")
    assert "".join([part.text async for part, _ in stream]) == "In Paris."


def test_each_decision_is_a_custom_event() -> None:
    told = list(two_tiers().stream(ASKED, stream_mode="custom"))
    assert [one["event"] for one in told] == ["surefoot.decision"] * 2
    assert [(one["action"], one["tier"]) for one in told] == [
        ("escalate", "agent"),
        ("answer", "large"),
    ]
    assert [one["confidence"] for one in told] == pytest.approx([0.4, 0.95])


# --- interrupts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
def test_an_interrupt_inside_a_tier_interrupts_the_agent(is_async: bool) -> None:
    def ask_first() -> AIMessage:
        return says(str(interrupt("may I?")))

    small = Scripted(answers=[says("Lyon.", 0.3)])
    large = Scripted(answers=[ask_first], model_name="large")
    gate = ConfidenceMiddleware(threshold=0.8, escalate_to=[large])
    agent = create_agent(small, middleware=[gate], checkpointer=InMemorySaver())

    def run(given: Any) -> Any:
        return (
            asyncio.run(agent.ainvoke(given, CONFIG)) if is_async else agent.invoke(given, CONFIG)
        )

    assert run(ASKED)["__interrupt__"][0].value == "may I?"
    assert run(Command(resume="Yes."))["messages"][-1].text == "Yes."


# --- LangChain's own middleware, in either order ------------------------------------------------

either = pytest.mark.parametrize("gate_first", [True, False], ids=["gate outside", "gate inside"])


def stack(gate: ConfidenceMiddleware, other: Any, gate_first: bool) -> list[Any]:
    return [gate, other] if gate_first else [other, gate]


@either
def test_beside_retries(gate_first: bool) -> None:
    model = Scripted(answers=[ConnectionError("once"), says("Paris.")])
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False)
    layers = stack(ConfidenceMiddleware(threshold=0.8), retry, gate_first)
    found: Any = create_agent(model, middleware=layers).invoke(ASKED)
    assert found["messages"][-1].text == "Paris."
    assert found["gate"]["action"] == "answer"
    assert len(model.seen) == 2


def test_the_text_of_an_error_is_no_answer() -> None:
    """Retries that give up turn the error into a message; the gate does not take it for one."""
    model = Scripted(answers=[ConnectionError("secret host")])
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False)
    layers = stack(ConfidenceMiddleware(threshold=0.0), retry, True)
    found: Any = create_agent(model, middleware=layers).invoke(ASKED)
    assert found["gate"]["action"] == "abstain"
    assert "secret host" not in found["messages"][-1].text


@either
def test_beside_fallbacks(gate_first: bool) -> None:
    down = Scripted(answers=[ConnectionError("down")], model_name="down")
    spare = Scripted(answers=[says("Paris.")], model_name="spare")
    layers = stack(ConfidenceMiddleware(threshold=0.8), ModelFallbackMiddleware(spare), gate_first)
    found: Any = create_agent(down, middleware=layers).invoke(ASKED)
    assert found["messages"][-1].text == "Paris."
    assert found["gate"]["action"] == "answer"


@either
def test_beside_limits_of_calls(gate_first: bool) -> None:
    @tool
    def again() -> str:
        """Do it again."""
        return "once more"

    model = Scripted(answers=[calls(("again", {}))])
    limit = ModelCallLimitMiddleware(run_limit=3, exit_behavior="end")
    layers = stack(ConfidenceMiddleware(threshold=0.8), limit, gate_first)
    found: Any = create_agent(model, [again], middleware=layers).invoke(ASKED)
    assert len(model.seen) == 3
    assert "limit" in found["messages"][-1].text.lower()


@either
def test_beside_a_person_in_the_loop(gate_first: bool) -> None:
    done: list[str] = []

    @tool
    def send(to: str) -> str:
        """Send it."""
        done.append(to)
        return "sent"

    model = Scripted(answers=[calls(("send", {"to": "ann"}), p=0.4), says("Sent.")])
    gate = ConfidenceMiddleware(threshold=0.5, tools=[ToolRisk("send", 0.9)])
    layers = stack(gate, HumanInTheLoopMiddleware({"send": True}), gate_first)
    agent = create_agent(model, [send], middleware=layers, checkpointer=InMemorySaver())
    yes: Command[Any] = Command(resume={"decisions": [{"type": "approve"}]})
    found: Any = agent.invoke(ASKED, CONFIG)
    assert "__interrupt__" in found
    found = agent.invoke(yes, CONFIG)
    assert "__interrupt__" in found and done == []  # each of the two asks what it was set up for
    found = agent.invoke(yes, CONFIG)
    assert done == ["ann"] and found["messages"][-1].text == "Sent."
    assert len(model.seen) == 2


def test_what_a_person_rejected_elsewhere_is_not_asked_again() -> None:
    @tool
    def send(to: str) -> str:
        """Send it."""
        raise AssertionError("rejected")

    model = Scripted(answers=[calls(("send", {"to": "ann"}), p=0.4), says("Not sent.")])
    gate = ConfidenceMiddleware(threshold=0.5, tools=[ToolRisk("send", 0.9)])
    # hooks after the model run from the last to the first: the person is asked there before
    layers: list[Any] = [gate, HumanInTheLoopMiddleware({"send": True})]
    agent = create_agent(model, [send], middleware=layers, checkpointer=InMemorySaver())
    agent.invoke(ASKED, CONFIG)
    no: Command[Any] = Command(resume={"decisions": [{"type": "reject", "message": "no"}]})
    found: Any = agent.invoke(no, CONFIG)
    assert "__interrupt__" not in found and found["messages"][-1].text == "Not sent."


def test_the_decision_survives_a_checkpoint(tmp_path: Any) -> None:
    from langgraph.checkpoint.sqlite import SqliteSaver

    with SqliteSaver.from_conn_string(str(tmp_path / "state.db")) as saver:
        agent = create_agent(
            Scripted(answers=[says("Paris.", 0.9)]),
            middleware=[ConfidenceMiddleware(threshold=0.8)],
            checkpointer=saver,
        )
        agent.invoke(ASKED, CONFIG)
        kept = agent.get_state(CONFIG).values["gate"]
    assert kept["action"] == "answer" and kept["confidence"] == pytest.approx(0.9)
