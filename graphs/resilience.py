"""What is put around the models of a deployment, so that they may fail."""

from __future__ import annotations

import random
import time
from collections import Counter

from ..adapters.bulkhead import BulkheadSettings
from ..adapters.hedging import HedgeSettings
from ..adapters.resilient_model import Resilience, resilient
from ..adapters.retry_budget import RetryBudgetSettings
from ..adapters.retrying import RetrySettings
from ..adapters.tier_breaker import BreakerSettings, TierBreaker
from ..router.protocols import Model
from .settings import ResilienceSettings, TierSettings

__all__ = ["protected", "resilience_of"]

# What runs in this process fails for reasons that asking again does not mend.
_BEHIND_ENDPOINTS = ("openai:", "langchain:")


def protected(
    model: Model,
    tier: TierSettings,
    settings: ResilienceSettings,
    counts: Counter[str],
    breakers: dict[str, TierBreaker],
) -> Model:
    """The tier's model with retries, breaker, bulkhead and hedging where it is an endpoint's.

    Args:
        counts: what happened to the tier's calls, by kind.
        breakers: by tier name; the tier's own is put there, where it has one.
    """
    if not tier.model.startswith(_BEHIND_ENDPOINTS):
        return model
    wanted = resilience_of(settings)
    if wanted.breaker is not None:
        breakers[tier.name] = TierBreaker(wanted.breaker, time.monotonic, random.Random())
    return resilient(model, tier.name, wanted, counts, breaker=breakers.get(tier.name))


def resilience_of(given: ResilienceSettings) -> Resilience:
    """The settings as the parts take them."""
    return Resilience(
        retry=RetrySettings(attempts=given.attempts),
        budget=RetryBudgetSettings(share=given.retry_share),
        breaker=_breaker(given) if given.breaker else None,
        bulkhead=BulkheadSettings(given.in_flight, given.waiting),
        hedge=HedgeSettings() if given.hedge else None,
        attempt_s=given.attempt_s,
    )


def _breaker(given: ResilienceSettings) -> BreakerSettings:
    return BreakerSettings(
        consecutive=given.breaker_failures,
        ratio=given.breaker_ratio,
        open_s=given.open_s,
        longest_open_s=max(given.open_s, given.longest_open_s),
    )
