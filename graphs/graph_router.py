"""The graph behind the same door as the plain driver: a question in, a `Result` out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..router.budget import Budget
from ..router.decisions import Result
from ..router.drive import Clock, OnStep
from ..router.perform import Performer, Session
from ..router.plan import Plan
from ..router.protocols import AttemptStore
from .graph_state import RouterContext, result_of
from .machine import compile_graph
from .sync_door import SyncDoor
from .visit import ON_STEP

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.types import Checkpointer

__all__ = ["GraphRouter"]


class GraphRouter:
    """A built deployment that runs as a graph: ask it questions, as `router.drive.Router`.

    Use it in a `with` or `async with` block, or close it yourself.

    Attributes:
        graph: the compiled graph, for streams, checkpoints and interrupts.
    """

    def __init__(
        self,
        plan: Plan,
        performer: Performer,
        *,
        attempts: AttemptStore | None = None,
        checkpointer: Checkpointer = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.plan = plan
        self.performer = performer
        self._door = SyncDoor()
        self.graph = compile_graph(
            plan,
            performer,
            attempts=attempts,
            checkpointer=checkpointer,
            clock=clock,
            door=self._door,
        )

    async def ask(
        self,
        question: str,
        *,
        session: Session | None = None,
        budget: Budget | None = None,
        on_step: OnStep | None = None,
        config: RunnableConfig | None = None,
    ) -> Result:
        """One gated answer.

        Args:
            config: LangGraph's; with a checkpointer it must name a `thread_id`.

        Raises:
            UsageError: the question is empty or longer than any tier's context, or the run was
                interrupted.
        """
        token = ON_STEP.set(on_step)
        try:
            given = {"question": question}
            context = _context(session, budget)
            return result_of(await self.graph.ainvoke(given, config, context=context))
        finally:
            ON_STEP.reset(token)

    def ask_sync(
        self,
        question: str,
        *,
        session: Session | None = None,
        budget: Budget | None = None,
        on_step: OnStep | None = None,
        config: RunnableConfig | None = None,
    ) -> Result:
        """`ask` for callers without an event loop: the one sync door.

        Raises:
            UsageError: as `ask`.
        """
        return self._door.call(
            self.ask(question, session=session, budget=budget, on_step=on_step, config=config)
        )

    async def aclose(self) -> None:
        """Close models and history."""
        await self.performer.aclose()

    def close(self) -> None:
        """`aclose` for callers without an event loop."""
        self._door.call(self.aclose())
        self._door.close()

    def __enter__(self) -> GraphRouter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> GraphRouter:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


def _context(session: Session | None, budget: Budget | None) -> RouterContext:
    whose: dict[str, Any] = {}
    if session is not None:
        whose = {"tenant": session.tenant, "thread": session.thread, "user": session.user}
    return RouterContext(budget=budget, **whose)
