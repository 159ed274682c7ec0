"""How a run ended, made from its state."""

from __future__ import annotations

from .attempts import attempt_of, best_attempt
from .decisions import Action, Result
from .making import maker
from .plan import Plan
from .signals import Estimate
from .state import RunState

__all__ = ["make_result"]

_make_result = maker(Result)


def make_result(plan: Plan, state: RunState) -> Result:
    """The result of a run whose decision has been taken."""
    decision, spend = state.decision, state.spend
    assert decision is not None
    served = None
    if decision.action is Action.ANSWER:
        served = attempt_of(state.attempts, decision.attempt)
    gated = served is not None and decision.gated
    estimate = None if served is None else served.estimate
    return _make_result(
        state.run_id,
        state.question,
        decision.action,
        None if served is None else served.text,
        estimate.p if isinstance(estimate, Estimate) else None,
        decision.reason,
        None if served is None else served.tier,
        None if served is None else plan.tiers[served.tier].model,
        state.spend.rounds,
        spend.cost,
        spend.elapsed_s,
        spend.calls,
        spend.tokens,
        served or best_attempt(state.attempts),
        tuple(state.attempts),
        state.passages,
        tuple(state.degraded),
        tuple(state.trail),
        plan.certificate if gated else None,
        state.recognized,
        gated,
        tuple(state.queries),
        state.found_in,
    )
