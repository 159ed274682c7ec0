"""F01: an upstream that answers 500, 502 or 503 is asked at most three times, with full jitter and
within the deadline; one success is enough."""

from __future__ import annotations

import itertools
import time
from collections import Counter

import pytest

from surefoot.adapters.resilient_model import Resilience
from surefoot.adapters.tier_breaker import BreakerSettings
from surefoot.router.errors import DeadlineExceeded, UpstreamUnavailable

from ..adapters.scripted_upstream import running_upstream
from .protected import asking, endpoint

# Each model name gets its turns from the start, so names are made unique by a suffix in `script`.
NAMES = (f"m{n}" for n in itertools.count())
PATIENT = Resilience(breaker=None)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 408])
async def test_three_attempts_and_no_more(status: int) -> None:
    counts = Counter[str]()
    async with running_upstream() as upstream:
        model = endpoint(upstream.base_url, f"status:{status}", counts)
        began = time.monotonic()
        with pytest.raises(UpstreamUnavailable) as caught:
            await model.generate(asking())
        assert time.monotonic() - began < 5.0
        assert len(upstream.seen) == 3 and caught.value.calls == 3
        assert counts == {"retried": 2}
        await model.aclose()


@pytest.mark.parametrize("turns", ["status:500,ok", "status:502,status:503,ok", "hang-up,ok"])
async def test_any_success_is_a_success(turns: str) -> None:
    async with running_upstream() as upstream:
        upstream.script["m"] = f"in-turn:{turns}"
        model = endpoint(upstream.base_url, "m")
        found = await model.generate(asking())
        assert found.generations[0].text == "Paris."
        assert found.calls == len(upstream.seen) == turns.count(",") + 1
        await model.aclose()


async def test_the_deadline_holds_whatever_is_left_to_try() -> None:
    async with running_upstream() as upstream:
        for deadline in (0.05, 0.1, 0.2, 0.4):
            model = endpoint(upstream.base_url, "status:503", settings=PATIENT)
            began = time.monotonic()
            # A slow machine may use the time up within an attempt: the deadline's own error.
            with pytest.raises((UpstreamUnavailable, DeadlineExceeded)):
                await model.generate(asking(timeout_s=deadline))
            assert time.monotonic() - began < deadline + 0.1
            await model.aclose()


async def test_the_waits_are_spread_from_nothing_on() -> None:
    """Full jitter: between two attempts there is anything up to a quarter of a second, not a fixed
    time."""
    waits = []
    async with running_upstream() as upstream:
        for name in itertools.islice(NAMES, 12):
            upstream.script[name] = "in-turn:status:503,ok"
            model = endpoint(upstream.base_url, name)
            await model.generate(asking())
            await model.aclose()
            first, second = (seen.at for seen in upstream.seen[-2:])
            waits.append(second - first)
    assert min(waits) < 0.12 and max(waits) < 0.35
    assert max(waits) - min(waits) > 0.05


async def test_a_breaker_is_not_in_the_way_of_one_bad_answer() -> None:
    settings = Resilience(breaker=BreakerSettings(consecutive=2))
    async with running_upstream() as upstream:
        upstream.script["m"] = "in-turn:status:503,ok"
        model = endpoint(upstream.base_url, "m", settings=settings)
        for _ in range(5):
            await model.generate(asking())
        assert len(upstream.seen) == 6
        await model.aclose()
