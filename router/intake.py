"""Taking in what happened: each kind of reply and what it changes in a run's state.

Nothing is decided here. Every function leaves `state.phase` saying what is to be done next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .attempts import assessed, make_attempt, with_cost
from .budget import Spend
from .conversation import is_follow_up
from .critic.corrective import corrected
from .decisions import NOT_ASSESSED, Action, Attempt, Decision
from .errors import ContextOverflow
from .evidence import Evidence, Generation, Passage
from .making import maker
from .plan import Plan
from .purchases import with_outcome
from .queries import query_in
from .rationales import split_rationale
from .requests import (
    Ask,
    Asked,
    Compare,
    Compared,
    Critique,
    Critiqued,
    Draft,
    Drafted,
    Failure,
    Outcome,
    Recall,
    Recalled,
    Record,
    Recorded,
    Reply,
    Request,
    Retrieve,
    Retrieved,
    Sample,
    Sampled,
)
from .signals import Estimate, Unavailable
from .state import RunState
from .steps.joining import finished
from .text import clean_text

__all__ = ["belongs", "charge", "evidence_of", "take"]

_make_evidence = maker(Evidence)

_OUTCOMES: Mapping[type[Any], type[Any]] = {
    Recall: Recalled,
    Draft: Drafted,
    Sample: Sampled,
    Ask: Asked,
    Compare: Compared,
    Retrieve: Retrieved,
    Critique: Critiqued,
    Record: Recorded,
}


def belongs(request: Request, outcome: Outcome) -> bool:
    """Whether the outcome is one of those that this kind of request can have."""
    kind = type(outcome)
    return kind is _OUTCOMES[type(request)] or kind is Failure


def charge(spend: Spend, reply: Reply) -> None:
    """Count what a reply used. What is used only grows: a number below 0 or NaN adds nothing."""
    if reply.cost is not None and reply.cost > 0.0:
        spend.cost += reply.cost
    if reply.elapsed_s > 0.0:
        spend.elapsed_s += reply.elapsed_s
    if reply.calls > 0:
        spend.calls += reply.calls
    if reply.tokens > 0:
        spend.tokens += reply.tokens
    if reply.tokens_out > 0:
        spend.tokens_out += reply.tokens_out


def take(
    plan: Plan, state: RunState, evidence: dict[str, Evidence], request: Request, reply: Reply
) -> None:
    """Write the outcome of `request` into the state and the evidence."""
    outcome = reply.outcome
    if reply.degraded:
        state.degraded += [words for words in reply.degraded if words not in state.degraded]
    if isinstance(request, Draft):
        state.phase = "assess"
        _take_draft(plan, state, evidence, request, reply)
    elif isinstance(request, Retrieve):
        state.spend.rounds += 1
        _take_passages(plan, state, request, outcome)
    elif isinstance(request, Recall):
        state.phase = "entry"
        _take_recalled(plan, state, outcome)
    elif isinstance(request, Record):
        state.phase = "done"
        if isinstance(outcome, Failure):
            state.degraded.append(f"history: {outcome.message}")
    elif state.buying is not None:
        state.phase = "assess"
        _take_purchase(state, evidence, request, reply)
    elif isinstance(request, Critique):
        state.phase = "assess"
        _take_verdict(state, evidence, request, outcome)
    else:
        state.phase = "search"
        _take_query(state, outcome)


def evidence_of(state: RunState, kept: dict[str, Evidence], attempt: Attempt) -> Evidence:
    """The attempt's evidence; what the state alone knows of it where its tokens were not kept."""
    found = kept.get(attempt.id)
    if found is None:
        generation = Generation(attempt.text, (), attempt.finish_reason, attempt.tool_calls)
        shown = {passage.id: passage for passage in state.passages}
        passages = tuple(shown[id] for id in attempt.passage_ids if id in shown)
        earlier = tuple(other.text for other in state.attempts[: state.current])
        found = Evidence(state.question, generation, passages=passages, previous_answers=earlier)
        kept[attempt.id] = found
    return found


def _take_recalled(plan: Plan, state: RunState, outcome: Outcome) -> None:
    if isinstance(outcome, Failure):
        state.degraded.append(f"history: {outcome.message}")
        return
    assert isinstance(outcome, Recalled)
    if outcome.turns and is_follow_up(state.question):
        state.turns = outcome.turns
    # An equal question that leans on earlier turns may mean something else this time.
    if outcome.repeat is None or state.turns:
        return
    earlier = outcome.repeat.attempt
    if earlier.is_complete and earlier.tier < len(plan.tiers) and _is_within_risk(state, earlier):
        text = clean_text(earlier.text)
        attempt = replace(earlier, id="1", text=text, cost=0.0, latency_s=0.0, signal_costs={})
        state.attempts.append(attempt)
        state.current = 0
        state.tier = attempt.tier
        state.recognized = True
        asked_at = outcome.repeat.asked_at
        reason = f"asked before, on {asked_at}, and answered under the same fingerprint"
        state.decision = Decision(Action.ANSWER, reason, attempt=attempt.id)


def _is_within_risk(state: RunState, attempt: Attempt) -> bool:
    if state.budget.max_risk is None:
        return True
    estimate = attempt.estimate
    return (
        isinstance(estimate, Estimate) and estimate.calibrated and state.budget.allows(estimate.p)
    )


def _take_draft(
    plan: Plan, state: RunState, evidence: dict[str, Evidence], request: Draft, reply: Reply
) -> None:
    tier, outcome = request.tier, reply.outcome
    state.tier = tier
    state.settled = []
    state.buying = None
    state.no_verdict = None
    if isinstance(outcome, Failure):
        state.failed[tier] = f"the tier failed ({outcome.kind}): {outcome.message}"
        name = plan.tiers[tier].name
        state.degraded.append(f"tier {name}: {outcome.kind}: {outcome.message}")
        if outcome.kind == ContextOverflow.kind:
            _rule_out_small_contexts(plan, state, tier)
        state.current, state.kept = None, request.begun
        return
    assert isinstance(outcome, Drafted)
    passages, attempts = request.passages, state.attempts
    generation = outcome.generation
    text = clean_text(generation.text)
    if text != generation.text:
        generation = replace(generation, text=text)
    begun, stopped = request.begun, generation.finish_reason == "stopped"
    if not stopped:
        state.stopped = state.kept = ""
    if begun:
        begun, generation = finished(begun, generation)
        text = generation.text
    # What is being shown is the answer as it stands.
    answer, rationale = (text.strip(), "") if state.shown else split_rationale(text)
    attempt = make_attempt(
        str(len(attempts) + 1),
        tier,
        state.round if passages else 0,
        bool(passages),
        answer,
        generation.finish_reason,
        reply.cost,
        reply.elapsed_s,
        passage_ids=tuple([passage.id for passage in passages]) if passages else (),
        rationale=rationale,
        tool_calls=generation.tool_calls,
        begun=begun,
        stopped=state.stopped if stopped else "",
        released=state.released if state.shown else "",
    )
    previous = tuple([earlier.text for earlier in attempts]) if attempts else ()
    evidence[attempt.id] = _make_evidence(
        state.question,
        generation,
        passages=passages,
        without_context=_closed_book(attempts, evidence, tier) if passages else None,
        previous_answers=previous,
    )
    state.current = len(attempts)
    attempts.append(attempt)


def _rule_out_small_contexts(plan: Plan, state: RunState, tier: int) -> None:
    """What was too long for a tier is too long for those above that take no more."""
    spec = plan.tiers[tier]
    for other in range(tier + 1, len(plan.tiers)):
        if plan.tiers[other].context <= spec.context:
            words = f"its context is no larger than that of tier {spec.name}, which was too small"
            state.failed.setdefault(other, words)


def _closed_book(
    attempts: list[Attempt], evidence: Mapping[str, Evidence], tier: int
) -> Generation | None:
    """What the same tier answered without passages, where that is known with its tokens."""
    for earlier in attempts:
        if earlier.tier == tier and not earlier.retrieved:
            known = evidence.get(earlier.id)
            return None if known is None else known.greedy
    return None


def _take_query(state: RunState, outcome: Outcome) -> None:
    """What a model proposes to search for; "" where it proposed nothing."""
    state.proposed = ""
    if isinstance(outcome, Failure):
        state.degraded.append(f"query: {outcome.kind}: {outcome.message}")
        return
    assert isinstance(outcome, Asked)
    if outcome.generations:
        state.proposed = query_in(outcome.generations[0].text)


def _take_verdict(
    state: RunState, evidence: dict[str, Evidence], request: Critique, outcome: Outcome
) -> None:
    assert state.current is not None
    if isinstance(outcome, Failure):
        state.no_verdict = f"{outcome.kind}: {outcome.message}"
        state.degraded.append(f"critic: {state.no_verdict}")
        return
    assert isinstance(outcome, Critiqued)
    state.degraded += [words for words in outcome.degraded if words not in state.degraded]
    attempt = state.attempts[state.current]
    evidence[attempt.id] = with_outcome(evidence_of(state, evidence, attempt), request, outcome)


def _take_passages(plan: Plan, state: RunState, request: Retrieve, outcome: Outcome) -> None:
    is_new_query = bool(state.queries) and state.queries[-1] != request.query
    state.queries.append(request.query)
    if isinstance(outcome, Failure):
        state.degraded.append(f"retriever: {outcome.message}")
        state.no_retrieval = f"the retriever failed: {outcome.message}"
        state.phase = "assess"
        return
    assert isinstance(outcome, Retrieved)
    assert plan.retrieval is not None
    state.degraded += [words for words in outcome.degraded if words not in state.degraded]
    found: dict[str, Passage] = {}
    for passage in outcome.passages:
        found.setdefault(passage.id, passage)
    shown = state.rounds_by_id()
    if is_new_query:  # of another query only what is new, and no more than was wanted
        unseen = [passage for id, passage in found.items() if id not in shown]
        found = {passage.id: passage for passage in unseen[: plan.retrieval.k]}
    if plan.retrieval.corrective is not None:
        new = [passage for id, passage in found.items() if id not in shown]
        handled = corrected(request.query, new, plan.retrieval.corrective)
        kept_new = {one.id: one.passage for one in handled if one.passage is not None}
        old = {passage.id: passage for passage in state.passages}  # refined when they were found
        found = {id: kept_new.get(id) or old[id] for id in found if id in kept_new or id in old}
    if found.keys() <= shown.keys():
        state.no_retrieval = "the last search found no new passage"
        if outcome.passages and plan.retrieval.corrective is not None:
            state.no_retrieval += " that is to the point"
        state.phase = "assess"
        return
    kept = [passage for passage in state.passages if passage.id not in found]
    state.round += 1
    state.passages = (*found.values(), *kept)
    state.found_in = tuple([shown.get(one.id, state.round) for one in state.passages])
    state.phase = "draft"


def _take_purchase(
    state: RunState, evidence: dict[str, Evidence], request: Request, reply: Reply
) -> None:
    current, name, outcome = state.current, state.buying, reply.outcome
    assert current is not None and name is not None
    attempt = state.attempts[current]
    if reply.cost != 0.0:
        attempt = with_cost(attempt, name, reply.cost)
    problem = _purchase_problem(request, outcome)
    if problem is None or isinstance(outcome, Sampled):  # too few samples may serve another signal
        known = evidence_of(state, evidence, attempt)
        evidence[attempt.id] = with_outcome(known, request, outcome)
    if problem is not None:
        reading = Unavailable(f"could not be bought: {problem}")
        attempt = assessed(attempt, {**attempt.signals, name: reading}, NOT_ASSESSED)
        state.settled.append(name)
        state.buying = None
    state.attempts[current] = attempt


def _purchase_problem(request: Request, outcome: Outcome) -> str | None:
    """Why what was delivered is not what was bought; without it, asking again could go on."""
    if isinstance(outcome, Failure):
        return f"{outcome.kind}: {outcome.message}"
    if isinstance(outcome, Sampled) and isinstance(request, Sample):
        came = len(outcome.generations)
        return f"{came} of {request.n} samples came back" if came < request.n else None
    if isinstance(outcome, Asked):
        return None if outcome.generations else "no answer came back"
    if isinstance(outcome, Compared) and isinstance(request, Compare):
        wanted = 3 if request.kind == "nli" else 1
        whole = len(outcome.values) == len(request.pairs) and all(
            len(value) == wanted for value in outcome.values
        )
        return None if whole else "the comparison is not whole"
    return None
