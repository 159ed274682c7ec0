"""Requests, outcomes and alternatives in words, for the trail."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .decisions import Action, Alternative, Buy, Choice, Entry, TrailStep
from .making import maker
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
    Reply,
    Request,
    Retrieve,
    Retrieved,
    Sample,
    Sampled,
)
from .signals import Estimate, Unavailable

__all__ = [
    "OpenStep",
    "Step",
    "alternatives",
    "closed_step",
    "decided_step",
    "describe_outcome",
    "describe_request",
    "entered_step",
    "failure_kind",
    "opened_step",
    "plural",
]

_CUT = 120

_make_step = maker(TrailStep)
_make_alternative = maker(Alternative)


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
        drafts = f"draft from {plural(shown, 'passage')}" if shown else "draft"
        return f"{drafts}, going on from: {_shown(request.begun)}" if request.begun else drafts
    words = _REQUESTS.get(type(request))
    return type(request).__name__.lower() if words is None else words(request)


def describe_outcome(outcome: Outcome) -> str:
    """What came back; a failure names its kind."""
    return _OUTCOMES[type(outcome)](outcome)


_FAILED = re.compile(r"failed \((\w+)\)")


def failure_kind(step: TrailStep) -> str | None:
    """The kind of failure that came back at a step (`RunError.kind`); None where none did."""
    found = _FAILED.match(step.outcome)
    return None if found is None else found[1]


def _draft_words(outcome: Drafted) -> str:
    generation = outcome.generation
    words = _shown(generation.text)
    if not words:
        return "an empty answer"
    ended = generation.finish_reason
    return words if ended == "stop" else f"{words} [{ended or 'unknown end'}]"


def _found_words(outcome: Retrieved) -> str:
    found = plural(len(outcome.passages), "passage")
    titles = ", ".join([_shown(passage.title) for passage in outcome.passages[:3]])
    return f"{found}: {titles}" if titles else found


def _recalled_words(outcome: Recalled) -> str:
    turns = plural(len(outcome.turns), "earlier turn")
    return turns if outcome.repeat is None else f"{turns}; asked before"


_REQUESTS: Mapping[type[Any], Callable[[Any], str]] = {
    Sample: lambda request: f"sample x{request.n}",
    Ask: lambda request: f"ask {request.kind}",
    Compare: lambda request: f"compare {plural(len(request.pairs), 'pair')} ({request.kind})",
    Retrieve: lambda request: f"retrieve {request.k} for: {_shown(request.query)}",
}

_OUTCOMES: Mapping[type[Any], Callable[[Any], str]] = {
    Drafted: _draft_words,
    Failure: lambda outcome: f"failed ({outcome.kind}): {outcome.message}",
    Retrieved: _found_words,
    Sampled: lambda outcome: plural(len(outcome.generations), "answer"),
    Asked: lambda outcome: plural(len(outcome.generations), "answer"),
    Recalled: _recalled_words,
    Critiqued: lambda outcome: f"p(sufficient) = {outcome.verdict.p_sufficient:.2f}",
    Compared: lambda outcome: plural(len(outcome.values), "comparison"),
    Recorded: lambda _: "kept",
}


_ABSTAINING = Alternative(Action.ABSTAIN, None, 0.0, 0.0)


@lru_cache(maxsize=64)
def _answering(tier: int) -> Alternative:
    return Alternative(Action.ANSWER, tier, 0.0, 0.0)


def alternatives(situation: Situation) -> tuple[Alternative, ...]:
    """Every action beside its price: the open ones first, then the closed ones with reasons."""
    found: list[Alternative] = []
    if situation.can_answer:
        found.append(_answering(situation.rung.tier))
    ahead = situation.retrieve
    if ahead is not None:
        found.append(_make_alternative(Action.RETRIEVE, None, ahead.cost, ahead.latency_s))
    for tier, ahead in situation.escalate:
        found.append(_make_alternative(Action.ESCALATE, tier, ahead.cost, ahead.latency_s))
    return (*found, _ABSTAINING, *situation.closed)


@dataclass(slots=True)
class OpenStep:
    """A step of which nothing was concluded yet: its fields are those of `TrailStep`."""

    step: int
    request: str
    tier: int | None
    outcome: str
    cost: float | None
    elapsed_s: float


Judged = Estimate | Unavailable | None
"""What an attempt was judged to be worth, None where there is nothing to judge."""

Step = OpenStep | TrailStep
"""A step on its way into the trail, or taken out of it again to be concluded from."""


def opened_step(number: int, request: Request, reply: Reply) -> OpenStep:
    """What was asked for and what came back."""
    return OpenStep(
        number,
        describe_request(request),
        getattr(request, "tier", None),
        describe_outcome(reply.outcome),
        reply.cost,
        reply.elapsed_s,
    )


def closed_step(step: Step, choice: Choice | None, estimate: Judged = None) -> TrailStep:
    """The step with a choice that no policy made, or with none."""
    return _make_step(
        step.step,
        step.request,
        step.tier,
        step.outcome,
        {},
        estimate,
        (),
        (),
        None if choice is None else _action(choice),
        None if choice is None else choice.reason,
        step.cost,
        step.elapsed_s,
    )


def decided_step(step: Step, choice: Choice, situation: Situation) -> TrailStep:
    """The step with what a policy chose in a situation, and what it might have chosen."""
    attempt = situation.attempt
    return _make_step(
        step.step,
        step.request,
        step.tier,
        step.outcome,
        {} if attempt is None else attempt.signals,
        situation.estimate,
        choice.compared,
        alternatives(situation),
        _action(choice),
        choice.reason,
        step.cost,
        step.elapsed_s,
    )


def entered_step(number: int, entry: Entry, prior: tuple[float, ...] | None) -> TrailStep:
    """The choice of the first tier, which asks nobody for anything and costs nothing."""
    words = "" if prior is None else " ".join(f"{p:.2f}" for p in prior)
    outcome = f"P(right) by tier before any draft: {words}" if words else "chosen before any draft"
    return _make_step(
        number,
        "enter",
        entry.tier,
        outcome,
        {},
        None,
        entry.compared,
        (),
        None,
        entry.reason,
        0.0,
        0.0,
    )


def _action(choice: Choice) -> str:
    return "buy" if isinstance(choice, Buy) else str(choice.action)
