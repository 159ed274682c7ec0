"""The trail in words."""

from __future__ import annotations

import pytest

from surefoot.router.budget import Budget, Forecast, Spend
from surefoot.router.decisions import Action, Alternative, Buy, Comparison, Decision, TrailStep
from surefoot.router.evidence import CriticVerdict, FinishReason, Generation, Passage, Turn
from surefoot.router.protocols import Situation
from surefoot.router.requests import (
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
    Recorded,
    Repeat,
    Reply,
    Request,
    Retrieve,
    Retrieved,
    Sample,
    Sampled,
)
from surefoot.router.signals import Estimate, Signal, Unavailable
from surefoot.router.trail import (
    alternatives,
    closed_step,
    decided_step,
    describe_outcome,
    describe_request,
    opened_step,
    plural,
)

from .plans import FOUND, attempt_with

ONE = (Generation("a"),)


def test_plurals() -> None:
    assert [plural(n, "passage") for n in (0, 1, 2)] == ["0 passages", "1 passage", "2 passages"]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Draft(0), "draft"),
        (Draft(0, FOUND), "draft from 2 passages"),
        (Draft(0, FOUND[:1]), "draft from 1 passage"),
        (Sample(1, 5), "sample x5"),
        (Ask("p_true", 0, "Paris"), "ask p_true"),
        (Compare((("a", "b"),), "nli"), "compare 1 pair (nli)"),
        (Retrieve("the  question\n", 3), "retrieve 3 for: the question"),
        (Retrieve("q" * 200, 3), "retrieve 3 for: " + "q" * 119 + "…"),
        (Critique("Paris"), "critique"),
        (Recall("q"), "recall"),
    ],
)
def test_requests_in_words(request_: Request, words: str) -> None:
    assert describe_request(request_) == words


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Drafted(Generation("Paris\nis it")), "Paris is it"),
        (Drafted(Generation(" \n ")), "an empty answer"),
        (Drafted(Generation("", (), "length")), "an empty answer"),
        (Sampled(ONE * 3), "3 answers"),
        (Asked(ONE), "1 answer"),
        (Compared(((0.5,), (0.25,))), "2 comparisons"),
        (Retrieved(()), "0 passages"),
        (Retrieved(FOUND), "2 passages: France, Lyon"),
        (Retrieved((*FOUND, *FOUND)), "4 passages: France, Lyon, France"),
        (Retrieved((Passage("1", "", "x", 1.0),)), "1 passage"),
        (Critiqued(CriticVerdict(None, 0.256)), "p(sufficient) = 0.26"),
        (Recalled((Turn("q", "a"),)), "1 earlier turn"),
        (Recalled((), Repeat("r", "t", attempt_with())), "0 earlier turns; asked before"),
        (Recorded(), "kept"),
        (Failure("deadline", "too late"), "failed (deadline): too late"),
    ],
)
def test_outcomes_in_words(outcome: Outcome, words: str) -> None:
    assert describe_outcome(outcome) == words


@pytest.mark.parametrize(
    ("finish", "words"),
    [("length", "Par [length]"), ("stopped", "Par [stopped]"), (None, "Par [unknown end]")],
)
def test_a_draft_that_is_not_whole_says_how_it_ended(finish: FinishReason, words: str) -> None:
    assert describe_outcome(Drafted(Generation("Par", (), finish))) == words


def situation(**changes: object) -> Situation:
    fields = {
        "attempt": attempt_with(signals={"s": Signal("s", 0.5, 0.5)}),
        "estimate": Estimate(0.5, "s"),
        "can_answer": True,
        "retrieve": Forecast(1.0, 0.5),
        "escalate": ((1, Forecast(None, 2.0)), (2, Forecast(9.0, 3.0))),
        "closed": (Alternative(Action.ESCALATE, 3, 9.0, 1.0, "too dear"),),
    } | changes
    attempt = attempt_with()
    return Situation(attempt.rung, best=attempt, buy=(), spend=Spend(), budget=Budget(), **fields)  # type: ignore[arg-type]  # fields of a situation


def test_all_alternatives_with_their_prices() -> None:
    assert alternatives(situation()) == (
        Alternative(Action.ANSWER, 0, 0.0, 0.0),
        Alternative(Action.RETRIEVE, None, 1.0, 0.5),
        Alternative(Action.ESCALATE, 1, None, 2.0),
        Alternative(Action.ESCALATE, 2, 9.0, 3.0),
        Alternative(Action.ABSTAIN, None, 0.0, 0.0),
        Alternative(Action.ESCALATE, 3, 9.0, 1.0, "too dear"),
    )


def test_abstaining_is_always_open() -> None:
    nothing = situation(can_answer=False, retrieve=None, escalate=(), closed=())
    assert alternatives(nothing) == (Alternative(Action.ABSTAIN, None, 0.0, 0.0),)


def test_a_step_before_and_after_its_decision() -> None:
    step = opened_step(4, Draft(2), Reply(Drafted(Generation("Paris")), 3.0, 0.5))
    plain = closed_step(step, None)
    assert plain == TrailStep(4, "draft", 2, "Paris", cost=3.0, elapsed_s=0.5)
    choice = Decision(Action.ESCALATE, "unsure", (Comparison("s", 0.5, "<", 0.7),))
    decided = decided_step(plain, choice, situation())
    assert decided == decided_step(step, choice, situation())
    assert decided == TrailStep(
        4,
        "draft",
        2,
        "Paris",
        {"s": Signal("s", 0.5, 0.5)},
        Estimate(0.5, "s"),
        choice.compared,
        alternatives(situation()),
        "escalate",
        "unsure",
        3.0,
        0.5,
    )
    assert type(decided.action) is str


def test_a_purchase_is_called_buy() -> None:
    step = opened_step(1, Retrieve("q", 1), Reply(Retrieved(())))
    assert step.tier is None
    assert decided_step(step, Buy("votes", "near"), situation()).action == "buy"


def test_where_a_tier_failed_its_estimate_says_so() -> None:
    step = opened_step(1, Draft(0), Reply(Failure("deadline", "late")))
    failed = situation(attempt=None, estimate=Unavailable("the tier failed"))
    decided = decided_step(step, Decision(Action.ABSTAIN, "over"), failed)
    assert (decided.signals, decided.estimate) == ({}, Unavailable("the tier failed"))


def test_a_choice_that_no_policy_made() -> None:
    step = opened_step(1, Recall("q"), Reply(Recalled()))
    closed = closed_step(step, Decision(Action.ANSWER, "asked before"), Estimate(0.8, "s"))
    assert (closed.action, closed.reason) == ("answer", "asked before")
    assert (closed.estimate, closed.alternatives) == (Estimate(0.8, "s"), ())
