"""One budget for many runs: never overdrawn, one after the other or at the same time."""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.budget import Budget, Spend
from surefoot.router.errors import ConfigurationError
from surefoot.router.shared_budget import SharedBudget


@given(
    limit=st.integers(0, 30),
    runs=st.lists(st.tuples(st.none() | st.integers(0, 12), st.integers(0, 12)), max_size=20),
)
def test_one_after_the_other(limit: int, runs: list[tuple[int | None, int]]) -> None:
    shared, used = SharedBudget(max_calls=limit), 0
    for own, wanted in runs:
        with shared.lend(Budget(max_calls=own)) as loan:
            left = limit - used
            assert loan.budget.max_calls == (left if own is None else min(own, left))
            spent = min(wanted, loan.budget.max_calls or 0)
            loan.used = Spend(calls=spent)
            used += spent
    assert shared.used.calls == used <= limit


@given(limit=st.integers(0, 30), owns=st.lists(st.integers(0, 12), max_size=8))
def test_at_the_same_time_no_more_is_lent_than_there_is(limit: int, owns: list[int]) -> None:
    shared = SharedBudget(max_calls=limit, max_tokens=10 * limit)
    with ExitStack() as stack:
        loans = [
            stack.enter_context(shared.lend(Budget(max_calls=own, max_tokens=10 * own)))
            for own in owns
        ]
        lent = [loan.budget.max_calls or 0 for loan in loans]
        assert sum(lent) == min(limit, sum(owns))
        assert [loan.budget.max_tokens for loan in loans] == [10 * one for one in lent]
    with shared.lend(Budget()) as whole:  # nobody used anything: all of it is back
        assert whole.budget.max_calls == limit


def test_threads_cannot_overdraw_together() -> None:
    shared, limit = SharedBudget(max_cost=1.0), 1.0
    careless: list[float] = []  # what each would take if nothing were reserved

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(200):
            careless.append(min(0.3, max(0.0, limit - shared.used.cost)))
            with shared.lend(Budget(max_cost=0.3)) as loan:
                loan.used = Spend(cost=(loan.budget.max_cost or 0.0) * rng.random())

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.used.cost <= limit + 1e-9
    assert sum(careless) > limit  # the check can fail


def test_what_is_not_limited_stays_as_it_was() -> None:
    own = Budget(max_cost=0.5, deadline_s=3.0, max_rounds=1)
    with SharedBudget(max_calls=4).lend(own) as loan:
        assert loan.budget == Budget(max_cost=0.5, deadline_s=3.0, max_calls=4, max_rounds=1)


def test_a_run_that_fails_gives_back_what_it_did_not_use() -> None:
    shared = SharedBudget(max_calls=4)
    with pytest.raises(RuntimeError), shared.lend(Budget(max_calls=3)) as loan:
        loan.used = Spend(calls=1)
        raise RuntimeError
    with shared.lend(Budget()) as loan:
        assert loan.budget.max_calls == 3


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_tokens"):
        SharedBudget(max_tokens=-1)
    with pytest.raises(ConfigurationError, match="max_cost"):
        SharedBudget(max_cost=float("nan"))
