"""F25: the wall clock may jump by an hour either way: no breaker, wait or deadline sticks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from surefoot.router.decisions import Action

from ..adapters.scripted_upstream import running_upstream
from .deployment import deployed


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
async def test_a_jump_holds_nothing_up(
    tmp_path: Path, jump_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall, jumped = time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: wall() + jumped)
    async with running_upstream() as upstream:
        upstream.script["a"] = "in-turn:status:503,status:503,slow:0.05,hang"
        tiers = (("small", "a", upstream.base_url),)
        resilience = "attempts = 1\nbreaker_failures = 2\nopen_s = 0.2"
        async with deployed(tmp_path, *tiers, resilience=resilience, deadline_s=0.5) as built:
            for n in range(2):
                await built.router.ask(f"Which city, {n}?")
            assert built.tier_counts["small"]["opened"] == 1
            jumped = jump_s
            assert (await built.router.ask("Which city, now?")).calls == 0  # still open
            time.sleep(0.25)
            assert (await built.router.ask("Which city, later?")).answer == "Paris."
            began = time.monotonic()
            result = await built.router.ask("Which city, hanging?")
            assert 0.4 < time.monotonic() - began < 0.6
            assert result.action is Action.ABSTAIN
