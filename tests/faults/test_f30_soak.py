"""F30: minutes of mixed traffic and trouble leave memory, file descriptors and tasks where they
were."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from surefoot.router.decisions import Action

from ..adapters.scripted_upstream import running_upstream
from .deployment import deployed

SOAK_S = float(os.environ.get("SUREFOOT_SOAK_S", "60"))
TROUBLE = ["ok"] * 12 + ["status:503", "429:0.01", "hang-up", "badjson", "status:400", "slow:0.05"]
AT_ONCE = 8


def resident_mb() -> float:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("resident memory is read from /proc, which this system does not have")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def unlogged() -> Iterator[None]:
    """pytest keeps what is logged: a kilobyte for each of thousands of failures."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.timeout(SOAK_S + 120)
@pytest.mark.usefixtures("unlogged")
async def test_nothing_grows(tmp_path: Path, redis_url: str) -> None:
    rng = random.Random(1)
    async with running_upstream() as upstream:
        tiers = (("small", "a", upstream.base_url), ("large", "b", upstream.base_url))
        resilience = "breaker_failures = 50\nbreaker_ratio = 1.0\nopen_s = 0.2\nhedge = true"
        how = {"resilience": resilience, "deadline_s": 2.0, "history": redis_url}
        async with deployed(tmp_path, *tiers, **how) as built:
            upstream.script |= {"a": "ok", "b": "ok"}
            await built.router.ask("Which city?")  # everything is open now
            before = len(asyncio.all_tasks())
            ends: Counter[Action] = Counter()
            stop = time.monotonic() + SOAK_S

            async def visitor(number: int) -> None:
                while time.monotonic() < stop:
                    upstream.script["a"] = rng.choice(TROUBLE)
                    upstream.script["b"] = rng.choice(TROUBLE)
                    asking = asyncio.create_task(
                        built.router.ask(f"Which city, {number} {rng.random()}?")
                    )
                    if rng.random() < 0.05:  # leaves early
                        await asyncio.sleep(0.002)
                        asking.cancel()
                        await asyncio.gather(asking, return_exceptions=True)
                    else:
                        ends[(await asking).action] += 1
                    upstream.seen.clear()
                    await asyncio.sleep(0.06)  # leaves the machine to others

            sizes: list[tuple[float, float]] = []
            opened: list[int] = []

            async def watch() -> None:
                began = time.monotonic()
                while time.monotonic() < stop:
                    await asyncio.sleep(max(SOAK_S / 60.0, 0.5))
                    gc.collect()
                    sizes.append((time.monotonic() - began, resident_mb()))
                    opened.append(descriptors())

            await asyncio.gather(watch(), *(visitor(n) for n in range(AT_ONCE)))
            assert ends[Action.ANSWER] > 10 * SOAK_S and ends[Action.ABSTAIN] > 0
            third = len(sizes) // 3
            print(ends, sizes[::6], opened[::6], before, len(asyncio.all_tasks()))
            # Pools of connections fill up at first; after that nothing may be added.
            assert median(opened[-third:]) <= median(opened[third:-third]) + 4
            assert slope_mb_per_minute(sizes[third:]) < 3.0
            # Requests that were left early may be under way for as long as one takes.
            async with asyncio.timeout(5.0):
                while len(asyncio.all_tasks()) > before:
                    await asyncio.sleep(0.05)


def slope_mb_per_minute(sizes: list[tuple[float, float]]) -> float:
    """Least squares."""
    n = len(sizes)
    mean_t, mean_mb = (sum(column) / n for column in zip(*sizes, strict=True))
    above = sum(((t - mean_t) * (mb - mean_mb) for t, mb in sizes), 0.0)
    return 60.0 * above / sum(((t - mean_t) ** 2 for t, _ in sizes), 0.0)
