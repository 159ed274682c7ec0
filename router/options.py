"""What is open at a point of a run, what it would cost, and why the rest is closed."""

from __future__ import annotations

from .answers import answer_class
from .attempts import best_attempt
from .budget import NOTHING, Forecast
from .decisions import Action, Alternative, Attempt, Rung
from .evidence import Evidence
from .forecasts import Fit, Outlook, draft_fit, retrieval_forecast
from .making import maker
from .protocols import BuyOption, Situation
from .purchases import purchase_forecast
from .signals import Estimate, Unavailable
from .situated import too_little_gain
from .state import RunState

__all__ = ["Fit", "draft_fit", "situation_of", "steps_left"]

_OUT_OF_STEPS = "the run has used all its steps"

_make_alternative = maker(Alternative)
_make_buy_option = maker(BuyOption)
_make_situation = maker(Situation)


def steps_left(state: RunState) -> int:
    """How many more requests may be made before the last one, which is kept for the record."""
    return state.budget.max_steps - state.steps - 1


def situation_of(outlook: Outlook, attempt: Attempt | None, evidence: Evidence | None) -> Situation:
    """What a policy may choose from, checked against context, failures, steps and budget.

    Without an attempt (the tier failed) there is no evidence, and nothing can be bought.
    """
    state = outlook.state
    estimate: Estimate | Unavailable
    if attempt is None:
        rung = Rung(state.tier, state.round, bool(state.passages))
        estimate = Unavailable(state.failed.get(state.tier, "there is no draft"))
    else:
        rung, estimate = attempt.rung, attempt.estimate
    left = steps_left(state)
    closed: list[Alternative] = []
    return _make_situation(
        rung,
        attempt,
        estimate,
        best_attempt(state.attempts),
        isinstance(estimate, Estimate) or (attempt is not None and attempt.is_complete),
        _retrieve_option(outlook, left, closed),
        _escalate_options(outlook, left, closed),
        () if evidence is None or left < 1 else _buy_options(outlook, evidence),
        tuple(closed),
        state.spend,
        state.budget,
        state.run_id,
        state.prior,
    )


def _retrieve_option(outlook: Outlook, left: int, closed: list[Alternative]) -> Forecast | None:
    plan, state = outlook.plan, outlook.state
    if plan.retrieval is None:
        return None
    tier, forecast = state.tier, NOTHING
    why_not = state.no_retrieval or state.failed.get(tier) or _stale_answer(outlook)
    why_not = why_not or too_little_gain(plan, state)
    if why_not is None:
        fit = outlook.fit(tier)
        if isinstance(fit, str):
            why_not = fit
        else:
            forecast = retrieval_forecast(plan.retrieval, plan.tiers[tier], fit.tokens_in)
            # The search is one step, the draft from what it finds another.
            short = left < 2
            why_not = _OUT_OF_STEPS if short else state.budget.refusal(state.spend, forecast)
    if why_not is None:
        return forecast
    closed.append(
        _make_alternative(Action.RETRIEVE, None, forecast.cost, forecast.latency_s, why_not)
    )
    return None


def _stale_answer(outlook: Outlook) -> str | None:
    """Why a further search is not worth it: the tier repeated its answer, and is no surer."""
    plan, state = outlook.plan, outlook.state
    if plan.retrieval is None or not plan.retrieval.stop_unchanged or state.current is None:
        return None
    current = state.attempts[state.current]
    earlier = [one for one in state.attempts[: state.current] if one.tier == current.tier]
    if not current.retrieved or not earlier:
        return None
    before = earlier[-1]
    if answer_class(before.text) != answer_class(current.text):
        return None
    was, now = before.estimate, current.estimate
    if isinstance(was, Estimate) and isinstance(now, Estimate) and now.p > was.p:
        return None
    return "the answer stayed the same, and no surer"


def _escalate_options(
    outlook: Outlook, left: int, closed: list[Alternative]
) -> tuple[tuple[int, Forecast], ...]:
    state = outlook.state
    found: list[tuple[int, Forecast]] = []
    for tier in range(state.tier + 1, len(outlook.plan.tiers)):
        fit = outlook.fit(tier)
        if isinstance(fit, str):
            closed.append(_make_alternative(Action.ESCALATE, tier, None, 0.0, fit))
            continue
        ahead = fit.forecast
        why_not = state.failed.get(tier) or state.budget.refusal(state.spend, ahead)
        if why_not is None and left < 1:
            why_not = _OUT_OF_STEPS
        if why_not is None:
            found.append((tier, ahead))
        else:
            closed.append(
                _make_alternative(Action.ESCALATE, tier, ahead.cost, ahead.latency_s, why_not)
            )
    return tuple(found)


def _buy_options(outlook: Outlook, evidence: Evidence) -> tuple[BuyOption, ...]:
    state = outlook.state
    found: list[BuyOption] = []
    for estimator in outlook.plan.buyable:
        name = estimator.name
        if name not in state.settled:
            ahead = purchase_forecast(outlook, estimator.needs, evidence)
            if state.budget.refusal(state.spend, ahead) is None:
                found.append(_make_buy_option(name, ahead))
    return tuple(found)
