"""The service runs the plain driver; a run that interrupts and resumes runs the graph, on the same
deployment. Both decide alike, and both stand among the service's decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from surefoot.graphs.configured_graph import build_graph
from surefoot.graphs.graph_state import RouterContext, result_of
from surefoot.router.decisions import Result

from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration
from .serving import CITY, Service, running_service

CHAT = "/v1/chat/completions"
QUESTION = CITY["messages"][0]["content"]  # type: ignore[index]


def told(result: Result) -> tuple[Any, ...]:
    """What does not depend on ids and clocks."""
    steps = [
        (one.request, one.tier, one.outcome, one.action, one.reason, one.compared, one.signals)
        for one in result.trail
    ]
    return result.action, result.answer, result.tier, result.cost, result.tokens, steps


async def served(service: Service) -> tuple[dict[str, Any], Result]:
    """A request's decision, and the run that it was."""
    found = await service.client.post(CHAT, json=CITY)
    assert found.status_code == 200
    decision = found.json()["surefoot"]
    return decision, await recorded(service, decision["run_id"])


async def recorded(service: Service, run_id: str) -> Result:
    assert service.built.history is not None
    run = await service.built.history.find_run("default", run_id)
    assert run is not None
    return run.result


@pytest.mark.parametrize(
    ("small", "large", "thresholds", "action"),
    [
        ("ok", "ok", "small = 0.5, large = 0.5", "answer"),
        ("ok", "ok", "small = 0.9, large = 0.5", "answer"),
        ("ok", "ok", "small = 0.9, large = 0.9", "abstain"),
        ("no-logprobs", "ok", "small = 0.5, large = 0.5", "answer"),
        ("length", "filtered", "small = 0.5, large = 0.5", "abstain"),
        ("status:400", "ok", "small = 0.5, large = 0.5", "answer"),
    ],
)
async def test_a_request_and_an_interrupted_run_end_alike(
    tmp_path: Path, small: str, large: str, thresholds: str, action: str
) -> None:
    async with running_upstream() as upstream:
        upstream.script |= {"a": small, "b": large}
        tiers = (("small", "a", upstream.base_url), ("large", "b", upstream.base_url))
        text = configuration(*tiers, thresholds=thresholds, history="memory:")
        async with running_service(tmp_path, text) as service:
            decision, by_driver = await served(service)
            assert decision["action"] == action

            # Asked in other words, so that the history does not recognize it.
            graph = build_graph(service.built, checkpointer=InMemorySaver())
            thread: Any = {"configurable": {"thread_id": "1"}}
            context = RouterContext(tenant="default")
            await graph.ainvoke(
                {"question": f"{QUESTION} Please."},
                thread,
                context=context,
                interrupt_before=["finish"],
            )
            assert graph.get_state(thread).next == ("finish",), "it waits"
            state = await graph.ainvoke(None, thread, context=context)
            by_graph = await recorded(service, result_of(state).run_id)
            assert told(by_graph) == told(by_driver)

            kept = (await service.client.get("/v1/decisions?order=oldest")).json()["data"]
            assert [one["id"] for one in kept] == [by_driver.run_id, by_graph.run_id]
            whole = (await service.client.get(f"/v1/decisions/{by_graph.run_id}")).json()
            assert whole["action"] == action
            if action == "answer":  # of nothing nothing can be said
                said = {"id": by_graph.run_id, "verdict": "right"}
                assert (await service.client.post("/v1/feedback", json=said)).status_code == 200
