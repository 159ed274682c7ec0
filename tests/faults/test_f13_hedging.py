"""F13: where a tier's slowest calls take ten times as long as the others, a second call is made
after the 95th percentile, for at most a twentieth of the calls; the loser is cancelled and paid."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

from surefoot.adapters.hedging import HedgeSettings
from surefoot.adapters.resilient_model import Resilience
from surefoot.router.protocols import Model

from ..adapters.scripted_upstream import running_upstream
from .protected import asking, endpoint

CALLS, USUAL_S, SLOW_S = 300, 0.01, 0.3


async def durations(model: Model) -> list[float]:
    found = []
    for _ in range(CALLS):
        began = time.monotonic()
        await model.generate(asking())
        found.append(time.monotonic() - began)
    return sorted(found)


async def test_the_tail_is_cut_at_a_twentieth_more_calls() -> None:
    rng, counts = random.Random(11), Counter[str]()
    # Two calls in a hundred are slow: nearly all of them find a share of second calls left.
    turns = [SLOW_S if rng.random() < 0.02 else USUAL_S for _ in range(2 * CALLS)]
    async with running_upstream() as upstream:
        upstream.script["a"] = "in-turn:" + ",".join(f"slow:{each}" for each in turns)
        upstream.script["b"] = upstream.script["a"]
        plain = endpoint(upstream.base_url, "a")
        hedging = endpoint(upstream.base_url, "b", counts, Resilience(hedge=HedgeSettings()))
        without, with_hedge = await durations(plain), await durations(hedging)
        await asyncio.sleep(0.05)
        assert upstream.open_connections == 0  # the losers were cancelled
        made = upstream.count("b")
        # Some second calls are given up before they have arrived.
        assert 0 < made - CALLS <= counts["hedged"] <= 0.05 * CALLS
        at = int(0.985 * CALLS)
        assert without[at] > 0.9 * SLOW_S and with_hedge[at] < 0.5 * SLOW_S
        await plain.aclose()
        await hedging.aclose()
