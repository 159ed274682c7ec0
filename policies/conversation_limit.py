"""A limit for a whole conversation: how many wrong answers may be expected in it."""

from __future__ import annotations

from ..router.conversation_confidence import AnswerConfidence, ConversationConfidence
from ..router.decisions import Action, Attempt, Choice, Comparison, Decision
from ..router.errors import ConfigurationError
from ..router.protocols import Policy, Situation
from ..router.signals import Estimate

__all__ = ["ConversationPolicy"]

_ROUNDING = 1e-9  # of a sum of shares


class ConversationPolicy:
    """A policy around another, for one request of a conversation.

    An answer that `inner` would give is held back where with it more than `limit` wrong answers
    would have to be expected: a larger tier is asked, and where none is open the policy abstains.
    So the more doubt was spent, the surer the next answer has to be. Calls of tools are no answers.

    Args:
        before: of the answers given so far.

    Raises:
        ConfigurationError: the limit is below 0.
    """

    def __init__(self, inner: Policy, before: ConversationConfidence, limit: float) -> None:
        if not limit >= 0.0:
            raise ConfigurationError(
                f"the limit of wrong answers is {limit}; it must be at least 0",
                field="conversation_limit",
            )
        self.inner = inner
        self.before = before
        self.limit = limit

    def decide(self, situation: Situation) -> Choice:
        """What `inner` decides, unless the conversation has no room for such an answer."""
        choice = self.inner.decide(situation)
        if not isinstance(choice, Decision) or choice.action is not Action.ANSWER:
            return choice
        served = _served(choice, situation)
        if served is None or served.tool_calls:
            return choice
        estimate = served.estimate
        p = estimate.p if isinstance(estimate, Estimate) else None
        expected = self.before.and_then(AnswerConfidence(p))
        if expected <= self.limit + _ROUNDING:
            return choice
        compared = (
            *choice.compared,
            Comparison("wrong answers expected", expected, ">", self.limit),
        )
        words = f"{choice.reason}; but {expected:.2f} wrong answers would be expected in this "
        words += f"conversation, {self.limit:.2f} are allowed"
        if situation.escalate:
            return Decision(Action.ESCALATE, words, compared, situation.escalate[0][0])
        return Decision(Action.ABSTAIN, words, compared)


def _served(choice: Decision, situation: Situation) -> Attempt | None:
    for attempt in (situation.attempt, situation.best):
        if attempt is not None and choice.attempt in (None, attempt.id):
            return attempt
    return None
