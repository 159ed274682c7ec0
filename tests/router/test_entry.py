"""Before the first draft: a prior judges the question, an entry policy chooses the tier."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.router.budget import Budget, Forecast
from surefoot.router.decisions import Action, Comparison, Entry, Result
from surefoot.router.evidence import Turn
from surefoot.router.guards import enter_safely, prior_safely
from surefoot.router.loop import Run, open_run, resume_run
from surefoot.router.plan import Plan, TierPlan
from surefoot.router.protocols import Opening, Situation
from surefoot.router.requests import (
    Draft,
    Failure,
    Recall,
    Recalled,
    Record,
    Recorded,
    Repeat,
    Reply,
)
from surefoot.router.wire import encode

from .loop_worlds import World, worlds
from .plans import FRANCE, LARGE, SMALL, attempt_with, drafted, failed, plan_of

HUGE = TierPlan("huge", "m-huge", context=400, max_output=20, price=LARGE.price)
THREE = (SMALL, LARGE, HUGE)


@dataclass
class Says:
    """A prior that says what it was told to, and counts how often it was asked."""

    answer: Any
    asked: list[str] = field(default_factory=list)

    def probabilities(self, question: str) -> Sequence[float]:
        """The same for every question; an error where it was told one."""
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]  # whatever it was told


@dataclass
class Enters:
    """An entry policy that does what it was told to, and keeps what it was shown."""

    answer: Any
    seen: list[Opening] = field(default_factory=list)

    def enter(self, opening: Opening) -> Entry:
        """At the tier, or whatever it was told."""
        self.seen.append(opening)
        if isinstance(self.answer, Exception):
            raise self.answer
        return Entry(self.answer, "told to") if isinstance(self.answer, int) else self.answer


def opened(plan: Plan, **more: Any) -> Run:
    return open_run(plan, FRANCE, run_id="r", **more)


def first_draft(run: Run) -> int:
    assert isinstance(run.request, Draft)
    return run.request.tier


def ended(run: Run) -> Result:
    assert run.result is not None
    return run.result


# --- the choice ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", [0, 1, 2])
def test_the_entry_policy_chooses_the_tier_that_drafts_first(tier: int) -> None:
    run = opened(plan_of(tiers=THREE, entry=Enters(tier)))

    assert first_draft(run) == tier
    result = run.advance(drafted("Paris"))
    assert isinstance(result, Result)
    assert (result.action, result.tier, len(result.attempts)) == (Action.ANSWER, tier, 1)
    assert result.degraded == ()


def test_it_is_shown_the_question_the_prior_and_what_each_tier_would_use() -> None:
    prior, entry = Says([0.25, 0.5]), Enters(0)
    opened(plan_of(prior=prior, entry=entry))

    assert prior.asked == [FRANCE]
    # 10 tokens in and at most 20 out, at 1 and 2 (10 and 20) a token.
    tiers = ((0, Forecast(50.0, 0.0, 1, 30)), (1, Forecast(500.0, 0.0, 1, 30)))
    assert entry.seen == [Opening("r", FRANCE, (0.25, 0.5), tiers)]


def test_the_trail_tells_of_it_before_the_draft() -> None:
    compared = (Comparison("value of small", 0.2, "<=", 0.4),)
    entry = Enters(Entry(1, "large is worth more", compared))
    run = opened(plan_of(prior=Says((0.25, 0.5)), entry=entry))
    run.advance(drafted("Paris"))

    entered, draft = ended(run).trail
    assert (entered.step, entered.request, entered.tier) == (1, "enter", 1)
    assert entered.outcome == "P(right) by tier before any draft: 0.25 0.50"
    assert (entered.reason, entered.compared, entered.action) == (
        "large is worth more",
        compared,
        None,
    )
    assert (entered.cost, entered.elapsed_s, entered.estimate) == (0.0, 0.0, None)
    assert (draft.step, draft.request, draft.tier, draft.action) == (2, "draft", 1, "answer")


def test_choosing_costs_no_step_call_or_round() -> None:
    run = opened(plan_of(entry=Enters(1)), budget=Budget(max_steps=1, max_calls=1))

    assert run.state.steps == 0
    run.advance(drafted())
    assert (ended(run).action, run.state.steps, run.state.spend.calls) == (Action.ANSWER, 1, 1)


def test_without_an_entry_policy_it_begins_with_the_cheapest_and_says_nothing() -> None:
    run = opened(plan_of(prior=Says((0.1, 0.9))))

    assert first_draft(run) == 0
    run.advance(drafted())
    assert [step.request for step in ended(run).trail] == ["draft"]
    assert run.state.prior == (0.1, 0.9)


def test_what_is_escalated_to_lies_above_the_entry() -> None:
    run = opened(plan_of(0.5, tiers=THREE, entry=Enters(1), retrieval=None))
    run.advance(drafted("Lyon"))

    assert first_draft(run) == 2
    run.advance(drafted("Lyon"))
    assert [attempt.tier for attempt in ended(run).attempts] == [1, 2]


def test_an_entry_tier_that_fails_leaves_the_tiers_above() -> None:
    run = opened(plan_of(tiers=THREE, entry=Enters(1), retrieval=None))
    run.advance(failed())

    assert first_draft(run) == 2


def test_policies_see_the_prior_at_every_decision() -> None:
    seen: list[Situation] = []
    plan = plan_of(0.5, prior=Says((0.25, 0.75)), retrieval=None)
    decide = plan.policy.decide

    class Watching:
        def decide(self, situation: Situation) -> Any:
            seen.append(situation)
            return decide(situation)

    run = opened(replace(plan, policy=Watching()))
    run.advance(drafted())
    run.advance(drafted())
    assert [situation.prior for situation in seen] == [(0.25, 0.75)] * 2


# --- tiers that cannot be entered ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "open_tiers"),
    [
        (Budget(), [0, 1]),
        (Budget(max_cost=499.0), [0]),
        (Budget(max_cost=500.0), [0, 1]),
    ],
)
def test_only_tiers_within_the_budget_are_offered(budget: Budget, open_tiers: list[int]) -> None:
    entry = Enters(open_tiers[-1])
    run = opened(plan_of(entry=entry), budget=budget)

    assert [tier for tier, _ in entry.seen[0].tiers] == open_tiers
    assert first_draft(run) == open_tiers[-1]


def test_an_entry_beyond_the_budget_falls_back_to_the_cheapest() -> None:
    run = opened(plan_of(entry=Enters(1)), budget=Budget(max_cost=499.0))

    assert first_draft(run) == 0
    assert run.state.degraded == ["the entry policy chose tier 1, which cannot draft"]
    run.advance(drafted())
    assert [step.request for step in ended(run).trail] == ["draft"]


def test_an_entry_whose_context_is_too_short_falls_back_to_the_cheapest_that_can() -> None:
    short = TierPlan("short", "m-short", context=25, max_output=20, price=SMALL.price)
    entry = Enters(0)
    run = opened(plan_of(tiers=(short, SMALL, LARGE), entry=entry))

    assert [tier for tier, _ in entry.seen[0].tiers] == [1, 2]
    assert first_draft(run) == 1
    assert run.state.degraded == ["the entry policy chose tier 0, which cannot draft"]


def test_where_no_tier_can_draft_nobody_is_asked_where_to_enter() -> None:
    entry = Enters(0)
    run = opened(plan_of(prior=Says((0.5, 0.5)), entry=entry), budget=Budget(max_cost=1.0))

    assert entry.seen == []
    assert ended(run).action is Action.ABSTAIN
    assert "no tier can draft: small: would bring the cost to 50" in ended(run).reason


def test_without_a_step_left_nothing_is_entered() -> None:
    run = opened(plan_of(entry=Enters(1)), budget=Budget(max_steps=0))

    assert ended(run).action is Action.ABSTAIN
    assert "no step is left" in ended(run).reason
    assert ended(run).trail == ()


# --- what fails ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ZeroDivisionError("oops"), "the prior failed: ZeroDivisionError: oops"),
        ((0.5,), "the prior returned (0.5,), not a probability for each of 2 tiers"),
        ((0.5, 0.5, 0.5), "not a probability for each of 2 tiers"),
        ((0.5, 1.5), "the prior returned (0.5, 1.5)"),
        ((-0.1, 0.5), "not a probability"),
        ((0.5, float("nan")), "the prior returned (0.5, nan)"),
        (("half", 0.5), "the prior failed: ValueError"),
        (None, "the prior failed: TypeError"),
        (0.5, "the prior failed: TypeError"),
    ],
)
def test_a_prior_that_fails_is_noted_and_the_run_goes_on_without_it(
    answer: Any, words: str
) -> None:
    entry = Enters(1)
    run = opened(plan_of(prior=Says(answer), entry=entry))
    run.advance(drafted())

    assert entry.seen[0].prior is None
    assert run.state.prior is None
    (note,) = ended(run).degraded
    assert words in note
    assert (ended(run).action, ended(run).tier) == (Action.ANSWER, 1)
    assert ended(run).trail[0].outcome == "chosen before any draft"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ZeroDivisionError("oops"), "the entry policy failed: ZeroDivisionError: oops"),
        (2, "the entry policy chose tier 2, which cannot draft"),
        (-1, "the entry policy chose tier -1, which cannot draft"),
        (None, "the entry policy returned NoneType, not an entry"),
        ("large", "the entry policy returned str, not an entry"),
        (Entry("large", "by name"), "chose tier 'large', which cannot draft"),  # type: ignore[arg-type]  # wrong
    ],
)
def test_an_entry_policy_that_fails_is_noted_and_the_cheapest_drafts(
    answer: Any, words: str
) -> None:
    run = opened(plan_of(prior=Says((0.5, 0.5)), entry=Enters(answer)))

    assert first_draft(run) == 0
    run.advance(drafted())
    (note,) = ended(run).degraded
    assert words in note
    assert (ended(run).action, ended(run).tier) == (Action.ANSWER, 0)
    assert [step.request for step in ended(run).trail] == ["draft"]


def test_the_guards_pass_on_what_is_sound() -> None:
    opening = Opening("r", FRANCE, None, ((1, Forecast()),))

    assert prior_safely(Says([0, 1]), FRANCE, 2) == (0.0, 1.0)
    assert enter_safely(Enters(1), opening) == Entry(1, "told to")
    assert enter_safely(Enters(0), opening) == "the entry policy chose tier 0, which cannot draft"


# --- history and resuming ------------------------------------------------------------------------


def test_after_a_recall_the_trail_keeps_both_steps() -> None:
    prior = Says((0.25, 0.5))
    run = opened(plan_of(remember=True, prior=prior, entry=Enters(1)))
    assert isinstance(run.request, Recall)
    assert prior.asked == []

    run.advance(Reply(Recalled((Turn("Before?", "Yes"),)), elapsed_s=0.25))
    assert first_draft(run) == 1
    run.advance(drafted("Paris"))
    assert isinstance(run.request, Record)
    run.advance(Reply(Recorded()))

    steps = [(step.step, step.request, step.outcome) for step in ended(run).trail]
    assert steps == [
        (1, "recall", "1 earlier turn"),
        (2, "enter", "P(right) by tier before any draft: 0.25 0.50"),
        (3, "draft", "Paris"),
        (4, "record", "kept"),
    ]
    assert ended(run).latency_s == 1.25


def test_after_a_history_that_fails_it_enters_all_the_same() -> None:
    run = opened(plan_of(remember=True, entry=Enters(1)))
    run.advance(Reply(Failure("store", "gone")))

    assert first_draft(run) == 1
    assert [step.request for step in run.state.trail] == ["recall", "enter"]
    assert run.state.degraded == ["history: gone"]


def test_a_question_that_is_recognized_is_not_entered_anew() -> None:
    prior, entry = Says((0.5, 0.5)), Enters(1)
    run = opened(plan_of(remember=True, prior=prior, entry=entry))
    run.advance(Reply(Recalled((), Repeat("before", "2026-01-01", attempt_with()))))
    run.advance(Reply(Recorded()))

    assert (ended(run).action, ended(run).recognized) == (Action.ANSWER, True)
    assert (prior.asked, entry.seen) == ([], [])


def test_a_step_of_the_history_that_leaves_none_for_a_draft_ends_the_run() -> None:
    run = opened(plan_of(remember=True, entry=Enters(1)), budget=Budget(max_steps=2))
    run.advance(Reply(Recalled()))
    if run.request is not None:
        run.advance(Reply(Recorded()))

    assert ended(run).action is Action.ABSTAIN
    assert "no step is left" in ended(run).reason
    assert "enter" not in [step.request for step in ended(run).trail]


def resumed(run: Run) -> Run:
    """The run as another process goes on with it, from a prior that knows nothing any more."""
    plan = replace(run.plan, prior=Says(RuntimeError("asked again")))
    return resume_run(plan, json.loads(json.dumps(run.freeze())), dict(run.evidence))


def test_a_resumed_run_keeps_the_prior_and_its_entry() -> None:
    plan = plan_of(0.5, tiers=THREE, prior=Says((0.25, 0.5, 0.75)), entry=Enters(1), retrieval=None)
    straight, broken = opened(plan), resumed(opened(plan))
    assert broken.state == straight.state
    assert broken.request == straight.request
    for text in ("Lyon", "Paris"):
        straight.advance(drafted(text))
        broken.absorb(drafted(text))
        broken = resumed(broken)
        broken.proceed()
        broken = resumed(broken)

    assert broken.state.prior == (0.25, 0.5, 0.75)
    assert ended(broken) == ended(straight)
    assert [step.request for step in ended(broken).trail] == ["enter", "draft", "draft"]


def test_a_run_resumed_between_recall_and_entry_enters_once() -> None:
    plan = plan_of(remember=True, prior=Says((0.25, 0.5)), entry=Enters(1))
    run = opened(plan)
    run.absorb(Reply(Recalled()))
    again = resume_run(plan, json.loads(json.dumps(run.freeze())))
    again.proceed()

    assert first_draft(again) == 1
    assert [step.request for step in again.state.trail] == ["recall", "enter"]


# --- for every world -----------------------------------------------------------------------------

_ODD_ENTRIES: tuple[Callable[[Opening], Any], ...] = (
    lambda opening: Entry(opening.tiers[-1][0], "the largest"),
    lambda opening: Entry(opening.tiers[0][0], "the cheapest"),
    lambda opening: Entry(7, "none such"),
    lambda opening: Entry(-1, "none such"),
    lambda opening: None,
    lambda opening: 1 / 0,
    lambda opening: Entry(len(opening.prior or ()), "by the prior"),
)
_ODD_PRIORS: tuple[Callable[[random.Random], Any], ...] = (
    lambda draw: [draw.random() for _ in range(draw.randrange(5))],
    lambda draw: [float("nan")],
    lambda draw: None,
    lambda draw: 1 / 0,
)


@dataclass(frozen=True)
class Odd:
    """A prior and an entry policy that do anything; the same for the same question."""

    prior: int
    entry: int

    def probabilities(self, question: str) -> Any:
        """Numbers, or nonsense."""
        return _ODD_PRIORS[self.prior](random.Random(question))

    def enter(self, opening: Opening) -> Any:
        """An entry, or nonsense."""
        assert opening.tiers
        return _ODD_ENTRIES[self.entry](opening)


odds = st.builds(Odd, st.integers(0, len(_ODD_PRIORS) - 1), st.integers(0, len(_ODD_ENTRIES) - 1))


def played(world: World, odd: Odd, between: Callable[[Run], Run]) -> tuple[Result, int]:
    """How the run ends, and how many requests it made."""
    plan = replace(world.plan()[0], prior=odd, entry=odd)
    run = open_run(plan, world.question, run_id="r")
    requests = 0
    while run.request is not None:
        requests += 1
        assert requests <= world.budget.max_steps
        run.absorb(world.reply(requests, run.request))
        run = between(run)
        run.proceed()
        run = between(run)
    return ended(run), requests


def thawed(run: Run) -> Run:
    return resume_run(run.plan, json.loads(json.dumps(run.freeze())), dict(run.evidence))


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(worlds, odds)
def test_for_any_prior_and_entry_the_run_ends_and_its_trail_is_whole(
    world: World, odd: Odd
) -> None:
    result, requests = played(world, odd, lambda run: run)

    assert result.action in (Action.ANSWER, Action.ABSTAIN)
    assert [step.step for step in result.trail] == [*range(1, len(result.trail) + 1)]
    entered = [step for step in result.trail if step.request == "enter"]
    assert len(entered) <= 1
    assert len(result.trail) == requests + len(entered)
    for step in entered:
        # The draft that was chosen comes next.
        draft = result.trail[step.step]
        assert (draft.request, draft.tier) == ("draft", step.tier)
    drafts = [step for step in result.trail if step.request == "draft"]
    noted = any("entry policy" in note for note in result.degraded)
    assert not (entered and noted)
    assert entered or noted or not drafts
    json.dumps(encode(result), allow_nan=False)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(worlds, odds)
def test_for_any_prior_and_entry_a_resumed_run_ends_the_same(world: World, odd: Odd) -> None:
    assert played(world, odd, thawed) == played(world, odd, lambda run: run)
