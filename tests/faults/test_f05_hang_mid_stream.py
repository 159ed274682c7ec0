"""F05: a stream that stands still is given up after the idle timeout, and what it had brought is
neither kept nor judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from surefoot.adapters.cache_stores import MemoryStore
from surefoot.adapters.cached_model import CachedModel
from surefoot.adapters.exact_cache import ExactCache
from surefoot.adapters.model_openai import OpenAIModel
from surefoot.router.budget import Price
from surefoot.router.decisions import Action, Rung
from surefoot.router.drive import Router
from surefoot.router.errors import DeadlineExceeded, UpstreamTruncated
from surefoot.router.evidence import Evidence, Token
from surefoot.router.plan import TierPlan
from surefoot.router.requests import Continue, PrefixVerdict
from surefoot.router.signals import Reading, Signal
from surefoot.router.testing import FixedEstimator, ScriptedModel, says

from ..adapters.raw_upstream import Bytes, answering, head
from ..fault_proxy import Fault, FaultProxy
from ..router.deployments import router_of
from ..router.plans import plan_of
from .streams import CALL, EVENTS, is_exact

IDLE_S = 0.2
WHOLE: Bytes = [head("Connection: close"), *EVENTS]
HANGS: Bytes = [head("Connection: close"), *EVENTS[:4], ...]


def go_on(tokens: Sequence[Token]) -> PrefixVerdict:
    return Continue()


async def test_the_idle_timeout_fires_and_the_socket_is_released() -> None:
    async with answering(WHOLE) as server:
        cut = len(head("Connection: close")) + sum(map(len, EVENTS[:4])) + 20
        async with FaultProxy(server.port, Fault(cut_after=cut, black_hole=True)) as proxy:
            url = f"http://127.0.0.1:{proxy.port}/v1"
            model = OpenAIModel(url, "m", idle_timeout_s=IDLE_S)
            spent: list[float] = []
            while not spent or (min(spent) >= IDLE_S + 0.1 and len(spent) < 3):
                began = time.monotonic()
                with pytest.raises(UpstreamTruncated, match=r"stood still for 0\.2 s") as caught:
                    await model.generate(CALL, go_on)
                spent.append(time.monotonic() - began)
            assert IDLE_S <= min(spent) < IDLE_S + 0.1
            assert caught.value.reach == "answered"
            async with asyncio.timeout(1.0):
                while proxy.stats.open:
                    await asyncio.sleep(0.005)
            await model.aclose()


async def test_each_event_starts_the_patience_anew_and_comments_do_not() -> None:
    slow: list[bytes | float] = [head("Connection: close")]
    for each in EVENTS:
        slow += [each, 0.12]
    async with answering(slow) as server:
        model = OpenAIModel(server.base_url, "m", idle_timeout_s=IDLE_S)
        assert is_exact(await model.generate(CALL, go_on))  # a second and more in all
        await model.aclose()
    chatty: list[bytes | float] = [head("Connection: close"), *EVENTS[:4]]
    chatty += [b": still here\n\n", 0.05] * 40
    async with answering(chatty) as server:
        model = OpenAIModel(server.base_url, "m", idle_timeout_s=IDLE_S)
        with pytest.raises(UpstreamTruncated, match="stood still"):
            await model.generate(CALL, go_on)
        await model.aclose()


async def test_before_the_first_word_only_the_deadline_counts() -> None:
    late: Bytes = [head("Connection: close"), b": reading\n\n", 3 * IDLE_S, *EVENTS]
    async with answering(late) as server:
        model = OpenAIModel(server.base_url, "m", idle_timeout_s=IDLE_S)
        assert is_exact(await model.generate(CALL, go_on))
        with pytest.raises(DeadlineExceeded):
            await model.generate(replace(CALL, timeout_s=0.1), go_on)
        await model.aclose()


async def test_what_had_come_is_not_cached() -> None:
    async with answering(lambda ordinal: WHOLE if ordinal else HANGS) as server:
        cache = ExactCache(MemoryStore())
        inner = OpenAIModel(server.base_url, "m", idle_timeout_s=IDLE_S)
        model = CachedModel(inner, cache, "m", "context")
        with pytest.raises(UpstreamTruncated):
            await model.generate(CALL, go_on)
        assert is_exact(await model.generate(CALL, go_on))
        kept = await model.generate(CALL, go_on)
        assert is_exact(kept) and kept.calls == 0
        assert len(server.bodies) == 2
        await model.aclose()
        await cache.aclose()


async def test_what_had_come_is_not_judged_and_the_next_tier_answers() -> None:
    judged: list[str] = []

    def surely(evidence: Evidence) -> Reading:
        judged.append(evidence.greedy.text)
        return Signal("sure", 0.99, 0.99)

    class Open:
        def judge(self, rung: Rung, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
            return Continue(release=True)

    tiers = tuple(
        TierPlan(name, name, context=1000, max_output=20, price=Price(1.0, 1.0))
        for name in ("small", "large")
    )
    plan = plan_of(
        tiers=tiers, free=(FixedEstimator("sure", surely),), retrieval=None, prefix_gate=Open()
    )
    async with answering(HANGS) as server:
        small = OpenAIModel(server.base_url, "m", idle_timeout_s=IDLE_S)
        # Not the router that watches tasks: the server's connection is one.
        performer = router_of(plan, small, ScriptedModel(says("Paris", 0.9))).performer
        async with Router(plan, performer) as router:
            result = await router.ask("Which city is the capital of France?")
        assert len(server.bodies) == 1
    assert judged == ["Paris"]
    assert (result.action, result.answer, result.tier) == (Action.ANSWER, "Paris", 1)
    assert [attempt.text for attempt in result.attempts] == ["Paris"]
    assert any("stood still" in str(step) for step in result.trail)
