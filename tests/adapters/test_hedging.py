from __future__ import annotations

import asyncio

import pytest

from surefoot.adapters.hedging import HedgeSettings, HedgeTimer, hedged
from surefoot.router.errors import UpstreamUnavailable


def timer_that_knows(*durations: float) -> HedgeTimer:
    timer = HedgeTimer(HedgeSettings(memory=100))
    for duration in durations:
        timer.began()
        timer.took(duration)
    return timer


def test_it_waits_for_the_95th_percentile_of_what_it_has_seen() -> None:
    assert timer_that_knows(*[0.1] * 19).after_s() is None  # too few
    durations = [n / 100 for n in range(1, 101)]
    assert timer_that_knows(*durations).after_s() == pytest.approx(0.96)  # 95 of 100 were quicker
    assert timer_that_knows(*[9.0] * 100, *[0.1] * 100).after_s() == pytest.approx(0.1)


def test_no_more_than_a_twentieth_is_doubled() -> None:
    timer = timer_that_knows(*[0.1] * 100)
    assert [timer.take() for _ in range(6)] == [True] * 5 + [False]
    assert timer.after_s() is None
    for _ in range(20):
        timer.began()
    assert timer.take() and not timer.take()


class Calls:
    """Calls that end as they are told; counts those that were cancelled."""

    def __init__(self, *ends: float | Exception) -> None:
        self.ends = list(ends)
        self.begun = 0
        self.cancelled = 0

    async def start(self) -> int:
        number, self.begun = self.begun, self.begun + 1
        end = self.ends[number]
        try:
            await asyncio.sleep(0.005 if isinstance(end, Exception) else end)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(end, Exception):
            raise end
        return number


GONE = UpstreamUnavailable("gone")
ALSO_GONE = UpstreamUnavailable("also gone")


async def test_a_quick_call_is_made_once() -> None:
    calls = Calls(0.0)
    found = await hedged(calls.start, 1.0, lambda: True)
    assert (found.value, found.doubled, calls.begun) == (0, False, 1)


async def test_the_second_call_wins_and_the_first_is_cancelled() -> None:
    calls = Calls(60.0, 0.0)
    found = await hedged(calls.start, 0.01, lambda: True)
    assert (found.value, found.doubled, calls.cancelled) == (1, True, 1)


async def test_the_first_may_still_win() -> None:
    calls = Calls(0.03, 60.0)
    found = await hedged(calls.start, 0.01, lambda: True)
    assert (found.value, found.doubled, calls.cancelled) == (0, True, 1)


async def test_without_a_share_nothing_is_doubled() -> None:
    calls = Calls(0.03)
    found = await hedged(calls.start, 0.01, lambda: False)
    assert (found.value, found.doubled, calls.begun) == (0, False, 1)


async def test_an_early_failure_is_no_reason_for_a_second_call() -> None:
    calls = Calls(GONE, 0.0)
    with pytest.raises(UpstreamUnavailable, match=r"^gone"):
        await hedged(calls.start, 1.0, lambda: True)
    assert calls.begun == 1


async def test_a_failed_call_leaves_the_other_its_chance() -> None:
    calls = Calls(0.05, GONE)
    found = await hedged(calls.start, 0.01, lambda: True)
    assert (found.value, found.doubled, calls.cancelled) == (0, True, 0)


async def test_two_failures_are_the_first_ones() -> None:
    class Late(Calls):
        async def start(self) -> int:
            if self.begun == 0:
                self.begun = 1
                await asyncio.sleep(0.03)
                raise GONE
            raise ALSO_GONE

    with pytest.raises(UpstreamUnavailable, match=r"^gone"):
        await hedged(Late().start, 0.01, lambda: True)


async def test_who_gives_up_cancels_both() -> None:
    calls = Calls(60.0, 60.0)
    task = asyncio.create_task(hedged(calls.start, 0.01, lambda: True))
    await asyncio.sleep(0.03)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls.begun == calls.cancelled == 2
