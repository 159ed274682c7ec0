"""Requests, outcomes and alternatives in words, for the trail."""

from __future__ import annotations

from .decisions import Action, Alternative
from .plan import Plan
from .protocols import Situation
from .requests import (
    Ask,
    Asked,
    Compare,
    Compared,
    Critiqued,
    Draft,
    Drafted,
    Failure,
    Outcome,
    Recalled,
    Recorded,
    Request,
    Retrieve,
    Retrieved,
    Sample,
    Sampled,
)

__all__ = ["alternatives", "describe_outcome", "describe_request", "plural"]

_CUT = 120


def plural(n: int, noun: str) -> str:
    """`1 passage`, `3 passages`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _CUT else line[: _CUT - 1] + "…"


def describe_request(request: Request) -> str:
    """What was asked for, without the tier's name."""
    if isinstance(request, Draft):
        shown = len(request.passages)
        return f"draft from {plural(shown, 'passage')}" if shown else "draft"
    if isinstance(request, Sample):
        return f"sample x{request.n}"
    if isinstance(request, Ask):
        return f"ask {request.kind}"
    if isinstance(request, Compare):
        return f"compare {plural(len(request.pairs), 'pair')} ({request.kind})"
    if isinstance(request, Retrieve):
        return f"retrieve {request.k} for: {_shown(request.query)}"
    return type(request).__name__.lower()


def describe_outcome(outcome: Outcome) -> str:
    """What came back; a failure names its kind."""
    if isinstance(outcome, Drafted):
        return _draft_words(outcome)
    if isinstance(outcome, Failure):
        return f"failed ({outcome.kind}): {outcome.message}"
    if isinstance(outcome, Retrieved):
        titles = ", ".join(_shown(passage.title) for passage in outcome.passages[:3])
        found = plural(len(outcome.passages), "passage")
        return f"{found}: {titles}" if titles else found
    if isinstance(outcome, Sampled | Asked):
        return plural(len(outcome.generations), "answer")
    if isinstance(outcome, Recalled):
        repeat = "; asked before" if outcome.repeat else ""
        return plural(len(outcome.turns), "earlier turn") + repeat
    if isinstance(outcome, Critiqued):
        return f"p(sufficient) = {outcome.verdict.p_sufficient:.2f}"
    if isinstance(outcome, Compared):
        return plural(len(outcome.values), "comparison")
    assert isinstance(outcome, Recorded)
    return "kept"


def _draft_words(outcome: Drafted) -> str:
    generation = outcome.generation
    if not generation.text.strip():
        return "an empty answer"
    ended = "" if generation.finish_reason == "stop" else f" [{generation.finish_reason}]"
    return _shown(generation.text) + ended


def alternatives(plan: Plan, situation: Situation) -> tuple[Alternative, ...]:
    """Every action beside its price: the open ones first, then the closed ones with reasons."""
    found: list[Alternative] = []
    if situation.can_answer:
        found.append(Alternative(Action.ANSWER, situation.rung.tier, 0.0, 0.0))
    if situation.retrieve is not None:
        ahead = situation.retrieve
        found.append(Alternative(Action.RETRIEVE, None, ahead.cost, ahead.latency_s))
    for tier, ahead in situation.escalate:
        found.append(Alternative(Action.ESCALATE, tier, ahead.cost, ahead.latency_s))
    found.append(Alternative(Action.ABSTAIN, None, 0.0, 0.0))
    found.extend(situation.closed)
    return tuple(found)
