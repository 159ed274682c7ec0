"""F12: where everything fails at 200 requests a second, retries add at most a fifth to the load."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from surefoot.adapters.resilient_model import Resilience, resilient
from surefoot.adapters.retry_budget import RetryBudgetSettings
from surefoot.router.errors import UpstreamUnavailable
from surefoot.router.testing import FunctionModel

from ..adapters.fake_time import FakeTime
from .protected import asking

REQUESTS, PER_S = 6000, 200.0


async def attempts(budget: RetryBudgetSettings) -> tuple[int, Counter[str]]:
    """Attempts that arrive while half a minute of requests fails, the breaker left out."""
    time, counts = FakeTime(), Counter[str]()
    inner = FunctionModel(lambda call: UpstreamUnavailable("down"))

    async def no_sleep(seconds: float) -> None:
        """Requests overlap: while one waits, the clock is moved by those that come."""

    model = resilient(
        inner,
        "small",
        Resilience(breaker=None, budget=budget),
        counts,
        clock=time.clock,
        rng=random.Random(5),
        sleep=no_sleep,
    )
    for _ in range(REQUESTS):
        time.now += 1.0 / PER_S
        with pytest.raises(UpstreamUnavailable):
            await model.generate(asking())
    return len(inner.calls), counts


async def test_attempts_stay_within_a_fifth_more_than_requests() -> None:
    made, counts = await attempts(RetryBudgetSettings())
    assert 1.15 * REQUESTS < made <= 1.2 * REQUESTS
    assert counts["out_of_budget"] > 0.7 * REQUESTS


async def test_without_a_budget_the_load_is_multiplied() -> None:
    """The control: the same world, had the budget no bound."""
    made, _ = await attempts(RetryBudgetSettings(share=10.0))
    assert made == 3 * REQUESTS
