"""Calls of tools under the gate: judged by their arguments and their risk, a person asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from surefoot.graphs.middleware import ConfidenceMiddleware
from surefoot.policies.tool_risk import ToolRisk
from surefoot.router.errors import UsageError

from .gated import Scripted, calls, says

GIVEN = {"messages": [{"role": "user", "content": "Remove the old report."}]}
CONFIG: Any = {"configurable": {"thread_id": "t"}}
RISKS = [ToolRisk("delete_file", threshold=0.9)]


class Disk:
    """Tools that note what was done."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def tools(self) -> list[Any]:
        """`delete_file` and `list_files`."""

        @tool
        def delete_file(path: str, force: bool = False) -> str:
            """Delete a file."""
            self.done.append(f"delete {path}")
            return "deleted"

        @tool
        def list_files(folder: str) -> str:
            """List a folder."""
            self.done.append(f"list {folder}")
            return "old.txt"

        return [delete_file, list_files]


def agent_of(model: Scripted, disk: Disk, **given: Any) -> Any:
    gate = ConfidenceMiddleware(**{"threshold": 0.5, "tools": RISKS, **given})
    return create_agent(model, disk.tools(), middleware=[gate], checkpointer=InMemorySaver())


def run(agent: Any, given: Any, is_async: bool) -> dict[str, Any]:
    found: dict[str, Any]
    if is_async:
        found = asyncio.run(agent.ainvoke(given, CONFIG))
    else:
        found = agent.invoke(given, CONFIG)
    return found


both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@both
def test_a_sure_risky_call_is_made(is_async: bool) -> None:
    disk = Disk()
    model = Scripted(answers=[calls(("delete_file", {"path": "old"}), p=0.95), says("Done.")])
    found = run(agent_of(model, disk), GIVEN, is_async)
    assert disk.done == ["delete old"]
    assert found["messages"][-1].text == "Done."


def test_only_the_values_of_arguments_count() -> None:
    disk = Disk()
    unsure_of_keys = calls(("delete_file", {"path": "old"}), p=0.95, path=0.01)
    run(agent_of(Scripted(answers=[unsure_of_keys, says("Done.")]), disk), GIVEN, False)
    assert disk.done == ["delete old"]


@both
def test_a_person_is_asked_before_an_unsure_risky_call_and_may_approve(is_async: bool) -> None:
    disk = Disk()
    unsure = calls(("delete_file", {"path": "old", "force": True}), p=0.99, old=0.6)
    model = Scripted(answers=[unsure, says("Done.")])
    agent = agent_of(model, disk)
    found = run(agent, GIVEN, is_async)
    (asking,) = found["__interrupt__"]
    assert asking.value["action_requests"] == [
        {
            "name": "delete_file",
            "args": {"path": "old", "force": True},
            "description": "delete_file is 0.60 sure of its arguments, 0.90 asked",
        }
    ]
    assert disk.done == []
    assert found["gate"]["fields"] == pytest.approx({"0.path": 0.6, "0.force": 0.99})
    (ask,) = found["gate"]["ask"]
    assert (ask["call_id"], ask["confidence"]) == ("call-0", pytest.approx(0.6))
    done = run(agent, Command(resume={"decisions": [{"type": "approve"}]}), is_async)
    assert disk.done == ["delete old"]
    assert done["messages"][-1].text == "Done."
    assert len(model.seen) == 2  # the draft was not made anew


@both
def test_a_person_may_reject_or_edit(is_async: bool) -> None:
    disk = Disk()
    unsure = calls(("delete_file", {"path": "old"}), ("list_files", {"folder": "x"}), p=0.6)
    agent = agent_of(Scripted(answers=[unsure, says("As you wish.")]), disk)
    run(agent, GIVEN, is_async)
    found = run(
        agent, Command(resume={"decisions": [{"type": "reject", "message": "Keep it."}]}), is_async
    )
    assert disk.done == ["list x"]  # the harmless one was never in question
    told = {one.tool_call_id: one for one in found["messages"] if isinstance(one, ToolMessage)}
    assert (told["call-0"].text, told["call-0"].status) == ("Keep it.", "error")
    disk = Disk()
    agent = agent_of(Scripted(answers=[unsure, says("Done.")]), disk)
    run(agent, GIVEN, is_async)
    edit = {"name": "delete_file", "args": {"path": "older"}}
    run(
        agent,
        Command(resume={"decisions": [{"type": "edit", "edited_action": edit}]}),
        is_async,
    )
    assert sorted(disk.done) == ["delete older", "list x"]


def test_without_logprobs_a_risky_call_needs_a_person_and_any_other_passes() -> None:
    disk = Disk()
    both_calls = calls(("delete_file", {"path": "a"}), ("list_files", {"folder": "x"}), p=None)
    found = run(agent_of(Scripted(answers=[both_calls]), disk), GIVEN, False)
    (ask,) = found["gate"]["ask"]
    assert ask["confidence"] is None and "no logprobs" in ask["reason"]
    disk = Disk()
    harmless = calls(("list_files", {"folder": "x"}), p=None)
    found = run(agent_of(Scripted(answers=[harmless, says("Done.")]), disk), GIVEN, False)
    assert disk.done == ["list x"]


def test_a_larger_model_is_asked_before_a_person_is() -> None:
    disk = Disk()
    small = Scripted(answers=[calls(("delete_file", {"path": "odl"}), p=0.5), says("Done.")])
    large = Scripted(answers=[calls(("delete_file", {"path": "old"}), p=0.97)], model_name="large")
    found = run(agent_of(small, disk, escalate_to=[large]), GIVEN, False)
    assert "__interrupt__" not in found
    assert disk.done == ["delete old"]


def test_an_unsure_call_may_be_blocked_instead() -> None:
    disk = Disk()
    risks = [ToolRisk("delete_file", otherwise="block")]
    model = Scripted(answers=[calls(("delete_file", {"path": "old"}), p=0.5)])
    found = run(agent_of(model, disk, tools=risks), GIVEN, False)
    assert disk.done == [] and found["gate"]["action"] == "abstain"


def test_a_call_that_was_cut_off_is_never_made() -> None:
    disk = Disk()
    cut = calls(("delete_file", {"path": "old"}), p=0.99)
    cut.response_metadata["finish_reason"] = "length"
    found = run(agent_of(Scripted(answers=[cut]), disk), GIVEN, False)
    assert disk.done == [] and found["gate"]["action"] == "abstain"


def test_each_risky_tool_is_held_to_its_own_threshold() -> None:
    disk = Disk()
    risks = [ToolRisk("delete_file", threshold=0.5), ToolRisk("list_files", threshold=0.9)]
    message = calls(("delete_file", {"path": "a"}), ("list_files", {"folder": "b"}), a=0.6, b=0.8)
    found = run(agent_of(Scripted(answers=[message]), disk, tools=risks), GIVEN, False)
    assert [one["tool"] for one in found["gate"]["ask"]] == ["list_files"]


def test_a_decision_that_is_none_is_refused() -> None:
    disk = Disk()
    model = Scripted(answers=[calls(("delete_file", {"path": "old"}), p=0.5)])
    agent = agent_of(model, disk)
    run(agent, GIVEN, False)
    others: list[Any] = ["yes", {"decisions": []}, {"decisions": [{"type": "maybe"}]}]
    for wrong in others:
        with pytest.raises(UsageError):
            run(agent, Command(resume=wrong), False)
    assert disk.done == []
