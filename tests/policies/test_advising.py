"""Advice in words, with the numbers behind it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from surefoot.policies.advising import (
    advice_on_certainty,
    advice_on_pairs,
    advice_on_purchases,
    advice_on_quality,
    advice_on_risk,
    advice_on_saturation,
    advice_on_ways,
)
from surefoot.policies.break_even import BreakEven, break_evens
from surefoot.policies.certificates import MoreLabels, NotCertified
from surefoot.policies.reached import LastTier, Reached
from surefoot.policies.target_settings import Setting
from surefoot.policies.targets import TargetReport
from surefoot.policies.worth import Ends, Purchase, Worth
from surefoot.router.risk.targets import RiskTarget

from .pairs import SIGNALS, questions, rounded, stored_table
from .worlds import outcome, table_of

NAMES = ("small", "middle", "large")

PAIR = BreakEven(
    small=0,
    large=1,
    n=300,
    small_quality=0.5,
    large_quality=0.9,
    small_cost=1.0,
    large_cost=10.0,
    signal_cost=0.5,
    nauc=0.55,
    nauc_interval=(0.45, 0.65),
    prior_nauc=None,
    prior_interval=None,
    deferral=0.4,
    gain=0.7,
    margin=0.1,
    margin_interval=(0.0, 0.2),
    most_signal_cost=1.5,
    most_signal_interval=(0.5, 2.5),
    most_deferral=0.85,
    most_deferral_interval=(0.8, 0.9),
    verdict="undecided",
)
SKIP = replace(PAIR, nauc=0.2, nauc_interval=(0.1, 0.3), verdict="skip this tier", skip=0)


def test_an_undecided_pair_says_on_how_many_labels_and_how_many_would_decide() -> None:
    (advice,) = advice_on_pairs([PAIR], NAMES)
    assert advice.words.startswith("small before middle: undecided (300); ")
    assert "nAUC is 0.55 [0.45, 0.65]" in advice.words
    assert "costs 0.5 and may cost 1.5" in advice.words
    # The interval reaches .10 below; it has to shrink to .05: four times the questions.
    assert advice.numbers["labels_to_decide"] == 1200
    assert "about 1200 questions answered by both" in advice.words


def test_a_tier_that_pays_in_no_pair_is_named() -> None:
    advice = advice_on_pairs([SKIP, replace(SKIP, large=2), replace(PAIR, small=1, large=2)], NAMES)
    tiers = [one for one in advice if one.kind == "tier"]
    assert [one.numbers["tier"] for one in tiers] == [0]
    assert tiers[0].words.startswith("small never pays")
    assert "skip small" in advice[0].words


def test_one_good_pair_is_enough_for_a_tier() -> None:
    advice = advice_on_pairs([SKIP, replace(PAIR, large=2, verdict="gate")], NAMES)
    assert not [one for one in advice if one.kind == "tier"]


def test_a_larger_tier_that_is_worse_is_the_one_to_skip() -> None:
    worse = replace(SKIP, nauc=None, nauc_interval=None, skip=1)
    (advice,) = advice_on_pairs([worse], NAMES)
    assert "skip middle; middle is not both better and dearer" in advice.words


def test_a_signal_that_would_not_pay_even_for_nothing() -> None:
    advice = advice_on_pairs([replace(SKIP, most_signal_cost=-0.2, most_deferral=-0.1)], NAMES)[0]
    assert "even for nothing" in advice.words
    assert "draft and signal alone cost more than middle" in advice.words


def test_the_cheapest_certainty_is_the_pair_that_needs_fewest_labels() -> None:
    near = replace(PAIR, small=1, large=2, nauc=0.58, nauc_interval=(0.49, 0.67))
    (advice,) = advice_on_certainty([PAIR, near, SKIP], NAMES)
    assert (advice.numbers["small"], advice.numbers["large"]) == (1, 2)
    assert advice.numbers["more"] == int(np.ceil(300 * (0.09 / 0.08) ** 2)) - 300
    assert advice_on_certainty([SKIP], NAMES) == ()


def test_a_saturated_signal_says_what_a_plain_cut_would_do() -> None:
    """Three in four scores are 1: to defer 30 % by a plain cut is to defer all."""
    rows = [
        outcome(f"q{n:02}", 0, signals={"s": 1.0 if n % 4 else n / 100, "fine": n / 100})
        for n in range(80)
    ]
    (advice,) = advice_on_saturation(questions(table_of(rows), "s").ladders, NAMES)
    assert advice.numbers["signal"] == "s"
    assert advice.numbers["share"] == pytest.approx(0.75)
    assert advice.numbers["plain_deferral"] == pytest.approx(1.0)
    assert advice.numbers["nearest_deferral"] == pytest.approx(0.25)
    assert 'a plain "defer 30%" would defer 100%, at best 25%' in advice.words


def test_stored_signals_are_not_saturated_until_they_are_rounded() -> None:
    table = stored_table("mmlu", "train")
    names = tuple("abcde")
    assert advice_on_saturation(questions(table, SIGNALS["mmlu"]).ladders, names) == ()
    rough = questions(rounded(table, 0), SIGNALS["mmlu"])
    assert len(advice_on_saturation(rough.ladders, names)) == 5


REACHED = Reached(
    Setting("gate", 0.8),
    TargetReport("quality kept", 0.95, 0.96, (0.94, 0.98), "300 questions"),
    0.22,
    (0.15, 0.3),
    0.96,
    0.33,
    (),
    ((300, 0.21), (600, 0.25), (1200, 0.28), (3000, 0.3)),
)


def test_a_target_in_reach_says_what_it_saves_and_what_labels_would_add() -> None:
    target, certainty = advice_on_quality(REACHED, oracle_kept=1.05)
    assert "keeping 95% of the last tier's quality saves 22% of its cost" in target.words
    assert "trying 80% of the requests" in target.words
    assert "with hindsight the best saving is 33%, and an oracle has 105%" in target.words
    assert "25% with 600, 28% with 1200, 30% with 3000" in certainty.words
    assert certainty.numbers["best_saving"] == pytest.approx(0.3)


def test_a_target_out_of_reach_says_so() -> None:
    nothing = replace(REACHED, setting=Setting("gate", 0.0), saving=0.0, outlook=((300, 0.0),))
    (advice,) = advice_on_quality(nothing)
    assert "is out of reach at any saving that 300 labels can vouch for" in advice.words
    assert advice.numbers["hindsight_saving"] == 0.33


def test_a_risk_that_was_not_certified() -> None:
    target = RiskTarget("selective", 0.05, 0.1)
    missing = NotCertified(target, 400, 900, "too few", 100, (), (MoreLabels(0.1, 120, 300),))
    (advice,) = advice_on_risk(missing)
    assert advice.kind == "certainty"
    assert "would take 400 labels of gated answers, 900 labels in all" in advice.words
    assert "a risk of 0.1 would take 120" in advice.words
    (hopeless,) = advice_on_risk(NotCertified(target, None, None, "every gate errs more often"))
    assert hopeless.kind == "target"
    assert "out of reach, however many labels are bought: every gate errs" in hopeless.words


def worth(family: str, saved: float, spread: float = 0.1, purchase: Purchase = "nothing") -> Worth:
    """Half of 100 questions saved `spread` more, half as much less."""
    cost = 5.0 - saved + spread * np.where(np.arange(100) % 2, 1.0, -1.0)
    band = (0.4, 0.6) if purchase == "in a band" else None
    interval = (saved - spread / 5, saved + spread / 5)
    return Worth(family, purchase, saved, interval, saved / 10.0, 0.3, band, np.zeros(100), cost)


def ends() -> Ends:
    """A mix pays 10 for a right answer more; what is saved is then read off the costs alone."""
    first = LastTier(np.ones(100), np.zeros(100))
    return Ends(first, LastTier(np.zeros(100), np.full(100, 10.0)))


@pytest.mark.parametrize(
    ("gate", "prior", "both", "head"),
    [
        (0.5, 0.1, 0.4, "gate after the answer"),
        (0.1, 0.5, 0.4, "route before it"),
        (0.3, 0.2, 0.6, "route before the answer and gate after it"),
        (-0.3, -0.2, -0.1, "neither gate nor route"),
        (0.01, -0.2, -0.1, "undecided (100), likely gate after the answer"),
    ],
)
def test_which_way_to_go(gate: float, prior: float, both: float, head: str) -> None:
    found = [worth("gate", gate), worth("prior", prior), worth("prior and gate", both)]
    (advice,) = advice_on_ways(found)
    assert advice.words.startswith(head)
    assert advice.numbers["gate"] == gate and advice.numbers["prior"] == prior
    assert len(re.findall(r"of the last tier's cost", advice.words)) == 3
    assert advice_on_ways([worth("one tier", 0.0)]) == ()


def test_what_is_bought_and_when() -> None:
    free, always = worth("gate", 0.5), worth("gate", 0.2, purchase="always")
    band = worth("gate", 0.9, purchase="in a band")
    (advice,) = advice_on_purchases([band, free, always], ends())
    assert advice.words.startswith(
        "buy the signal only where the free estimate is in [0.40, 0.60): bought only"
    )
    assert advice.numbers["saved"] == pytest.approx(0.4)
    assert (advice.numbers["low"], advice.numbers["high"]) == (0.4, 0.6)
    assert advice.numbers["always"] == 0.2


def test_a_purchase_that_saves_less_than_it_costs_is_never_made() -> None:
    found = [worth("gate", 0.5), worth("gate", 0.2, purchase="always")]
    (advice,) = advice_on_purchases(found, ends())
    assert advice.words.startswith("never buy the signal: bought always it loses 0.3")
    assert advice_on_purchases([worth("gate", 0.5)], ends()) == ()


def test_without_a_free_gate_the_mix_is_what_a_purchase_has_to_beat() -> None:
    (advice,) = advice_on_purchases([worth("gate", 0.6, purchase="always")], ends())
    assert advice.words.startswith("buy the signal always: bought always it saves 0.6")
    unsure = worth("gate", 0.01, purchase="always")
    (advice,) = advice_on_purchases([unsure], ends())
    assert advice.words.startswith("undecided (100)")


def test_advice_on_stored_pairs_names_each_once() -> None:
    asked = questions(stored_table("triviaqa", "train"), SIGNALS["triviaqa"])
    advice = advice_on_pairs(break_evens(asked.ladders, asked.scores, reps=100), tuple("abcde"))
    pairs = [one for one in advice if one.kind == "pair of tiers"]
    assert len(pairs) == 10
    assert [one.numbers["tier"] for one in advice if one.kind == "tier"] == [0, 3]
    assert all("\n" not in one.words for one in advice)
