"""Whole deployments around the plain driver, made of the shipped doubles."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from surefoot.router.decisions import Result
from surefoot.router.drive import Router
from surefoot.router.errors import StoreError
from surefoot.router.perform import Performer, Sampling
from surefoot.router.plan import Plan
from surefoot.router.protocols import (
    Completion,
    History,
    Model,
    ModelCall,
    OnTokens,
    RecallQuery,
    Retriever,
    RunRecord,
)
from surefoot.router.requests import Recalled
from surefoot.router.testing import FixedRetriever, PlainPrompter

from .plans import FOUND

AT = "2026-01-01T00:00:00+00:00"


@dataclass
class Notebook:
    """A history in a list, or one that fails; says when it is closed."""

    error: Exception | None = None
    recalled: Recalled = field(default_factory=Recalled)
    queries: list[RecallQuery] = field(default_factory=list)
    kept: list[RunRecord] = field(default_factory=list)
    is_closed: bool = False

    async def recall(self, query: RecallQuery) -> Recalled:
        """What it was made with."""
        if self.error is not None:
            raise self.error
        self.queries.append(query)
        return self.recalled

    async def record(self, run: RunRecord) -> None:
        """Keep it."""
        if self.error is not None:
            raise self.error
        self.kept.append(run)

    async def runs(self, tenant: str, limit: int = 20) -> Sequence[RunRecord]:
        """Everything kept."""
        return self.kept

    async def aclose(self) -> None:
        """Note it."""
        self.is_closed = True


class Hanging:
    """A model, retriever or history that never answers unless it is cancelled."""

    def __init__(self) -> None:
        self.is_cancelled = False
        self.is_closed = False
        self.started = asyncio.Event()

    async def _hang(self, *_: object) -> Any:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """Never."""
        return await self._hang()  # type: ignore[no-any-return]  # never returns

    search = recall = record = runs = _hang

    async def aclose(self) -> None:
        """Note it."""
        self.is_closed = True


class WatchedRouter(Router):
    """A router that leaves no task behind, however a run ends."""

    async def ask(self, question: str, **how: Any) -> Result:
        """As any router, and look around afterwards."""
        before = asyncio.all_tasks()
        try:
            return await super().ask(question, **how)
        finally:
            assert asyncio.all_tasks() <= before


def router_of(
    plan: Plan,
    *models: Model,
    retriever: Retriever | None = None,
    history: History | None = None,
    **sampling: Any,
) -> Router:
    """A router over these models; without a retriever of its own it finds two passages."""
    performer = Performer(
        plan,
        models,
        PlainPrompter(),
        FixedRetriever(FOUND) if retriever is None else retriever,
        history,
        sampling=Sampling(**sampling),
        fingerprint="f1",
        now=lambda: AT,
    )
    return WatchedRouter(plan, performer)


LATE = StoreError("the store is away")
