"""F11: with all tiers down, and their breakers open, a request ends within 50 ms, says when to come
again, and never as an answer."""

from __future__ import annotations

import time
from pathlib import Path

from surefoot.router.decisions import Action

from ..adapters.scripted_upstream import running_upstream
from .deployment import deployed


async def test_a_request_ends_at_once_without_an_answer(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        url = upstream.base_url
        tiers = (("small", "status:503", url), ("large", "status:500", url))
        resilience = "attempts = 1\nbreaker_failures = 3"
        async with deployed(tmp_path, *tiers, resilience=resilience) as built:
            for n in range(3):
                await built.router.ask(f"Which city, {n}?")
            asked = len(upstream.seen)
            assert asked == 6
            times = []
            for n in range(20):
                began = time.perf_counter()
                result = await built.router.ask(f"Which city, once more {n}?")
                times.append(time.perf_counter() - began)
                assert result.action is Action.ABSTAIN and result.answer is None
                assert result.calls == 0
            assert sorted(times)[-1] < 0.05
            assert len(upstream.seen) == asked
            assert all(built.tier_counts[name]["opened"] == 1 for name in ("small", "large"))
        assert sum("is left alone for" in words for words in result.degraded) == 2
