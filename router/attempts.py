"""Which attempt is best, and why one cannot be served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .decisions import Action, Attempt, Buy, Choice
from .making import maker
from .protocols import Situation
from .signals import Estimate, Reading, Unavailable

__all__ = [
    "assessed",
    "attempt_of",
    "best_attempt",
    "make_attempt",
    "not_open",
    "why_incomplete",
    "with_cost",
]


make_attempt = maker(Attempt)


def attempt_of(attempts: Sequence[Attempt], id: str | None) -> Attempt | None:
    """The attempt of that id."""
    for attempt in attempts:
        if attempt.id == id:
            return attempt
    return None


def best_attempt(attempts: Sequence[Attempt]) -> Attempt | None:
    """The complete attempt with the highest estimate; of equals the earlier, thus the cheaper.

    An attempt without an estimate comes after every attempt with one.
    """
    best, highest = None, -2.0
    for attempt in attempts:
        estimate = attempt.estimate
        if isinstance(estimate, Estimate):  # the loop estimates complete attempts alone
            if estimate.p > highest:
                best, highest = attempt, estimate.p
        elif highest < -1.0 and attempt.is_complete:
            best, highest = attempt, -1.0
    return best


def assessed(
    attempt: Attempt, signals: Mapping[str, Reading], estimate: Estimate | Unavailable
) -> Attempt:
    """The attempt with its signals and estimate; spelled out, since `replace` is slow."""
    return make_attempt(
        attempt.id,
        attempt.tier,
        attempt.round,
        attempt.retrieved,
        attempt.text,
        attempt.finish_reason,
        attempt.cost,
        attempt.latency_s,
        signals,
        attempt.signal_costs,
        estimate,
        attempt.passage_ids,
        attempt.rationale,
        attempt.tool_calls,
        attempt.begun,
        attempt.stopped,
        attempt.released,
    )


def with_cost(attempt: Attempt, signal: str, cost: float | None) -> Attempt:
    """The attempt with what was paid for a signal."""
    before = attempt.signal_costs.get(signal, 0.0)
    total = None if cost is None or before is None else before + cost
    return make_attempt(
        attempt.id,
        attempt.tier,
        attempt.round,
        attempt.retrieved,
        attempt.text,
        attempt.finish_reason,
        attempt.cost,
        attempt.latency_s,
        attempt.signals,
        {**attempt.signal_costs, signal: total},
        attempt.estimate,
        attempt.passage_ids,
        attempt.rationale,
        attempt.tool_calls,
        attempt.begun,
        attempt.stopped,
        attempt.released,
    )


def why_incomplete(attempt: Attempt) -> str:
    """Why an attempt that is not complete is none."""
    if not attempt.text and not attempt.tool_calls:
        return "empty answer"
    if attempt.finish_reason == "length":
        return "the answer was cut at the token limit"
    if attempt.stopped:
        return f"the draft was stopped: {attempt.stopped}"
    return f"the answer is not whole (finish reason: {attempt.finish_reason or 'unknown'})"


def not_open(choice: Choice, situation: Situation, attempts: Sequence[Attempt]) -> str | None:
    """Why the policy's choice cannot be carried out, or None where it can."""
    if isinstance(choice, Buy):
        names = [option.signal for option in situation.buy]
        return None if choice.signal in names else f"signal {choice.signal!r} is not for sale"
    if choice.action is Action.ANSWER:
        if choice.attempt is None:
            return None if situation.can_answer else "there is no whole answer to serve"
        named = attempt_of(attempts, choice.attempt)
        whole = named is not None and named.is_complete
        return None if whole else f"attempt {choice.attempt!r} is not a whole answer"
    if choice.action is Action.RETRIEVE:
        return None if situation.retrieve is not None else "retrieving is closed"
    if choice.action is Action.ESCALATE:
        tiers = [tier for tier, _ in situation.escalate]
        is_open = bool(tiers) if choice.tier is None else choice.tier in tiers
        return None if is_open else f"escalating to tier {choice.tier} is closed"
    return None
