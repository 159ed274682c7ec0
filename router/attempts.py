"""Which attempt is best, and why one cannot be served."""

from __future__ import annotations

from collections.abc import Sequence

from .decisions import Action, Attempt, Buy, Choice
from .protocols import Situation
from .signals import Estimate

__all__ = ["best_attempt", "not_open", "why_incomplete"]


def best_attempt(attempts: Sequence[Attempt]) -> Attempt | None:
    """The complete attempt with the highest estimate; of equals the earlier, thus the cheaper.

    An attempt without an estimate comes after every attempt with one.
    """
    best, highest = None, -2.0
    for attempt in attempts:
        estimate = attempt.estimate
        p = estimate.p if isinstance(estimate, Estimate) else -1.0
        if p > highest and attempt.is_complete:
            best, highest = attempt, p
    return best


def why_incomplete(attempt: Attempt) -> str:
    """Why an attempt that is not complete is none."""
    if not attempt.text:
        return "empty answer"
    if attempt.finish_reason == "length":
        return "the answer was cut at the token limit"
    return f"the answer is not whole (finish reason: {attempt.finish_reason or 'unknown'})"


def not_open(choice: Choice, situation: Situation, attempts: Sequence[Attempt]) -> str | None:
    """Why the policy's choice cannot be carried out, or None where it can."""
    if isinstance(choice, Buy):
        names = [option.signal for option in situation.buy]
        return None if choice.signal in names else f"signal {choice.signal!r} is not for sale"
    if choice.action is Action.ANSWER:
        if choice.attempt is None:
            return None if situation.can_answer else "there is no whole answer to serve"
        whole = any(a.id == choice.attempt and a.is_complete for a in attempts)
        return None if whole else f"attempt {choice.attempt!r} is not a whole answer"
    if choice.action is Action.RETRIEVE:
        return None if situation.retrieve is not None else "retrieving is closed"
    if choice.action is Action.ESCALATE:
        tiers = [tier for tier, _ in situation.escalate]
        is_open = bool(tiers) if choice.tier is None else choice.tier in tiers
        return None if is_open else f"escalating to tier {choice.tier} is closed"
    return None
