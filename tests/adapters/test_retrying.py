from __future__ import annotations

import random

import pytest

from surefoot.adapters.retrying import RetrySettings, may_help, patience_s
from surefoot.router.errors import (
    CircuitOpen,
    ContentRefused,
    ContextOverflow,
    DeadlineExceeded,
    Overloaded,
    StoreError,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTruncated,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)

ALWAYS: tuple[type[UpstreamError], ...] = (UpstreamUnavailable, UpstreamRateLimited)
ONCE: tuple[type[UpstreamError], ...] = (UpstreamMalformed, UpstreamTruncated, UpstreamError)
NEVER: tuple[type[UpstreamError], ...] = (
    UpstreamRefused,
    UpstreamUnauthorized,
    ContentRefused,
    ContextOverflow,
    CircuitOpen,
    Overloaded,
)


def test_what_is_worth_another_attempt() -> None:
    for kind in ALWAYS:
        assert may_help(kind("x"), 1) and may_help(kind("x"), 2)
    for kind in ONCE:
        assert may_help(kind("x"), 1) and not may_help(kind("x"), 2)
    for kind in NEVER:
        assert not may_help(kind("x"), 1)
    assert may_help(DeadlineExceeded("one attempt took too long"), 1)
    assert not may_help(StoreError("x"), 1)


def test_an_endpoints_own_word_goes_first() -> None:
    assert not may_help(UpstreamUnavailable("x", should_retry=False), 1)
    assert may_help(UpstreamRefused("x", should_retry=True), 1)


def test_full_jitter_within_a_doubling_bound() -> None:
    rng, how = random.Random(1), RetrySettings()
    for failures, bound in [(1, 0.25), (2, 0.5), (3, 1.0), (4, 2.0), (5, 4.0), (6, 4.0), (99, 4.0)]:
        waits = [patience_s(UpstreamUnavailable("x"), failures, how, rng) for _ in range(2000)]
        assert 0.0 <= min(waits) < 0.01 * bound and 0.99 * bound < max(waits) <= bound
        assert sum(waits) / len(waits) == pytest.approx(bound / 2, rel=0.05)


def test_what_the_tier_asks_for_is_never_shortened() -> None:
    rng = random.Random(1)
    error = UpstreamRateLimited("x", retry_after_s=2.0)
    waits = [patience_s(error, 1, RetrySettings(), rng) for _ in range(200)]
    assert min(waits) >= 2.0 and max(waits) <= 2.2 and len(set(waits)) > 100
