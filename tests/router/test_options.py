"""What is open to a policy, and why the rest is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from surefoot.router.budget import Budget, Forecast
from surefoot.router.decisions import Action, Alternative, Rung
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.forecasts import Outlook
from surefoot.router.options import situation_of, steps_left
from surefoot.router.plan import Plan
from surefoot.router.protocols import BuyOption, Needs, Situation
from surefoot.router.signals import Estimate, Unavailable
from surefoot.router.state import RunState
from surefoot.router.testing import FixedEstimator

from .plans import FRANCE, LARGE, SMALL, attempt_with, plan_of

EVIDENCE = Evidence(FRANCE, Generation("Paris"))
VOTES = FixedEstimator("votes", 0.5, Needs(samples=2))
OUT_OF_STEPS = "the run has used all its steps"


def seen(plan: Plan, budget: Budget | None = None, **changes: Any) -> Situation:
    """The situation after one whole attempt by the first tier."""
    attempt = attempt_with(estimate=Estimate(0.5, "sure"))
    state = RunState("r", FRANCE, budget or Budget(), attempts=[attempt], current=0, steps=1)
    for name, value in changes.items():
        setattr(state, name, value)
    return situation_of(Outlook(plan, state), attempt, EVIDENCE)


def test_everything_is_open_at_first() -> None:
    situation = seen(plan_of(buyable=(VOTES,)))
    assert situation.rung == (0, 0, False)
    assert situation.can_answer and situation.best is situation.attempt
    assert situation.retrieve == Forecast(60.0, 0.5, 1, 40, 1)
    assert situation.escalate == ((1, Forecast(500.0, 0.0, 1, 30)),)
    assert situation.buy == (BuyOption("votes", Forecast(100.0, 0.0, 2, 60)),)
    assert situation.closed == ()


def test_what_the_budget_refuses_is_closed_with_its_price() -> None:
    situation = seen(plan_of(buyable=(VOTES,)), Budget(max_cost=59.0))
    assert (situation.retrieve, situation.escalate, situation.buy) == (None, (), ())
    assert situation.closed == (
        Alternative(Action.RETRIEVE, None, 60.0, 0.5, "would bring the cost to 60 of 59 allowed"),
        Alternative(Action.ESCALATE, 1, 500.0, 0.0, "would bring the cost to 500 of 59 allowed"),
    )


def test_failed_tiers_and_short_contexts_are_closed() -> None:
    plan = plan_of(tiers=(SMALL, LARGE, replace(LARGE, context=29)), retrieval=None)
    situation = seen(plan, failed={1: "the tier failed"})
    assert [(other.tier, other.why_not) for other in situation.closed] == [
        (1, "the tier failed"),
        (2, "its context takes 29 tokens, the question needs 30"),
    ]


def test_only_tiers_above_are_open() -> None:
    assert seen(plan_of(), tier=1).escalate == ()


def test_why_retrieving_is_closed() -> None:
    assert seen(plan_of(retrieval=None)).closed == ()
    (closed,) = seen(plan_of(), no_retrieval="nothing new").closed
    assert (closed.action, closed.why_not) == (Action.RETRIEVE, "nothing new")


def test_settled_signals_are_not_offered_again() -> None:
    assert seen(plan_of(buyable=(VOTES,)), settled=["votes"]).buy == ()


def test_the_last_steps_close_everything() -> None:
    plan = plan_of(buyable=(VOTES,))
    two = seen(plan, Budget(max_steps=3))
    assert (two.retrieve, len(two.escalate), len(two.buy)) == (None, 1, 1)
    assert [other.why_not for other in two.closed] == [OUT_OF_STEPS]
    none = seen(plan, Budget(max_steps=2))
    assert (none.retrieve, none.escalate, none.buy) == (None, (), ())
    assert [other.why_not for other in none.closed] == [OUT_OF_STEPS] * 2
    assert none.can_answer


def test_one_step_is_kept_for_the_record() -> None:
    assert steps_left(RunState("r", FRANCE, Budget(max_steps=5), steps=3)) == 1


def test_a_failed_tier_has_no_attempt_and_sells_nothing() -> None:
    state = RunState("r", FRANCE, Budget(), failed={0: "the tier failed"}, steps=1)
    situation = situation_of(Outlook(plan_of(buyable=(VOTES,)), state), None, None)
    assert situation.rung == Rung(0, 0, False)
    assert situation.estimate == Unavailable("the tier failed")
    assert (situation.can_answer, situation.buy, situation.best) == (False, (), None)
    assert situation.closed[0].why_not == "the tier failed"


def test_an_attempt_that_is_not_whole_cannot_be_the_answer() -> None:
    attempt = attempt_with(finish_reason="length", estimate=Unavailable("cut"))
    state = RunState("r", FRANCE, Budget(), attempts=[attempt], current=0)
    situation = situation_of(Outlook(plan_of(), state), attempt, EVIDENCE)
    assert (situation.can_answer, situation.best) == (False, None)
