"""A threshold per rung, and what is tried below it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policies.threshold import BuyBand, RungRule, ThresholdPolicy
from surefoot.router.budget import Budget, Forecast, Spend
from surefoot.router.decisions import (
    Action,
    Alternative,
    Attempt,
    Buy,
    Comparison,
    Decision,
    Rung,
)
from surefoot.router.errors import ConfigurationError
from surefoot.router.protocols import BuyOption, Situation
from surefoot.router.signals import Estimate, Unavailable

NAMES = ("small", "large")
ATTEMPT = Attempt("1", 0, 0, False, "Paris", "stop", 0.0, 0.0, estimate=Estimate(0.6, "s"))
OPEN = Situation(
    Rung(0, 0, False),
    ATTEMPT,
    Estimate(0.6, "s"),
    ATTEMPT,
    True,
    Forecast(1.0),
    ((1, Forecast(10.0)),),
    (BuyOption("votes", Forecast(0.5)), BuyOption("judge", Forecast(None))),
    (),
    Spend(),
    Budget(),
)
NOTHING_OPEN = replace(
    OPEN,
    retrieve=None,
    escalate=(),
    buy=(),
    closed=(Alternative(Action.RETRIEVE, None, 1.0, 0.0, "too dear"),),
)


def policy(*rules: RungRule, floor: float | None = None) -> ThresholdPolicy:
    return ThresholdPolicy((*(rules or (RungRule(0, 0.7),)), RungRule(1, 0.5)), NAMES, floor)


def at(p: float, situation: Situation = OPEN, *, calibrated: bool = True) -> Situation:
    return replace(situation, estimate=Estimate(p, "s", calibrated))


def test_it_answers_at_its_threshold_and_above() -> None:
    assert policy().decide(at(0.7)) == Decision(
        Action.ANSWER,
        "small is 0.70 sure, at least the 0.70 asked for",
        (Comparison("s", 0.7, ">=", 0.7),),
    )


def test_below_it_retrieves_first_and_says_which_numbers_it_compared() -> None:
    assert policy().decide(at(0.69, calibrated=False)) == Decision(
        Action.RETRIEVE,
        "small is 0.69 sure (s, not calibrated), 0.70 is asked for; passages may help",
        (Comparison("s", 0.69, "<", 0.7),),
    )


def test_then_it_escalates_to_the_cheapest_open_tier() -> None:
    choice = policy().decide(at(0.1, replace(OPEN, retrieve=None)))
    assert isinstance(choice, Decision)
    assert (choice.action, choice.tier) == (Action.ESCALATE, 1)
    assert choice.reason.endswith("; large may know")


def test_the_order_is_the_rules_own() -> None:
    up = policy(RungRule(0, 0.7, then=(Action.ESCALATE, Action.RETRIEVE))).decide(at(0.1))
    none = policy(RungRule(0, 0.7, then=())).decide(at(0.1))
    assert isinstance(up, Decision) and up.action is Action.ESCALATE
    assert isinstance(none, Decision) and none.action is Action.ABSTAIN


def test_with_nothing_left_it_abstains_and_says_what_is_closed() -> None:
    choice = policy().decide(at(0.6, NOTHING_OPEN))
    assert choice == Decision(
        Action.ABSTAIN,
        "small is 0.60 sure, 0.70 is asked for; nothing is left to try (retrieve: too dear)",
        (Comparison("s", 0.6, "<", 0.7),),
    )


def test_a_floor_serves_the_best_where_nothing_is_left() -> None:
    at_floor = policy(floor=0.6).decide(at(0.3, NOTHING_OPEN))
    assert isinstance(at_floor, Decision)
    assert (at_floor.action, at_floor.attempt) == (Action.ANSWER, "1")
    assert at_floor.compared == (Comparison("best attempt", 0.6, ">=", 0.6),)
    below = policy(floor=0.61).decide(at(0.3, NOTHING_OPEN))
    without = policy(floor=0.0).decide(
        replace(NOTHING_OPEN, best=None, estimate=Estimate(0.3, "s"))
    )
    tried_first = policy(floor=0.6).decide(at(0.3))
    assert [c.action for c in (below, without, tried_first) if isinstance(c, Decision)] == [
        Action.ABSTAIN,
        Action.ABSTAIN,
        Action.RETRIEVE,
    ]


def test_a_sure_estimate_of_what_cannot_be_served_is_no_answer() -> None:
    choice = policy().decide(at(0.9, replace(OPEN, can_answer=False)))
    assert isinstance(choice, Decision) and choice.action is Action.RETRIEVE


def test_the_more_specific_rule_wins_whatever_the_order() -> None:
    rules = (RungRule(0, 0.9, retrieved=True), RungRule(0, 0.7))
    for given_rules in (rules, rules[::-1]):
        made = policy(*given_rules)
        assert made.rule(Rung(0, 1, True)).threshold == 0.9
        assert made.rule(Rung(0, 0, False)).threshold == 0.7


VOTES = RungRule(0, 0.7, buy=(BuyBand("judge", 0.0, 0.2), BuyBand("votes", 0.4, 0.8)))


@pytest.mark.parametrize(
    ("p", "bought"),
    [(0.1, "judge"), (0.2, None), (0.39, None), (0.4, "votes"), (0.79, "votes"), (0.8, None)],
)
def test_it_buys_inside_a_band_alone(p: float, bought: str | None) -> None:
    choice = policy(VOTES).decide(at(p))
    assert (choice.signal if isinstance(choice, Buy) else None) == bought


def test_a_purchase_names_its_price() -> None:
    assert policy(VOTES).decide(at(0.5)) == Buy(
        "votes",
        "0.50 is near the threshold; votes costs at most 0.5",
        (Comparison("estimate", 0.5, ">=", 0.4), Comparison("estimate", 0.5, "<", 0.8)),
    )
    unknown = policy(VOTES).decide(at(0.1))
    assert unknown.reason == "0.10 is near the threshold; judge costs an unknown price"


def test_what_is_not_for_sale_is_not_bought() -> None:
    choice = policy(VOTES).decide(at(0.5, replace(OPEN, buy=())))
    assert isinstance(choice, Decision)


def test_without_an_estimate_it_buys_one_or_goes_on() -> None:
    unknown = replace(OPEN, estimate=Unavailable("no logprobs"))
    bought = policy(VOTES).decide(unknown)
    assert bought == Buy("judge", "nothing else says how sure it is: no logprobs")
    choice = policy().decide(unknown)
    assert choice == Decision(Action.RETRIEVE, "no estimate: no logprobs; passages may help")
    cut = policy(VOTES).decide(replace(unknown, can_answer=False))
    failed = policy(VOTES).decide(replace(unknown, attempt=None, can_answer=False))
    assert isinstance(cut, Decision) and isinstance(failed, Decision)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_outside_of_0_to_1_is_refused(threshold: float) -> None:
    with pytest.raises(
        ConfigurationError, match=r"tier 'small' is .*; it must be in \[0, 1\]"
    ) as e:
        policy(RungRule(0, threshold))
    assert e.value.field == "policy.thresholds.small"
    with pytest.raises(ConfigurationError, match="the floor is") as e:
        policy(floor=threshold)
    assert e.value.field == "policy.floor"


@pytest.mark.parametrize("rules", [(), (RungRule(1, 0.5),), (RungRule(0, 0.5, retrieved=True),)])
def test_every_tier_needs_a_threshold(rules: tuple[RungRule, ...]) -> None:
    with pytest.raises(ConfigurationError, match="tier 'small' has no threshold"):
        ThresholdPolicy((*rules, RungRule(1, 0.5)), NAMES)


chances = st.floats(0.0, 1.0)


@given(chances, chances, chances, st.sampled_from((OPEN, NOTHING_OPEN)))
def test_a_surer_attempt_is_answered_wherever_a_less_sure_one_is(
    p: float, more: float, threshold: float, situation: Situation
) -> None:
    low, high = sorted((p, more))
    made = policy(RungRule(0, threshold))
    answers = [made.decide(at(value, situation)) for value in (low, high)]
    is_answer = [isinstance(c, Decision) and c.action is Action.ANSWER for c in answers]
    assert is_answer == sorted(is_answer)
    assert is_answer == [low >= threshold, high >= threshold]
