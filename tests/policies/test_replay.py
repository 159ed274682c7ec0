"""Replay: every number of the report by hand, and the stored tables through the real loop."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policies.entry import FixedEntry
from surefoot.policies.fit import Prices, fit_uncertified
from surefoot.policies.outcomes import Outcome, OutcomeTable, read_outcomes
from surefoot.policies.profile import FittedRung, FittedTier, Profile
from surefoot.policies.recorded import Replayer
from surefoot.policies.replay import (
    ReplayReport,
    Served,
    replay_all,
    replay_profile,
    replay_report,
    serve_table,
)
from surefoot.policies.table_facts import fit_settings
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.decisions import Action, Rung
from surefoot.router.errors import UsageError
from surefoot.router.risk.tie_break import tie_break

from .worlds import outcome, shuffled, six_questions, six_replayer, six_rules, stored, table_of


def six_report(rows: Sequence[Outcome], floor: float | None = None) -> ReplayReport:
    table = table_of(rows)
    return replay_report(table, replay_all(table, six_replayer(rows, floor)))


def with_loss(place: tuple[str, int, int], loss: float | None) -> list[Outcome]:
    return [
        replace(row, loss=loss) if (row.query_id, row.tier, row.round) == place else row
        for row in six_questions()
    ]


# --- by hand -------------------------------------------------------------------------------------
# q1 answers at once (1.0). q2 buys and answers wrongly (1.0 + 0.5). q3 buys in vain, retrieves and
# answers (1.0 + 0.5 + 2.0). q4 retrieves and escalates (1 + 2 + 10). q5 searches in vain, escalates
# and is half right (1 + 8). q6 buys in vain, tries all and abstains (1.0 + 0.5 + 2 + 10).


def test_six_questions_by_hand() -> None:
    report = six_report(six_questions())

    assert report.n == 6
    assert report.gated_share == pytest.approx(5 / 6)
    assert report.abstained_share == pytest.approx(1 / 6)
    assert report.selective_risk == pytest.approx((0 + 1 + 0 + 0 + 0.5) / 5)
    assert report.joint_risk == pytest.approx(1.5 / 6)
    assert report.system_risk == pytest.approx(1.5 / 6)
    assert report.deferred_share == pytest.approx(3 / 6)
    assert report.quality == pytest.approx(3.5 / 6)
    assert report.cost == pytest.approx((1 + 1.5 + 3.5 + 13 + 9 + 13.5) / 6)
    assert report.latency_s == pytest.approx((1 + 1 + 3 + 7 + 4 + 7) / 6)
    assert report.served_from == {
        Rung(0, 0, False): pytest.approx(2 / 6),
        Rung(0, 1, True): pytest.approx(1 / 6),
        Rung(1, 0, False): pytest.approx(1 / 6),
        Rung(1, 1, True): pytest.approx(1 / 6),
    }
    assert sum(report.served_from.values()) == pytest.approx(report.gated_share)


def test_selective_accuracy_by_hand_with_a_tie_at_the_boundary() -> None:
    report = six_report(six_questions())

    # Surest half of 0.9 (q1, right), 0.9 (q4, right), 0.85 (q2, wrong), 0.85 (q3, right), 0.6, 0.5:
    # the third place is shared by a wrong and a right one.
    assert report.selective_accuracy_50 == pytest.approx((1 + 1 + 0.5) / 3)
    # q5 is half right; q6 was right, though it was not served.
    assert report.accuracy_100 == pytest.approx((1 + 0 + 1 + 1 + 0.5 + 1) / 6)
    assert report.selective_gain == pytest.approx(2.5 / 3 - 4.5 / 6)


def test_the_baselines_stand_at_the_cost_of_the_gate() -> None:
    report = six_report(six_questions())

    assert report.baselines["random-mix"].cost == pytest.approx(report.cost)
    assert report.baselines["oracle"].cost == pytest.approx(33 / 6)


def test_each_question_by_hand() -> None:
    rows = six_questions()
    served = replay_all(table_of(rows), six_replayer(rows))

    assert served[1] == Served(
        "q2", Rung(0, 0, False), 1.0, 1.5, 1.0, 0, 0.85, 1.0, (Rung(0, 0, False),), True
    )
    visited = (Rung(0, 0, False), Rung(0, 1, True), Rung(1, 1, True))
    assert served[5] == Served("q6", None, None, 13.5, 7.0, 1, 0.5, 0.0, visited)


def test_with_a_floor_the_abstained_question_is_served_and_right() -> None:
    report = six_report(six_questions(), floor=0.5)

    assert (report.gated_share, report.abstained_share) == (1.0, 0.0)
    assert report.quality == pytest.approx(4.5 / 6)
    assert report.selective_risk == pytest.approx(1.5 / 6)
    assert report.cost == pytest.approx(41.5 / 6)


def test_an_unjudged_row_that_is_served_is_an_error_that_names_it() -> None:
    rows = with_loss(("q4", 1, 1), None)

    with pytest.raises(UsageError, match="'q4' is answered by tier 1, and that row has no loss"):
        replay_all(table_of(rows), six_replayer(rows))


def test_an_unjudged_row_on_the_way_does_no_harm() -> None:
    report = six_report(with_loss(("q4", 0, 0), None))

    assert report.quality == pytest.approx(3.5 / 6)


def test_an_abstention_on_an_unjudged_attempt_is_left_out_of_the_accuracies_alone() -> None:
    report = six_report(with_loss(("q6", 1, 1), None))

    assert report.abstained_share == pytest.approx(1 / 6)
    assert report.accuracy_100 == pytest.approx((1 + 0 + 1 + 1 + 0.5) / 5)
    assert report.selective_accuracy_50 == pytest.approx((1 + 1 + 0.5) / 3)


def test_unknown_latencies_make_no_mean() -> None:
    rows = [
        replace(row, latency_s=None) if row.query_id == "q2" else row for row in six_questions()
    ]
    unreached = [
        replace(row, latency_s=None) if (row.query_id, row.tier) == ("q1", 1) else row
        for row in six_questions()
    ]

    assert six_report(rows).latency_s is None
    assert "latency_s" not in six_report(rows).intervals
    assert six_report(unreached).latency_s == pytest.approx(23 / 6)


def test_where_nothing_is_answered_the_selective_risk_is_undefined() -> None:
    table = table_of([outcome("a", signals={"s": 0.1}), outcome("b", signals={"s": None})])
    policy = ThresholdPolicy((RungRule(0, 0.5),), ("a",))
    report = replay_report(table, replay_all(table, Replayer(table, ("a",), policy)))

    assert (report.gated_share, report.quality, report.joint_risk) == (0.0, 0.0, 0.0)
    assert report.selective_risk is None and "selective_risk" not in report.intervals
    assert report.served_from == {}
    assert report.accuracy_100 == 1.0


def test_without_any_estimate_the_accuracies_are_undefined() -> None:
    table = table_of([outcome("a", signals={"s": None})])
    policy = ThresholdPolicy((RungRule(0, 0.5),), ("a",))
    report = replay_report(table, replay_all(table, Replayer(table, ("a",), policy)))

    assert report.selective_accuracy_50 is report.accuracy_100 is report.selective_gain is None


# --- let through by a gate, handed over, or neither -----------------------------------------------
# The same six questions before a large tier without a gate: whatever reaches it is served, and
# nothing vouches for it. q6 reaches it with passages and is right (13.5), q4 and q5 as before.


def handed_over(rows: Sequence[Outcome]) -> list[Served]:
    rules = tuple(replace(rule, gated=rule.tier == 0) for rule in six_rules())
    policy = ThresholdPolicy(rules, ("small", "large"))
    assessor = BareAssessor(("paid", "free"))
    return replay_all(
        table_of(rows), Replayer(table_of(rows), ("small", "large"), policy, assessor)
    )


def test_an_ungated_last_tier_is_served_and_not_gated_by_hand() -> None:
    rows = six_questions()
    served = handed_over(rows)
    report = replay_report(table_of(rows), served)

    assert [one.gated for one in served] == [True, True, True, False, False, False]
    assert all(one.rung is not None for one in served)
    assert report.gated_share == pytest.approx(3 / 6)
    assert report.selective_risk == pytest.approx((0 + 1 + 0) / 3)
    assert report.joint_risk == pytest.approx(1 / 6)
    assert report.system_risk == pytest.approx((0 + 1 + 0 + 0 + 0.5 + 0) / 6)
    assert report.abstained_share == 0.0
    assert report.quality == pytest.approx(4.5 / 6)
    assert sum(report.served_from.values()) == pytest.approx(1.0)
    assert report.intervals["gated_share"][1] < 1.0 == report.intervals["abstained_share"][0] + 1.0


def test_an_abstention_is_charged_in_the_system_risk_alone() -> None:
    rows = six_questions()
    table, served = table_of(rows), replay_all(table_of(rows), six_replayer(rows))
    free, dear = (replay_report(table, served, abstention_loss=a) for a in (0.0, 0.4))

    assert free.system_risk == pytest.approx(1.5 / 6)
    assert dear.system_risk == pytest.approx((1.5 + 0.4 * 1) / 6)
    assert replace(dear, system_risk=free.system_risk, intervals=free.intervals) == free
    assert dear.intervals["system_risk"] != free.intervals["system_risk"]


# --- profiles ------------------------------------------------------------------------------------


def profile_of(*rungs: FittedRung, entry: FixedEntry | None = None, seed: int = 0) -> Profile:
    tiers = (FittedTier("small"), FittedTier("large"))
    return Profile(tiers, rungs, entry=entry, tie_seed=seed)


def by_signal(threshold: float, tie: float = 0.0) -> tuple[FittedRung, ...]:
    """Two tiers by `s`, the large one ungated."""
    small, large = (FittedRung(tier, False, 0.0, (), (), ()) for tier in (0, 1))
    return tuple(
        replace(rung, retrieved=seen)
        for rung in (
            replace(small, threshold=threshold, tie=tie, then=(Action.ESCALATE,), score="s"),
            replace(large, gated=False),
        )
        for seen in (False, True)
    )


def two_tiers(n: int) -> OutcomeTable:
    return table_of(
        outcome(f"q{i}", tier, cost=1.0 + 9.0 * tier, signals={"s": 0.5})
        for i in range(n)
        for tier in (0, 1)
    )


def test_a_profile_is_replayed_from_its_entry_on() -> None:
    table = two_tiers(5)
    from_below = serve_table(table, profile_of(*by_signal(0.9)))
    above = serve_table(table, profile_of(*by_signal(0.9), entry=FixedEntry(1, "large")))

    assert {one.cost for one in from_below} == {11.0}
    assert {one.cost for one in above} == {10.0}
    assert {one.visited for one in above} == {(Rung(1, 0, False),)}


def test_ties_fall_by_the_seed_of_the_profile() -> None:
    table = two_tiers(200)
    served = {
        seed: serve_table(table, profile_of(*by_signal(0.5, tie=0.3), seed=seed)) for seed in (1, 2)
    }

    for seed, found in served.items():
        assert [one.gated for one in found] == [
            tie_break(seed, one.query_id) >= 0.3 for one in found
        ]
    assert served[1] != served[2]


def test_a_gate_that_reads_what_the_table_lacks_is_an_error() -> None:
    profile = profile_of(*by_signal(0.5))
    table = table_of(
        outcome(f"q{i}", tier, signals={"other": 0.5}) for i in range(3) for tier in (0, 1)
    )

    with pytest.raises(UsageError, match="the gate of small reads s; the table's signals are oth"):
        serve_table(table, profile)


def test_a_table_of_more_tiers_is_an_error_that_counts_them() -> None:
    table = table_of(outcome("q", tier) for tier in range(3))

    with pytest.raises(UsageError, match="the outcome table has 3 tiers, the profile 2"):
        serve_table(table, profile_of(*by_signal(0.5)))


# --- intervals and order -------------------------------------------------------------------------


def numbers_of(report: ReplayReport) -> dict[str, float]:
    return {
        name: value
        for name in ReplayReport.__dataclass_fields__
        if isinstance(value := getattr(report, name), float)
    }


def test_every_defined_number_has_an_interval_around_it() -> None:
    report = six_report(six_questions())
    numbers = numbers_of(report)

    assert set(report.intervals) == set(numbers)
    for name, value in numbers.items():
        low, high = report.intervals[name]
        assert low <= value <= high, name
        assert low < high, name


def served_share(right: int, n: int) -> list[Served]:
    rung = Rung(0, 0, False)
    return [
        Served(f"q{i}", rung, float(i >= right), 2.0, 1.0, 0, 0.5, float(i >= right), (rung,), True)
        for i in range(n)
    ]


def test_an_interval_is_as_wide_as_theory_says() -> None:
    table = table_of(outcome(f"q{i}") for i in range(400))
    report = replay_report(table, served_share(300, 400))

    low, high = report.intervals["quality"]
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert low == pytest.approx(0.75 - half, abs=0.01)
    assert high == pytest.approx(0.75 + half, abs=0.01)
    assert report.intervals["cost"] == (2.0, 2.0)


def test_another_seed_draws_other_questions() -> None:
    table = table_of(outcome(f"q{i}") for i in range(400))
    served = served_share(300, 400)

    one = replay_report(table, served, seed=1)
    assert replay_report(table, served, seed=1) == one
    assert replay_report(table, served, seed=2).intervals != one.intervals


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_rows_give_equal_numbers(seed: int) -> None:
    rows = six_questions()
    mixed = list(shuffled(table_of(rows), seed).rows())

    assert six_report(mixed) == six_report(rows)
    assert list(table_of(mixed).queries) != list(table_of(rows).queries)


def test_progress_counts_every_question() -> None:
    rows = six_questions()
    calls: list[tuple[int, int]] = []
    replay_all(table_of(rows), six_replayer(rows), lambda done, total: calls.append((done, total)))

    assert calls == [(done, 6) for done in range(1, 7)]


# --- against a simulation that knows nothing of the loop -----------------------------------------


def simulated(
    ladder: Mapping[Rung, Outcome], thresholds: Mapping[tuple[int, bool], float]
) -> tuple[Rung | None, float]:
    """Retrieve first, then escalate, answer at the threshold: the rung served, and the cost."""
    tier, retrieved, cost = 0, False, 0.0
    while True:
        row = ladder[Rung(tier, int(retrieved), retrieved)]
        cost += row.cost
        p = row.signals["s"]
        if p is not None and p >= thresholds[tier, retrieved]:
            return row.rung, cost
        if not retrieved and any(rung.retrieved for rung in ladder):
            retrieved = True
        elif tier < 2:
            tier += 1
        else:
            return None, cost


chances = st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])


@given(
    values=st.lists(st.lists(st.none() | chances, min_size=6, max_size=6), min_size=1, max_size=5),
    thresholds=st.lists(chances, min_size=6, max_size=6),
    searched=st.booleans(),
)
def test_replay_equals_a_plain_simulation(
    values: list[list[float | None]], thresholds: list[float], searched: bool
) -> None:
    places = [(tier, round) for tier in range(3) for round in (0, 1)]
    table = table_of(
        outcome(f"q{q}", tier, round, cost=10.0**tier + round, signals={"s": signals[i]})
        for q, signals in enumerate(values)
        for i, (tier, round) in enumerate(places)
        if searched or not round
    )
    bounds = {(tier, round > 0): thresholds[i] for i, (tier, round) in enumerate(places)}
    rules = tuple(RungRule(tier, bound, seen) for (tier, seen), bound in bounds.items())
    names = ("a", "b", "c")
    served = replay_all(table, Replayer(table, names, ThresholdPolicy(rules, names)))

    found = [(one.rung, one.cost) for one in served]
    assert found == [simulated(ladder, bounds) for ladder in table.queries.values()]


# --- stored tables -------------------------------------------------------------------------------


def test_a_gate_fitted_on_stored_rows_beats_the_random_mix_on_others() -> None:
    train = read_outcomes(stored("llama_mmlu_train"))
    test = read_outcomes(stored("llama_mmlu_test"))
    prices = Prices(error=0.002, abstain=0.002)  # ten answers of the largest tier
    profile = fit_uncertified(train, fit_settings(train, prices, 0), {})
    calls: list[tuple[str, int, int]] = []
    report = replay_profile(test, profile, progress=lambda *call: calls.append(call))

    mix = report.baselines["random-mix"]
    assert mix.cost == pytest.approx(report.cost)
    assert report.intervals["quality"][0] > mix.quality + 0.02
    assert report.cost < 0.5 * report.baselines["always-large"].cost
    assert profile.entry is not None and report.deferred_share == 1.0
    assert report.selective_gain is not None and report.intervals["selective_gain"][0] > 0
    assert calls[-1] == ("replaying questions", len(test.queries), len(test.queries))
    few = test.only(random.Random(0).sample(sorted(test.queries), 50))
    assert [one.cost > 0 for one in serve_table(few, profile)] == [True] * 50
