"""CPU time of the graph over a LangGraph graph of the same shape whose nodes do nothing.

    python benchmarks/graph_overhead.py [--runs N]

The promise is at most one millisecond on the path draft, assess, finish, with an answer of 200
tokens that have ten candidates each. Both graphs take turns in one process, so that a busy machine
or a slow collection of garbage meets both. What is counted is everything that Surefoot does there:
the loop and its records, the checkpoint form of the run, the hand-over of evidence, the result.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

from surefoot.graphs.graph_state import result_of
from surefoot.graphs.machine import compile_graph
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.budget import Budget
from surefoot.router.evidence import Evidence
from surefoot.router.perform import Performer
from surefoot.router.plan import Plan, TierPlan
from surefoot.router.signals import Reading, Signal
from surefoot.router.sizing import PromptSizer
from surefoot.router.testing import FixedEstimator, PlainPrompter, ScriptedModel, says

__all__ = ["LIMIT_MS", "Overhead", "measure"]

LIMIT_MS = 1.0
TOKENS, CANDIDATES = 200, 10


@dataclass(frozen=True, slots=True)
class Overhead:
    """CPU milliseconds of one `ainvoke`, least and median over all runs."""

    idle_min: float
    idle_median: float
    router_min: float
    router_median: float

    @property
    def least(self) -> float:
        """What Surefoot adds where nothing disturbs either graph."""
        return self.router_min - self.idle_min

    @property
    def median(self) -> float:
        """What Surefoot adds on the median run."""
        return self.router_median - self.idle_median

    @property
    def slowdown(self) -> float:
        """How much more CPU time than at best the same work takes here at the moment: others use
        the caches of the same cores."""
        return self.idle_median / self.idle_min


class _IdleState(TypedDict, total=False):
    question: str
    pending: str
    result: dict[str, Any] | None


def _idle_graph() -> Any:
    """The same nodes and edges; a node names the next one and does nothing else."""

    def nothing(pending: str) -> Any:
        async def node(state: _IdleState) -> dict[str, str]:
            return {"pending": pending}

        return node

    def route(state: Mapping[str, Any]) -> str:
        return str(state["pending"])

    graph: Any = StateGraph(_IdleState)
    for name, pending in (("draft", "assess"), ("assess", "finish"), ("retrieve", "draft")):
        graph.add_node(name, nothing(pending))
    graph.add_node("finish", nothing("done"))
    graph.add_edge(START, "draft")
    graph.add_conditional_edges("draft", route, ["assess", "finish"])
    graph.add_conditional_edges("assess", route, ["assess", "draft", "retrieve", "finish"])
    graph.add_conditional_edges("retrieve", route, ["draft", "assess"])
    graph.add_edge("finish", END)
    return graph.compile()


def _last_token(evidence: Evidence) -> Reading:
    """Sure where all tokens have come through."""
    whole = len(evidence.greedy.tokens) == TOKENS
    return Signal("whole", float(whole), float(whole))


def _router_graph() -> Any:
    prompter = PlainPrompter()
    plan = Plan(
        (TierPlan("small", "small-model", max_output=256),),
        ThresholdPolicy((RungRule(0, 0.5),), ("small",)),
        BareAssessor(("whole",)),
        PromptSizer(prompter),
        free=(FixedEstimator("whole", _last_token),),
        budget=Budget(max_cost=1.0, deadline_s=30.0),
    )
    answer = says(" ".join(f"word{i}" for i in range(TOKENS)), k=CANDIDATES)
    return compile_graph(plan, Performer(plan, (ScriptedModel(answer),), prompter))


async def measure(runs: int) -> Overhead:
    """Run both graphs in turn."""
    idle, router = _idle_graph(), _router_graph()
    question = {"question": "What is the capital of France?"}
    for _ in range(10):  # first uses import and compile
        await idle.ainvoke(question)
        assert result_of(await router.ainvoke(question)).action == "answer"
    spent: dict[str, list[float]] = {"idle": [], "router": []}
    for _ in range(runs):
        for name, graph in (("idle", idle), ("router", router)):
            began = time.process_time_ns()
            await graph.ainvoke(question)
            spent[name].append((time.process_time_ns() - began) / 1e6)
    return Overhead(
        min(spent["idle"]),
        statistics.median(spent["idle"]),
        min(spent["router"]),
        statistics.median(spent["router"]),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=400, help="runs of each graph")
    found = asyncio.run(measure(parser.parse_args().runs))
    print("CPU ms per run        min   median")
    print(f"idle graph        {found.idle_min:7.3f}  {found.idle_median:7.3f}")
    print(f"surefoot          {found.router_min:7.3f}  {found.router_median:7.3f}")
    print(f"surefoot adds     {found.least:7.3f}  {found.median:7.3f}   (limit {LIMIT_MS:.1f})")


if __name__ == "__main__":
    main()
