"""Utility policies: values by hand, ties to the safer action, purchases where they pay."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import replace

import pytest

from surefoot.policies.prices import Prices
from surefoot.policies.utility import UtilityPolicy
from surefoot.policies.value_models import RungCosts, RungModel, ValueModels, evidence_steps
from surefoot.router.decisions import Action, Buy, Decision
from surefoot.router.errors import ConfigurationError

from .value_situations import (
    FLAT,
    LARGE,
    LARGEST,
    NAMES,
    SMALL,
    attempt,
    flat,
    logit,
    situation,
)


def policy(prices: Prices, trade: float = 1.0, models: ValueModels = FLAT) -> UtilityPolicy:
    return UtilityPolicy(models, prices, NAMES, trade)


def decided(choice: object) -> Decision:
    assert isinstance(choice, Decision)
    return choice


# --- values by hand ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "prices", "trade", "action", "tier"),
    [
        # U(answer) = -100 (1 - p); large: -10 - 4; largest: -5 - 32; search: -50 - 1 at most.
        (0.90, Prices(100.0, 60.0), 1.0, Action.ANSWER, None),  # -10 beats -14
        (0.80, Prices(100.0, 60.0), 1.0, Action.ESCALATE, 1),  # -20 loses against -14
        (0.80, Prices(1000.0, 600.0), 1.0, Action.ESCALATE, 2),  # -50 - 32 beats -100 - 4
        (0.80, Prices(100.0, 5.0), 1.0, Action.ABSTAIN, None),
        (0.80, Prices(100.0, 60.0), 4.0, Action.ANSWER, None),  # -10 - 16 loses against -20
        (0.40, Prices(100.0, 60.0), 20.0, Action.ABSTAIN, None),  # -60 ties, -90 and worse lose
        (0.86, Prices(100.0, math.inf), 1.0, Action.ESCALATE, 1),  # -14 ties: the safer
    ],
)
def test_the_best_action_by_hand(
    p: float, prices: Prices, trade: float, action: Action, tier: int | None
) -> None:
    choice = decided(policy(prices, trade).decide(situation(attempt(p))))
    assert (choice.action, choice.tier, choice.gated) == (action, tier, True)


def test_every_value_that_was_compared_is_told() -> None:
    choice = decided(policy(Prices(100.0, 60.0)).decide(situation(attempt(0.8))))
    told = {one.name: one.value for one in choice.compared}
    assert told == pytest.approx(
        {
            "utility of answering": -20.0,
            "utility of abstaining": -60.0,
            # What a search finds need not be served: the small tier's answer, .8, is still there.
            "utility of retrieving": -21.0,
            "utility of escalating to largest": -37.0,
        }
    )
    assert [one.bound for one in choice.compared] == pytest.approx([-14.0] * 4)
    assert choice.reason == "small is 0.80 sure; large may know, worth -14"


def test_ties_go_to_the_safer_action() -> None:
    # Everything is worth -50: abstain, the large tier, a search, and the answer.
    fair = ValueModels(
        tuple(replace(one, answer=0.0) for one in FLAT.costs),
        tuple(flat(one.source, one.target, 0.5) for one in FLAT.bare),
    )

    def chosen(prices: Prices, **open_: object) -> tuple[Action, int | None]:
        here = situation(attempt(0.5), **open_)  # type: ignore[arg-type]  # of the four actions
        choice = decided(policy(prices, models=fair).decide(here))
        return choice.action, choice.tier

    assert chosen(Prices(100.0, 50.0)) == (Action.ABSTAIN, None)
    assert chosen(Prices(100.0, 60.0)) == (Action.ESCALATE, 1)
    assert chosen(Prices(100.0, 60.0), escalate=()) == (Action.RETRIEVE, None)
    assert chosen(Prices(100.0, 60.0), escalate=(), retrieve=False) == (Action.ANSWER, None)


def test_only_what_is_open_is_chosen() -> None:
    here = situation(attempt(0.8), escalate=(2,), retrieve=False)
    choice = decided(policy(Prices(1000.0, 600.0)).decide(here))
    assert (choice.action, choice.tier) == (Action.ESCALATE, 2)
    assert len(choice.compared) == 2


def test_what_may_be_learned_on_the_way_is_worth_something() -> None:
    """The large tier turns out surer or less sure than .7; where less, the answer of .65 stays."""
    step = (0.7, 1.2)
    models = ValueModels(
        (RungCosts(SMALL, 1.0), RungCosts(LARGE, 4.0)),
        (flat(None, LARGE, 0.7), flat(SMALL, LARGE, step[0], step[1])),
    )
    here = situation(attempt(0.65), escalate=(1,), retrieve=False)
    expected = 0.0
    weights = [sign * w for w in evidence_steps(1.2) for sign in (1.0, -1.0)]
    for w in weights:
        after = 1.0 / (1.0 + math.exp(-logit(0.7) - w))
        speaks = 1.0 / (1.0 + math.exp(-w))
        chance = 0.7 * speaks + 0.3 * (1.0 - speaks)
        expected += chance * max(after, 0.65) / (len(weights) / 2)
    assert expected > 0.75  # the plain formula says .7
    choice = decided(policy(Prices(1.0, 9.0), 0.01, models).decide(here))
    assert choice.action is Action.ESCALATE
    assert choice.compared[1].bound == pytest.approx(expected - 1.0 - 0.04)


# --- which answer --------------------------------------------------------------------------------


def test_an_earlier_surer_attempt_is_answered_with() -> None:
    earlier, now = attempt(0.9, 0, "1"), attempt(0.4, 1, "2")
    here = situation(now, earlier, escalate=(), retrieve=False)
    choice = decided(policy(Prices(1.0, 9.0)).decide(here))
    assert (choice.action, choice.attempt, choice.gated) == (Action.ANSWER, "1", True)
    assert "the best attempt, by small, is 0.90 sure" in choice.reason


def test_of_equally_sure_attempts_the_current_one_answers() -> None:
    here = situation(attempt(0.6, 1, "2"), attempt(0.6, 0, "1"), escalate=(), retrieve=False)
    choice = decided(policy(Prices(1.0, 9.0)).decide(here))
    assert (choice.action, choice.attempt) == (Action.ANSWER, None)


def test_an_answer_that_nothing_vouches_for_is_not_gated() -> None:
    here = situation(attempt(None), escalate=(), retrieve=False)
    choice = decided(policy(Prices(1.0, 9.0)).decide(here))
    assert (choice.action, choice.gated) == (Action.ANSWER, False)
    assert "small was not judged" in choice.reason
    # Its worth is the rung's rate, .6, not a made-up number: an abstention of .41 loses, .39 wins.
    for price, action in ((0.41, Action.ANSWER), (0.39, Action.ABSTAIN)):
        assert decided(policy(Prices(1.0, price)).decide(here)).action is action


def test_a_draft_that_is_cut_is_never_answered_with() -> None:
    cut = attempt(None, whole=False)
    for best, action in ((None, Action.ABSTAIN), (attempt(0.3, 0, "0"), Action.ANSWER)):
        here = situation(cut, best, escalate=(), retrieve=False)
        choice = decided(policy(Prices(1.0, math.inf)).decide(here))
        assert choice.action is action
        assert choice.attempt == (None if best is None else "0")


def test_where_the_tier_failed_the_next_is_asked() -> None:
    here = replace(situation(attempt(None, whole=False)), attempt=None, best=None)
    choice = decided(policy(Prices(100.0, 60.0)).decide(here))
    assert (choice.action, choice.tier) == (Action.ESCALATE, 1)


# --- the prior -----------------------------------------------------------------------------------


def test_models_with_the_prior_are_used_where_there_is_one() -> None:
    informed = (RungModel(SMALL, LARGE, 0.0, target_prior=1.0), *FLAT.bare[4:])
    models = replace(FLAT, informed=(*FLAT.bare[:4], *informed[:1], *informed[2:]))
    prices = Prices(100.0, 60.0)
    for prior, action in (
        (None, Action.ESCALATE),  # .9 by the bare model
        ((0.5, 0.9, 0.5), Action.ESCALATE),
        ((0.5, 0.3, 0.5), Action.ANSWER),  # -70 - 4 loses against -20
    ):
        here = situation(attempt(0.8), escalate=(1,), retrieve=False, prior=prior)
        assert decided(policy(prices, models=models).decide(here)).action is action


# --- purchases -----------------------------------------------------------------------------------


def buying(spread: float, price: float, *, blind: bool = False) -> ValueModels:
    return ValueModels(
        (RungCosts(SMALL, 1.0, "paid", price, blind, 0.0 if blind else spread), *FLAT.costs[1:3]),
        (
            flat(None, SMALL, 0.6, spread if blind else 0.0),
            flat(None, LARGE, 0.9),
            flat(None, LARGEST, 0.95),
            flat(SMALL, LARGE, 0.9),
            flat(SMALL, LARGEST, 0.95),
        ),
    )


def test_a_signal_is_bought_where_the_estimate_is_uncertain_only() -> None:
    """Escalating is worth -14, so answers below .86 are escalated: it pays near there."""
    one = policy(Prices(100.0, 60.0), models=buying(1.5, 0.5))

    def buys(p: float) -> bool:
        here = situation(attempt(p), escalate=(1, 2), retrieve=False, buy=("paid",))
        return isinstance(one.decide(here), Buy)

    bought = [p / 100 for p in range(1, 100) if buys(p / 100)]
    assert bought[0] > 0.3 and bought[-1] < 0.99 and 0.86 in bought
    assert len(bought) == round(100 * (bought[-1] - bought[0])) + 1  # one band


@pytest.mark.parametrize(
    ("spread", "price", "buy"), [(1.5, 50.0, ("paid",)), (0.0, 0.0, ("paid",)), (1.5, 0.5, ())]
)
def test_no_signal_is_bought_that_costs_more_tells_nothing_or_is_not_for_sale(
    spread: float, price: float, buy: tuple[str, ...]
) -> None:
    one = policy(Prices(100.0, 60.0), models=buying(spread, price))
    for p in range(1, 100):
        here = situation(attempt(p / 100), escalate=(1, 2), retrieve=False, buy=buy)
        assert isinstance(one.decide(here), Decision)


def test_a_purchase_tells_what_it_saves_and_costs() -> None:
    one = policy(Prices(100.0, 60.0), models=buying(1.5, 0.5))
    choice = one.decide(situation(attempt(0.86), retrieve=False, buy=("paid",)))
    assert isinstance(choice, Buy)
    (told,) = choice.compared
    assert (told.name, told.relation, told.bound) == ("saving of paid", ">", 0.5)
    assert 0.5 < told.value < 14.0  # knowing everything for certain would save less than 14


def test_where_nothing_is_free_the_signal_is_bought_or_the_answer_served_unread() -> None:
    here = situation(attempt(None), escalate=(1,), retrieve=False, buy=("paid",))
    cheap = policy(Prices(100.0, math.inf), models=buying(2.0, 0.1, blind=True))
    assert isinstance(cheap.decide(here), Buy)
    # Cost weighs so much that neither the signal nor the large tier is worth it.
    dear = policy(Prices(1.0, math.inf), 1.0, models=buying(2.0, 0.5, blind=True))
    choice = decided(dear.decide(here))
    assert (choice.action, choice.gated) == (Action.ANSWER, False)


# --- what cannot be ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prices", "trade"),
    [
        (Prices(1.0, 1.0), -1.0),
        (Prices(1.0, 1.0), math.nan),
        (Prices(0.0, 1.0), 1.0),
        (Prices(1.0, -1.0), 1.0),
        (Prices(math.inf, 1.0), 1.0),
    ],
)
def test_prices_that_cannot_be_used_are_refused(prices: Prices, trade: float) -> None:
    with pytest.raises(ConfigurationError):
        policy(prices, trade)


@pytest.mark.skipif(sys.gettrace() is not None, reason="every line is watched")
def test_deciding_takes_microseconds() -> None:
    spread = replace(FLAT, bare=tuple(replace(one, spread=1.2) for one in FLAT.bare))
    one, here = policy(Prices(100.0, 60.0), models=spread), situation(attempt(0.8))
    least = math.inf
    for _ in range(10):
        began = time.process_time()
        for _ in range(500):
            one.decide(here)
        least = min(least, (time.process_time() - began) / 500)
    assert least < 40e-6  # 8 to 12 measured; the machine may be busy
