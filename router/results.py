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
    # What was certified are whole drafts of one tier, under the policy's own terms.
    is_part = served is not None and bool(served.begun or served.released)
    is_other = is_part or state.budget.max_risk is not None
    estimate = None if served is None else served.estimate
    is_lacking = plan.fallback or any([tier.lacks for tier in plan.tiers])
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
        (*state.degraded, *_stand_ins(plan, state)) if is_lacking else tuple(state.degraded),
        tuple(state.trail),
        plan.certificate if gated and not is_other else None,
        state.recognized,
        gated,
        tuple(state.queries),
        state.found_in,
        spend.tokens_out,
        state.released if state.shown else "",
        state.overruled,
    )


def _stand_ins(plan: Plan, state: RunState) -> tuple[str, ...]:
    """Of each tier that drafted, once: which signals were out of reach, and what stood in."""
    found: dict[int, str] = {}
    fallback = plan.fallback
    for attempt in state.attempts:
        tier, estimate = plan.tiers[attempt.tier], attempt.estimate
        fell_back = estimate.fallback if isinstance(estimate, Estimate) else None
        if fell_back is not None and isinstance(estimate, Estimate) and estimate.signal in fallback:
            why = tier.lacks or fell_back
            found[attempt.tier] = f"tier {tier.name}: {why}; {estimate.signal} stands in"
        elif tier.lacks is not None:
            found.setdefault(attempt.tier, f"tier {tier.name}: {tier.lacks}")
    return tuple([found[tier] for tier in sorted(found)])
