"""Fitting: near the optimum where it is known, honest where nothing is to be gained."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from surefoot.policies.calibrating import calibrate_rungs
from surefoot.policies.fit import (
    Prices,
    check_prices,
    default_prices,
    fit_uncertified,
)
from surefoot.policies.outcomes import OutcomeTable
from surefoot.policies.profile import Profile
from surefoot.policies.recorded import Replayer
from surefoot.policies.replay import Served, replay_all, serve_table
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.decisions import Action, Rung
from surefoot.router.errors import UsageError

from .out_of_fold import with_out_of_fold
from .worlds import Draw, drawn_table, outcome, settings_of, shuffled, sigmoid, table_of

SMALL, LARGE = Rung(0, 0, False), Rung(1, 0, False)
SMALL_READ, LARGE_READ = Rung(0, 1, True), Rung(1, 1, True)
Row = Mapping[Rung, tuple[float, float]]


def fitted(table: OutcomeTable, prices: Prices, *, seed: int = 0) -> Profile:
    return fit_uncertified(table, settings_of(prices, table.tiers, seed=seed), {"note": "a test"})


def mean_price(served: Sequence[Served], prices: Prices) -> float:
    return math.fsum(
        one.cost + (prices.abstain if one.loss is None else prices.error * one.loss)
        for one in served
    ) / len(served)


# --- worlds with a known optimum -----------------------------------------------------------------


def plain_large(rng: random.Random, ease: float) -> Row:
    """The small tier knows what it knows; the large one is right in 19 of 20, and cannot tell."""
    p = sigmoid(ease)
    return {SMALL: (p, p), LARGE: (0.95, rng.random())}


COSTS = {SMALL: 1.0, LARGE: 10.0}
PRICES = Prices(100.0, 60.0)
BREAK_EVEN = 0.95 - 10.0 / 100.0  # below it, the large tier's better chance is worth its cost


def test_the_threshold_is_where_the_large_tier_breaks_even() -> None:
    profile = fitted(drawn_table(2500, plain_large, COSTS, seed=3, spread=3.0), PRICES)
    small = profile.rungs[0]

    assert (small.tier, small.retrieved) == (0, False)
    assert small.threshold == pytest.approx(BREAK_EVEN, abs=0.08)


def test_on_new_questions_the_price_is_near_the_least_possible() -> None:
    profile = fitted(drawn_table(300, plain_large, COSTS, seed=1), PRICES)
    fresh = drawn_table(3000, plain_large, COSTS, seed=2)
    best = sum(
        1.0 + 100.0 * row.loss
        if (row.signals["s"] or 0.0) >= BREAK_EVEN
        else 1.0 + 10.0 + 100.0 * (ladder[LARGE].loss or 0.0)
        for ladder in fresh.queries.values()
        if (row := ladder[SMALL]).loss is not None
    ) / len(fresh.queries)

    assert mean_price(serve_table(fresh, profile), PRICES) < 1.05 * best


def test_one_tier_answers_where_an_abstention_is_dearer_than_the_risk() -> None:
    prices = Prices(100.0, 30.0)
    table = drawn_table(600, lambda rng, ease: {SMALL: (sigmoid(ease), sigmoid(ease))}, COSTS)
    fresh = drawn_table(
        2000, lambda rng, ease: {SMALL: (sigmoid(ease), sigmoid(ease))}, COSTS, seed=9
    )
    served = serve_table(fresh, fitted(table, prices))

    values = {name: ladder[SMALL].signals["s"] or 0.0 for name, ladder in fresh.queries.items()}
    lowest_answered = min(values[one.query_id] for one in served if one.loss is not None)
    highest_abstained = max(values[one.query_id] for one in served if one.loss is None)
    assert highest_abstained <= lowest_answered
    assert (highest_abstained + lowest_answered) / 2 == pytest.approx(1 - 30 / 100, abs=0.06)


def reading_helps(rng: random.Random, ease: float) -> Row:
    """Passages make the small tier right; the large tier is no better than the small one."""
    p = sigmoid(ease)
    return {
        SMALL: (p, p),
        SMALL_READ: (0.95, rng.random()),
        LARGE: (p, p),
        LARGE_READ: (0.95, rng.random()),
    }


READ_COSTS = {SMALL: 1.0, SMALL_READ: 2.0, LARGE: 10.0, LARGE_READ: 12.0}


def larger_helps(rng: random.Random, ease: float) -> Row:
    p = sigmoid(ease)
    return {
        SMALL: (p, p),
        SMALL_READ: (p, p),
        LARGE: (0.95, rng.random()),
        LARGE_READ: (0.95, rng.random()),
    }


@pytest.mark.parametrize(
    ("world", "helps", "vain"),
    [(reading_helps, "retrieving", "asking b"), (larger_helps, "asking b", "retr")],
)
def test_of_two_steps_the_one_that_helps_is_taken_first(world: Draw, helps: str, vain: str) -> None:
    table = drawn_table(250, world, READ_COSTS, seed=4)
    profile = fitted(table, Prices(100.0, 60.0))

    first = Action.RETRIEVE if helps == "retrieving" else Action.ESCALATE
    assert profile.rungs[0].then[0] is first
    assert any(line.startswith(f"{helps} pays") for line in profile.advice)
    assert not any(line.startswith(vain) and " pays" in line for line in profile.advice)


def paid_signal_table(price: float) -> OutcomeTable:
    """`free` is noise around what `paid` knows exactly; the large tier is nearly always right."""
    rng = random.Random(5)
    rows = []
    for number in range(300):
        p = sigmoid(rng.gauss(0.0, 3.0))
        wrong, late = float(rng.random() >= p), float(rng.random() >= 0.95)
        guess = min(1.0, max(0.0, p + rng.gauss(0.0, 0.4)))
        told = {"free": guess, "paid": p}
        costs = {"paid": price}
        name = f"q{number}"
        rows.append(outcome(name, 0, loss=wrong, signals=told, signal_costs=costs))
        noise = {"free": rng.random(), "paid": rng.random()}
        rows.append(outcome(name, 1, loss=late, cost=20.0, signals=noise, signal_costs=costs))
    return table_of(rows)


def test_a_signal_is_bought_where_it_is_worth_its_price_and_not_elsewhere() -> None:
    cheap = fitted(paid_signal_table(0.1), PRICES).rungs[0]
    dear = fitted(paid_signal_table(50.0), PRICES).rungs[0]

    assert [band.signal for band in cheap.buy] == ["paid"]
    assert all(0.0 <= band.low < band.high <= 1.0 for band in cheap.buy)
    assert dear.buy == ()


def test_where_every_signal_has_a_price_the_best_is_bought() -> None:
    rng = random.Random(6)
    rows = []
    for number in range(120):
        p = sigmoid(rng.gauss(0.0, 3.0))
        wrong = float(rng.random() >= p)
        rows.append(outcome(f"q{number}", loss=wrong, signals={"s": p}, signal_costs={"s": 0.1}))
    table = table_of(rows)
    profile = fitted(table, Prices(10.0, 5.0))

    assert [band.signal for band in profile.rungs[0].buy] == ["s"]
    answered = sum(one.loss is not None for one in serve_table(table, profile))
    assert 30 < answered < 90


def test_a_first_tier_that_never_knows_is_no_dead_end_where_every_signal_has_a_price() -> None:
    """Nothing is won by buying on one rung alone as long as no other rung buys."""
    rng = random.Random(12)
    rows = []
    for number in range(150):
        p = sigmoid(rng.gauss(2.0, 2.0))
        for tier, right, told in ((0, 0.1, rng.random()), (1, p, p)):
            wrong = float(rng.random() >= right)
            signals, costs = {"s": told}, {"s": 2.0 + tier}
            name, cost = f"q{number}", (1.0, 10.0)[tier]
            rows.append(
                outcome(name, tier, loss=wrong, cost=cost, signals=signals, signal_costs=costs)
            )
    table = table_of(rows)
    prices = Prices(500.0, 250.0)
    served = serve_table(table, fitted(table, prices))

    assert sum(one.loss is not None for one in served) > 100
    assert mean_price(served, prices) < 120.0


# --- the search ----------------------------------------------------------------------------------


def price_of_rules(table: OutcomeTable, rules: tuple[RungRule, ...], prices: Prices) -> float:
    """On the out-of-fold probabilities, as the search sees them."""
    changed, orders = with_out_of_fold(table, calibrate_rungs(table, {}, seed=0))
    assert set(orders.values()) == {("s",)}
    names = tuple("ab")
    policy = ThresholdPolicy(rules, names, prices.floor)
    served = replay_all(changed, Replayer(changed, names, policy, BareAssessor(("s",))))
    return mean_price(served, prices)


@pytest.mark.parametrize("prices", [PRICES, Prices(20.0, 1.0), Prices(5.0, 50.0), Prices(0.0, 0.0)])
@pytest.mark.parametrize("world", [reading_helps, larger_helps])
def test_the_rules_are_never_worse_than_those_it_starts_from(world: Draw, prices: Prices) -> None:
    table = drawn_table(80, world, READ_COSTS, seed=8)
    profile = fitted(table, prices)
    places = [(tier, retrieved) for tier in (0, 1) for retrieved in (False, True)]
    start = tuple(RungRule(tier, prices.floor, retrieved) for tier, retrieved in places)

    found = price_of_rules(table, profile.thresholds().rules, prices)
    assert found <= price_of_rules(table, start, prices) + 1e-9
    answer_all = tuple(replace(rule, threshold=0.0) for rule in start)
    assert found <= price_of_rules(table, answer_all, prices) + 1e-9


def test_the_same_seed_gives_the_same_profile_in_any_order_of_rows() -> None:
    table = drawn_table(100, plain_large, COSTS, seed=11)
    first = fitted(table, PRICES, seed=5)

    for order in range(2):
        again = fitted(shuffled(table, order), PRICES, seed=5)
        assert again == first
        assert again.fingerprint == first.fingerprint


def test_what_was_fitted_on_goes_into_the_profile() -> None:
    table = drawn_table(60, plain_large, COSTS)
    profile = fitted(table, PRICES)

    assert profile.names == ("a", "b")
    assert profile.prices == {"error": 100.0, "abstain": 60.0}
    assert profile.floor == pytest.approx(0.4)
    assert profile.fitted_on == {"note": "a test"}
    assert profile.certificate is None
    assert all(rung.calibrators for rung in profile.rungs[:2])


def test_progress_grows_to_its_total_at_most() -> None:
    calls: list[tuple[str, int, int]] = []
    table = drawn_table(60, plain_large, COSTS)
    fit_uncertified(table, settings_of(PRICES), {}, lambda *call: calls.append(call))

    assert {words for words, _, _ in calls} == {"searching rules"}
    done = [number for _, number, _ in calls]
    assert done == sorted(done) and done[0] >= 0
    assert all(number <= total for _, number, total in calls)


def test_three_hundred_questions_on_four_rungs_take_seconds() -> None:
    table = drawn_table(300, larger_helps, READ_COSTS)
    began = time.process_time()
    fitted(table, PRICES)

    assert time.process_time() - began < 20.0


# --- steps that nobody recorded ------------------------------------------------------------------


def test_without_rows_of_a_search_no_rule_retrieves() -> None:
    profile = fitted(drawn_table(60, plain_large, COSTS), PRICES)

    assert [(rung.tier, rung.retrieved) for rung in profile.rungs] == [
        (0, False),
        (1, False),
        (0, True),
        (1, True),
    ]
    assert all(Action.RETRIEVE not in rung.then for rung in profile.rungs)
    for unseen in profile.rungs[2:]:
        assert (unseen.threshold, unseen.calibrators, unseen.buy) == (1.0, (), ())


def test_with_rows_of_one_search_nobody_searches_twice() -> None:
    profile = fitted(drawn_table(60, reading_helps, READ_COSTS), PRICES)
    then = {(rung.tier, rung.retrieved): rung.then for rung in profile.rungs}

    assert Action.RETRIEVE in then[0, False]
    assert Action.RETRIEVE not in then[0, True] + then[1, True]


def test_with_rows_of_two_searches_one_may_search_twice() -> None:
    def draw(rng: random.Random, ease: float) -> Row:
        p = sigmoid(ease)
        first, second = Rung(0, 1, True), Rung(0, 2, True)
        return {SMALL: (p, p), first: (p, p), second: (0.95, 0.95)}

    costs = {Rung(0, round, round > 0): 1.0 for round in (0, 1, 2)}
    profile = fitted(drawn_table(200, draw, costs), PRICES)

    steps = {(rung.retrieved, rung.round): rung.then for rung in profile.rungs}
    assert steps[False, None] == steps[True, 1] == (Action.RETRIEVE,)
    assert steps[True, 2] == ()


def test_where_no_further_step_is_worth_its_cost_a_rule_stops_at_once() -> None:
    profile = fitted(equal_tiers(200, 0), Prices(100.0, 60.0))

    assert profile.rungs[0].then == ()


def test_a_row_that_a_policy_would_reach_must_be_there() -> None:
    table = drawn_table(60, plain_large, COSTS)
    rows = [row for row in table.rows() if (row.query_id, row.tier) != ("q0007", 1)]

    with pytest.raises(UsageError, match="'q0007' has no row for tier 1"):
        fitted(table_of(rows), PRICES)


def test_a_row_that_nobody_judged_is_refused() -> None:
    table = drawn_table(60, plain_large, COSTS)
    rows = [
        replace(row, loss=None) if (row.query_id, row.tier) == ("q0007", 1) else row
        for row in table.rows()
    ]

    with pytest.raises(UsageError, match="'q0007', tier 1 has no loss: judge it first"):
        fitted(table_of(rows), PRICES)


def test_a_rung_that_cannot_be_calibrated_is_refused() -> None:
    with pytest.raises(UsageError, match="15 judged rows have it, 20 are needed"):
        fitted(drawn_table(15, plain_large, COSTS), PRICES)


# --- advice --------------------------------------------------------------------------------------


def advice_on(table: OutcomeTable, prices: Prices = PRICES) -> str:
    line = next(one for one in fitted(table, prices).advice if one.startswith("asking b"))
    return line


def test_a_large_tier_that_is_much_better_pays() -> None:
    line = advice_on(drawn_table(200, plain_large, COSTS, spread=3.0))

    assert line.startswith("asking b pays: it saves +")
    low, high = interval_of(line)
    assert 0 < low < high


def equal_tiers(n: int, seed: int) -> OutcomeTable:
    """The large tier gives the very answers of the small one, at ten times the price."""
    table = drawn_table(n, plain_large, COSTS, seed=seed)
    rows = [row for row in table.rows() if row.tier == 0]
    return table_of([*rows, *(replace(row, tier=1, cost=10.0) for row in rows)])


@pytest.mark.parametrize("seed", range(5))
def test_an_equal_large_tier_does_not_pay(seed: int) -> None:
    line = advice_on(equal_tiers(100, seed))

    assert line == "asking b does not pay: no rule found a use for it"


def test_tiers_that_differ_by_chance_alone_are_seldom_said_to_pay() -> None:
    def draw(rng: random.Random, ease: float) -> Row:
        return {SMALL: (0.6, rng.random()), LARGE: (0.6, rng.random())}

    lines = [
        advice_on(drawn_table(60, draw, {SMALL: 1.0, LARGE: 5.0}, seed=seed), Prices(50.0, 25.0))
        for seed in range(30)
    ]
    assert sum(" pays: " in line for line in lines) <= 3
    # On the questions that they were chosen on, rules save something in every world.
    saved = [mean_of(line) for line in lines if "it saves" in line]
    assert len(saved) > 10 and sum(saved) < 0.0


def slightly_better(rng: random.Random, ease: float) -> Row:
    p, q = sigmoid(ease), sigmoid(ease + 0.7)
    return {SMALL: (p, p), LARGE: (q, q)}


@pytest.mark.parametrize("seed", range(6))
def test_a_small_gain_is_undecided_on_few_questions(seed: int) -> None:
    line = advice_on(drawn_table(60, slightly_better, {SMALL: 1.0, LARGE: 5.0}, seed=seed))

    if not line.endswith(": no rule found a use for it"):
        assert line.startswith("asking b: undecided on 60 questions: it saves ")
        low, _ = interval_of(line)
        assert low <= 0  # it may have lost on held-out questions: so few do not say which way


def test_a_small_gain_pays_on_many_questions() -> None:
    line = advice_on(drawn_table(1500, slightly_better, {SMALL: 1.0, LARGE: 5.0}, seed=7))

    assert line.startswith("asking b pays: ")


@pytest.mark.parametrize("seed", range(4))
def test_a_dear_tier_that_is_more_often_wrong_is_never_said_to_pay(seed: int) -> None:
    def draw(rng: random.Random, ease: float) -> Row:
        return {SMALL: (0.7, rng.random()), LARGE: (0.5, rng.random())}

    assert " pays: " not in advice_on(drawn_table(150, draw, {SMALL: 1.0, LARGE: 30.0}, seed=seed))


def test_each_tier_is_judged_for_itself() -> None:
    def draw(rng: random.Random, ease: float) -> Row:
        p = sigmoid(ease)
        last = (0.9, rng.random())
        return {SMALL: (p, p), LARGE: (0.95, rng.random()), Rung(2, 0, False): last}

    costs = {SMALL: 1.0, LARGE: 5.0, Rung(2, 0, False): 20.0}
    _, to_b, to_c = fitted(drawn_table(200, draw, costs, spread=3.0), PRICES).advice[:3]

    assert to_b.startswith("asking b pays: ")
    assert to_c.startswith("asking c") and " pays: " not in to_c


def mean_of(line: str) -> float:
    found = re.search(r"saves ([-+.\d]+) ", line)
    assert found is not None
    return float(found[1])


def interval_of(line: str) -> tuple[float, float]:
    found = re.search(r"saves ([-+.\d]+) errors' worth a question \[([-+.\d]+), ([-+.\d]+)\]", line)
    assert found is not None
    mean, low, high = map(float, found.groups())
    assert low <= mean <= high
    return low, high


# --- prices --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-1.0, -1e-9, math.nan, math.inf, -math.inf])
def test_prices_that_cannot_be_used_are_refused(bad: float) -> None:
    table = drawn_table(30, plain_large, COSTS)
    for prices, name in ((Prices(bad, 1.0), "error"), (Prices(1.0, bad), "abstain")):
        with pytest.raises(UsageError, match=f"the {name} price is .* a finite number from 0"):
            check_prices(prices)
        with pytest.raises(UsageError, match=f"the {name} price"):
            fitted(table, prices)


def test_prices_of_nothing_are_prices() -> None:
    assert check_prices(Prices(0.0, 0.0)) == Prices(0.0, 0.0)


@pytest.mark.parametrize(
    ("prices", "floor"),
    [
        (Prices(1.0, 0.5), 0.5),
        (Prices(100.0, 30.0), 0.7),
        (Prices(1.0, 0.0), 1.0),
        (Prices(1.0, 1.0), 0.0),
        (Prices(1.0, 9.0), 0.0),
    ],
)
def test_an_answer_is_worth_it_from_the_floor_on(prices: Prices, floor: float) -> None:
    assert prices.floor == pytest.approx(floor)


def test_a_wrong_answer_costs_fifty_of_the_dearest_attempts_unless_told() -> None:
    rows = [
        outcome("a", 0, cost=1.0),
        outcome("a", 1, cost=4.0),
        outcome("b", 0, cost=3.0),
        outcome("b", 1, cost=8.0),
    ]

    assert default_prices(table_of(rows)) == Prices(50 * 6.0, 25 * 6.0)


def test_without_any_cost_a_wrong_answer_costs_one() -> None:
    assert default_prices(table_of([outcome("a", cost=0.0)])) == Prices(1.0, 0.5)


def test_a_world_without_costs_can_be_fitted() -> None:
    free = dict.fromkeys(COSTS, 0.0)
    table = drawn_table(100, plain_large, free, seed=1, spread=3.0)
    profile = fitted(table, default_prices(table))

    assert profile.advice[1].startswith("asking b pays")
