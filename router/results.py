"""How a run ended, made from its state."""

from __future__ import annotations

from .attempts import best_attempt
from .decisions import Action, Result
from .plan import Plan
from .signals import Estimate
from .state import RunState

__all__ = ["make_result"]


def make_result(plan: Plan, state: RunState) -> Result:
    """The result of a run whose decision has been taken."""
    decision = state.decision
    assert decision is not None
    served = None
    if decision.action is Action.ANSWER:
        served = next(a for a in state.attempts if a.id == decision.attempt)
    confidence = None
    if served is not None and isinstance(served.estimate, Estimate):
        confidence = served.estimate.p
    return Result(
        run_id=state.run_id,
        question=state.question,
        action=decision.action,
        answer=None if served is None else served.text,
        confidence=confidence,
        reason=decision.reason,
        tier=None if served is None else served.tier,
        model=None if served is None else plan.tiers[served.tier].model,
        rounds=state.round,
        cost=state.spend.cost,
        latency_s=state.spend.elapsed_s,
        calls=state.spend.calls,
        tokens=state.spend.tokens,
        best=served or best_attempt(state.attempts),
        attempts=tuple(state.attempts),
        passages=state.passages,
        degraded=tuple(state.degraded),
        trail=tuple(state.trail),
        certificate=None if served is None else plan.certificate,
        recognized=state.recognized,
    )
