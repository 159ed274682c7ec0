"""A request's own limit of risk: an answer that is likelier to be wrong is not served."""

from __future__ import annotations

from .attempts import attempt_of
from .decisions import Action, Attempt, Choice, Comparison, Decision
from .protocols import Situation
from .signals import Estimate
from .state import RunState

__all__ = ["within_risk"]


def within_risk(state: RunState, choice: Choice, situation: Situation) -> Choice:
    """The choice, but for an answer whose P(wrong) = 1 - p is above the budget's `max_risk`.

    Only a calibrated p is a probability; without one no limit is known to be kept. Such an answer
    is held back: the next open tier is asked, and where none is, the run abstains. Calls of tools
    are no answers.
    """
    limit = state.budget.max_risk
    if limit is None or not isinstance(choice, Decision) or choice.action is not Action.ANSWER:
        return choice
    served = _served(state, choice)
    if served is None or served.tool_calls:
        return choice
    estimate, compared = served.estimate, choice.compared
    if isinstance(estimate, Estimate) and estimate.calibrated:
        if state.budget.allows(estimate.p):
            return choice
        risk = 1.0 - estimate.p
        compared = (*compared, Comparison("risk of this answer", risk, ">", limit))
        why = f"its risk is {risk:.3f}, and this request allows {limit:.3f}"
    else:
        why = f"nothing calibrated says that its risk is within {limit:.3f}, which is asked for"
    words = f"{choice.reason}; but {why}"
    if situation.escalate:
        return Decision(Action.ESCALATE, words, compared, situation.escalate[0][0])
    return Decision(Action.ABSTAIN, words, compared)


def _served(state: RunState, decision: Decision) -> Attempt | None:
    if decision.attempt is not None:
        return attempt_of(state.attempts, decision.attempt)
    return None if state.current is None else state.attempts[state.current]
