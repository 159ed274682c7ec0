"""What fits into a budget and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.budget import NOTHING, Budget, Forecast, Price, Spend

FULL = Budget(max_cost=1.0, deadline_s=10.0, max_calls=3, max_tokens=100, max_rounds=2)
USED = Spend(cost=0.5, elapsed_s=4.0, calls=2, tokens=60, rounds=1)


def test_a_price_counts_both_ways() -> None:
    assert Price(0.25, 2.0).of(100, 10) == 45.0


def test_forecasts_add_up_field_by_field() -> None:
    assert Forecast(1.0, 2.0, 3, 4, 5) + Forecast(0.5, 0.25, 1, 1, 1) == Forecast(
        1.5, 2.25, 4, 5, 6
    )


@pytest.mark.parametrize("one", [None, 0.0, 2.0])
def test_an_unknown_cost_makes_the_sum_unknown(one: float | None) -> None:
    assert (Forecast(one) + Forecast(None)).cost is None
    assert (Forecast(None) + Forecast(one)).cost is None


@pytest.mark.parametrize(
    "ahead",
    [
        NOTHING,
        Forecast(cost=0.5),
        Forecast(latency_s=5.99),
        Forecast(calls=1),
        Forecast(tokens=40),
        Forecast(rounds=1),
        Forecast(cost=None, calls=1),
    ],
)
def test_what_just_fits_is_allowed(ahead: Forecast) -> None:
    assert FULL.refusal(USED, ahead) is None


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (Forecast(cost=0.51), "would bring the cost to 1.01 of 1 allowed"),
        (Forecast(latency_s=6.0), "would take until 10.00 s of 10.00 s allowed"),
        (Forecast(calls=2), "would make 4 calls of 3 allowed"),
        (Forecast(tokens=41), "would use 101 tokens of 100 allowed"),
        (Forecast(rounds=2), "all 2 rounds of retrieval are used"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(ahead: Forecast, words: str) -> None:
    assert FULL.refusal(USED, ahead) == words


def test_without_limits_only_rounds_count() -> None:
    huge = Forecast(1e9, 1e9, 10**9, 10**9)
    assert Budget().refusal(Spend(1e9, 1e9, 10**9, 10**9, 3), huge) is None
    assert Budget().refusal(Spend(rounds=3), Forecast(rounds=1)) is not None


def test_once_time_is_up_nothing_fits() -> None:
    assert FULL.refusal(Spend(elapsed_s=10.0), NOTHING) is not None
    assert (FULL.time_left(Spend(elapsed_s=12.0)), FULL.time_left(USED)) == (0.0, 6.0)
    assert Budget().time_left(USED) is None


amounts = st.integers(0, 50)
spends = st.builds(Spend, amounts, amounts, amounts, amounts, amounts)
forecasts = st.builds(Forecast, st.none() | amounts, amounts, amounts, amounts, amounts)


@given(spends, forecasts, forecasts)
def test_more_is_refused_wherever_less_is(spend: Spend, less: Forecast, more: Forecast) -> None:
    if FULL.refusal(spend, less) is not None and less.cost is not None and more.cost is not None:
        assert FULL.refusal(spend, less + more) is not None
