"""Taking in what happened: each kind of reply and what it changes in a run's state.

Nothing is decided here. Every function leaves `state.phase` saying what is to be done next.
"""

from __future__ import annotations

from dataclasses import replace

from .conversation import is_follow_up
from .decisions import Action, Attempt, Decision
from .evidence import Evidence, Generation
from .plan import Plan
from .purchases import with_outcome
from .requests import (
    Compare,
    Compared,
    Draft,
    Drafted,
    Failure,
    Outcome,
    Recall,
    Recalled,
    Record,
    Reply,
    Request,
    Retrieve,
    Retrieved,
    Sample,
    Sampled,
)
from .signals import Unavailable
from .state import RunState

__all__ = ["evidence_of", "take"]


def take(
    plan: Plan, state: RunState, evidence: dict[str, Evidence], request: Request, reply: Reply
) -> None:
    """Write the outcome of `request` into the state and the evidence."""
    outcome = reply.outcome
    if isinstance(request, Draft):
        state.phase = "assess"
        _take_draft(plan, state, evidence, request, reply)
    elif isinstance(request, Retrieve):
        state.round += 1
        state.spend.rounds += 1
        _take_passages(state, outcome)
    elif isinstance(request, Recall):
        state.phase = "entry"
        _take_recalled(state, outcome)
    elif isinstance(request, Record):
        state.phase = "done"
        if isinstance(outcome, Failure):
            state.degraded.append(f"history: {outcome.message}")
    else:
        state.phase = "assess"
        _take_purchase(state, evidence, request, reply)


def evidence_of(state: RunState, kept: dict[str, Evidence], attempt: Attempt) -> Evidence:
    """The attempt's evidence; what the state alone knows of it where its tokens were not kept."""
    found = kept.get(attempt.id)
    if found is None:
        generation = Generation(attempt.text, (), attempt.finish_reason)
        passages = state.passages[: len(attempt.passage_ids)]
        found = Evidence(state.question, generation, passages=passages)
        kept[attempt.id] = found
    return found


def _take_recalled(state: RunState, outcome: Outcome) -> None:
    if isinstance(outcome, Failure):
        state.degraded.append(f"history: {outcome.message}")
        return
    assert isinstance(outcome, Recalled)
    if outcome.turns and is_follow_up(state.question):
        state.turns = outcome.turns
    repeat = outcome.repeat
    # An equal question that leans on earlier turns may mean something else this time.
    if repeat is not None and not state.turns and repeat.attempt.is_complete:
        attempt = replace(repeat.attempt, id="1", cost=0.0, latency_s=0.0, signal_costs={})
        state.attempts.append(attempt)
        state.current = 0
        state.tier = attempt.tier
        state.recognized = True
        reason = f"asked before, on {repeat.asked_at}, and answered under the same fingerprint"
        state.decision = Decision(Action.ANSWER, reason, attempt=attempt.id)


def _take_draft(
    plan: Plan, state: RunState, evidence: dict[str, Evidence], request: Draft, reply: Reply
) -> None:
    tier, outcome = request.tier, reply.outcome
    state.tier = tier
    state.settled = []
    state.buying = None
    if isinstance(outcome, Failure):
        state.failed[tier] = f"the tier failed ({outcome.kind}): {outcome.message}"
        name = plan.tiers[tier].name
        state.degraded.append(f"tier {name}: {outcome.kind}: {outcome.message}")
        state.current = None
        return
    assert isinstance(outcome, Drafted)
    generation = outcome.generation
    attempts = state.attempts
    attempt = Attempt(
        str(len(attempts) + 1),
        tier,
        state.round,
        bool(request.passages),
        generation.text.strip(),
        generation.finish_reason,
        reply.cost,
        reply.elapsed_s,
        passage_ids=tuple([passage.id for passage in request.passages]),
    )
    previous = tuple([earlier.text for earlier in attempts])
    evidence[attempt.id] = Evidence(
        state.question, generation, passages=request.passages, previous_answers=previous
    )
    state.current = len(attempts)
    attempts.append(attempt)


def _take_passages(state: RunState, outcome: Outcome) -> None:
    if isinstance(outcome, Failure):
        state.degraded.append(f"retriever: {outcome.message}")
        state.no_retrieval = f"the retriever failed: {outcome.message}"
        state.phase = "assess"
        return
    assert isinstance(outcome, Retrieved)
    known = {passage.id for passage in state.passages}
    if all(passage.id in known for passage in outcome.passages):
        state.no_retrieval = "the last search found no new passage"
        state.phase = "assess"
        return
    found = {passage.id for passage in outcome.passages}
    kept = tuple(passage for passage in state.passages if passage.id not in found)
    state.passages = outcome.passages + kept
    state.phase = "draft"


def _take_purchase(
    state: RunState, evidence: dict[str, Evidence], request: Request, reply: Reply
) -> None:
    current, name, outcome = state.current, state.buying, reply.outcome
    assert current is not None and name is not None
    attempt = state.attempts[current]
    if reply.cost != 0.0:
        spent = attempt.signal_costs.get(name, 0.0)
        total = None if reply.cost is None or spent is None else spent + reply.cost
        attempt = replace(attempt, signal_costs={**attempt.signal_costs, name: total})
    problem = _purchase_problem(request, outcome)
    if problem is not None:
        reading = Unavailable(f"could not be bought: {problem}")
        attempt = replace(attempt, signals={**attempt.signals, name: reading})
        state.settled.append(name)
        state.buying = None
    else:
        known = evidence_of(state, evidence, attempt)
        evidence[attempt.id] = with_outcome(known, request, outcome)
    state.attempts[current] = attempt


def _purchase_problem(request: Request, outcome: Outcome) -> str | None:
    """Why what was delivered is not what was bought; without it, asking again could go on."""
    if isinstance(outcome, Failure):
        return f"{outcome.kind}: {outcome.message}"
    if isinstance(outcome, Sampled) and isinstance(request, Sample):
        came = len(outcome.generations)
        return f"{came} of {request.n} samples came back" if came < request.n else None
    if isinstance(outcome, Compared) and isinstance(request, Compare):
        wanted = 3 if request.kind == "nli" else 1
        whole = len(outcome.values) == len(request.pairs) and all(
            len(value) == wanted for value in outcome.values
        )
        return None if whole else "the comparison is not whole"
    return None
