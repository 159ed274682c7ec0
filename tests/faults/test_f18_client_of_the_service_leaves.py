"""F18 over HTTP: a client that leaves takes the upstream call along; its place is free again."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from ..adapters.scripted_upstream import running_upstream
from ..service.serving import CITY, running_service
from .deployment import configuration


@pytest.mark.parametrize("stream", [False, True])
async def test_the_upstream_call_ends_with_the_client(tmp_path: Path, stream: bool) -> None:
    async with running_upstream() as upstream:
        upstream.script["a"] = "in-turn:hang,hang,ok"
        toml = configuration(("small", "a", upstream.base_url), deadline_s=30.0)
        limits = "[serve]\nmax_in_flight = 1\nmax_waiting = 0\n"
        async with running_service(tmp_path, toml + limits) as service:
            for n in range(2):
                client = httpx.AsyncClient(base_url=service.base_url, trust_env=False)
                asked = {**CITY, "stream": stream}
                task = asyncio.create_task(client.post("/v1/chat/completions", json=asked))
                while len(upstream.seen) != n + 1 or upstream.open_connections != 1:
                    await asyncio.sleep(0.002)
                left = time.monotonic()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await client.aclose()
                while upstream.open_connections:
                    await asyncio.sleep(0.002)
                assert time.monotonic() - left < 0.1
                while service.gateway.admission.in_flight:
                    await asyncio.sleep(0.002)
            found = await service.client.post("/v1/chat/completions", json=CITY)
            assert found.status_code == 200
            metrics = (await service.client.get("/metrics")).text
            assert 'outcome="499",route="/v1/chat/completions"} 2.0' in metrics
