"""F17: at five times what fits, what is accepted is still quick, and the rest is told at once."""

from __future__ import annotations

import asyncio
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from ..adapters.scripted_upstream import running_upstream
from ..service.serving import CITY, Service, running_service
from .deployment import configuration

PLACES = 4
SLOW_S = 0.2
ROUNDS = 6
LIMITS = f"[serve]\nmax_in_flight = {PLACES}\nmax_waiting = 1\n"


@dataclass(frozen=True)
class Seen:
    """One request, as its client saw it."""

    answer: httpx.Response
    took_s: float


async def ask(client: httpx.AsyncClient) -> Seen:
    began = time.monotonic()
    answer = await client.post("/v1/chat/completions", json=CITY)
    return Seen(answer, time.monotonic() - began)


async def burst(service: Service, n: int) -> list[Seen]:
    return await asyncio.gather(*[ask(service.client) for _ in range(n)])


async def test_five_times_too_many(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        toml = configuration(("small", f"slow:{SLOW_S}", upstream.base_url))
        async with running_service(tmp_path, toml + LIMITS) as service:
            for client in (service.client,):  # connections are open before anything is timed
                await asyncio.gather(*[client.get("/healthz") for _ in range(5 * PLACES)])
            alone = [max(s.took_s for s in await burst(service, PLACES)) for _ in range(2)]
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            seen = [s for _ in range(ROUNDS) for s in await burst(service, 5 * PLACES)]
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            asked = len(upstream.seen)
            shed = (await service.client.get("/metrics")).text

    accepted = [s for s in seen if s.answer.status_code == 200]
    refused = [s for s in seen if s.answer.status_code == 503]
    assert len(accepted) + len(refused) == len(seen) == 5 * PLACES * ROUNDS
    assert len(accepted) == (PLACES + 1) * ROUNDS
    assert asked == len(accepted) + 2 * PLACES, "what is refused costs no upstream call"
    # One place in the queue: whoever waits in it waits for one call, and no longer.
    assert max(s.took_s for s in accepted) <= 2.0 * max(alone) + 0.1
    for s in refused:
        assert int(s.answer.headers["retry-after"]) >= 1
        assert s.answer.json()["error"]["code"] == "overloaded"
    assert f'surefoot_shed_total{{reason="full"}} {float(len(refused))}' in shed
    assert grown < 64 * 1024, "KiB"


async def test_a_refusal_takes_less_than_ten_milliseconds(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        toml = configuration(("small", "hang", upstream.base_url), deadline_s=20.0)
        limits = "[serve]\nmax_in_flight = 1\nmax_waiting = 0\n"
        async with running_service(tmp_path, toml + limits) as service:
            holding = asyncio.create_task(service.client.post("/v1/chat/completions", json=CITY))
            while not upstream.seen:
                await asyncio.sleep(0.005)
            refused = [await ask(service.client) for _ in range(30)]
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)
    assert {s.answer.status_code for s in refused} == {503}
    # The best of thirty: how long the others take says more about this busy machine.
    assert min(s.took_s for s in refused) < 0.01
    assert sorted(s.took_s for s in refused)[15] < 0.05
