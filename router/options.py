"""What is open at a point of a run, what it would cost, and why the rest is closed."""

from __future__ import annotations

from dataclasses import dataclass

from .budget import NOTHING, Forecast
from .comparisons import has_comparison
from .decisions import Action, Alternative
from .evidence import Evidence, Passage
from .plan import Plan
from .protocols import BuyOption, Needs
from .state import RunState

__all__ = ["Fit", "Options", "draft_fit", "open_options", "purchase_forecast"]

_OUT_OF_STEPS = "the run has used all its steps"


@dataclass(frozen=True, slots=True)
class Fit:
    """How a tier would be asked: the passages that fit its context, and the forecast."""

    passages: tuple[Passage, ...]
    tokens_in: int
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class Options:
    """The open continuations, and everything that is closed with its reason."""

    retrieve: Forecast | None
    escalate: tuple[tuple[int, Forecast], ...]
    buy: tuple[BuyOption, ...]
    closed: tuple[Alternative, ...]


def draft_fit(plan: Plan, state: RunState, tier: int) -> Fit | str:
    """How `tier` would draft with the passages at hand, or why its context is too short.

    Passages are dropped from the worst end until the prompt and the answer fit.
    """
    spec = plan.tiers[tier]
    room = spec.context - spec.max_output
    passages = state.passages
    tokens = plan.sizer.prompt_tokens(tier, state.question, passages, state.turns)
    while tokens > room and passages:
        passages = passages[:-1]
        tokens = plan.sizer.prompt_tokens(tier, state.question, passages, state.turns)
    if tokens > room:
        needed = tokens + spec.max_output
        return f"its context takes {spec.context} tokens, the question needs {needed}"
    return Fit(passages, tokens, _call_forecast(plan, tier, tokens))


def _call_forecast(plan: Plan, tier: int, tokens_in: int, n: int = 1) -> Forecast:
    spec = plan.tiers[tier]
    total_in, total_out = n * tokens_in, n * spec.max_output
    cost = None if spec.price is None else spec.price.of(total_in, total_out)
    return Forecast(cost, n * spec.latency_s, n, total_in + total_out)


def purchase_forecast(
    plan: Plan, state: RunState, tier: int, needs: Needs, evidence: Evidence
) -> Forecast:
    """What the missing parts of an estimator's needs would use."""
    tokens = plan.sizer.prompt_tokens(tier, state.question, state.passages, state.turns)
    missing = max(0, needs.samples - len(evidence.samples))
    total = _call_forecast(plan, tier, tokens, missing) if missing else NOTHING
    if needs.asked is not None and needs.asked not in evidence.asked:
        answer = plan.tiers[tier].max_output
        total = total + _call_forecast(plan, tier, tokens + answer)
    if needs.critique and evidence.critique is None:
        total = total + Forecast(latency_s=plan.compare_latency_s)
    if needs.compare is not None and (missing or not has_comparison(evidence, needs.compare)):
        total = total + Forecast(latency_s=plan.compare_latency_s)
    return total


def open_options(plan: Plan, state: RunState, evidence: Evidence | None) -> Options:
    """Everything that could be done next, checked against context, failures and budget."""
    closed: list[Alternative] = []
    if state.steps + 1 >= state.budget.max_steps:
        # One step is kept for the final record.
        return Options(None, (), (), (Alternative(Action.RETRIEVE, None, 0.0, 0.0, _OUT_OF_STEPS),))
    retrieve = _retrieve_option(plan, state, closed)
    escalate = _escalate_options(plan, state, closed)
    buy = () if evidence is None else _buy_options(plan, state, evidence)
    return Options(retrieve, escalate, buy, tuple(closed))


def _retrieve_option(plan: Plan, state: RunState, closed: list[Alternative]) -> Forecast | None:
    if plan.retrieval is None:
        return None
    tier = state.tier
    why_not = state.no_retrieval or state.failed.get(tier)
    forecast = NOTHING
    if why_not is None:
        extra = plan.retrieval.k * plan.retrieval.passage_tokens
        tokens = plan.sizer.prompt_tokens(tier, state.question, state.passages, state.turns)
        search = Forecast(latency_s=plan.retrieval.latency_s, rounds=1)
        forecast = search + _call_forecast(plan, tier, tokens + extra)
        why_not = state.budget.refusal(state.spend, forecast)
    if why_not is None:
        return forecast
    closed.append(Alternative(Action.RETRIEVE, None, forecast.cost, forecast.latency_s, why_not))
    return None


def _escalate_options(
    plan: Plan, state: RunState, closed: list[Alternative]
) -> tuple[tuple[int, Forecast], ...]:
    found: list[tuple[int, Forecast]] = []
    for tier in range(state.tier + 1, len(plan.tiers)):
        fit = draft_fit(plan, state, tier)
        if isinstance(fit, str):
            closed.append(Alternative(Action.ESCALATE, tier, None, 0.0, fit))
            continue
        why_not = state.failed.get(tier) or state.budget.refusal(state.spend, fit.forecast)
        if why_not is None:
            found.append((tier, fit.forecast))
        else:
            cost, latency_s = fit.forecast.cost, fit.forecast.latency_s
            closed.append(Alternative(Action.ESCALATE, tier, cost, latency_s, why_not))
    return tuple(found)


def _buy_options(plan: Plan, state: RunState, evidence: Evidence) -> tuple[BuyOption, ...]:
    found: list[BuyOption] = []
    for estimator in plan.buyable:
        if estimator.name in state.settled:
            continue
        forecast = purchase_forecast(plan, state, state.tier, estimator.needs, evidence)
        if state.budget.refusal(state.spend, forecast) is None:
            found.append(BuyOption(estimator.name, forecast))
    return tuple(found)
