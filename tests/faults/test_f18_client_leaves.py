"""F18: a caller that leaves takes its upstream call along within 100 ms, and its place is free."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from ..adapters.scripted_upstream import running_upstream
from .deployment import deployed


async def test_the_upstream_call_ends_and_its_place_is_free(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        upstream.script["a"] = "in-turn:hang,hang,ok"
        tiers = (("small", "a", upstream.base_url),)
        resilience = "in_flight = 1\nwaiting = 1"
        async with deployed(tmp_path, *tiers, resilience=resilience, deadline_s=30.0) as built:
            for n in range(2):
                before = asyncio.all_tasks()
                task = asyncio.create_task(built.router.ask(f"Which city, {n}?"))
                while upstream.open_connections != 1 or len(upstream.seen) != n + 1:
                    await asyncio.sleep(0.005)
                left = time.monotonic()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                while upstream.open_connections:
                    await asyncio.sleep(0.002)
                assert time.monotonic() - left < 0.1
                assert asyncio.all_tasks() <= before
            result = await built.router.ask("Which city, at last?")
            assert result.answer == "Paris."
            assert not built.tier_counts["small"]
