"""What it takes to search: the question put to a model first, and then the search itself."""

from __future__ import annotations

from .budget import Forecast
from .conversation import search_query
from .decisions import Attempt
from .evidence import Evidence, Refusal
from .forecasts import Outlook, call_forecast, retrieval_forecast
from .making import maker
from .options import steps_left
from .queries import first_new, query_fingerprint, rationale_query
from .requests import FOLLOW_UP_QUERY, STANDALONE_QUESTION, Ask, Retrieve

__all__ = ["query_question", "refusal_of", "search_request"]

_make_forecast = maker(Forecast)
_make_retrieve = maker(Retrieve)

_QUERY_TOKENS = 400
_STEPS_TO_DRAFT = 3  # the question, the search and the draft from what it finds


def query_question(
    outlook: Outlook, evidence: Evidence | None, timeout_s: float | None
) -> Ask | None:
    """What a model is asked before a search: for the next query after an answer was refused, or
    for a question that stands alone. None where nobody need or can be asked."""
    plan, state = outlook.plan, outlook.state
    assert plan.retrieval is not None
    if plan.retrieval.queries != "model" or state.proposed is not None:
        return None
    if state.queries:
        kind = FOLLOW_UP_QUERY
    elif state.turns:
        kind = STANDALONE_QUESTION
    else:
        return None
    attempt = None if state.current is None else state.attempts[state.current]
    passages = () if evidence is None else evidence.passages
    # Rewriting is the easier task: the cheapest tier that works will do.
    tier = state.tier
    if kind == STANDALONE_QUESTION:
        tier = next(one for one in range(len(plan.tiers)) if one not in state.failed)
    spec, drafting = plan.tiers[tier], plan.tiers[state.tier]
    tokens = min(outlook.tokens(tier, passages) + _QUERY_TOKENS, spec.context)
    ahead = call_forecast(spec, tokens)
    in_all = ahead + retrieval_forecast(plan.retrieval, drafting, tokens)
    if state.budget.refusal(state.spend, in_all) is not None or steps_left(state) < _STEPS_TO_DRAFT:
        return None
    verdict = None if evidence is None else evidence.critique
    return Ask(
        kind,
        tier,
        "" if attempt is None else attempt.text,
        passages,
        ahead,
        timeout_s,
        None if verdict is None else verdict.gap,
        tuple(state.queries),
    )


def search_request(
    outlook: Outlook, attempt: Attempt | None, timeout_s: float | None
) -> Retrieve | str:
    """The search, or why none is worth making: all that could be searched for was.

    The first query is the question (as a model made it stand alone, or with the question before
    it). Later ones are what a model proposed, the last sentence of the rationale, and the question.
    """
    plan, state = outlook.plan, outlook.state
    assert plan.retrieval is not None
    retrieval, base = plan.retrieval, search_query(state.question, state.turns)
    shown = len(state.passages)
    if retrieval.queries == "question":
        query: str | None = base  # of the same query the hits that come next
        k = retrieval.k * (state.round + 1)
    else:
        reasons = attempt.rationale if attempt is not None and state.queries else ""
        proposed = state.proposed or ""
        if state.turns and not state.queries and not _stands_alone(proposed, state.question):
            proposed = ""
        query = first_new((proposed, rationale_query(reasons), base), state.queries)
        k = retrieval.k + shown
    state.proposed = None
    if query is None:
        return "all that came to mind was searched for before"
    ahead = _make_forecast(0.0, retrieval.latency_s, 0, 0, 1)
    return _make_retrieve(query, k, ahead, timeout_s)


def _stands_alone(proposed: str, question: str) -> bool:
    """Whether a rewriting says more than the question did; a shorter one has lost something."""
    new, old = query_fingerprint(proposed), query_fingerprint(question)
    return new != old and len(new) >= len(old)


def refusal_of(outlook: Outlook, evidence: dict[str, Evidence]) -> Refusal | None:
    """What the next draft from passages is told of the last one: that the critic refused it."""
    state = outlook.state
    attempt = None if state.current is None else state.attempts[state.current]
    known = None if attempt is None else evidence.get(attempt.id)
    if attempt is None or known is None or known.critique is None or not attempt.is_complete:
        return None
    return Refusal(attempt.text, known.critique.gap)
