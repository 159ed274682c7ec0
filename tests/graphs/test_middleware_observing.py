"""A gate that only observes: it decides and records, and the agent gets what it would have got."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent

from surefoot.adapters.histories import open_history
from surefoot.graphs.gate_state import GateDecision
from surefoot.graphs.middleware import ConfidenceMiddleware
from surefoot.router.protocols import RunRecord

from .gated import Scripted, says

ASKED: Any = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}


def runs_of(url: str) -> list[RunRecord]:
    async def read() -> list[RunRecord]:
        history = open_history(url)
        try:
            return list(await history.runs("default"))
        finally:
            await history.aclose()

    return asyncio.run(read())


@pytest.mark.parametrize("is_async", [False, True])
def test_it_changes_nothing_and_records_what_it_would_have_done(
    is_async: bool, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'seen.db'}"
    small = Scripted(answers=[says("Lyon.", 0.4), says("Paris.", 0.9)])
    large = Scripted(answers=[says("Paris.")], model_name="large")
    told: list[GateDecision] = []
    gate = ConfidenceMiddleware(
        threshold=0.8, escalate_to=[large], mode="observe", history=url, on_decision=told.append
    )
    agent = create_agent(small, middleware=[gate])
    for expected in ("Lyon.", "Paris."):
        found: Any = asyncio.run(agent.ainvoke(ASKED)) if is_async else agent.invoke(ASKED)
        assert found["messages"][-1].text == expected
        assert found["messages"][-1].response_metadata == {"finish_reason": "stop"}
        assert set(found) == {"messages"}
    gate.close()
    assert not large.seen
    assert [one["action"] for one in told] == ["escalate", "answer"]
    assert [one["confidence"] for one in told] == pytest.approx([0.4, 0.9])
    newest, oldest = runs_of(url)
    assert oldest.result.trail[-1].action == "escalate"
    assert oldest.result.answer == "Lyon." and not oldest.result.gated
    assert oldest.result.reason.startswith("observed only; the gate would escalate: agent is 0.40")
    assert newest.result.trail[-1].action == "answer"
    assert newest.result.gated


def test_tokens_are_streamed_as_ever() -> None:
    told: list[GateDecision] = []
    gate = ConfidenceMiddleware(threshold=0.8, mode="observe", on_decision=told.append)
    agent = create_agent(Scripted(answers=[says("In Lyon, surely.", 0.4)]), middleware=[gate])
    parts: list[Any] = list(agent.stream(ASKED, stream_mode="messages"))
    assert len(parts) > 2
    assert told[0]["action"] == "abstain"


def test_what_the_model_raises_is_raised() -> None:
    gate = ConfidenceMiddleware(threshold=0.8, mode="observe", on_decision=lambda told: None)
    agent = create_agent(Scripted(answers=[ConnectionError("down")]), middleware=[gate])
    with pytest.raises(ConnectionError, match="down"):
        agent.invoke(ASKED)


def test_an_answer_that_cannot_be_judged_passes_all_the_same() -> None:
    told: list[GateDecision] = []
    gate = ConfidenceMiddleware(threshold=0.8, mode="observe", on_decision=told.append)
    silent = says("Paris.")
    silent.response_metadata = {}
    agent = create_agent(Scripted(answers=[silent]), middleware=[gate])
    assert agent.invoke(ASKED)["messages"][-1].text == "Paris."
    assert told[0]["action"] == "abstain"
    assert any("without a finish reason" in words for words in told[0]["degraded"])


def test_a_gate_that_acts_records_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'acted.db'}"
    gate = ConfidenceMiddleware(threshold=0.8, history=url)
    create_agent(Scripted(answers=[says("Paris.", 0.9)]), middleware=[gate]).invoke(ASKED)
    gate.close()
    (run,) = runs_of(url)
    assert run.result.answer == "Paris." and run.result.trail[-1].action == "answer"


def test_a_history_that_fails_costs_no_answer() -> None:
    gate = ConfidenceMiddleware(threshold=0.8, history="sqlite:////proc/nowhere/seen.db")
    found: Any = create_agent(Scripted(answers=[says("Paris.")]), middleware=[gate]).invoke(ASKED)
    assert found["messages"][-1].text == "Paris."
    gate.close()
