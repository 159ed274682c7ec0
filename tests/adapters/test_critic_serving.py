"""One critic for many callers: batches, deadlines, failures, and nobody harmed by a neighbor."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from surefoot.adapters.critic_serving import BatchingCritic
from surefoot.router.critic.states import CriticState
from surefoot.router.errors import (
    ConfigurationError,
    DeadlineExceeded,
    RunError,
    UpstreamMalformed,
    UpstreamUnavailable,
)
from surefoot.router.evidence import CriticVerdict

LONG_S = 30.0  # never waited for: a test that needs it hangs


def verdict(state: CriticState) -> CriticVerdict:
    """p = its round in hundredths, so that callers see whose verdict they got."""
    p = state.round / 100
    return CriticVerdict(p if state.answer else None, p, version="fake-1")


class FakeCritic:
    """Says what a function says, and holds a batch back until it is let go."""

    version = "fake-1"

    def __init__(self, says: Callable[[CriticState], Any] = verdict, held: bool = False) -> None:
        self.says = says
        self.batches: list[list[CriticState]] = []
        self.threads: set[int] = set()
        self.begun = threading.Event()
        self.go = threading.Event()
        if not held:
            self.go.set()

    def judge(self, states: Sequence[CriticState]) -> Sequence[CriticVerdict]:
        self.batches.append(list(states))
        self.threads.add(threading.get_ident())
        self.begun.set()
        assert self.go.wait(LONG_S)
        return [self.says(state) for state in states]


def state(n: int, answer: str = "yes") -> CriticState:
    return CriticState(f"q{n}", answer, round=n)


async def begun(critic: FakeCritic) -> None:
    assert await asyncio.to_thread(critic.begun.wait, LONG_S)


def start(service: BatchingCritic, *numbers: int) -> list[asyncio.Task[CriticVerdict]]:
    return [asyncio.create_task(service.judge(state(n))) for n in numbers]


async def test_callers_share_a_batch_and_each_gets_its_own_verdict() -> None:
    critic = FakeCritic()
    service = BatchingCritic(critic, max_batch=5, window_s=LONG_S)
    found = await asyncio.gather(*start(service, 1, 2, 3, 4, 5))
    assert [one.p_accept for one in found] == [0.01, 0.02, 0.03, 0.04, 0.05]
    assert [len(batch) for batch in critic.batches] == [5]
    assert critic.threads.isdisjoint({threading.get_ident()})
    assert service.version == "fake-1"
    await service.aclose()


async def test_a_lone_state_waits_no_longer_than_the_window() -> None:
    service = BatchingCritic(FakeCritic(), max_batch=5, window_s=0.001)
    assert (await service.judge(state(7))).p_sufficient == 0.07
    assert (await service.judge(state(8, answer=""))).p_accept is None
    await service.aclose()


async def test_what_comes_while_the_critic_is_busy_is_the_next_batch() -> None:
    critic = FakeCritic(held=True)
    service = BatchingCritic(critic, max_batch=2, window_s=0.0)
    tasks = start(service, 1)
    await begun(critic)
    tasks += start(service, 2, 3, 4)
    await asyncio.sleep(0)
    critic.go.set()
    await asyncio.gather(*tasks)
    assert [[one.round for one in batch] for batch in critic.batches] == [[1], [2, 3], [4]]
    await service.aclose()


async def test_one_bad_state_does_not_fail_its_neighbors() -> None:
    def says(one: CriticState) -> CriticVerdict:
        if one.round == 2:
            raise ValueError("bad state")
        return verdict(one)

    critic = FakeCritic(says)
    service = BatchingCritic(critic, max_batch=3, window_s=LONG_S)
    found = await asyncio.gather(*start(service, 1, 2, 3), return_exceptions=True)
    assert [one.p_accept for one in found if isinstance(one, CriticVerdict)] == [0.01, 0.03]
    assert isinstance(found[1], UpstreamUnavailable)
    assert "ValueError: bad state" in str(found[1])
    assert [len(batch) for batch in critic.batches] == [3, 1, 1, 1]
    await service.aclose()


async def test_an_error_of_the_run_reaches_the_caller_as_it_is() -> None:
    error = DeadlineExceeded("no time left")

    def says(one: CriticState) -> CriticVerdict:
        raise error

    service = BatchingCritic(FakeCritic(says), window_s=0.0)
    with pytest.raises(DeadlineExceeded) as caught:
        await service.judge(state(1))
    assert caught.value is error
    await service.aclose()


@pytest.mark.parametrize(
    "wrong",
    [
        CriticVerdict(math.nan, 0.5),
        CriticVerdict(0.5, math.nan),
        CriticVerdict(1.2, 0.5),
        CriticVerdict(0.9, -0.1),
        CriticVerdict(math.inf, 0.5),
        CriticVerdict(True, 0.5),
        CriticVerdict(0.9, None),  # type: ignore[arg-type]  # what a foreign critic may do
        "accept",
        None,
    ],
)
async def test_what_is_no_verdict_is_an_error_and_never_an_acceptance(wrong: Any) -> None:
    service = BatchingCritic(
        FakeCritic(lambda one: wrong if one.round == 1 else verdict(one)),
        max_batch=2,
        window_s=LONG_S,
    )
    first, second = await asyncio.gather(*start(service, 1, 2), return_exceptions=True)
    assert isinstance(first, UpstreamMalformed)
    assert isinstance(second, CriticVerdict)
    await service.aclose()


async def test_a_verdict_on_no_answer_is_an_error() -> None:
    service = BatchingCritic(FakeCritic(lambda one: CriticVerdict(0.9, 0.9)), window_s=0.0)
    with pytest.raises(UpstreamMalformed, match="does not exist"):
        await service.judge(state(1, answer=" "))
    await service.aclose()


async def test_the_wrong_number_of_verdicts_is_an_error_for_everyone() -> None:
    class Short(FakeCritic):
        def judge(self, states: Sequence[CriticState]) -> Sequence[CriticVerdict]:
            return [*super().judge(states), CriticVerdict(1.0, 1.0)]

    service = BatchingCritic(Short(), max_batch=2, window_s=LONG_S)
    found = await asyncio.gather(*start(service, 1, 2), return_exceptions=True)
    assert all(isinstance(one, UpstreamMalformed) for one in found)
    assert "2 verdicts for 1 states" in str(found[0])
    await service.aclose()


async def test_a_caller_that_gives_up_leaves_the_others() -> None:
    critic = FakeCritic(held=True)
    service = BatchingCritic(critic, max_batch=4, window_s=0.0)
    first = start(service, 1)[0]
    await begun(critic)
    second, third, fourth = start(service, 2, 3, 4)
    await asyncio.sleep(0)
    first.cancel()
    third.cancel()
    await asyncio.sleep(0)
    critic.go.set()
    assert (await second).p_accept == 0.02
    assert (await fourth).p_accept == 0.04
    for task in (first, third):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [[one.round for one in batch] for batch in critic.batches] == [[1], [2, 4]]
    await service.aclose()


async def test_a_deadline_is_an_error_of_the_run_and_the_state_is_not_judged() -> None:
    critic = FakeCritic(held=True)
    service = BatchingCritic(critic, max_batch=4, window_s=0.0, timeout_s=0.05)
    first = start(service, 1)[0]
    await begun(critic)
    second = start(service, 2)[0]
    for task in (first, second):
        with pytest.raises(DeadlineExceeded, match=r"0\.05 s"):
            await task
    critic.go.set()
    assert (await service.judge(state(3))).p_accept == 0.03
    assert [[one.round for one in batch] for batch in critic.batches] == [[1], [3]]
    await service.aclose()


async def test_closing_fails_those_that_wait_and_those_under_way() -> None:
    critic = FakeCritic(held=True)
    service = BatchingCritic(critic, max_batch=1, window_s=0.0)
    first = start(service, 1)[0]
    await begun(critic)
    second = start(service, 2)[0]
    await asyncio.sleep(0)
    closing = asyncio.create_task(service.aclose())
    for task in (first, second):
        with pytest.raises(UpstreamUnavailable, match="closed"):
            await task
    critic.go.set()
    await closing
    await service.aclose()
    with pytest.raises(UpstreamUnavailable, match="closed"):
        await service.judge(state(3))
    assert [[one.round for one in batch] for batch in critic.batches] == [[1]]


async def test_closing_ends_the_thread() -> None:
    others = set(threading.enumerate())
    service = BatchingCritic(FakeCritic(), window_s=0.0)
    await service.judge(state(1))
    (own,) = {one for one in threading.enumerate() if one.name == "surefoot-critic"} - others
    await service.aclose()
    assert not own.is_alive()


def test_loops_of_several_threads_share_a_critic() -> None:
    critic = FakeCritic()
    service = BatchingCritic(critic, max_batch=2, window_s=LONG_S)
    found: dict[int, CriticVerdict] = {}

    def run(n: int) -> None:
        found[n] = asyncio.run(service.judge(state(n)))

    threads = [threading.Thread(target=run, args=(n,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: one.p_accept for n, one in found.items()} == {1: 0.01, 2: 0.02}
    assert [len(batch) for batch in critic.batches] == [2]
    asyncio.run(service.aclose())


async def test_many_callers_never_get_each_others_verdicts() -> None:
    def says(one: CriticState) -> CriticVerdict:
        if one.round % 17 == 0:
            raise RuntimeError("every seventeenth")
        return verdict(one)

    service = BatchingCritic(FakeCritic(says), max_batch=8, window_s=0.0005)
    found = await asyncio.gather(*start(service, *range(1, 100)), return_exceptions=True)
    for n, one in enumerate(found, start=1):
        if n % 17 == 0:
            assert isinstance(one, RunError)
        else:
            assert isinstance(one, CriticVerdict) and one.p_accept == n / 100
    await service.aclose()


@pytest.mark.parametrize("options", [{"max_batch": 0}, {"window_s": -1.0}, {"timeout_s": 0.0}])
def test_settings_that_make_no_sense_are_refused(options: Any) -> None:
    with pytest.raises(ConfigurationError):
        BatchingCritic(FakeCritic(), **options)
