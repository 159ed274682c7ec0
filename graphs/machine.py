"""The loop as a LangGraph graph: four nodes that perform and carry, and decide nothing.

::

    draft ─► assess ─┬─► finish                 answer or abstain
      ▲       ▲  │   ├─► assess                 fetch the signal that is being bought
      │       └──┘   ├─► draft                  escalate
      └── retrieve ◄─┘                          retrieve, then draft again

Every node thaws the run from the state, performs what is pending, lets the run go on, and freezes
it again; every decision is the loop's (`surefoot.router.loop`), so that the graph and the plain
driver end alike. Each paid request has a node's visit of its own: what was paid is in a checkpoint
before the next request goes out, and no interrupt, crash or resume can forget it.

Nothing is caught here: an `interrupt()` inside a model, a drain and a bug pass through. Failures
of the world are replies by then (`surefoot.router.perform`), and retrying them is the models' own
matter, so no node has a retry policy.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..router.drive import Clock, checked_question, new_run_id
from ..router.errors import UsageError
from ..router.loop import open_run, resume_run
from ..router.perform import Performer, RunView
from ..router.plan import Plan
from ..router.protocols import AttemptStore
from ..router.requests import (
    Ask,
    Compare,
    Critique,
    Draft,
    Partial,
    Recall,
    Record,
    Retrieve,
    Sample,
)
from ..router.state import thaw
from ..router.wire import encode
from .entry import NODES_TO_END, Entry, entry_of, from_now
from .graph_state import RouterContext, RouterState, next_node, schemas
from .handoff import Handoff
from .sync_door import SyncDoor
from .visit import Visit

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable, RunnableConfig
    from langgraph.graph.state import CompiledStateGraph
    from langgraph.types import Checkpointer

__all__ = ["Machine", "compile_graph"]

_TO_GO_ON = 1 + max(NODES_TO_END.values())
"""Nodes that must be allowed at `assess` so that any decision there can still end by itself."""

_LIMIT_PER_STEP = 20
"""Nodes allowed per step of the budget. A step takes two at most, so the loop's own cap comes
first, even where a call of the graph grants ten times the steps."""


class Machine:
    """The nodes of the graph.

    Args:
        handoff: where evidence is between two nodes.
        clock: monotonic seconds.
    """

    def __init__(self, plan: Plan, performer: Performer, handoff: Handoff, clock: Clock) -> None:
        self._plan = plan
        self._performer = performer
        self._handoff = handoff
        self._clock = clock

    async def draft(self, state: RouterState, entry: Entry) -> dict[str, Any]:
        """Recall what is known and draft; or draft again, after an escalation or a search."""
        is_new = "question" in state
        visit = self._open(state, entry) if is_new else await self._resume(state, entry)
        run = visit.run
        if run.request is None and run.result is None:
            visit.proceed()  # passages were found: how to draft with them is the run's to say
        if isinstance(run.request, Recall):
            await self._perform(visit)
            visit.proceed()
        if isinstance(run.request, Draft):
            await self._perform(visit)
            await self._store(visit)
        return {**self._leave(visit), **({"result": None} if is_new else {})}

    async def assess(self, state: RouterState, entry: Entry) -> dict[str, Any]:
        """Fetch the signal that is being bought, if one is; then read, estimate and decide."""
        visit = await self._resume(state, entry)
        run = visit.run
        if isinstance(run.request, Sample | Ask | Compare | Critique):
            await self._perform(visit)
            await self._store(visit)
        if run.request is None and run.result is None:
            if entry.remaining < _TO_GO_ON:
                visit.close_all_ways()
            visit.proceed()
        return self._leave(visit)

    async def retrieve(self, state: RouterState, entry: Entry) -> dict[str, Any]:
        """Search; what to make of it is decided in the node that comes next."""
        visit = await self._resume(state, entry)
        if isinstance(visit.run.request, Retrieve):
            await self._perform(visit)
        return self._leave(visit)

    async def finish(self, state: RouterState, entry: Entry) -> dict[str, Any]:
        """Keep how the run ended, and hand it out."""
        visit = await self._resume(state, entry)
        if isinstance(visit.run.request, Record):
            await self._perform(visit)
            visit.proceed()
        self._handoff.finished(visit.terms["tenant"], visit.run.state.run_id)
        return {"run": None, "pending": "done", "result": encode(visit.run.result)}

    # --- entering and leaving ------------------------------------------------------------------

    def _open(self, state: RouterState, entry: Entry) -> Visit:
        entry.check_room("draft")
        question = state["question"]
        if not isinstance(question, str):
            raise UsageError(f"the question must be a text, not {type(question).__name__}")
        run = open_run(
            self._plan,
            checked_question(self._plan, question),
            run_id=state.get("run_id") or new_run_id(),
            budget=entry.context.grant(self._plan.budget),
        )
        at = self._clock()
        visit = Visit(run, entry.begin(self._plan.budget, at), at, entry.emit)
        visit.tell_decision()  # there is one already where no tier can take the question
        return visit

    async def _resume(self, state: RouterState, entry: Entry) -> Visit:
        frozen = state.get("run")
        if frozen is None:
            raise UsageError('there is no run to go on with; give the graph {"question": "..."}')
        entry.check_room(next_node(state))
        is_resumed = state["terms"]["leg"] != entry.leg
        terms = entry.renew(state["terms"], self._clock()) if is_resumed else state["terms"]
        known = thaw(frozen)[0]
        evidence, problem = await self._handoff.fetch(terms["tenant"], known.run_id, known.attempts)
        budget = from_now(terms, known.spend) if is_resumed else None
        run = resume_run(self._plan, frozen, evidence, budget=budget)
        visit = Visit(run, terms, terms["at"], entry.emit, known.decision is not None)
        if problem is not None:
            visit.note(f"attempt store: {problem}")
        if is_resumed:
            visit.note_lost_tokens()
        if run.state.steps > known.steps:  # what was pending does not fit into the new limits
            visit.tell_step()
            visit.tell_decision()
        return visit

    def _leave(self, visit: Visit) -> dict[str, Any]:
        run = visit.run
        self._handoff.keep(visit.terms["tenant"], run.state.run_id, run.evidence)
        return visit.update()

    # --- performing ----------------------------------------------------------------------------

    async def _perform(self, visit: Visit) -> None:
        """Carry out the pending request and take in the reply."""
        run = visit.run
        assert run.request is not None
        state = run.state
        view = RunView(state.question, state.turns, run.evidence, run_id=state.run_id)
        feed = None if self._plan.prefix_gate is None else lambda t: run.feed(Partial(tuple(t)))
        reply = await self._performer.perform(run.request, visit.session, run=view, on_tokens=feed)
        visit.absorb(reply, self._clock())

    async def _store(self, visit: Visit) -> None:
        problem = await self._handoff.store(
            visit.terms["tenant"], visit.run.state.run_id, visit.latest_evidence()
        )
        if problem is not None:
            visit.note(f"attempt store: {problem}")


NodeFunction = Callable[[RouterState, Entry], Awaitable[dict[str, Any]]]


def compile_graph(
    plan: Plan,
    performer: Performer,
    *,
    attempts: AttemptStore | None = None,
    checkpointer: Checkpointer = None,
    clock: Clock = time.monotonic,
    door: SyncDoor | None = None,
    name: str = "surefoot",
) -> CompiledStateGraph[Any, RouterContext, Any, Any]:
    """The loop as a compiled graph, for use alone or as a node of another graph.

    Its input is `{"question": text}`, with `"run_id"` where the caller has one; its output is
    `{"result": ...}`, see `result_of`. `invoke` and `ainvoke` do the same. A question put to a
    thread again begins a new run.

    Args:
        attempts: where the evidence of runs is kept for a resume in another process; a history
            serves. This process's memory is used in any case.
        checkpointer: the application's own, or True to use that of the graph around this one.
        clock: monotonic seconds.
        door: runs the nodes for sync callers; its own where None.
    """
    from langgraph.graph import END, START, StateGraph

    machine = Machine(plan, performer, Handoff(attempts), clock)
    state, given, returned = schemas()
    graph: StateGraph[Any, RouterContext, Any, Any] = StateGraph(
        state, context_schema=RouterContext, input_schema=given, output_schema=returned
    )
    as_node = partial(_as_runnable, door=door or SyncDoor())
    graph.add_node("draft", as_node(machine.draft))
    graph.add_node("assess", as_node(machine.assess))
    graph.add_node("retrieve", as_node(machine.retrieve))
    graph.add_node("finish", as_node(machine.finish))
    graph.add_edge(START, "draft")
    graph.add_conditional_edges("draft", next_node, ["assess", "finish"])
    graph.add_conditional_edges("assess", next_node, ["assess", "draft", "retrieve", "finish"])
    graph.add_conditional_edges("retrieve", next_node, ["draft", "assess", "finish"])
    graph.add_edge("finish", END)
    compiled = graph.compile(checkpointer=checkpointer, name=name)
    return compiled.with_config(recursion_limit=_LIMIT_PER_STEP * max(1, plan.budget.max_steps))


def _as_runnable(function: NodeFunction, *, door: SyncDoor) -> Runnable[RouterState, Any]:
    """A node for sync and for async callers.

    A bare `Runnable` and not a `RunnableLambda`: the latter opens a second span inside the node's.
    """
    from langchain_core.runnables import Runnable
    from langgraph.runtime import get_runtime

    class RouterNode(Runnable[RouterState, dict[str, Any]]):
        def invoke(
            self, input: RouterState, config: RunnableConfig | None = None, **kwargs: Any
        ) -> dict[str, Any]:
            return door.call(self.ainvoke(input, config))

        async def ainvoke(
            self, input: RouterState, config: RunnableConfig | None = None, **kwargs: Any
        ) -> dict[str, Any]:
            assert config is not None  # LangGraph always gives one
            entry = entry_of(input["remaining"], config, get_runtime(RouterContext))
            return await function(input, entry)

    return RouterNode()
