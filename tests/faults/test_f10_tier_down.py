"""F10: a tier that is down for a minute at 50 requests a second is left alone after ten failures,
hears less than 2 % of them, is probed by one call at a time, and is back after one probe."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from surefoot.adapters.resilient_model import Resilience, resilient
from surefoot.adapters.retrying import RetrySettings
from surefoot.adapters.tier_breaker import BreakerSettings
from surefoot.router.errors import UpstreamError, UpstreamUnavailable
from surefoot.router.testing import FunctionModel

from ..adapters.fake_time import FakeTime
from ..adapters.scripted_upstream import running_upstream
from ..fault_proxy import HEALTHY, Fault, FaultProxy
from .deployment import deployed
from .protected import asking

PER_S, DOWN_S = 50.0, 60.0
GONE = UpstreamUnavailable("connection refused")


async def outage(warm_s: float, settings: Resilience) -> tuple[int, int, int, int]:
    """Calls while down, those that reached the tier, those until it opened, and probes until it
    was back after the outage."""
    time, counts = FakeTime(), Counter[str]()
    down_from, down_until = time.now + warm_s, time.now + warm_s + DOWN_S
    inner = FunctionModel(lambda call: GONE if down_from <= time.now < down_until else "Paris")
    model = resilient(
        inner, "small", settings, counts, clock=time.clock, rng=random.Random(2), sleep=time.sleep
    )
    made = reached = until_open = probes = 0
    while time.now < down_until + 70.0:
        time.now += 1.0 / PER_S
        before, is_down = len(inner.calls), down_from <= time.now < down_until
        try:
            await model.generate(asking())
            if time.now >= down_until:
                probes += len(inner.calls) - before
                break
        except UpstreamError:
            if time.now >= down_until:
                probes += len(inner.calls) - before
        if is_down:
            made += 1
            reached += len(inner.calls) - before
            until_open = until_open or (reached if counts["opened"] else 0)
    return made, reached, until_open, probes


@pytest.mark.parametrize("warm_s", [0.0, 30.0, 300.0])
async def test_a_minute_of_outage(warm_s: float) -> None:
    settings = Resilience(retry=RetrySettings(attempts=1))
    made, reached, until_open, probes = await outage(warm_s, settings)
    assert made > 2900
    assert until_open <= BreakerSettings().min_calls + 1
    assert reached - until_open < 0.02 * made
    assert probes == 1


async def test_a_ratio_alone_would_hit_it_for_seconds() -> None:
    """The control: from a warm window without the consecutive trip."""
    slow = Resilience(retry=RetrySettings(attempts=1), breaker=BreakerSettings(consecutive=10**9))
    _, _, until_open, _ = await outage(30.0, slow)
    assert until_open > 500


async def test_on_real_sockets_down_and_up_again(tmp_path: Path) -> None:
    resilience = "attempts = 1\nbreaker_failures = 5\nopen_s = 0.3"
    async with running_upstream() as upstream:
        port = int(upstream.base_url.split(":")[2].partition("/")[0])
        async with FaultProxy(port) as proxy:
            through = f"http://127.0.0.1:{proxy.port}/v1"
            tiers = (("small", "ok", through), ("large", "ok", upstream.base_url))
            async with deployed(tmp_path, *tiers, resilience=resilience) as built:
                ask, counts = built.router.ask, built.tier_counts["small"]
                assert (await ask("Which city, before?")).attempts[0].tier == 0
                proxy.plan = Fault(refuse=True)
                opened_before = proxy.stats.opened
                for n in range(5):
                    result = await ask(f"Which city, {n}?")
                    assert result.answer == "Paris." and result.attempts[-1].tier == 1
                assert counts["opened"] == 1
                reached = proxy.stats.opened - opened_before
                for n in range(20):
                    assert (await ask(f"Which city, while open {n}?")).answer == "Paris."
                assert proxy.stats.opened - opened_before == reached
                proxy.plan = HEALTHY
                await asyncio.sleep(0.35)
                opened_before = proxy.stats.opened
                results = await asyncio.gather(
                    *(ask(f"Which city, {n} at once?") for n in range(8))
                )
                assert proxy.stats.opened - opened_before == 1  # one probe; the others went on
                assert all(result.answer == "Paris." for result in results)
                result = await ask("Which city, after?")
                assert [attempt.tier for attempt in result.attempts] == [0]
                assert result.degraded == ()
