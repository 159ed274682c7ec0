"""Runs played by hand, reply by reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from surefoot.policies.threshold import BuyBand, RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.budget import Budget, Forecast
from surefoot.router.decisions import Action, Buy, Choice, Decision, Rung
from surefoot.router.evidence import Evidence, Generation, Passage, Token, Turn
from surefoot.router.loop import Run, open_run, resume_run
from surefoot.router.plan import Plan, RetrievalPlan
from surefoot.router.protocols import Needs, Situation
from surefoot.router.requests import (
    Ask,
    Asked,
    Compare,
    Compared,
    Continue,
    Draft,
    Failure,
    Partial,
    PrefixVerdict,
    Recall,
    Recalled,
    Record,
    Recorded,
    Repeat,
    Reply,
    Request,
    Retrieve,
    Retrieved,
    Sample,
    Sampled,
    Stop,
)
from surefoot.router.signals import Estimate, Reading, Signal, Unavailable
from surefoot.router.testing import FixedEstimator

from .plans import (
    FOUND,
    FRANCE,
    LARGE,
    SMALL,
    FlatSizer,
    attempt_with,
    drafted,
    failed,
    found,
    plan_of,
)


class Scripted:
    """A policy that makes its choices in order; keeps the situations that it saw."""

    def __init__(self, *choices: Choice) -> None:
        self.choices = list(choices)
        self.seen: list[Situation] = []

    def decide(self, situation: Situation) -> Choice:
        """The next choice; an abstention when all are made."""
        self.seen.append(situation)
        return self.choices.pop(0) if self.choices else Decision(Action.ABSTAIN, "script ended")


ANSWER = Decision(Action.ANSWER, "script")
RETRIEVE = Decision(Action.RETRIEVE, "script")
ESCALATE = Decision(Action.ESCALATE, "script")


def opened(plan: Plan, *, budget: Budget | None = None, turns: Sequence[Turn] = ()) -> Run:
    return open_run(plan, FRANCE, run_id="r", budget=budget, turns=turns)


def pending(run: Run) -> Request | None:
    return run.request


def sure_with_passages(evidence: Evidence) -> Reading:
    value = 0.9 if evidence.passages else 0.5
    return Signal("sure", value, value)


# --- the four actions -----------------------------------------------------------------------------


def test_a_sure_draft_is_the_answer() -> None:
    run = opened(plan_of(0.9, certificate="c"))
    # 10 tokens in and at most 20 out, at 1 and 2 a token.
    assert pending(run) == Draft(0, (), Forecast(50.0, 0.0, 1, 30))
    result = run.advance(drafted(" Paris "))
    assert result is run.result and run.result is not None
    assert (run.result.action, run.result.answer) == (Action.ANSWER, "Paris")
    assert (run.result.confidence, run.result.tier, run.result.model) == (0.9, 0, "m-small")
    assert (run.result.cost, run.result.latency_s, run.result.rounds) == (3.0, 1.0, 0)
    assert (run.result.calls, run.result.tokens, run.result.certificate) == (1, 12, "c")
    (step,) = run.result.trail
    assert (step.request, step.outcome, step.action) == ("draft", "Paris", "answer")
    assert step.reason == "small is 0.90 sure (sure, not calibrated), at least the 0.70 asked for"
    assert [(other.action, other.tier) for other in step.alternatives] == [
        (Action.ANSWER, 0),
        (Action.RETRIEVE, None),
        (Action.ESCALATE, 1),
        (Action.ABSTAIN, None),
    ]


def test_an_unsure_draft_is_tried_again_with_passages() -> None:
    run = opened(plan_of(free=(FixedEstimator("sure", sure_with_passages),)))
    run.advance(drafted("Lyon"))
    assert pending(run) == Retrieve(FRANCE, 2, Forecast(0.0, 0.5, rounds=1))
    run.advance(found(*FOUND))
    assert pending(run) == Draft(0, FOUND, Forecast(60.0, 0.0, 1, 40))
    run.advance(drafted("Paris"))
    assert run.result is not None
    assert (run.result.answer, run.result.rounds) == ("Paris", 1)
    assert run.result.passages == FOUND
    assert [attempt.rung for attempt in run.result.attempts] == [(0, 0, False), (0, 1, True)]
    assert run.result.attempts[1].passage_ids == ("p1", "p2")
    assert run.evidence["2"].previous_answers == ("Lyon",)
    assert run.state.spend.rounds == 1


def test_the_next_tier_is_asked_with_the_same_passages() -> None:
    policy = Scripted(RETRIEVE, ESCALATE, ANSWER)
    run = opened(plan_of(policy=policy))
    run.advance(drafted())
    run.advance(found(*FOUND))
    run.advance(drafted())
    assert isinstance(run.request, Draft)
    assert (run.request.tier, run.request.passages) == (1, FOUND)
    run.advance(drafted("Paris!"))
    assert run.result is not None
    assert (run.result.answer, run.result.tier) == ("Paris!", 1)


def test_nothing_sure_and_nothing_left_is_an_abstention_with_the_best_answer() -> None:
    def by_text(evidence: Evidence) -> Reading:
        value = {"Paris": 0.6, "Lyon": 0.4}[evidence.greedy.text]
        return Signal("sure", value, value)

    run = opened(plan_of(retrieval=None, free=(FixedEstimator("sure", by_text),)))
    run.advance(drafted("Paris"))
    run.advance(drafted("Lyon"))
    assert run.result is not None
    assert (run.result.action, run.result.answer, run.result.confidence) == (
        Action.ABSTAIN,
        None,
        None,
    )
    assert run.result.best is not None and run.result.best.text == "Paris"
    assert run.result.reason.startswith("large is 0.40 sure")
    assert run.result.certificate is None


def test_an_older_attempt_can_be_the_answer() -> None:
    policy = Scripted(ESCALATE, Decision(Action.ANSWER, "the first was better", attempt="1"))
    run = opened(plan_of(policy=policy))
    run.advance(drafted("Paris"))
    run.advance(drafted("Lyon"))
    assert run.result is not None
    assert (run.result.answer, run.result.tier) == ("Paris", 0)


# --- what cannot be served ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "finish", "why"),
    [
        ("Par", "length", "the answer was cut at the token limit"),
        ("  ", "stop", "empty answer"),
        ("Par", "stopped", "the answer is not whole (finish reason: stopped)"),
        ("Paris", None, "the answer is not whole (finish reason: unknown)"),
    ],
)
def test_a_draft_that_is_not_whole_is_never_the_answer(
    text: str, finish: str | None, why: str
) -> None:
    run = opened(plan_of(0.99, policy=Scripted(ANSWER)))
    run.advance(drafted(text, finish))  # type: ignore[arg-type]  # one of its literals
    assert run.result is not None
    assert (run.result.action, run.result.answer, run.result.best) == (Action.ABSTAIN, None, None)
    assert run.result.attempts[0].estimate == Unavailable(why)
    assert run.result.degraded == ("policy: there is no whole answer to serve",)


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        (Buy("votes", "b"), "signal 'votes' is not for sale"),
        (RETRIEVE, "retrieving is closed"),
        (Decision(Action.ESCALATE, "up", tier=3), "escalating to tier 3 is closed"),
        (Decision(Action.ANSWER, "a", attempt="7"), "attempt '7' is not a whole answer"),
    ],
)
def test_a_choice_that_is_not_open_ends_in_an_abstention(choice: Choice, why: str) -> None:
    run = opened(plan_of(policy=Scripted(choice), retrieval=None))
    run.advance(drafted())
    assert run.result is not None
    assert run.result.action is Action.ABSTAIN
    assert run.result.reason == f"the policy's choice was not open: {why}"
    assert run.result.trail[-1].reason == run.result.reason


# --- failures -------------------------------------------------------------------------------------


def test_a_tier_that_fails_is_not_asked_again_and_cannot_retrieve() -> None:
    run = opened(plan_of(0.9))
    run.advance(failed("unavailable", calls=1))
    assert isinstance(run.request, Draft) and run.request.tier == 1
    step = run.state.trail[0]
    assert step.outcome == "failed (unavailable): out of order"
    assert [other.why_not for other in step.alternatives if other.action is Action.RETRIEVE] == [
        "the tier failed (unavailable): out of order"
    ]
    run.advance(drafted())
    assert run.result is not None
    assert (run.result.tier, run.result.calls) == (1, 2)
    assert run.result.degraded == ("tier small: unavailable: out of order",)


def test_all_tiers_failing_is_an_abstention() -> None:
    run = opened(plan_of())
    run.advance(failed())
    run.advance(failed("deadline"))
    assert run.result is not None
    assert (run.result.action, run.result.best, run.result.attempts) == (Action.ABSTAIN, None, ())
    assert "the tier failed (deadline)" in run.result.reason


def test_a_retriever_that_fails_leaves_the_other_ways_open() -> None:
    run = opened(plan_of(0.5))
    run.advance(drafted())
    run.advance(failed("upstream"))
    assert isinstance(run.request, Draft) and run.request.tier == 1
    assert run.state.degraded == ["retriever: out of order"]
    assert (run.state.round, run.state.spend.rounds) == (0, 1)


def test_a_search_that_finds_nothing_new_closes_retrieval() -> None:
    run = opened(plan_of(0.5))
    run.advance(drafted())
    run.advance(found(*FOUND))
    run.advance(drafted())
    assert pending(run) == Retrieve(FRANCE, 4, Forecast(0.0, 0.5, rounds=1))
    run.advance(found(FOUND[1]))
    assert isinstance(run.request, Draft) and run.request.tier == 1
    assert run.state.no_retrieval == "the last search found no new passage"
    assert run.state.passages == FOUND


def test_new_passages_come_before_the_old_and_duplicates_go() -> None:
    new = Passage("p3", "Seine", "The Seine flows through Paris.", 3.0)
    run = opened(plan_of(0.5))
    run.advance(drafted())
    run.advance(found(*FOUND))
    run.advance(drafted())
    run.advance(found(new, FOUND[0], new))
    assert isinstance(run.request, Draft)
    assert [passage.id for passage in run.request.passages] == ["p3", "p1", "p2"]


def test_passages_that_do_not_fit_are_no_reason_to_draft_again() -> None:
    tight = replace(SMALL, context=36)  # one passage fits beside 10 tokens in and 20 out
    run = opened(plan_of(0.5, tiers=(tight,)))
    run.advance(drafted())
    run.advance(found(*FOUND))
    assert isinstance(run.request, Draft) and run.request.passages == FOUND[:1]
    run.advance(drafted())
    run.advance(found(FOUND[0], Passage("p3", "", "", 0.1)))
    assert run.result is not None
    assert run.state.no_retrieval == (
        "what was found cannot be used: no new passage fits its context"
    )


def test_no_passage_at_all_fits() -> None:
    run = opened(plan_of(0.5, tiers=(replace(SMALL, context=31),)))
    run.advance(drafted())
    run.advance(found(*FOUND))
    assert run.result is not None
    assert "no new passage fits its context" in run.result.reason


# --- where a run begins ---------------------------------------------------------------------------


def test_a_tier_whose_context_is_short_is_left_out() -> None:
    run = opened(plan_of(tiers=(replace(SMALL, context=29), LARGE)))
    assert isinstance(run.request, Draft) and run.request.tier == 1


def test_a_run_that_no_tier_can_begin() -> None:
    run = opened(plan_of(tiers=(replace(SMALL, context=29), LARGE)), budget=Budget(max_cost=1.0))
    assert run.request is None and run.result is not None
    assert run.result.reason == (
        "no tier can draft: small: its context takes 29 tokens, the question needs 30; "
        "large: would bring the cost to 500 of 1 allowed"
    )
    assert run.result.trail == ()


def test_unknown_prices_turn_the_money_budget_off_visibly() -> None:
    plan = plan_of(tiers=(replace(SMALL, price=None), LARGE), budget=Budget(max_cost=0.0))
    run = opened(plan)
    assert isinstance(run.request, Draft) and run.request.forecast.cost is None
    run.advance(drafted(cost=None))
    assert run.result is not None
    assert run.result.degraded == ("the money budget is off: no price is known for small",)
    assert run.result.attempts[0].cost is None


def test_earlier_turns_are_shown_only_to_a_question_that_leans_on_them() -> None:
    turns = (Turn(FRANCE, "Paris"),)
    assert opened(plan_of(), turns=turns).state.turns == ()
    run = open_run(plan_of(0.5), "And its river?", run_id="r", turns=turns)
    assert run.state.turns == turns
    run.advance(drafted())
    assert isinstance(run.request, Retrieve)
    assert run.request.query == f"{FRANCE} And its river?"


# --- history --------------------------------------------------------------------------------------


def test_a_remembered_run_begins_with_recall_and_ends_with_record() -> None:
    run = opened(plan_of(remember=True, budget=Budget(deadline_s=10.0)))
    assert pending(run) == Recall(FRANCE, timeout_s=10.0)
    run.advance(Reply(Recalled(), elapsed_s=0.25))
    assert isinstance(run.request, Draft) and run.request.timeout_s == 9.75
    run.advance(drafted())
    assert isinstance(run.request, Record)
    assert (run.request.result.answer, run.request.timeout_s) == ("Paris", 8.75)
    assert run.result is None
    run.advance(Reply(Recorded(), elapsed_s=0.5))
    assert run.result is not None
    assert (run.result.answer, run.result.latency_s) == ("Paris", 1.75)
    assert [step.request for step in run.result.trail] == ["recall", "draft", "record"]


def test_a_history_that_fails_costs_nothing_but_memory() -> None:
    run = opened(plan_of(remember=True))
    run.advance(failed("store"))
    run.advance(drafted())
    run.advance(failed("store"))
    assert run.result is not None
    assert run.result.answer == "Paris"
    assert run.result.degraded == ("history: out of order", "history: out of order")


def repeated(**changes: object) -> Reply:
    earlier = attempt_with(**{"id": "3", "tier": 1, "estimate": Estimate(0.8, "sure"), **changes})
    return Reply(Recalled((), Repeat("before", "2026-01-01", earlier)))


def test_an_equal_question_is_answered_from_the_history() -> None:
    run = opened(plan_of(remember=True))
    run.advance(repeated())
    assert isinstance(run.request, Record)
    run.advance(Reply(Recorded()))
    assert run.result is not None
    assert (run.result.answer, run.result.tier, run.result.cost) == ("Paris", 1, 0.0)
    assert (run.result.recognized, run.result.confidence) == (True, 0.8)
    assert run.result.reason == (
        "asked before, on 2026-01-01, and answered under the same fingerprint"
    )
    assert (run.result.trail[0].action, run.result.trail[0].reason) == (
        "answer",
        run.result.reason,
    )


@pytest.mark.parametrize("changes", [{"text": ""}, {"finish_reason": "length"}, {"tier": 2}])
def test_a_repeat_that_cannot_be_served_is_drafted_anew(changes: dict[str, object]) -> None:
    run = opened(plan_of(remember=True))
    run.advance(repeated(**changes))
    assert isinstance(run.request, Draft)
    assert run.state.attempts == []


def test_an_equal_question_that_leans_on_turns_is_drafted_anew() -> None:
    run = open_run(plan_of(remember=True), "And its river?", run_id="r")
    outcome = repeated().outcome
    assert isinstance(outcome, Recalled)
    run.advance(Reply(replace(outcome, turns=(Turn(FRANCE, "Paris"),))))
    assert isinstance(run.request, Draft)


# --- buying ---------------------------------------------------------------------------------------


def buying(needs: Needs, *, value: float = 0.9, **changes: object) -> Plan:
    """Buys `votes` where `sure` (0.5) is in doubt, and goes by `votes` from then on."""
    band = (BuyBand("votes", 0.3, 0.7),)
    rules = tuple(RungRule(tier, 0.7, then=(Action.ESCALATE,), buy=band) for tier in range(2))
    plan = plan_of(
        0.5,
        policy=ThresholdPolicy(rules, ("small", "large")),
        assessor=BareAssessor(("votes", "sure")),
        buyable=(FixedEstimator("votes", value, needs),),
        compare_latency_s=0.25,
    )
    return replace(plan, **changes)  # type: ignore[arg-type]  # fields of a plan


def samples(n: int, text: str = "Paris", cost: float | None = 6.0) -> Reply:
    return Reply(Sampled((Generation(text),) * n), cost, 2.0, n, 36)


def test_a_bought_signal_changes_the_mind() -> None:
    run = opened(buying(Needs(samples=2)))
    run.advance(drafted())
    # Twice 10 tokens in and 20 out.
    assert pending(run) == Sample(0, 2, (), Forecast(100.0, 0.0, 2, 60))
    assert run.state.trail[0].action == "buy"
    assert run.state.trail[0].reason == "0.50 is near the threshold; votes costs at most 100"
    run.advance(samples(2))
    assert run.result is not None
    assert (run.result.action, run.result.confidence) == (Action.ANSWER, 0.9)
    assert run.result.attempts[0].signal_costs == {"votes": 6.0}
    assert (run.result.cost, run.result.calls) == (9.0, 3)
    assert len(run.evidence["1"].samples) == 2


def test_samples_come_before_their_comparison() -> None:
    run = opened(buying(Needs(samples=2, compare="nli")))
    run.advance(drafted("Paris"))
    assert isinstance(run.request, Sample)
    run.advance(samples(2, "Lyon"))
    assert pending(run) == Compare(
        (("Paris", "Lyon"), ("Lyon", "Paris")), "nli", Forecast(latency_s=0.25)
    )
    run.advance(Reply(Compared(((0.9, 0.1, 0.0), (0.8, 0.2, 0.0)))))
    assert run.result is not None and run.result.confidence == 0.9
    same = (0.0, 0.0, 1.0)
    assert run.evidence["1"].nli == (
        (same, (0.9, 0.1, 0.0), (0.9, 0.1, 0.0)),
        ((0.8, 0.2, 0.0), same, same),
        ((0.8, 0.2, 0.0), same, same),
    )


def test_more_samples_make_the_old_comparison_void() -> None:
    plan = plan_of(
        policy=Scripted(Buy("few", "b"), Buy("more", "b"), ANSWER),
        buyable=(
            FixedEstimator("few", 0.5, Needs(samples=1, compare="similarity")),
            FixedEstimator("more", 0.5, Needs(samples=2, compare="similarity")),
        ),
    )
    run = opened(plan)
    run.advance(drafted("Paris"))
    run.advance(samples(1, "Lyon"))
    run.advance(Reply(Compared(((0.25,),))))
    assert isinstance(run.request, Sample) and run.request.n == 1
    run.advance(samples(1, "Nice"))
    assert isinstance(run.request, Compare) and len(run.request.pairs) == 3
    run.advance(Reply(Compared(((0.25,), (0.5,), (0.75,)))))
    assert run.evidence["1"].greedy_similarity == (0.25, 0.5)
    assert run.evidence["1"].sample_similarity == ((1.0, 0.75), (0.75, 1.0))


def test_a_question_about_the_answer() -> None:
    run = opened(buying(Needs(asked="p_true")))
    run.advance(drafted("Paris"))
    # The answer, at most 20 tokens, stands in the prompt.
    assert pending(run) == Ask("p_true", 0, "Paris", (), Forecast(70.0, 0.0, 1, 50))
    run.advance(Reply(Asked((Generation("True"),)), 1.0))
    assert run.evidence["1"].asked == {"p_true": (Generation("True"),)}
    assert run.result is not None and run.result.confidence == 0.9


@pytest.mark.parametrize(
    ("needs", "reply", "why"),
    [
        (Needs(samples=2), failed("malformed"), "malformed: out of order"),
        (Needs(samples=2), samples(1), "1 of 2 samples came back"),
        (Needs(asked="judge"), Reply(Asked(())), "no answer came back"),
        (Needs(compare="nli"), Reply(Compared(((1.0, 0.0, 0.0),))), "the comparison is not whole"),
    ],
)
def test_a_purchase_that_fails_is_not_tried_again(needs: Needs, reply: Reply, why: str) -> None:
    run = opened(buying(needs))
    run.advance(drafted())
    run.advance(reply)
    assert isinstance(run.request, Draft) and run.request.tier == 1
    assert run.state.attempts[0].signals["votes"] == Unavailable(f"could not be bought: {why}")
    fallback = f"votes: could not be bought: {why}"
    assert run.state.attempts[0].estimate == Estimate(0.5, "sure", fallback=fallback)


def test_samples_that_are_too_few_are_kept_for_who_needs_fewer() -> None:
    plan = plan_of(
        policy=Scripted(Buy("votes", "b"), ANSWER),
        buyable=(
            FixedEstimator("votes", 0.5, Needs(samples=3)),
            FixedEstimator("pair", 0.5, Needs(samples=1)),
        ),
    )
    run = opened(plan)
    run.advance(drafted())
    run.advance(samples(2))
    assert run.result is not None
    assert isinstance(run.result.attempts[0].signals["pair"], Signal)
    assert isinstance(run.result.attempts[0].signals["votes"], Unavailable)


def test_an_unknown_price_of_a_signal_stays_unknown() -> None:
    run = opened(buying(Needs(samples=1, asked="judge")))
    run.advance(drafted())
    run.advance(samples(1, cost=None))
    run.advance(Reply(Asked((Generation("yes"),)), 1.0))
    assert run.state.attempts[0].signal_costs == {"votes": None}


def test_two_estimators_of_one_name_do_not_hold_up_a_run() -> None:
    policy = Scripted(Buy("sure", "b"), ANSWER)
    plan = plan_of(policy=policy, buyable=(FixedEstimator("sure", 0.5, Needs(samples=1)),))
    run = opened(plan)
    run.advance(drafted())
    assert isinstance(run.request, Sample)
    run.advance(samples(1))
    assert run.result is not None and run.result.action is Action.ANSWER
    assert run.result.confidence == 0.9
    assert policy.seen[-1].buy == ()


def test_a_purchase_that_overran_its_forecast_is_given_up_half_way() -> None:
    plan = buying(Needs(samples=1, asked="judge"), budget=Budget(max_cost=200.0))
    run = opened(plan)
    run.advance(drafted())
    run.advance(samples(1, cost=190.0))
    assert run.result is not None
    why = "could not be bought: would bring the cost to 263 of 200 allowed"
    assert run.result.attempts[0].signals["votes"] == Unavailable(why)
    assert run.result.trail[-1].signals["votes"] == Unavailable(why)
    assert run.result.action is Action.ABSTAIN


# --- limits ---------------------------------------------------------------------------------------


def test_no_paid_request_follows_a_passed_limit() -> None:
    run = opened(plan_of(0.5), budget=Budget(max_cost=700.0))
    run.advance(drafted(cost=300.0))
    assert isinstance(run.request, Retrieve)
    run.advance(found(*FOUND))
    assert isinstance(run.request, Draft)
    run.advance(drafted(cost=650.0))
    assert run.result is not None
    assert run.result.cost == 950.0
    assert "would bring the cost to 1550 of 700 allowed" in run.result.reason


def test_what_was_found_is_not_drafted_with_where_it_became_too_dear() -> None:
    run = opened(plan_of(0.5, tiers=(SMALL,)), budget=Budget(deadline_s=2.0))
    run.advance(drafted(elapsed_s=1.0))
    run.advance(Reply(Retrieved(FOUND), elapsed_s=1.5))
    assert run.result is not None
    assert run.result.passages == FOUND
    assert "what was found cannot be used: would take until 2.50 s" in run.result.reason


@pytest.mark.parametrize(
    ("steps", "remember", "requests"),
    [
        (1, False, ["draft"]),
        (2, False, ["draft"]),
        (3, False, ["draft", "draft"]),
        (4, False, ["draft", "retrieve", "draft"]),
        (1, True, ["record"]),
        (2, True, ["recall", "record"]),
        (3, True, ["recall", "draft", "record"]),
        (4, True, ["recall", "draft", "draft", "record"]),
        (5, True, ["recall", "draft", "retrieve", "draft", "record"]),
        (6, True, ["recall", "draft", "retrieve", "draft", "draft", "record"]),
    ],
)
def test_steps_are_never_exceeded(steps: int, remember: bool, requests: list[str]) -> None:
    run = opened(plan_of(0.5, remember=remember, budget=Budget(max_steps=steps)))
    replies: dict[type, Reply] = {
        Recall: Reply(Recalled()),
        Draft: drafted(),
        Retrieve: found(*FOUND),
        Record: Reply(Recorded()),
    }
    while run.request is not None:
        run.advance(replies[type(run.request)])
    assert [step.request.split()[0] for step in run.state.trail] == requests
    assert run.result is not None and run.result.action is Action.ABSTAIN


def test_no_step_at_all_is_said_where_a_run_would_be_remembered() -> None:
    run = opened(plan_of(remember=True), budget=Budget(max_steps=0))
    assert run.result is not None
    assert run.result.degraded == ("history: no step was left to record the run",)


def test_limits_that_shrink_between_two_steps_end_the_run() -> None:
    """As where a graph has only a few nodes left to run."""
    run = opened(plan_of(0.5))
    run.advance(drafted())
    run.absorb(found(*FOUND))
    run.state.budget = replace(run.state.budget, max_steps=run.state.steps)
    run.proceed()
    assert run.result is not None
    assert run.state.no_retrieval == "what was found cannot be used: no step is left"
    assert run.result.best is not None


def test_prompts_are_sized_once_a_tier_and_round() -> None:
    sizer = FlatSizer()
    run = opened(plan_of(0.5, sizer=sizer))
    run.advance(drafted())
    assert sizer.asked == 2
    run.advance(found(*FOUND))
    run.advance(drafted())
    assert sizer.asked == 4


# --- the driver's side ----------------------------------------------------------------------------


def test_a_reply_must_belong_to_the_pending_request() -> None:
    run = opened(plan_of())
    with pytest.raises(RuntimeError, match="Retrieved is no reply to Draft"):
        run.advance(found())
    assert (run.state.steps, run.state.spend.elapsed_s) == (0, 0.0)
    run.advance(drafted())
    with pytest.raises(RuntimeError, match="no request is pending"):
        run.advance(drafted())


def test_absorb_and_proceed_can_be_called_apart() -> None:
    run = opened(plan_of())
    run.absorb(drafted())
    assert (run.request, run.result) == (None, None)
    (step,) = run.state.trail
    assert (step.outcome, step.action) == ("Paris", None)
    with pytest.raises(RuntimeError, match="no request is pending"):
        run.absorb(drafted())
    result = run.proceed()
    assert run.proceed() is result
    assert run.state.trail[0].action == "answer"
    assert len(run.state.trail) == 1


def test_proceed_leaves_a_pending_request_alone() -> None:
    run = opened(plan_of(0.5))
    request = run.advance(drafted())
    assert run.proceed() is request
    assert len(run.state.trail) == 1


class Gate:
    """Stops at a word, releases at another, and may break."""

    def __init__(self) -> None:
        self.rungs: list[Rung] = []

    def judge(self, rung: Rung, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
        """A verdict by the last word."""
        self.rungs.append(rung)
        match tokens[-1].token:
            case "um":
                return Stop("hesitates")
            case "surely":
                return Continue(release=True)
            case "boom":
                raise RuntimeError("gate")
            case "none":
                return None  # type: ignore[return-value]  # what a careless gate might do
        return Continue()


def fed(run: Run, word: str) -> PrefixVerdict:
    return run.feed(Partial((Token(word),)))


def test_a_prefix_gate_is_asked_about_the_pending_draft() -> None:
    gate = Gate()
    run = opened(plan_of(0.5, prefix_gate=gate))
    assert fed(run, "um") == Stop("hesitates")
    assert fed(run, "surely") == Continue()  # nobody is shown it
    run.advance(drafted())
    assert fed(run, "um") == Continue()  # a search is pending
    run.advance(found(*FOUND))
    assert fed(run, "Paris") == Continue()
    assert gate.rungs == [(0, 0, False), (0, 0, False), (0, 1, True)]
    assert fed(opened(plan_of()), "um") == Continue()


def test_a_prefix_gate_that_fails_lets_the_draft_go_on_and_is_named() -> None:
    run = opened(plan_of(prefix_gate=Gate()))
    assert [fed(run, word) for word in ("boom", "boom", "none")] == [Continue()] * 3
    run.advance(drafted())
    assert run.result is not None
    assert run.result.degraded == (
        "the prefix gate failed: RuntimeError: gate",
        "the prefix gate returned NoneType, not a verdict",
    )


# --- resuming -------------------------------------------------------------------------------------


def test_a_resumed_run_has_its_time_limit_anew() -> None:
    plan = plan_of(0.5, budget=Budget(deadline_s=10.0))
    run = opened(plan)
    run.advance(drafted(elapsed_s=4.0))
    assert run.request is not None and run.request.timeout_s == 6.0
    same = resume_run(plan, run.freeze())
    assert same.request == run.request
    longer = resume_run(plan, run.freeze(), budget=Budget(deadline_s=30.0))
    assert longer.request is not None and longer.request.timeout_s == 26.0


def test_a_pending_request_that_does_not_fit_new_limits_counts_as_failed() -> None:
    plan = plan_of(0.9)
    frozen = opened(plan).freeze()
    run = resume_run(plan, frozen, budget=Budget(max_cost=10.0))
    assert run.request is None and run.result is not None
    assert run.result.action is Action.ABSTAIN
    assert run.result.trail[0].outcome == (
        "failed (budget): would bring the cost to 50 of 10 allowed"
    )


def test_a_pending_record_is_made_again_from_the_state() -> None:
    plan = plan_of(remember=True, budget=Budget(deadline_s=5.0))
    run = opened(plan)
    run.advance(Reply(Recalled()))
    run.advance(drafted())
    same = resume_run(plan, run.freeze(), run.evidence)
    assert isinstance(same.request, Record)
    assert same.request == run.request


def test_a_run_that_has_ended_is_thawed_as_ended() -> None:
    plan = plan_of()
    run = opened(plan)
    run.advance(drafted())
    assert resume_run(plan, run.freeze()).result == run.result


def test_signals_that_were_read_stay_where_tokens_are_lost() -> None:
    plan = plan_of(0.5)
    run = opened(plan)
    run.advance(drafted())
    run.advance(found(*FOUND))
    run.absorb(drafted("Paris"))
    same = resume_run(plan, run.freeze())
    same.proceed()
    evidence = same.evidence["2"]
    assert (evidence.greedy, evidence.passages) == (Generation("Paris"), FOUND)
    assert evidence.previous_answers == ("Paris",)
    assert same.state.attempts[0].signals == run.state.attempts[0].signals


def test_an_attempt_older_than_the_last_search_keeps_its_own_passages() -> None:
    """What it saw is then no prefix of what was found last."""
    big = Passage("p9", "", "", 9.0)
    plan = plan_of(
        policy=Scripted(RETRIEVE, RETRIEVE, Buy("votes", "b")),
        buyable=(FixedEstimator("votes", 0.5, Needs(samples=1)),),
        retrieval=RetrievalPlan(k=1),
        tiers=(SMALL,),
        budget=Budget(deadline_s=9.0),
    )
    run = opened(plan)
    run.advance(drafted())
    run.advance(found(FOUND[0]))
    run.advance(drafted())
    run.plan.sizer.prompt_tokens = lambda *_: 99  # type: ignore[method-assign]  # too long now
    run.advance(found(big))
    assert isinstance(run.request, Sample)
    assert run.request.passages == FOUND[:1]
    assert resume_run(plan, run.freeze(), run.evidence).request == run.request


def test_a_retrieval_tells_the_policy_what_it_costs_with_its_draft() -> None:
    policy = Scripted()
    run = opened(plan_of(policy=policy))
    run.advance(drafted())
    # 10 tokens and 2 passages of 5 in, 20 out, at 1 and 2 a token.
    assert policy.seen[0].retrieve == Forecast(60.0, 0.5, 1, 40, 1)
    assert policy.seen[0].escalate == ((1, Forecast(500.0, 0.0, 1, 30)),)


def test_a_failure_is_a_reply_to_anything() -> None:
    run = opened(plan_of())
    run.advance(Reply(Failure("refused", "no key")))
    assert isinstance(run.request, Draft) and run.request.tier == 1
