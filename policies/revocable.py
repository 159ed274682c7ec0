"""What a certified policy does once its certificate is revoked: the safe action, always."""

from __future__ import annotations

from collections.abc import Sequence

from ..router.decisions import Action, Choice, Decision
from ..router.protocols import Policy, Situation
from .monitor_state import Reaction

__all__ = ["PromiseGate", "RevocablePolicy"]


class PromiseGate:
    """Whether gates may let answers through. Open until a monitor says otherwise.

    Attributes:
        closed: why they may not, in words; None while they may.
    """

    __slots__ = ("closed",)

    def __init__(self) -> None:
        self.closed: str | None = None

    def is_open(self) -> bool:
        """Whether they may."""
        return self.closed is None

    def follow(self, reaction: Reaction) -> None:
        """Open or close as the state of the promise asks for."""
        self.closed = None if reaction.gates else reaction.words


class RevocablePolicy:
    """A policy around another, whose gates a monitor can close.

    While they are closed nothing is worth buying or searching for, since no gate will open: each
    draft escalates to the next tier that is open, and abstains where there is none. An answer that
    `inner` hands over ungated is served as before; nothing ever vouched for it.

    Args:
        names: the tiers' names, for the reasons.
    """

    def __init__(self, inner: Policy, gate: PromiseGate, names: Sequence[str]) -> None:
        self.inner = inner
        self.gate = gate
        self.names = tuple(names)

    def decide(self, situation: Situation) -> Choice:
        """What `inner` decides while gates are open; else the safe action."""
        choice = self.inner.decide(situation)
        words = self.gate.closed
        if words is None:
            return choice
        if isinstance(choice, Decision) and choice.action is Action.ANSWER and not choice.gated:
            return choice
        if situation.escalate:
            tier = situation.escalate[0][0]
            reason = f"{words}; {self.names[tier]} takes over"
            return Decision(Action.ESCALATE, reason, tier=tier)
        return Decision(Action.ABSTAIN, words)
