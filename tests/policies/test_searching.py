"""The search does not replay again what it has replayed, and that must change nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from surefoot.policies.calibrating import CalibratedRung, calibrate_rungs, with_out_of_fold
from surefoot.policies.outcomes import OutcomeTable
from surefoot.policies.prices import Prices
from surefoot.policies.recorded import Replayer
from surefoot.policies.replay import replay_all
from surefoot.policies.searching import OutOfFoldAssessor, RuleSearch
from surefoot.policies.threshold import BuyBand, RungRule, ThresholdPolicy
from surefoot.router.decisions import Action, Rung
from surefoot.router.signals import Estimate, Reading, Signal, Unavailable

from .worlds import outcome, table_of

PRICES = Prices(100.0, 60.0)
NAMES = ("a", "b")
STEPS: tuple[tuple[Action, ...], ...] = (
    (),
    (Action.RETRIEVE,),
    (Action.ESCALATE,),
    (Action.ESCALATE, Action.RETRIEVE),
)


def noisy_table(rng: random.Random) -> OutcomeTable:
    """Four rungs, two signals of which one is bought, nulls and empty answers."""
    return table_of(
        outcome(
            f"q{number:02}",
            tier,
            round,
            loss=float(rng.random() < 0.5),
            cost=10.0**tier + round,
            answer=rng.choice(["yes", "yes", "yes", ""]),
            signals={name: rng.choice([None, rng.random()]) for name in ("free", "paid")},
            signal_costs={"paid": 0.5},
        )
        for number in range(60)
        for tier in (0, 1)
        for round in (0, 1)
    )


def random_rule(rung: CalibratedRung, rng: random.Random) -> RungRule:
    """As the search draws them: nothing but the best signal of the rung is ever bought."""
    low, high = sorted(rng.random() for _ in range(2))
    is_bought = rung.calibrators[0].curve.signal == "paid" and rng.random() < 0.7
    buy = (BuyBand("paid", low, high),) if is_bought else ()
    return RungRule(rung.tier, rng.random(), rung.retrieved, rng.choice(STEPS), buy)


@pytest.mark.parametrize("seed", range(4))
def test_rules_that_treat_a_question_alike_end_alike(seed: int) -> None:
    rng = random.Random(seed)
    table = noisy_table(rng)
    rungs = calibrate_rungs(table, {}, seed=seed)
    search = RuleSearch(table, rungs, NAMES, PRICES)
    out_of_fold, orders = with_out_of_fold(table, rungs)
    rules = tuple(random_rule(rung, rng) for rung in rungs)
    bought = 0
    for turn in range(60):
        # As the search does, one rule at a time, and mostly one number of it.
        i = turn % len(rules)
        new = random_rule(rungs[i], rng)
        if rng.random() < 0.7:
            new = replace(
                rules[i], threshold=new.threshold, buy=rng.choice([new.buy, rules[i].buy])
            )
        rules = (*rules[:i], new, *rules[i + 1 :])
        bought += bool(new.buy)
        policy = ThresholdPolicy(rules, NAMES, PRICES.floor)
        replayer = Replayer(out_of_fold, NAMES, policy, OutOfFoldAssessor(orders))
        assert search.replay(rules, list(table.queries)) == replay_all(out_of_fold, replayer)
    assert bought


def test_the_out_of_fold_assessor_takes_the_first_signal_of_its_rung() -> None:
    assessor = OutOfFoldAssessor({(0, False): ("a", "b"), (0, True): ("b",)})
    signals: dict[str, Reading] = {"a": Signal("a", 0.25, 0.25), "b": Signal("b", 0.75, 0.75)}

    assert assessor.assess(Rung(0, 0, False), signals) == Estimate(0.25, "a", True)
    assert assessor.assess(Rung(0, 2, True), signals) == Estimate(0.75, "b", True)
    signals["a"] = Unavailable("null")
    assert assessor.assess(Rung(0, 0, False), signals) == Estimate(0.75, "b", True)
    assert isinstance(assessor.assess(Rung(0, 0, False), {}), Unavailable)
