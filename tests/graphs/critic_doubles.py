"""Critics whose verdicts can be worked out by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from surefoot.router.critic.states import CriticState
from surefoot.router.evidence import CriticVerdict

LONG_S = 30.0  # never waited for: a test that needs it hangs


def by_length(state: CriticState) -> CriticVerdict:
    """p_accept is the answer's length in tenths, p_sufficient a quarter a passage."""
    p = min(1.0, len(state.answer) / 10) if state.answer.strip() else None
    return CriticVerdict(p, min(1.0, len(state.passages) / 4), "a gap", version="fake-1")


class FakeCritic:
    """Says what a function says, keeps what it was asked, and waits until it is let go."""

    version = "fake-1"

    def __init__(self, says: Callable[[CriticState], Any] = by_length, held: bool = False) -> None:
        self.says = says
        self.batches: list[list[CriticState]] = []
        self.begun = threading.Event()
        self.go = threading.Event()
        if not held:
            self.go.set()

    @property
    def states(self) -> list[CriticState]:
        """All that it was asked, in order."""
        return [state for batch in self.batches for state in batch]

    def judge(self, states: Sequence[CriticState]) -> Sequence[CriticVerdict]:
        self.batches.append(list(states))
        self.begun.set()
        assert self.go.wait(LONG_S)
        return [self.says(state) for state in states]


class FakeService:
    """A `CriticService` of somebody else's, on the caller's own loop."""

    version = "service-1"

    def __init__(self, says: Callable[[CriticState], Any] = by_length) -> None:
        self.says = says

    async def judge(self, state: CriticState) -> CriticVerdict:
        verdict: CriticVerdict = self.says(state)
        return verdict

    async def aclose(self) -> None:
        return None
