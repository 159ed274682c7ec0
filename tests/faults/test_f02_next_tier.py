"""F02, in a deployment: a rate limit that does not fit sends the request to the next tier."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from surefoot.router.decisions import Action

from ..adapters.scripted_upstream import running_upstream
from .deployment import deployed


async def test_the_next_tier_answers_at_once(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        url = upstream.base_url
        tiers = (("small", "429:1000000000", url), ("large", "ok", url))
        async with deployed(tmp_path, *tiers) as built:
            began = time.monotonic()
            result = await built.router.ask("Which city?")
            assert time.monotonic() - began < 0.5
        assert result.action is Action.ANSWER and result.answer == "Paris."
        assert [step.request.split()[0] for step in result.trail] == ["draft", "draft"]
        assert upstream.count("429:1000000000") == 1
        assert any("small: rate_limited" in words for words in result.degraded)


async def test_a_wait_that_fits_keeps_it_at_its_tier(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_upstream() as upstream:
        upstream.script["a"] = "in-turn:429:0.2,ok"
        tiers = (("small", "a", upstream.base_url), ("large", "ok", upstream.base_url))
        async with deployed(tmp_path, *tiers) as built:
            result = await built.router.ask("Which city?")
            assert built.tier_counts["small"] == {"retried": 1}
        assert [attempt.tier for attempt in result.attempts] == [0]
        assert result.calls == upstream.count("a") == 2
        assert result.degraded == ("tier small: 2 attempts were needed (rate_limited)",)
        assert f"run {result.run_id}: tier small failed (rate_limited)" in caplog.text
