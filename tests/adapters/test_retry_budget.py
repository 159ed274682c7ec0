from __future__ import annotations

from surefoot.adapters.retry_budget import RetryBudget, RetryBudgetSettings

from .fake_time import FakeTime


def test_a_quiet_tier_may_be_retried_once_a_second() -> None:
    time = FakeTime()
    budget = RetryBudget(RetryBudgetSettings(), time.clock)
    budget.routed()
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]
    time.now += 10.0
    assert budget.take()


def test_a_busy_tier_may_be_retried_for_a_fifth_of_its_requests() -> None:
    budget = RetryBudget(RetryBudgetSettings(), FakeTime().clock)
    for _ in range(500):
        budget.routed()
    assert sum(budget.take() for _ in range(500)) == 100


def test_requests_that_have_left_the_window_allow_nothing() -> None:
    time = FakeTime()
    budget = RetryBudget(RetryBudgetSettings(per_s=0.0), time.clock)
    for _ in range(100):
        budget.routed()
    time.now += 10.0
    assert not budget.take()
    for _ in range(5):
        budget.routed()
    assert [budget.take(), budget.take()] == [True, False]
