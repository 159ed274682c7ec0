"""F05: a stream that falls silent ends by the idle timeout; what came of it is neither kept nor
scored."""

from __future__ import annotations

import time

import pytest

from surefoot.adapters.cache_stores import MemoryStore
from surefoot.adapters.cached_model import CachedModel
from surefoot.adapters.exact_cache import ExactCache
from surefoot.adapters.model_openai import OpenAIModel
from surefoot.router.errors import UpstreamTruncated
from surefoot.router.requests import Continue

from ..adapters.scripted_upstream import answer_events, events, running_upstream
from .protected import asking

IDLE_S = 0.2


@pytest.mark.parametrize("chunks", [1, 2, 3])
async def test_the_idle_timeout_fires_and_nothing_is_kept(chunks: int) -> None:
    async with running_upstream() as upstream:
        upstream.streams["half"] = events(*answer_events("Paris is a city.")[:chunks], done=False)
        upstream.streams["whole"] = events(*answer_events("Paris is a city."))
        upstream.script["m"] = "in-turn:stall:half,stream:whole"
        inner = OpenAIModel(upstream.base_url, "m", idle_timeout_s=IDLE_S)
        cache = ExactCache(MemoryStore())
        model = CachedModel(inner, cache, "m", "context")
        began = time.monotonic()
        with pytest.raises(UpstreamTruncated, match="stood still"):
            await model.generate(asking(timeout_s=10.0), lambda tokens: Continue())
        assert IDLE_S <= time.monotonic() - began < IDLE_S + 0.2
        found = await model.generate(asking(timeout_s=10.0), lambda tokens: Continue())
        assert found.generations[0].text == "Paris is a city."
        assert cache.counts["hit"] == 0 and upstream.count("m") == 2
        await model.aclose()


async def test_keep_alives_do_not_keep_a_silent_stream_alive() -> None:
    async with running_upstream() as upstream:
        upstream.streams["half"] = events(*answer_events()[:2], *[": ping"] * 20, done=False)
        model = OpenAIModel(upstream.base_url, "stall:half", idle_timeout_s=IDLE_S)
        with pytest.raises(UpstreamTruncated, match="stood still"):
            await model.generate(asking(), lambda tokens: Continue())
        await model.aclose()
