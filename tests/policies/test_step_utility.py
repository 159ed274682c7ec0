"""Value policies: the best action by hand, and the vectorized walk is the loop's walk."""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace

import numpy as np
import pytest

from surefoot.policies.entry import PriorEntry
from surefoot.policies.fit_step_values import fit_step_values
from surefoot.policies.ladders import Ladders, ladders_of
from surefoot.policies.outcomes import OutcomeTable
from surefoot.policies.paths import RungScores
from surefoot.policies.prices import Prices
from surefoot.policies.recorded import Replayer
from surefoot.policies.step_models import BuyRule, RungPrice, StepModel, StepValues
from surefoot.policies.step_utility import UtilityPolicy
from surefoot.policies.step_walk import step_walk
from surefoot.router.assessing import BareAssessor
from surefoot.router.budget import Budget, Forecast, Spend
from surefoot.router.decisions import Action, Attempt, Buy, Decision, Rung
from surefoot.router.errors import ConfigurationError
from surefoot.router.protocols import BuyOption, Situation
from surefoot.router.signals import Estimate

from .worlds import outcome, table_of

AHEAD = Forecast(1.0, 0.0)
NAMES = ("small", "large", "largest")
# sigmoid(bias) where `here` is 0: the large tier is right in 0.9, the largest in 0.95.
NINE = math.log(9.0)
NINETEEN = math.log(19.0)
VALUES = StepValues(
    (
        StepModel(0, False, 1, False, NINE, 0.0, 0.0),
        StepModel(0, False, 2, False, NINETEEN, 0.0, 0.0),
        StepModel(0, False, 0, True, 0.0, 0.0, 0.0),
    ),
    (RungPrice(0, False, 1.0), RungPrice(1, False, 4.0), RungPrice(2, False, 30.0, 2.0)),
)


def attempt(p: float) -> Attempt:
    return Attempt("1", 0, 0, False, "x", "stop", 1.0, 0.0, {}, {}, Estimate(p, "s", True))


def situation(p: float, *, buy: tuple[str, ...] = (), retrieve: bool = True) -> Situation:
    one = attempt(p)
    return Situation(
        one.rung,
        one,
        one.estimate,
        one,
        True,
        AHEAD if retrieve else None,
        ((1, AHEAD), (2, AHEAD)),
        tuple(BuyOption(name, AHEAD) for name in buy),
        (),
        Spend(),
        Budget(),
    )


@pytest.mark.parametrize(
    ("p", "prices", "trade", "action", "tier"),
    [
        # U(answer) = -100 (1 - p); large: -10 - 4; largest: -5 - 32; abstain: -60.
        (0.90, Prices(100.0, 60.0), 1.0, Action.ANSWER, None),  # -10 beats -14
        (0.80, Prices(100.0, 60.0), 1.0, Action.ESCALATE, 1),  # -20 loses against -14
        (0.80, Prices(1000.0, 600.0), 1.0, Action.ESCALATE, 2),  # -50 - 32 beats -100 - 4
        (0.80, Prices(100.0, 5.0), 1.0, Action.ABSTAIN, None),
        (0.80, Prices(100.0, 60.0), 2.0, Action.ESCALATE, 1),  # -10 - 8
        (0.80, Prices(100.0, 60.0), 4.0, Action.ANSWER, None),  # -10 - 16 loses against -20
        (0.86, Prices(100.0, 14.0), 1.0, Action.ABSTAIN, None),  # three at -14: the safest
    ],
)
def test_the_best_action_by_hand(
    p: float, prices: Prices, trade: float, action: Action, tier: int | None
) -> None:
    choice = UtilityPolicy(VALUES, prices, NAMES, trade).decide(situation(p))
    assert isinstance(choice, Decision)
    assert (choice.action, choice.tier) == (action, tier)
    assert len(choice.compared) == 4  # every other option


def test_every_number_that_was_compared_is_told() -> None:
    choice = UtilityPolicy(VALUES, Prices(100.0, 60.0), NAMES).decide(situation(0.8))
    told = {one.name: one.value for one in choice.compared}
    assert told == pytest.approx(
        {"answer": -20.0, "abstain": -60.0, "retrieve": -51.0, "escalate to largest": -37.0}
    )
    assert all(one.bound == pytest.approx(-14.0) for one in choice.compared)


def test_a_signal_is_bought_inside_its_band_only() -> None:
    values = replace(VALUES, buys=(BuyRule(0, False, "paid", 0.4, 0.7),))
    policy = UtilityPolicy(values, Prices(100.0, 60.0), NAMES)
    assert isinstance(policy.decide(situation(0.5, buy=("paid",))), Buy)
    assert isinstance(policy.decide(situation(0.7, buy=("paid",))), Decision)
    assert isinstance(policy.decide(situation(0.5)), Decision)  # bought already, or too dear


def test_a_negative_trade_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="trade"):
        UtilityPolicy(VALUES, Prices(1.0, 1.0), NAMES, -1.0)


def random_table(seed: int, n: int = 60) -> OutcomeTable:
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        rounds = rng.choice((0, 1, 1))
        ease = rng.gauss(0.0, 1.5)
        for tier in range(3):
            for round in range(rounds + 1):
                p = 1.0 / (1.0 + math.exp(-(ease + tier + round)))
                free = min(1.0, max(0.0, p + rng.gauss(0.0, 0.2)))
                rows.append(
                    outcome(
                        f"q{number:03}",
                        tier,
                        round,
                        loss=float(rng.random() >= p),
                        cost=rng.choice((0.5, 1.0)) * 4.0**tier,
                        signals={"free": free, "paid": p},
                        signal_costs={"paid": 0.3},
                    )
                )
    return table_of(rows)


def scores_of(ladders: Ladders) -> RungScores:
    r = len(ladders.rungs)
    return RungScores(
        ladders.signals["free"],
        ladders.signals["paid"],
        ladders.prices["paid"],
        ("paid",) * r,
        (None,) * r,
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("abstains", [True, False])
def test_the_walk_is_the_walk_of_the_loop(seed: int, abstains: bool) -> None:
    table = random_table(seed)
    ladders = ladders_of(table)
    scores, prices = scores_of(ladders), Prices(30.0, 12.0)
    rng = np.random.default_rng(seed)
    prior = rng.uniform(0.1, 0.9, (len(ladders.queries), 3))
    values = fit_step_values(ladders, scores, prices, prior=prior)
    assert values.buys  # the free signal is noisy and the other one cheap
    by_name = dict(zip(ladders.queries, map(tuple, prior.tolist()), strict=True))

    class Known:
        def probabilities(self, question: str) -> tuple[float, ...]:
            return by_name[question]

    for trade in (0.0, 0.3, 1.0, 5.0):
        entry = PriorEntry(NAMES, (0.75, 3.0, 12.0), trade / 30.0)
        start = np.array(
            [
                int(np.argmax([entry.value(tier, tuple(row)) for tier in range(3)]))
                for row in prior.tolist()
            ]
        )
        walked = step_walk(
            ladders, scores, values, prices, trade, start=start, prior=prior, abstains=abstains
        )
        policy = UtilityPolicy(values, prices, NAMES, trade, abstains=abstains)
        replayer = Replayer(
            table, NAMES, policy, BareAssessor(("paid", "free")), prior=Known(), entry=entry
        )
        for at, query in enumerate(ladders.queries):
            result = replayer.replay(query)
            assert walked.cost[at] == pytest.approx(result.cost)
            assert walked.tier[at] == max(one.tier for one in result.attempts)
            if result.action is Action.ABSTAIN:
                assert walked.served[at] == -1
            else:
                assert result.best is not None
                assert ladders.rungs[walked.served[at]] == result.best.rung


def test_models_learn_each_tier_for_itself() -> None:
    rng = random.Random(3)
    rows = []
    for number in range(1500):
        p = rng.random()
        rows.append(outcome(f"q{number}", 0, loss=float(rng.random() >= p), signals={"s": p}))
        right = 1.0 / (1.0 + math.exp(-1.0 - 0.5 * math.log(p / (1.0 - p))))
        rows.append(outcome(f"q{number}", 1, loss=float(rng.random() >= right), signals={"s": 0.5}))
    ladders = ladders_of(table_of(rows))
    s = ladders.signals["s"]
    scores = RungScores(s, s, np.zeros_like(s), (None, None), (None, None))
    (step,) = fit_step_values(ladders, scores, Prices(1.0, 1.0)).steps
    assert (step.at_tier, step.tier) == (0, 1)
    assert step.bias == pytest.approx(1.0, abs=0.2)
    assert step.here == pytest.approx(0.5, abs=0.15)


def test_a_tier_that_never_helps_is_never_asked() -> None:
    rows = []
    rng = random.Random(4)
    for number in range(300):
        p = rng.random()
        loss = float(rng.random() >= p)
        rows.append(outcome(f"q{number}", 0, loss=loss, signals={"s": p}))
        rows.append(outcome(f"q{number}", 1, loss=loss, cost=10.0, signals={"s": p}))
    ladders = ladders_of(table_of(rows))
    s = ladders.signals["s"]
    scores = RungScores(s, s, np.zeros_like(s), (None, None), (None, None))
    prices = Prices(100.0, 90.0)
    values = fit_step_values(ladders, scores, prices)
    walked = step_walk(
        ladders, scores, values, prices, 1.0, start=np.zeros(300, dtype=int), abstains=False
    )
    assert (walked.tier > 0).mean() < 0.1


def test_deciding_takes_microseconds() -> None:
    policy, here = UtilityPolicy(VALUES, Prices(100.0, 60.0), NAMES), situation(0.8)
    best = math.inf
    for _ in range(5):
        began = time.process_time()
        for _ in range(2000):
            policy.decide(here)
        best = min(best, (time.process_time() - began) / 2000)
    assert best < 40e-6  # measured at 8 to 12; the machine may be busy


def test_without_an_estimate_the_next_tier_is_asked() -> None:
    from surefoot.router.signals import Unavailable

    here = replace(situation(0.5), estimate=Unavailable("no logprobs"))
    choice = UtilityPolicy(VALUES, Prices(100.0, 60.0), NAMES).decide(here)
    assert isinstance(choice, Decision)
    assert (choice.action, choice.tier) == (Action.ESCALATE, 1)
    assert Rung(0, 0, False) == here.rung
