"""F03: what is refused is asked once; wrong credentials close that tier and no other; a prompt that
is too long goes to a tier with a larger context."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot.router.decisions import Action

from ..adapters.scripted_upstream import running_upstream
from .deployment import deployed


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_exactly_one_attempt_then_the_next_tier(tmp_path: Path, status: int) -> None:
    async with running_upstream() as upstream:
        url = upstream.base_url
        tiers = (("small", f"status:{status}", url), ("large", "ok", url))
        async with deployed(tmp_path, *tiers) as built:
            result = await built.router.ask("Which city?")
            assert built.tier_counts["small"]["retried"] == 0
        assert upstream.count(f"status:{status}") == 1
        assert result.action is Action.ANSWER and [a.tier for a in result.attempts] == [1]


@pytest.mark.parametrize(("status", "asked"), [(401, 1), (403, 1), (400, 5), (404, 5)])
async def test_only_credentials_close_a_tier_and_only_that_one(
    tmp_path: Path, status: int, asked: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_upstream() as upstream:
        url = upstream.base_url
        tiers = (("small", f"status:{status}", url), ("large", "ok", url))
        async with deployed(tmp_path, *tiers) as built:
            results = [await built.router.ask(f"Which city, {n}?") for n in range(5)]
            opened = built.tier_counts["small"]["opened"]
        assert upstream.count(f"status:{status}") == asked
        assert upstream.count("ok") == 5
        assert all(result.action is Action.ANSWER for result in results)
        is_credentials = asked == 1
        assert opened == is_credentials
        assert ("tier small is left alone" in caplog.text) is is_credentials
        assert any("circuit_open" in words for words in results[-1].degraded) is is_credentials


async def test_too_long_goes_to_a_larger_context_and_to_no_smaller_one(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        url = upstream.base_url
        tiers = (("small", "overflow", url), ("same", "ok", url), ("large", "ok", url))
        contexts = {"small": 2048, "same": 2048, "large": 8192}
        async with deployed(tmp_path, *tiers, contexts=contexts) as built:
            result = await built.router.ask("Which city?")
        assert [attempt.tier for attempt in result.attempts] == [2]
        assert (upstream.count("overflow"), upstream.count("ok")) == (1, 1)


async def test_too_long_for_all_is_said(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        url = upstream.base_url
        tiers = (("small", "overflow", url), ("large", "ok", url))
        async with deployed(tmp_path, *tiers) as built:
            result = await built.router.ask("Which city?")
        assert result.action is Action.ABSTAIN and upstream.count("ok") == 0
        assert any("context_overflow" in words for words in result.degraded)
