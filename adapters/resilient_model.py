"""What stands between a tier's model and its callers, put together.

From the outside in: retries, within the request's time and the tier's budget; a circuit breaker; a
bulkhead; a second call for slow ones. A retry meets the breaker like any other call, and waits for
no place while it sleeps.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..router.protocols import Model
from .breaker_model import BreakerModel
from .bulkhead import Bulkhead, BulkheadSettings
from .bulkhead_model import BulkheadModel
from .hedging import HedgeSettings, HedgeTimer
from .hedging_model import HedgingModel
from .retry_budget import RetryBudget, RetryBudgetSettings
from .retrying import RetrySettings
from .retrying_model import RetryingModel
from .tier_breaker import BreakerSettings, TierBreaker

__all__ = ["Resilience", "resilient"]


@dataclass(frozen=True, slots=True)
class Resilience:
    """How calls of a tier are protected; None leaves a part out.

    Attributes:
        attempt_s: seconds that one attempt may take, within the request's own time.
    """

    retry: RetrySettings = field(default_factory=RetrySettings)
    budget: RetryBudgetSettings = field(default_factory=RetryBudgetSettings)
    breaker: BreakerSettings | None = field(default_factory=BreakerSettings)
    bulkhead: BulkheadSettings | None = field(default_factory=BulkheadSettings)
    hedge: HedgeSettings | None = None
    attempt_s: float | None = None


def resilient(
    inner: Model,
    name: str,
    settings: Resilience,
    counts: Counter[str],
    *,
    breaker: TierBreaker | None = None,
    clock: Callable[[], float] = time.monotonic,
    rng: random.Random | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Model:
    """The model with everything around it that `settings` asks for.

    Args:
        name: of the tier, for words.
        counts: `retried`, `out_of_budget`, `opened`, `left_alone`, `overloaded`, `hedged`.
        breaker: in place of a new one, where `settings` asks for one.
        clock: monotonic seconds.
        rng: of waits and of the breaker's jitter.
        sleep: between attempts.
    """
    rng = rng or random.Random()
    model = inner
    if settings.hedge is not None:
        model = HedgingModel(model, HedgeTimer(settings.hedge), counts, clock=clock)
    if settings.bulkhead is not None:
        model = BulkheadModel(model, Bulkhead(settings.bulkhead, name, clock), counts)
    if settings.breaker is not None:
        breaker = breaker or TierBreaker(settings.breaker, clock, rng)
        model = BreakerModel(model, breaker, name, counts, clock=clock)
    budget = RetryBudget(settings.budget, clock)
    return RetryingModel(
        model,
        settings.retry,
        budget,
        name,
        counts,
        attempt_s=settings.attempt_s,
        clock=clock,
        rng=rng,
        sleep=sleep,
    )
