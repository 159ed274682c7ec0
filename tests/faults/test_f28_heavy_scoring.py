"""F28: while the critic judges, the event loop stays free: its lag is below 20 ms at p99."""

from __future__ import annotations

import asyncio
import gc
import math
import statistics
import time
from collections.abc import Iterator

import pytest

from surefoot.adapters.critic_serving import BatchingCritic
from surefoot.adapters.critics import default_critic
from surefoot.router.critic.states import CriticState
from surefoot.router.evidence import Passage

TICK_S = 0.005
PASSAGES = tuple(
    Passage(f"p{n}", f"City {n}", f"City {n} lies on river {n}, and its mayor is Anna {n}. " * 8, n)
    for n in range(8)
)


@pytest.fixture(autouse=True)
def only_what_is_made_here_is_collected() -> Iterator[None]:
    """What thousands of earlier tests left takes the collector seconds, in which nothing runs."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


async def lags(until: asyncio.Event) -> list[float]:
    """How much later than asked the loop came back, in seconds."""
    found = []
    while not until.is_set():
        began = time.perf_counter()
        await asyncio.sleep(TICK_S)
        found.append(time.perf_counter() - began - TICK_S)
    return found


def states(count: int) -> list[CriticState]:
    return [
        CriticState(f"Who is the mayor of city {n % 8}?", f"Anna {n % 8}", "It says so.", PASSAGES)
        for n in range(count)
    ]


async def late_at_p99(critic: BatchingCritic) -> float:
    """Seconds by which the loop is late while two seconds of states are judged.

    Infinity where it came back so seldom that there is no such percentile.
    """
    done = asyncio.Event()
    watch = asyncio.create_task(lags(done))
    began = time.perf_counter()
    while time.perf_counter() - began < 2.0:
        await asyncio.gather(*(critic.judge(state) for state in states(32)))
    done.set()
    found = await watch
    return statistics.quantiles(found, n=100)[98] if len(found) > 100 else math.inf


async def test_the_loop_is_free_while_the_critic_works() -> None:
    critic = BatchingCritic(default_critic())
    await critic.judge(states(1)[0])  # loaded
    # The machine may have other work for seconds; a critic on the loop would be late each time.
    times = []
    for _ in range(4):
        times.append(await late_at_p99(critic))
        if times[-1] < 0.020:
            break
    assert min(times) < 0.020
    await critic.aclose()


async def test_on_the_loop_it_would_not_be() -> None:
    """The control: the same work, judged where the loop runs."""
    critic, done = default_critic(), asyncio.Event()
    watch = asyncio.create_task(lags(done))
    for _ in range(20):
        critic.judge(states(32))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    done.set()
    assert max(await watch) > 0.020
