"""A service on a loopback socket, in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from surefoot.graphs.config import Built, build
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import parse_settings
from surefoot.service.http_gateway import Gateway
from surefoot.service.http_server import GracefulServer, listening_socket

__all__ = ["CITY", "Service", "running_service"]

CITY = {"model": "surefoot", "messages": [{"role": "user", "content": "Which city?"}]}
"""A request that a scripted upstream answers with "Paris."."""


@dataclass(frozen=True)
class Service:
    """What is running.

    Attributes:
        client: of the test's, on the service.
    """

    base_url: str
    built: Built
    gateway: Gateway
    server: GracefulServer
    client: httpx.AsyncClient


@asynccontextmanager
async def running_service(
    folder: Path, configuration: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Service]:
    """Serve a configuration until the block ends."""
    places = Places(folder / "cache", folder / "data")
    around = Surroundings(folder, places, environment or {})
    built = build(parse_settings(configuration), around)
    gateway = Gateway(built)
    server = GracefulServer(gateway, handles_signals=False)
    listener = listening_socket("127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        async with httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=30.0) as client:
            yield Service(base_url, built, gateway, server, client)
    finally:
        server.should_exit = True
        await serving
