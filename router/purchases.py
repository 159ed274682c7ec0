"""Buying a signal: what its estimator still needs, asked for part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .budget import Forecast
from .comparisons import has_comparison, pairs_to_compare, with_comparison
from .decisions import Attempt
from .evidence import Evidence
from .options import purchase_forecast
from .plan import Plan
from .protocols import Estimator, Needs
from .requests import (
    Ask,
    Asked,
    Compare,
    Compared,
    Critique,
    Critiqued,
    Outcome,
    Request,
    Sample,
    Sampled,
)
from .state import RunState

__all__ = ["is_met", "missing_part", "named", "with_outcome"]


def named(estimators: Sequence[Estimator], name: str) -> Estimator:
    return next(estimator for estimator in estimators if estimator.name == name)


def is_met(needs: Needs, evidence: Evidence) -> bool:
    """Whether everything that has to be bought is there."""
    return (
        len(evidence.samples) >= needs.samples
        and (needs.asked is None or needs.asked in evidence.asked)
        and (not needs.critique or evidence.critique is not None)
        and (needs.compare is None or has_comparison(evidence, needs.compare))
    )


def missing_part(
    plan: Plan, state: RunState, attempt: Attempt, needs: Needs, evidence: Evidence
) -> Sample | Ask | Compare | Critique | None:
    """The request for the first part of the needs that is not there yet."""
    passages, tier = evidence.passages, attempt.tier

    def forecast(part: Needs) -> Forecast:
        return purchase_forecast(plan, state, tier, part, evidence)

    missing = needs.samples - len(evidence.samples)
    if missing > 0:
        return Sample(tier, missing, passages, forecast(Needs(samples=needs.samples)))
    if needs.asked is not None and needs.asked not in evidence.asked:
        kind = needs.asked
        return Ask(kind, tier, attempt.text, passages, forecast(Needs(asked=kind)))
    if needs.critique and evidence.critique is None:
        return Critique(attempt.text, passages, forecast(Needs(critique=True)))
    if needs.compare is not None and not has_comparison(evidence, needs.compare):
        pairs = pairs_to_compare(evidence, needs.compare)
        return Compare(pairs, needs.compare, forecast(Needs(compare=needs.compare)))
    return None


def with_outcome(evidence: Evidence, request: Request, outcome: Outcome) -> Evidence:
    if isinstance(outcome, Sampled):
        return replace(evidence, samples=evidence.samples + outcome.generations)
    if isinstance(outcome, Asked):
        assert isinstance(request, Ask)
        return replace(evidence, asked={**evidence.asked, request.kind: outcome.generations})
    if isinstance(outcome, Critiqued):
        return replace(evidence, critique=outcome.verdict)
    assert isinstance(outcome, Compared) and isinstance(request, Compare)
    return with_comparison(evidence, request.kind, request.pairs, outcome.values)
