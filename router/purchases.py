"""Buying a signal: what its estimator still needs, asked for part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from .budget import NOTHING, Forecast
from .comparisons import has_comparison, pairs_to_compare, with_comparison
from .evidence import Evidence, Generation
from .forecasts import Outlook, call_forecast
from .making import maker
from .protocols import Estimator, Needs
from .rationales import split_rationale
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

__all__ = [
    "Part",
    "Purchase",
    "critique_request",
    "missing_parts",
    "named",
    "part_forecast",
    "purchase_forecast",
    "purchase_request",
    "with_outcome",
]

_make_evidence = maker(Evidence)
_make_sample = maker(Sample)

Part = Literal["samples", "asked", "critique", "comparison"]
"""What can be bought, in the order in which it is bought: a comparison needs the samples."""

Purchase = Sample | Ask | Compare | Critique
"""The requests that a signal is bought with."""


def named(estimators: Sequence[Estimator], name: str) -> Estimator:
    """The first estimator of that name."""
    return next(estimator for estimator in estimators if estimator.name == name)


def missing_parts(needs: Needs, evidence: Evidence) -> list[Part]:
    """What of the needs has to be bought yet, in order; empty where they are met."""
    parts: list[Part] = []
    if needs.samples > len(evidence.samples):
        parts.append("samples")
    if needs.asked is not None and needs.asked not in evidence.asked:
        parts.append("asked")
    if needs.critique and evidence.critique is None:
        parts.append("critique")
    if needs.compare is not None and (
        "samples" in parts or not has_comparison(evidence, needs.compare)
    ):
        parts.append("comparison")
    return parts


def part_forecast(outlook: Outlook, part: Part, needs: Needs, evidence: Evidence) -> Forecast:
    """What one part would use."""
    plan, tier = outlook.plan, outlook.state.tier
    if part == "samples":
        missing = needs.samples - len(evidence.samples)
        return call_forecast(plan.tiers[tier], outlook.tokens(tier, evidence.passages), missing)
    if part == "asked":
        # The answer stands in the prompt, and may be as long as answers may get.
        shown = outlook.tokens(tier, evidence.passages) + plan.tiers[tier].max_output
        return call_forecast(plan.tiers[tier], shown)
    return Forecast(0.0, plan.compare_latency_s)


def purchase_forecast(outlook: Outlook, needs: Needs, evidence: Evidence) -> Forecast:
    """What all missing parts together would use."""
    total: Forecast | None = None
    for part in missing_parts(needs, evidence):
        ahead = part_forecast(outlook, part, needs, evidence)
        total = ahead if total is None else total + ahead
    return total or NOTHING


def purchase_request(
    outlook: Outlook, needs: Needs, evidence: Evidence, timeout_s: float | None
) -> Purchase | None:
    """The request for the first missing part, None where nothing is missing."""
    missing = missing_parts(needs, evidence)
    if not missing:
        return None
    part, tier = missing[0], outlook.state.tier
    forecast = part_forecast(outlook, part, needs, evidence)
    answer, passages = evidence.greedy.text.strip(), evidence.passages
    if part == "samples":
        wanted = needs.samples - len(evidence.samples)
        return _make_sample(tier, wanted, passages, forecast, timeout_s)
    if part == "asked" and needs.asked is not None:
        return Ask(needs.asked, tier, answer, passages, forecast, timeout_s)
    if part == "comparison" and needs.compare is not None:
        pairs = pairs_to_compare(evidence, needs.compare)
        return Compare(pairs, needs.compare, forecast, timeout_s)
    return critique_request(outlook, evidence, timeout_s)


def critique_request(outlook: Outlook, evidence: Evidence, timeout_s: float | None) -> Critique:
    """What the critic is given of the current attempt."""
    state, passages = outlook.state, evidence.passages
    answer, rationale = split_rationale(evidence.greedy.text)
    found_in = state.rounds_by_id() if passages else {}
    return Critique(
        answer,
        passages,
        Forecast(0.0, outlook.plan.compare_latency_s),
        timeout_s,
        rationale,
        state.round if passages else 0,
        evidence.previous_answers,
        tuple(state.queries) if passages else (),
        tuple([found_in.get(passage.id, state.round) for passage in passages]),
    )


def with_outcome(evidence: Evidence, request: Request, outcome: Outcome) -> Evidence:
    """The evidence with what was bought in it."""
    if isinstance(outcome, Sampled):
        return _with_samples(evidence, evidence.samples + outcome.generations)
    if isinstance(outcome, Asked):
        assert isinstance(request, Ask)
        return replace(evidence, asked={**evidence.asked, request.kind: outcome.generations})
    if isinstance(outcome, Critiqued):
        return replace(evidence, critique=outcome.verdict)
    assert isinstance(outcome, Compared) and isinstance(request, Compare)
    return with_comparison(evidence, request.kind, request.pairs, outcome.values)


def _with_samples(evidence: Evidence, samples: tuple[Generation, ...]) -> Evidence:
    """Without the matrices over fewer samples, which would be read as if they held the new ones.

    Spelled out, since `replace` is slow.
    """
    return _make_evidence(
        evidence.question,
        evidence.greedy,
        evidence.id,
        samples,
        evidence.passages,
        None,
        None,
        None,
        evidence.greedy_token_similarity,
        evidence.sample_token_similarity,
        evidence.asked,
        evidence.without_context,
        evidence.previous_answers,
        evidence.peers,
        evidence.hidden_ref,
        evidence.critique,
        evidence.alternatives_nli,
    )
