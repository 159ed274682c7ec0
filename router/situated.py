"""What passages did to a tier's own answer: whether to trust them over it, and whether they helped.

Small models believe what they are shown, also where it is beside the point. Their answer without
passages is at hand, with an estimate of its own, and both rules rest on nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .answers import answer_class
from .attempts import attempt_of
from .decisions import Action, Attempt, Choice, Comparison, Decision
from .plan import Plan
from .signals import Estimate
from .state import RunState

__all__ = ["gain", "situated", "too_little_gain"]


def situated(plan: Plan, state: RunState, choice: Choice) -> Choice:
    """The choice, but for an answer from passages that contradicts what the tier is surer of.

    Rule-based confidence reasoning: the answer from the context is kept unless the internal one
    leads by a margin, here of calibrated estimates.

    Source: Huang et al. 2024, "To Trust or Not to Trust? Enhancing Large Language Models' Situated
    Faithfulness to External Contexts" (RCR), arXiv 2410.14675.
    """
    margin = None if plan.retrieval is None else plan.retrieval.situated_margin
    if margin is None or not isinstance(choice, Decision) or choice.action is not Action.ANSWER:
        return choice
    served = _served(state, choice)
    if served is None or not served.retrieved or not isinstance(served.estimate, Estimate):
        return choice
    own = _closed_book(state.attempts, served.tier)
    if own is None or answer_class(own.text) == answer_class(served.text):
        return choice
    assert isinstance(own.estimate, Estimate)
    lead = own.estimate.p - served.estimate.p
    name = plan.tiers[served.tier].name
    if lead <= margin:
        compared = (*choice.compared, Comparison("lead without passages", lead, "<=", margin))
        return replace(choice, compared=compared)
    return replace(
        choice,
        reason=f"{choice.reason}; {name} answered otherwise without passages and was "
        f"{own.estimate.p:.2f} sure, {lead:.2f} more: its own answer is served",
        compared=(*choice.compared, Comparison("lead without passages", lead, ">", margin)),
        attempt=own.id,
    )


def gain(state: RunState) -> float | None:
    """How much surer the current attempt is than the same tier's before its last search; None where
    that is not known."""
    if state.current is None:
        return None
    current = state.attempts[state.current]
    earlier = [one for one in state.attempts[: state.current] if one.tier == current.tier]
    if not current.retrieved or not earlier:
        return None
    was, now = earlier[-1].estimate, current.estimate
    if not isinstance(was, Estimate) or not isinstance(now, Estimate):
        return None
    return now.p - was.p


def too_little_gain(plan: Plan, state: RunState) -> str | None:
    """Why a further search is not worth it: the last one made the tier too little surer."""
    least = None if plan.retrieval is None else plan.retrieval.least_gain
    if least is None:
        return None
    found = gain(state)
    if found is None or found >= least:
        return None
    return f"the last search made it {found:+.2f} surer, {least:+.2f} is asked for"


def _served(state: RunState, decision: Decision) -> Attempt | None:
    if decision.attempt is not None:
        return attempt_of(state.attempts, decision.attempt)
    return None if state.current is None else state.attempts[state.current]


def _closed_book(attempts: Sequence[Attempt], tier: int) -> Attempt | None:
    for attempt in attempts:
        if attempt.tier == tier and not attempt.retrieved and attempt.is_complete:
            return attempt if isinstance(attempt.estimate, Estimate) else None
    return None
