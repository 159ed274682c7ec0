"""Simple rules on small tables, computed by hand, and the facts of the stored tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policies.baselines import Baseline, baselines
from surefoot.policies.outcomes import OutcomeTable, read_outcomes

from .worlds import outcome, shuffled, six_questions, stored, table_of


def close(baseline: Baseline, quality: float, cost: float) -> bool:
    return baseline.quality == pytest.approx(quality) and baseline.cost == pytest.approx(cost)


def two_tiers(*losses: tuple[float, float], small: float = 1.0, large: float = 5.0) -> OutcomeTable:
    return table_of(
        outcome(f"q{number}", tier, loss=loss, cost=cost)
        for number, pair in enumerate(losses)
        for tier, (loss, cost) in enumerate(zip(pair, (small, large), strict=True))
    )


def test_six_questions_by_hand() -> None:
    found = baselines(table_of(six_questions()), 41.5 / 6)

    assert list(found) == [
        "always-small",
        "always-large",
        "always-large+retrieve",
        "random-mix",
        "best-single",
        "oracle",
    ]
    assert close(found["always-small"], 1 / 6, 1.0)
    assert close(found["always-large"], 2.5 / 6, 8.0)
    # For q5 the search found nothing: it is drafted closed book, and costs as much.
    assert close(found["always-large+retrieve"], 4.5 / 6, (5 * 10 + 8) / 6)
    share = (41.5 / 6 - 1) / (8 - 1)
    assert close(found["random-mix"], 1 / 6 + share * (2.5 - 1) / 6, 41.5 / 6)
    assert found["best-single"] == found["always-large+retrieve"]
    # q1 small, q2 and q3 small with passages, q4 and q6 large with passages, q5 large at half.
    assert close(found["oracle"], 5.5 / 6, (1 + 2 + 2 + 10 + 8 + 10) / 6)


def test_no_rule_reads_a_signal_or_pays_for_one() -> None:
    rows = six_questions()
    dear = table_of(
        outcome(
            row.query_id,
            row.tier,
            row.round,
            loss=row.loss,
            cost=row.cost,
            signals={"paid": 0.5},
            signal_costs={"paid": 1000.0},
        )
        for row in rows
    )

    assert baselines(dear, 5.0) == baselines(table_of(rows), 5.0)


@pytest.mark.parametrize(
    ("gate_cost", "quality", "cost"),
    [(0.0, 0.25, 1.0), (1.0, 0.25, 1.0), (2.0, 0.375, 2.0), (5.0, 0.75, 5.0), (99.0, 0.75, 5.0)],
)
def test_the_random_mix_costs_what_the_gate_costs(
    gate_cost: float, quality: float, cost: float
) -> None:
    table = two_tiers((1, 0), (1, 0), (1, 1), (0, 0))

    assert close(baselines(table, gate_cost)["random-mix"], quality, cost)


def test_the_random_mix_of_a_large_tier_that_is_cheaper() -> None:
    table = two_tiers((1, 0), (0, 0), small=4.0, large=2.0)

    assert close(baselines(table, 3.0)["random-mix"], 0.75, 3.0)
    assert close(baselines(table, 9.0)["random-mix"], 0.5, 4.0)
    assert close(baselines(table, 0.0)["random-mix"], 1.0, 2.0)


def test_the_random_mix_of_equal_prices_is_the_small_tier() -> None:
    table = two_tiers((1, 0), (0, 0), small=2.0, large=2.0)

    assert close(baselines(table, 2.0)["random-mix"], 0.5, 2.0)


def test_of_equal_rungs_the_cheaper_is_best() -> None:
    for small, large in ((1.0, 5.0), (5.0, 1.0)):
        table = two_tiers((1, 0), (0, 1), small=small, large=large)

        assert close(baselines(table, 1.0)["best-single"], 0.5, 1.0)


def test_the_oracle_takes_the_cheapest_of_all_where_nothing_is_right() -> None:
    assert close(baselines(two_tiers((1, 1), (1, 0)), 1.0)["oracle"], 0.5, 3.0)


def test_rules_with_a_row_missing_or_unjudged_are_left_out() -> None:
    complete = [outcome("a", 0, cost=1.0), outcome("a", 1, cost=3.0), outcome("b", 0, cost=1.0)]
    missing = baselines(table_of(complete), 1.0)
    unjudged = baselines(table_of([*complete, outcome("b", 1, loss=None, cost=3.0)]), 1.0)

    assert list(missing) == ["always-small", "best-single", "oracle"]
    assert unjudged == missing


def test_without_any_judged_row_there_is_no_oracle() -> None:
    rows = [outcome("a", loss=None), outcome("b")]

    assert baselines(table_of(rows), 1.0) == {}


def test_a_rule_that_searches_needs_a_row_for_what_was_found() -> None:
    rows = [row for row in six_questions() if (row.query_id, row.tier, row.round) != ("q4", 1, 1)]

    assert "always-large+retrieve" not in baselines(table_of(rows), 5.0)


def test_one_tier_alone() -> None:
    found = baselines(table_of([outcome("a", loss=1.0), outcome("b", loss=0.0)]), 7.0)

    assert set(map(repr, found.values())) == {repr(Baseline(0.5, 1.0))}


losses = st.sampled_from([0.0, 0.5, 1.0])
prices = st.floats(0.001, 1000)


@given(
    rows=st.lists(st.tuples(losses, prices, losses, prices), min_size=1, max_size=8),
    gate_cost=st.floats(0, 2000),
    seed=st.integers(0, 99),
)
def test_bounds_that_hold_on_every_table(
    rows: list[tuple[float, float, float, float]], gate_cost: float, seed: int
) -> None:
    table = table_of(
        outcome(f"q{number}", tier, loss=row[2 * tier], cost=row[2 * tier + 1])
        for number, row in enumerate(rows)
        for tier in (0, 1)
    )
    found = baselines(table, gate_cost)
    small, large, mix = (found[name] for name in ("always-small", "always-large", "random-mix"))

    for one in found.values():
        assert one.quality <= found["oracle"].quality + 1e-12
    for low, value, high in (
        (small.quality, mix.quality, large.quality),
        (small.cost, mix.cost, large.cost),
    ):
        assert min(low, high) - 1e-9 <= value <= max(low, high) + 1e-9
    assert found["best-single"].quality == max(small.quality, large.quality)
    assert baselines(shuffled(table, seed), gate_cost) == found


# --- stored tables (shared/data/routing/README.md: accuracy by tier) -----------------------------

ACCURACIES = {
    "llama_mmlu_train": (0.411, 0.579, 0.625, 0.786, 0.814),
    "llama_mmlu_test": (0.425, 0.572, 0.634, 0.815, 0.852),
    "llama_triviaqa_train": (0.323, 0.620, 0.803, 0.943, 0.970),
    "llama_triviaqa_test": (0.372, 0.633, 0.787, 0.928, 0.949),
    "llama_gsm8k_train": (0.590, 0.897, 0.893, 0.977, 0.973),
}


@pytest.mark.parametrize("name", sorted(ACCURACIES))
def test_accuracies_of_the_stored_tables(name: str) -> None:
    table = read_outcomes(stored(name))

    found = []
    for tier in range(table.tiers):
        alone = table_of(row for row in table.rows() if row.tier == tier)
        found.append(round(baselines(alone, 0.0)["best-single"].quality, 3))
    assert found == pytest.approx(ACCURACIES[name], abs=0.0006)
    both = baselines(table, 0.0)
    assert round(both["always-small"].quality, 3) == pytest.approx(found[0])
    assert round(both["always-large"].quality, 3) == pytest.approx(found[-1])
