"""What travels through the graph: a small state of plain JSON values, and the terms of one call.

Token lists with logprobs never enter the state: 200 tokens with 20 candidates each are 150 kB, in
every checkpoint. They are handed on beside it (see `surefoot.graphs.handoff`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

from ..router.budget import Budget
from ..router.decisions import Result
from ..router.errors import UsageError
from ..router.loop import Run
from ..router.wire import decode

__all__ = [
    "NODES",
    "Node",
    "RouterContext",
    "RouterState",
    "Terms",
    "next_node",
    "pending_of",
    "result_of",
    "schemas",
]

Node = Literal["draft", "assess", "retrieve", "finish"]
"""The four nodes of the graph."""

NODES: tuple[Node, ...] = ("draft", "assess", "retrieve", "finish")

_NODE_OF: dict[str, Node] = {
    # What is pending is a request: the node that performs it.
    "recall": "draft",
    "draft": "draft",
    "sample": "assess",
    "ask": "assess",
    "compare": "assess",
    "critique": "assess",
    "retrieve": "retrieve",
    "record": "finish",
    # What is pending is a decision on the last reply, or nothing at all.
    "assess": "assess",
    "done": "finish",
}


class Terms(TypedDict):
    """Whose run it is, what it may use, and since when.

    Attributes:
        tenant: fixed when the run begins; nothing crosses tenants.
        thread: the conversation, None for a single question.
        user: who asks; absent from checkpoints of before it was kept.
        budget: the limits granted last, as plain values.
        leg: the call of the graph that wrote this; another number means that the run was resumed.
        at: when the last reply came, by the clock of that call; means nothing to another leg.
    """

    tenant: str
    thread: str | None
    user: NotRequired[str | None]
    budget: dict[str, Any]
    leg: int
    at: float


class RouterState(TypedDict, total=False):
    """The state between two nodes; every value but `remaining` is in the checkpoint.

    Attributes:
        question: the input; there for the first node only, so that a question put to a thread
            again begins a new run.
        run_id: input as well, optional; a fresh one is made where it is absent.
        run: the run as `Run.freeze` gives it, None before the first run and after the end.
        pending: what the run waits for, in one word; the edges look at nothing else.
        result: how the run ended, as plain values; see `result_of`.
        remaining: nodes that LangGraph's recursion limit still allows, this one included.
    """

    question: str
    run_id: str
    run: dict[str, Any] | None
    pending: str
    terms: Terms
    result: dict[str, Any] | None
    remaining: int


@dataclass(frozen=True, slots=True)
class RouterContext:
    """The terms of one call of the graph; a limit that is None stays as it was granted before.

    What was used lives in the state and only grows; a call that resumes a run may grant it other
    limits, and `deadline_s` counts from that call.

    Attributes:
        tenant: whose data; `default` where None. A resumed run keeps its tenant.
        thread: the conversation in the history; LangGraph's `thread_id` where None.
        budget: replaces all limits at once; in it None means no limit.
        user: who asks, a pseudonym; what the history keeps of one can be erased.
        risk: P(wrong) that one answer may have, see `Budget.max_risk`.
    """

    max_cost: float | None = None
    deadline_s: float | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    max_rounds: int | None = None
    max_steps: int | None = None
    tenant: str | None = None
    thread: str | None = None
    budget: Budget | None = None
    user: str | None = None
    risk: float | None = None

    def grant(self, before: Budget) -> Budget:
        """The limits of this call, given those that held before."""
        names = ("max_cost", "deadline_s", "max_calls", "max_tokens", "max_rounds", "max_steps")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.risk is not None:
            given["max_risk"] = self.risk
        return replace(self.budget or before, **given)


def pending_of(run: Run) -> str:
    """What a run waits for: a request's kind, else what its last reply has left to do."""
    if run.request is not None:
        return type(run.request).__name__.lower()
    return "done" if run.result is not None else run.state.phase


def next_node(state: Mapping[str, Any]) -> Node:
    """The node that can do what is pending."""
    # Not annotated as RouterState: LangGraph would take that for a second schema of the state.
    return _NODE_OF[state["pending"]]


def result_of(state: Mapping[str, Any] | None) -> Result:
    """How the run ended, from what the graph returned or from a checkpoint's values.

    Raises:
        UsageError: the run has not ended: it was interrupted and waits to be resumed.
    """
    result = None if state is None else state.get("result")
    if result is None:
        raise UsageError(
            "this run has not ended; resume it with `graph.invoke(None, config)`, or with "
            "`Command(resume=...)` where it was interrupted from inside"
        )
    return decode(Result, result)


def schemas() -> tuple[type[Any], type[Any], type[Any]]:
    """The graph's state, input and output types with their channels; needs LangGraph.

    Made by call and not by class statements: LangGraph is imported when a graph is built.
    """
    from langgraph.channels import EphemeralValue
    from langgraph.managed import RemainingSteps

    # Studio asks pydantic for their JSON schemas, which takes no other TypedDict on Python 3.11.
    from typing_extensions import TypedDict as Typed

    fields: dict[str, Any] = {
        "question": Annotated[str, EphemeralValue],
        "run_id": Annotated[str, EphemeralValue],
        "run": dict[str, Any] | None,
        "pending": str,
        "terms": dict[str, Any],
        "result": dict[str, Any] | None,
        "remaining": RemainingSteps,
    }
    make = cast(Any, Typed)
    state = make("RouterState", fields)
    given = make("RouterInput", {"question": str, "run_id": str}, total=False)
    returned = make("RouterOutput", {"result": dict[str, Any] | None})
    return state, given, returned
