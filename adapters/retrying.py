"""Whether asking a model again can help after an error, and how long to wait first. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..router.errors import (
    CircuitOpen,
    DeadlineExceeded,
    Overloaded,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamUnavailable,
)

__all__ = ["RetrySettings", "may_help", "patience_s"]


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How often and how fast a model is asked again.

    Attributes:
        attempts: of one request at one tier, the first included.
        first_s: bound of the wait after the first failure; doubled with each further one.
        longest_s: bound of that doubling.
        longest_patience_s: for requests without a deadline, what a tier may ask for by
            Retry-After; a request with one waits as long as it has time.
    """

    attempts: int = 3
    first_s: float = 0.25
    longest_s: float = 4.0
    longest_patience_s: float = 30.0


def may_help(error: BaseException, failures: int) -> bool:
    """Whether an equal request may succeed after this many failures, the last being `error`.

    An endpoint's own word (`x-should-retry`) goes first. Refusals are for good; answers that are
    none are worth one more try, since a model that writes them once may write them always.
    """
    if isinstance(error, CircuitOpen | Overloaded):
        return False  # not of the tier, but of us
    if isinstance(error, UpstreamError):
        if error.should_retry is not None:
            return error.should_retry
        if isinstance(error, UpstreamRefused):
            return False
        return failures <= 1 or isinstance(error, UpstreamUnavailable | UpstreamRateLimited)
    return isinstance(error, DeadlineExceeded)


def patience_s(
    error: BaseException, failures: int, settings: RetrySettings, rng: random.Random
) -> float:
    """Seconds to wait before the next attempt.

    What the tier asked for, lengthened by up to a tenth so that those who were told the same do not
    come back together; else full jitter,

        wait ~ U(0, min(longest, first * 2^(failures - 1)))

    (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
    """
    asked = error.retry_after_s if isinstance(error, UpstreamError) else None
    if asked is not None:
        return asked * (1.0 + 0.1 * rng.random())
    bound = min(settings.longest_s, settings.first_s * 2.0 ** min(failures - 1, 32))
    return rng.uniform(0.0, bound)
