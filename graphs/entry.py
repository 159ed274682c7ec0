"""How a node is entered: by which call of the graph, under which terms, with how much room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..router.budget import Budget, Spend
from ..router.errors import UsageError
from ..router.wire import decode, encode
from .graph_state import Node, RouterContext, Terms

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.runtime import Runtime

__all__ = ["NODES_TO_END", "Emit", "Entry", "entry_of", "from_now"]

Emit = Callable[[Any], None]
"""Writes one event, plain JSON values, to the graph's custom stream."""

NODES_TO_END: Mapping[Node, int] = {"finish": 1, "assess": 2, "draft": 3, "retrieve": 4}
"""Nodes that a run passes from here to its end, this one included, if nothing more is tried."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a node is told beside the state.

    Attributes:
        leg: the same for all nodes of one call, and a higher number after each resume.
        remaining: nodes that LangGraph's recursion limit still allows, this one included.
        thread_id: LangGraph's name for the thread, None without a checkpointer.
        emit: writes to the custom stream.
    """

    context: RouterContext
    leg: int
    remaining: int
    thread_id: str | None
    emit: Emit

    def check_room(self, node: Node) -> None:
        """Refuse to begin what the recursion limit would break off.

        Raises:
            UsageError: fewer nodes are allowed than a run passes on the shortest way to its end.
        """
        missing = NODES_TO_END[node] - self.remaining
        if missing > 0:
            raise UsageError(
                f"the recursion limit ends at {node!r}, before the run can; "
                f"raise recursion_limit by at least {missing}, or leave it out"
            )

    def begin(self, configured: Budget, at: float) -> Terms:
        """The terms of a run that begins with this call."""
        return {
            "tenant": self.context.tenant or "default",
            "thread": self.context.thread or self.thread_id,
            "user": self.context.user,
            "budget": encode(self.context.grant(configured)),
            "leg": self.leg,
            "at": at,
        }

    def renew(self, terms: Terms, at: float) -> Terms:
        """The terms of a run that this call resumes.

        Raises:
            UsageError: the run is another tenant's.
        """
        tenant = self.context.tenant
        if tenant is not None and tenant != terms["tenant"]:
            raise UsageError("this run belongs to another tenant; resume it as the one that began")
        budget = self.context.grant(decode(Budget, terms["budget"]))
        return {**terms, "budget": encode(budget), "leg": self.leg, "at": at}


def entry_of(remaining: int, config: RunnableConfig, runtime: Runtime[Any]) -> Entry:
    """What LangGraph says about this call."""
    context = runtime.context
    thread_id = config.get("configurable", {}).get("thread_id")
    return Entry(
        # A graph around this one may have a context of its own, which says nothing of limits.
        context if isinstance(context, RouterContext) else RouterContext(),
        # The step at which LangGraph would give up: fixed during a call, later after each resume.
        config.get("metadata", {})["langgraph_step"] + remaining,
        remaining,
        None if thread_id is None else str(thread_id),
        runtime.stream_writer,
    )


def from_now(terms: Terms, spend: Spend) -> Budget:
    """The limits of resumed terms, with a deadline that counts from the resuming call.

    What was used of the clock before belongs to another call, and perhaps to another process.
    Everything else that was used stays used.
    """
    granted = decode(Budget, terms["budget"])
    if granted.deadline_s is None:
        return granted
    return replace(granted, deadline_s=granted.deadline_s + spend.elapsed_s)
