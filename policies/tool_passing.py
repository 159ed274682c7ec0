"""Tool calls that no signal can judge: handed over to whoever carries them out, if that is wished.

Endpoints mostly give no logprobs with calls of tools. A gate that needs them would never let an
agent act; what risk a call bears is known to the application.
"""

from __future__ import annotations

from ..router.decisions import Action, Choice, Decision
from ..router.protocols import Policy, Situation
from ..router.signals import Unavailable

__all__ = ["ToolPassingPolicy"]

_WHY = "no signal judges this call of a tool; it is passed on ungated"


class ToolPassingPolicy:
    """A policy around another, which passes whole tool calls on that have no estimate.

    Such an answer is ungated: no certificate covers it. A signal that can still be bought is left
    to `inner`, and so is a call that was judged, however badly.
    """

    def __init__(self, inner: Policy) -> None:
        self.inner = inner

    def decide(self, situation: Situation) -> Choice:
        """Pass an unjudged call on; else what `inner` decides."""
        attempt = situation.attempt
        if (
            attempt is not None
            and attempt.tool_calls
            and situation.can_answer
            and not situation.buy
            and isinstance(situation.estimate, Unavailable)
        ):
            return Decision(Action.ANSWER, _WHY, gated=False)
        return self.inner.decide(situation)
