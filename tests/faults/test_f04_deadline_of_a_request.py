"""F04: an upstream that accepts and says nothing costs the deadline and at most 100 ms more; its
socket is released, and no task is left."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from surefoot.router.decisions import Action

from ..adapters.scripted_upstream import running_upstream
from ..fault_proxy import Fault, FaultProxy
from .deployment import deployed


@pytest.mark.parametrize("deadline_s", [0.2, 0.5, 1.0])
async def test_the_deadline_holds(tmp_path: Path, deadline_s: float) -> None:
    async with running_upstream() as upstream, FaultProxy(1, Fault(black_hole=True)) as proxy:
        through = f"http://127.0.0.1:{proxy.port}/v1"
        tiers = (("small", "ok", through), ("large", "ok", upstream.base_url))
        async with deployed(tmp_path, *tiers, deadline_s=deadline_s) as built:
            before = asyncio.all_tasks()
            began = time.monotonic()
            result = await built.router.ask("Which city?")
            assert time.monotonic() - began < deadline_s + 0.1
            assert result.action is Action.ABSTAIN
            assert any("small: deadline" in words for words in result.degraded)
            assert asyncio.all_tasks() - before == proxy_tasks(before)
            while proxy.stats.open:
                await asyncio.sleep(0.005)
                assert time.monotonic() - began < deadline_s + 0.3


def proxy_tasks(before: set[asyncio.Task[object]]) -> set[asyncio.Task[object]]:
    """Tasks of the proxy itself, which ends a little after its client."""
    new = asyncio.all_tasks() - before
    return {task for task in new if "_serve" in repr(task.get_coro())}


async def test_a_bound_on_attempts_leaves_time_for_the_next_tier(tmp_path: Path) -> None:
    async with running_upstream() as upstream, FaultProxy(1, Fault(black_hole=True)) as proxy:
        through = f"http://127.0.0.1:{proxy.port}/v1"
        tiers = (("small", "ok", through), ("large", "ok", upstream.base_url))
        resilience = "attempts = 2\nattempt_s = 0.2"
        async with deployed(tmp_path, *tiers, resilience=resilience, deadline_s=3.0) as built:
            began = time.monotonic()
            result = await built.router.ask("Which city?")
            assert time.monotonic() - began < 1.2
            assert result.answer == "Paris." and proxy.stats.opened == 2
