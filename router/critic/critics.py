"""The seam of the critic: whatever judges states, and whatever serves such judgments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..evidence import CriticVerdict
from .states import CriticState

__all__ = ["Critic", "CriticService"]


class Critic(Protocol):
    """Judges states. Raises a `RunError` where it cannot.

    Blocks, so drivers call it from a worker thread; several threads may call it at once.
    """

    @property
    def version(self) -> str:
        """What judges, with a fingerprint of all that was fitted: calibration depends on it."""
        ...

    def judge(self, states: Sequence[CriticState]) -> Sequence[CriticVerdict]:
        """One verdict a state, in order, whatever else is judged with it.

        `p_accept` is None where there is no answer to judge, and of a critic that judges the
        passages alone.
        """
        ...


class CriticService(Protocol):
    """Judges one state for one caller, together with those that others wait for."""

    @property
    def version(self) -> str:
        """Of the critic behind it."""
        ...

    async def judge(self, state: CriticState) -> CriticVerdict:
        """The verdict. Raises a `RunError` where there is none in time."""
        ...

    async def aclose(self) -> None:
        """Give back what it holds; judgments under way are failed."""
        ...
