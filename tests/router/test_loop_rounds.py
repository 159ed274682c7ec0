"""Several rounds of retrieval, played by hand: critic, next query, new passages, and the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from surefoot.router.assessing import BareAssessor
from surefoot.router.budget import Budget
from surefoot.router.critic.corrective import Corrective
from surefoot.router.decisions import Action, Rung
from surefoot.router.evidence import CriticVerdict, Evidence, Generation, Passage, Refusal, Turn
from surefoot.router.loop import Run, open_run, resume_run
from surefoot.router.plan import Plan, RetrievalPlan
from surefoot.router.protocols import Needs
from surefoot.router.requests import (
    FOLLOW_UP_QUERY,
    STANDALONE_QUESTION,
    Ask,
    Asked,
    Critique,
    Critiqued,
    Draft,
    Reply,
    Retrieve,
)
from surefoot.router.signals import Reading, Signal, Unavailable
from surefoot.router.testing import FixedEstimator

from .plans import FOUND, FRANCE, SMALL, drafted, failed, found, plan_of

RIVER = Passage("p3", "Seine", "The Seine flows through Paris, the capital of France.", 3.0)


def accept_of(evidence: Evidence) -> Reading:
    verdict = evidence.critique
    if verdict is None or verdict.p_accept is None:
        return Unavailable("no verdict")
    return Signal("accept", verdict.p_accept, verdict.p_accept)


def rounds_plan(**changes: Any) -> Plan:
    """One tier before the critic, which alone says how sure it is; a model proposes queries."""
    retrieval = RetrievalPlan(k=2, passage_tokens=5, queries=changes.pop("queries", "model"))
    settings = {
        name: changes.pop(name) for name in ("stop_unchanged", "corrective") if name in changes
    }
    parts: dict[str, Any] = {
        "tiers": (SMALL,),
        "assessor": BareAssessor(("accept",)),
        "free": (FixedEstimator("accept", accept_of, needs=Needs(critique=True)),),
        "critiques": True,
        "retrieval": replace(retrieval, **settings),
    }
    return plan_of(**parts | changes)


def judged(p: float, gap: str | None = None) -> Reply:
    return Reply(Critiqued(CriticVerdict(p, 0.5, gap)))


def proposed(text: str) -> Reply:
    return Reply(Asked((Generation(text),)), cost=1.0, calls=1)


def opened(plan: Plan, *, turns: Sequence[Turn] = (), question: str = FRANCE) -> Run:
    return open_run(plan, question, run_id="r", turns=turns)


def refused_with_passages(plan: Plan, answer: str = "Lyon", gap: str | None = None) -> Run:
    """A run whose answer from the first search was just refused; what it wants next is pending."""
    run = opened(plan)
    for reply in (drafted("Nice"), judged(0.2), found(*FOUND), drafted(answer), judged(0.3, gap)):
        run.advance(reply)
    return run


def test_draft_critic_and_only_on_refusal_a_query_and_a_search() -> None:
    run = opened(rounds_plan())
    run.advance(drafted("Nice"))
    request = run.request
    assert isinstance(request, Critique)
    assert (request.answer, request.round, request.passages) == ("Nice", 0, ())
    run.advance(judged(0.2))
    assert (
        isinstance(run.request, Retrieve) and run.request.query == FRANCE
    )  # no model is asked yet
    run.advance(found(*FOUND))
    run.advance(drafted("Lyon"))
    request = run.request
    assert isinstance(request, Critique)
    assert (request.round, request.queries, request.found_in) == (1, (FRANCE,), (1, 1))
    assert request.previous_answers == ("Nice",)
    run.advance(judged(0.3, "the capital"))
    request = run.request
    assert isinstance(request, Ask)
    assert (request.kind, request.answer, request.gap) == (FOLLOW_UP_QUERY, "Lyon", "the capital")
    assert (request.passages, request.queries) == (FOUND, (FRANCE,))
    run.advance(proposed('{"query": "capital of France river"}'))
    request = run.request
    assert isinstance(request, Retrieve)
    assert (request.query, request.k) == ("capital of France river", 4)  # two may be known already
    run.advance(found(FOUND[0], RIVER))
    request = run.request
    assert isinstance(request, Draft)
    assert request.passages == (RIVER, *FOUND)  # what is new comes first
    assert request.refused == Refusal("Lyon", "the capital")
    run.advance(drafted("Paris"))
    assert isinstance(run.request, Critique) and run.request.found_in == (2, 1, 1)
    run.advance(judged(0.9))
    result = run.result
    assert result is not None and (result.action, result.answer) == (Action.ANSWER, "Paris")
    assert [step.request for step in result.trail] == [
        "draft",
        "critique",
        f"retrieve 2 for: {FRANCE}",
        "draft from 2 passages",
        "critique",
        "ask follow_up_query",
        "retrieve 4 for: capital of France river",
        "draft from 3 passages",
        "critique",
    ]
    assert (result.rounds, result.calls) == (2, 4)


def test_of_another_query_only_the_new_passages_count_and_no_more_than_were_wanted() -> None:
    run = refused_with_passages(rounds_plan())
    run.advance(proposed("rivers"))
    more = [replace(RIVER, id=f"n{i}") for i in range(3)]
    run.advance(found(FOUND[1], *more))
    assert isinstance(run.request, Draft)
    assert [passage.id for passage in run.request.passages] == ["n0", "n1", "p1", "p2"]


@pytest.mark.parametrize("reply", [failed(), proposed(""), proposed("The FRANCE, capital?")])
def test_without_a_new_query_nothing_is_searched_for_twice(reply: Reply) -> None:
    run = refused_with_passages(rounds_plan())
    run.advance(reply)
    result = run.result
    assert result is not None and (result.action, result.rounds) == (Action.ABSTAIN, 1)
    assert result.reason.endswith("(retrieve: all that came to mind was searched for before)")


def test_the_last_sentence_of_the_rationale_stands_in_for_a_query() -> None:
    reasoned = "Answer: Lyon\nRationale: France has a capital. It lies on the river Seine."
    run = refused_with_passages(rounds_plan(), reasoned)
    assert run.state.attempts[-1].text == "Lyon"
    run.advance(failed())
    assert isinstance(run.request, Retrieve)
    assert run.request.query == "It lies on the river Seine."
    assert run.state.degraded == ["query: unavailable: out of order"]


def test_no_model_is_asked_where_the_rationale_is_the_source() -> None:
    reasoned = "Answer: Lyon\nRationale: It lies on the river Seine."
    run = refused_with_passages(rounds_plan(queries="rationale"), reasoned)
    assert isinstance(run.request, Retrieve)
    assert run.request.query == "It lies on the river Seine."


def test_more_of_the_same_where_the_question_is_the_only_query() -> None:
    run = refused_with_passages(rounds_plan(queries="question"))
    assert isinstance(run.request, Retrieve)
    assert (run.request.query, run.request.k) == (FRANCE, 4)
    run.advance(found(RIVER, *FOUND))
    assert isinstance(run.request, Draft)
    assert run.request.passages == (RIVER, *FOUND)


def test_a_follow_up_question_is_made_to_stand_alone_before_it_is_searched() -> None:
    turns = (Turn(FRANCE, "Paris"),)
    run = opened(rounds_plan(), turns=turns, question="And its river?")
    for reply in (drafted("Rhone"), judged(0.1)):
        run.advance(reply)
    assert isinstance(run.request, Ask) and run.request.kind == STANDALONE_QUESTION
    run.advance(proposed("Question: Which river flows through Paris?"))
    assert isinstance(run.request, Retrieve)
    assert run.request.query == "Which river flows through Paris?"


@pytest.mark.parametrize("reply", [failed(), proposed("And its RIVER?")])
def test_a_model_that_cannot_rewrite_leaves_both_questions(reply: Reply) -> None:
    run = opened(rounds_plan(), turns=(Turn(FRANCE, "Paris"),), question="And its river?")
    for one in (drafted("Rhone"), judged(0.1), reply):
        run.advance(one)
    assert isinstance(run.request, Retrieve)
    assert run.request.query == f"{FRANCE} And its river?"


def test_the_same_answer_and_no_surer_ends_the_search() -> None:
    run = refused_with_passages(rounds_plan(stop_unchanged=True), "nice.")
    assert isinstance(run.request, Ask)  # surer than before: .3 after .2
    run = opened(rounds_plan(stop_unchanged=True))
    for reply in (drafted("Nice"), judged(0.3), found(*FOUND), drafted("nice."), judged(0.3)):
        run.advance(reply)
    assert run.result is not None and run.result.action is Action.ABSTAIN
    assert "retrieve: the answer stayed the same, and no surer" in run.result.reason


def test_a_missing_verdict_is_never_an_acceptance() -> None:
    sure = FixedEstimator("accept", 0.99)  # another signal that would let anything through
    run = opened(rounds_plan(free=(sure,), retrieval=None))
    run.advance(drafted("Nice"))
    run.advance(failed("unavailable"))
    result = run.result
    assert result is not None and result.action is Action.ABSTAIN
    assert result.degraded == ("critic: unavailable: out of order",)
    estimate = result.attempts[0].estimate
    assert estimate == Unavailable("the critic could not judge it: unavailable: out of order")


def test_the_critic_is_asked_once_a_draft_and_never_about_half_an_answer() -> None:
    run = opened(rounds_plan(retrieval=None))
    run.advance(drafted("Ni", "length"))
    assert run.result is not None and run.result.action is Action.ABSTAIN


def test_a_critic_that_the_budget_has_no_step_for_is_missing() -> None:
    run = open_run(rounds_plan(), FRANCE, run_id="r", budget=Budget(max_steps=2))
    run.advance(drafted("Nice"))
    assert run.result is not None and run.result.action is Action.ABSTAIN
    assert run.state.no_verdict == "no step is left"


def test_a_query_is_asked_for_only_where_search_and_draft_are_affordable_too() -> None:
    plan = rounds_plan(budget=Budget(max_calls=3))
    run = refused_with_passages(plan)  # two drafts were made; one call is left
    assert run.result is not None and run.result.action is Action.ABSTAIN
    plan = rounds_plan(queries="rationale", budget=Budget(max_calls=3))
    run = refused_with_passages(plan, "Answer: Lyon\nReasons: The Seine.")
    assert isinstance(run.request, Retrieve)


def test_corrective_retrieval_keeps_what_is_to_the_point() -> None:
    beside = Passage("x", "Bread", "Flour and water.", 9.0)
    partly = Passage("y", "Paris", "Bread is eaten. Paris is a capital. Flour is milled.", 1.0)
    run = opened(rounds_plan(corrective=Corrective(accept=0.9, discard=0.2)))
    for reply in (drafted("Nice"), judged(0.1), found(beside, FOUND[0], partly)):
        run.advance(reply)
    assert isinstance(run.request, Draft)
    assert run.request.passages == (FOUND[0], replace(partly, text="Paris is a capital."))


def test_a_search_that_found_nothing_to_the_point_is_one_that_found_nothing() -> None:
    beside = Passage("x", "Bread", "Flour and water.", 9.0)
    run = opened(rounds_plan(corrective=Corrective(accept=0.9, discard=0.2)))
    for reply in (drafted("Nice"), judged(0.1), found(beside)):
        run.advance(reply)
    assert run.result is not None and run.result.action is Action.ABSTAIN
    assert "found no new passage that is to the point" in run.result.reason


def test_the_answer_without_passages_stays_beside_the_one_with_them() -> None:
    run = refused_with_passages(rounds_plan())
    latest = run.evidence[run.state.attempts[-1].id]
    assert latest.without_context is not None and latest.without_context.text == "Nice"


@pytest.mark.parametrize("stop", range(1, 9))
def test_a_run_that_was_frozen_anywhere_ends_alike(stop: int) -> None:
    replies = [
        drafted("Nice"),
        judged(0.2),
        found(*FOUND),
        drafted("Lyon"),
        judged(0.3),
        proposed("rivers"),
        found(RIVER),
        drafted("Paris"),
        judged(0.9),
    ]
    whole = opened(rounds_plan())
    broken = opened(rounds_plan())
    for number, reply in enumerate(replies, start=1):
        whole.advance(reply)
        broken.advance(reply)
        if number == stop:
            broken = resume_run(rounds_plan(), broken.freeze(), broken.evidence)
            assert broken.request == whole.request
    assert broken.result == whole.result
    assert whole.result is not None
    assert whole.result.attempts[-1].rung == Rung(0, 2, True)
