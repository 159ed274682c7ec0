"""A tier's own answer against the one from passages, and whether passages made it surer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policies.threshold import ThresholdPolicy, threshold_rules
from surefoot.router.decisions import Action, Attempt, Decision, Result, Rung
from surefoot.router.evidence import Evidence, Passage
from surefoot.router.loop import open_run
from surefoot.router.plan import Plan, RetrievalPlan
from surefoot.router.requests import Draft, Reply, Retrieve, Retrieved
from surefoot.router.signals import Estimate, Reading, Signal, Unavailable
from surefoot.router.situated import gain, situated, too_little_gain
from surefoot.router.state import RunState
from surefoot.router.testing import FixedEstimator

from .plans import FRANCE, attempt_with, drafted, plan_of

ANSWERS = {"Paris": 0.6, "Lyon": 0.75, "Nice": 0.5, "paris.": 0.75}


def read(evidence: Evidence) -> Reading:
    p = ANSWERS[evidence.greedy.text]
    return Signal("sure", p, p)


def plan_with(bounds: Any = (0.9, 0.7), **retrieval: Any) -> Plan:
    found = RetrievalPlan(k=1, latency_s=0.5, passage_tokens=5, **retrieval)
    policy = ThresholdPolicy((*threshold_rules(0, bounds), *threshold_rules(1, 0.7)), ("s", "l"))
    plan = plan_of(policy=policy, retrieval=found)
    return replace(plan, free=(FixedEstimator("sure", read),))


def played(plan: Plan, *answers: str) -> Result:
    """The run whose drafts are these answers, whoever drafts; each search finds one new passage."""
    run = open_run(plan, FRANCE, run_id="r")
    left, found = list(answers), 0
    while run.request is not None:
        if isinstance(run.request, Draft):
            run.advance(drafted(left.pop(0)))
        else:
            assert isinstance(run.request, Retrieve)
            found += 1
            passages = tuple(Passage(f"p{n}", "t", "x", 1.0) for n in range(found))
            run.advance(Reply(Retrieved(passages)))
    assert run.result is not None and not left
    return run.result


# --- situated faithfulness ----------------------------------------------------------------------


def test_an_answer_from_passages_is_kept_unless_the_own_one_leads() -> None:
    plan = plan_with(bounds=(0.9, 0.45), situated_margin=0.05)
    result = played(plan, "Paris", "Nice")  # .6 without passages, .5 with them
    assert (result.answer, result.confidence) == ("Paris", 0.6)
    assert result.best is not None and not result.best.retrieved
    last = result.trail[-1]
    assert "its own answer is served" in (last.reason or "")
    lead = last.compared[-1]
    assert (lead.name, lead.relation, lead.bound) == ("lead without passages", ">", 0.05)
    assert lead.value == pytest.approx(0.1)


def test_within_the_margin_passages_are_trusted_and_the_trail_says_so() -> None:
    result = played(plan_with(bounds=(0.9, 0.45), situated_margin=0.2), "Paris", "Nice")
    assert result.answer == "Nice"
    assert result.trail[-1].compared[-1].relation == "<="


@pytest.mark.parametrize(
    ("margin", "second"),
    [(None, "Nice"), (0.05, "Lyon"), (0.0, "paris.")],
    ids=["off", "surer with passages", "the same answer"],
)
def test_otherwise_nothing_changes(margin: float | None, second: str) -> None:
    result = played(plan_with(bounds=(0.9, 0.45), situated_margin=margin), "Paris", second)
    assert result.answer == second
    assert "its own answer" not in (result.trail[-1].reason or "")


def test_an_answer_that_is_not_whole_or_not_known_never_leads() -> None:
    plan = plan_with(situated_margin=0.0)
    served = attempt_with(id="2", retrieved=True, text="Nice", estimate=Estimate(0.1, "s"))
    choice = Decision(Action.ANSWER, "sure", attempt="2")
    for own in (
        attempt_with(finish_reason="length", estimate=Estimate(0.9, "s")),
        attempt_with(estimate=Unavailable("no")),
        attempt_with(tier=1, estimate=Estimate(0.9, "s")),
    ):
        assert situated(plan, state_of(own, served), choice) == choice
    abstains = Decision(Action.ABSTAIN, "no")
    leads = attempt_with(estimate=Estimate(0.9, "s"))
    assert situated(plan, state_of(leads, served), abstains) == abstains


def state_of(*attempts: Attempt) -> RunState:
    state = RunState("r", FRANCE, plan_of().budget)
    state.attempts, state.current = list(attempts), len(attempts) - 1
    return state


@given(
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.sampled_from(["Paris", "Nice"]),
)
def test_what_is_served_is_never_surer_by_more_than_the_margin_elsewhere(
    own: float, shown: float, margin: float, text: str
) -> None:
    attempts = (
        attempt_with(estimate=Estimate(own, "s")),
        attempt_with(id="2", retrieved=True, text=text, estimate=Estimate(shown, "s")),
    )
    plan = plan_with(situated_margin=margin)
    chosen = situated(plan, state_of(*attempts), Decision(Action.ANSWER, "sure"))
    assert isinstance(chosen, Decision) and chosen.action is Action.ANSWER
    exchanged = chosen.attempt == "1"
    assert exchanged == (text != "Paris" and own - shown > margin)


# --- gain ---------------------------------------------------------------------------------------


def test_a_search_that_made_it_no_surer_is_the_last() -> None:
    plan = plan_with(bounds=0.9, least_gain=0.0)
    result = played(plan, "Paris", "Nice", "Lyon")  # .6, .5: the large tier has the last word
    assert [attempt.tier for attempt in result.attempts] == [0, 0, 1]
    closed = [one.why_not for one in result.trail[2].alternatives if one.why_not]
    assert closed[0] == "the last search made it -0.10 surer, +0.00 is asked for"


def test_a_search_that_made_it_surer_is_followed_by_another() -> None:
    result = played(plan_with(bounds=0.9, least_gain=0.05), "Nice", "Paris", "Lyon", "Lyon", "Lyon")
    assert [attempt.round for attempt in result.attempts if attempt.tier == 0] == [0, 1, 2, 3]


def test_without_estimates_there_is_no_gain_and_no_reason_to_stop() -> None:
    plan = plan_with(least_gain=0.5)
    before = attempt_with(estimate=Unavailable("no"))
    after = attempt_with(id="2", retrieved=True, estimate=Estimate(0.1, "s"))
    assert gain(state_of(before, after)) is None
    assert too_little_gain(plan, state_of(before, after)) is None
    assert gain(state_of(after)) is None and gain(RunState("r", FRANCE, plan.budget)) is None
    known = replace(before, estimate=Estimate(0.3, "s"))
    assert gain(state_of(known, after)) == pytest.approx(-0.2)
    assert too_little_gain(plan_with(), state_of(known, after)) is None


# --- thresholds by round ------------------------------------------------------------------------


def test_each_round_has_its_threshold_and_the_last_one_holds_on() -> None:
    policy = ThresholdPolicy(threshold_rules(0, (0.9, 0.7, 0.5)), ("s",))
    bounds = [policy.rule(Rung(0, round_, round_ > 0)).threshold for round_ in range(5)]
    assert bounds == [0.9, 0.7, 0.5, 0.5, 0.5]
    only = ThresholdPolicy(threshold_rules(0, (0.9,)), ("s",))
    assert [only.rule(Rung(0, r, r > 0)).threshold for r in range(3)] == [0.9] * 3


def test_a_run_meets_the_threshold_of_its_round() -> None:
    assert played(plan_with(bounds=(0.9, 0.8, 0.45)), "Lyon", "Lyon", "Nice").rounds == 2
