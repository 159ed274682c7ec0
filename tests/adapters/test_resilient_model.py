"""The parts around a model, put together, on fake time; real sockets are in tests/faults."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter

import pytest

from surefoot.adapters.bulkhead import BulkheadSettings
from surefoot.adapters.hedging import HedgeSettings
from surefoot.adapters.resilient_model import Resilience, resilient
from surefoot.adapters.retrying import RetrySettings
from surefoot.router.capabilities import Capabilities, Capable
from surefoot.router.errors import (
    CircuitOpen,
    DeadlineExceeded,
    Overloaded,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from surefoot.router.evidence import Generation
from surefoot.router.protocols import Completion, Model, ModelCall, OnTokens, Prompt
from surefoot.router.testing import FunctionModel, ScriptedModel

from .fake_time import FakeTime

CALL = ModelCall(Prompt("Which city?"), timeout_s=30.0)
DOWN = UpstreamUnavailable("down")


class World:
    """A model with everything around it, on fake time."""

    def __init__(self, inner: Model, settings: Resilience | None = None) -> None:
        self.time = FakeTime()
        self.counts: Counter[str] = Counter()
        self.model = resilient(
            inner,
            "small",
            settings or Resilience(),
            self.counts,
            clock=self.time.clock,
            rng=random.Random(3),
            sleep=self.time.sleep,
        )


async def test_a_second_attempt_is_told_and_counted() -> None:
    world = World(ScriptedModel(DOWN, "Paris"))
    found = await world.model.generate(CALL)
    assert found.generations[0].text == "Paris"
    assert found.calls == 2
    assert found.degraded == ("2 attempts were needed (unavailable)",)
    assert world.counts == {"retried": 1}
    assert len(world.time.slept) == 1 and 0.0 <= world.time.slept[0] <= 0.25


async def test_without_trouble_nothing_is_said() -> None:
    inner = ScriptedModel("Paris")
    found = await World(inner).model.generate(CALL)
    assert (found.calls, found.degraded) == (1, ())


async def test_the_last_error_is_raised_with_the_calls_of_all() -> None:
    inner = ScriptedModel(DOWN, UpstreamUnavailable("still down"), UpstreamMalformed("html"))
    with pytest.raises(UpstreamMalformed, match="html") as caught:
        await World(inner).model.generate(CALL)
    assert caught.value.calls == 3 and len(inner.calls) == 3


async def test_each_attempt_has_what_is_left_of_the_time() -> None:
    time = FakeTime()

    def answer(call: ModelCall) -> str | UpstreamUnavailable:
        time.now += 8.0
        return UpstreamUnavailable("slow and down") if time.now < 1010.0 else "Paris"

    inner = FunctionModel(answer)
    model = resilient(inner, "small", Resilience(), Counter(), clock=time.clock, sleep=time.sleep)
    await model.generate(CALL)
    left = [call.timeout_s for call in inner.calls]
    assert left[0] == 30.0
    assert left[1] == pytest.approx(22.0 - time.slept[0])


async def test_a_bound_on_attempts_leaves_time_for_another() -> None:
    inner = ScriptedModel(DeadlineExceeded("hung"), "Paris")
    world = World(inner, Resilience(attempt_s=4.0))
    await world.model.generate(CALL)
    assert [call.timeout_s for call in inner.calls] == [4.0, 4.0]


@pytest.mark.parametrize("asked", [30.0, 1e9])
async def test_patience_beyond_the_deadline_is_not_tried(asked: float) -> None:
    inner = ScriptedModel(UpstreamRateLimited("wait", retry_after_s=asked), "Paris")
    world = World(inner)
    with pytest.raises(UpstreamRateLimited):
        await world.model.generate(CALL)
    assert world.time.slept == [] and len(inner.calls) == 1


async def test_without_a_deadline_patience_has_a_bound() -> None:
    for asked, attempts in [(20.0, 2), (31.0, 1)]:
        inner = ScriptedModel(UpstreamRateLimited("wait", retry_after_s=asked), "Paris")
        model = World(inner).model
        call = ModelCall(CALL.prompt)
        if attempts == 1:
            with pytest.raises(UpstreamRateLimited):
                await model.generate(call)
        else:
            await model.generate(call)
        assert len(inner.calls) == attempts


async def test_an_open_breaker_is_not_waited_for() -> None:
    inner = FunctionModel(lambda call: DOWN)
    world = World(inner, Resilience(retry=RetrySettings(attempts=1)))
    for _ in range(10):
        with pytest.raises(UpstreamUnavailable):
            await world.model.generate(CALL)
    slept = list(world.time.slept)
    with pytest.raises(CircuitOpen, match="small failed too often") as caught:
        await world.model.generate(CALL)
    assert caught.value.calls == 0
    assert caught.value.retry_after_s == pytest.approx(5.25, abs=0.25)
    assert world.time.slept == slept and len(inner.calls) == 10
    assert world.counts["opened"] == 1 and world.counts["left_alone"] == 1


async def test_wrong_credentials_open_at_once_and_loudly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inner = ScriptedModel(UpstreamUnauthorized("wrong key"))
    world = World(inner)
    with pytest.raises(UpstreamUnauthorized):
        await world.model.generate(CALL)
    with pytest.raises(CircuitOpen, match="unauthorized"):
        await world.model.generate(CALL)
    assert len(inner.calls) == 1
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1 and "tier small is left alone" in errors[0].getMessage()


async def test_refusals_show_that_the_tier_is_well() -> None:
    inner = FunctionModel(lambda call: UpstreamRefused("no such parameter"))
    world = World(inner)
    for _ in range(30):
        with pytest.raises(UpstreamRefused):
            await world.model.generate(CALL)
    assert len(inner.calls) == 30 and not world.counts


class Hanging(FunctionModel):
    """Never answers."""

    def __init__(self) -> None:
        super().__init__(lambda call: "never")

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        self.calls.append(call)
        await asyncio.sleep(60.0)
        raise AssertionError


async def test_callers_that_leave_say_nothing_of_the_tier() -> None:
    world = World(Hanging())
    for _ in range(12):
        task = asyncio.create_task(world.model.generate(CALL))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not world.counts


async def test_callers_whose_time_is_up_say_that_it_hangs() -> None:
    world = World(Hanging())
    for _ in range(10):
        task = asyncio.create_task(world.model.generate(CALL))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        world.time.now += 30.0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert world.counts["opened"] == 1


async def test_what_is_turned_away_here_is_no_failure_of_the_tier() -> None:
    world = World(Hanging(), Resilience(bulkhead=BulkheadSettings(1, 0)))
    held = asyncio.create_task(world.model.generate(CALL))
    await asyncio.sleep(0.01)
    for _ in range(12):
        with pytest.raises(Overloaded):
            await world.model.generate(CALL)
    assert world.counts == {"overloaded": 12}
    held.cancel()
    await asyncio.gather(held, return_exceptions=True)


async def test_a_hedged_call_costs_both() -> None:
    class SlowNow(FunctionModel):
        slow = False

        async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
            is_slow, self.slow = self.slow, False
            if is_slow:
                await asyncio.sleep(60.0)
            return await super().generate(call, on_tokens)

    inner, counts = SlowNow(lambda call: "in Paris"), Counter[str]()
    model = resilient(inner, "small", Resilience(hedge=HedgeSettings()), counts)
    for _ in range(40):
        plain = await model.generate(CALL)
    inner.slow = True
    found = await model.generate(CALL)
    assert counts == {"hedged": 1}
    assert (found.calls, found.tokens_in) == (2, 2 * plain.tokens_in)
    assert "a second call was made" in found.degraded[0]


async def test_a_draft_that_is_watched_is_never_doubled() -> None:
    seen: list[int] = []

    def watch(tokens: object) -> object:
        seen.append(1)
        from surefoot.router.requests import Continue

        return Continue()

    counts = Counter[str]()
    model = resilient(
        FunctionModel(lambda call: "in Paris"),
        "small",
        Resilience(hedge=HedgeSettings(min_calls=1, share=1.0)),
        counts,
    )
    for _ in range(5):
        await model.generate(CALL, watch)  # type: ignore[arg-type]  # looks at nothing
    assert not counts and len(seen) == 10


async def test_what_it_stands_around_shows_through() -> None:
    class Knows(ScriptedModel):
        closed = False
        capabilities = Capabilities(logprobs=False, n=True)

        async def aclose(self) -> None:
            self.closed = True

    inner = Knows("Paris")
    model = resilient(inner, "small", Resilience(hedge=HedgeSettings()), Counter())
    assert isinstance(model, Capable) and model.capabilities == inner.capabilities
    assert "Knows" in repr(model)
    await model.aclose()
    assert inner.closed


async def test_several_answers_are_one_call_to_it() -> None:
    inner = FunctionModel(lambda call: Generation("x", (), "stop"))
    found = await World(inner).model.generate(ModelCall(CALL.prompt, n=3))
    assert len(found.generations) == 3 and found.calls == 3
