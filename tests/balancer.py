"""A small HTTP balancer on loopback: round robin, and on to the next where one cannot be reached.

A request that was sent and not answered goes on only where it carries an `Idempotency-Key`, as a
careful balancer would do it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from surefoot.service.http_server import listening_socket

__all__ = ["running_balancer"]

_HOP = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}


class _Balancer:
    def __init__(self, backends: Sequence[httpx.AsyncClient]) -> None:
        self._backends = backends
        self._turn = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        headers = [(name, text) for name, text in request.headers.items() if name not in _HOP]
        first, many = next(self._turn), len(self._backends)
        for at in range(many):
            backend = self._backends[(first + at) % many]
            target = str(request.url.replace(scheme="", netloc=""))
            try:
                found = await backend.request(request.method, target, content=body, headers=headers)
            except httpx.ConnectError:
                continue
            except httpx.TransportError:
                if "idempotency-key" in request.headers:
                    continue
                break
            kept = {name: text for name, text in found.headers.items() if name not in _HOP}
            return Response(found.content, found.status_code, kept)
        return Response("nobody answers", 502)


@asynccontextmanager
async def running_balancer(*backends: str) -> AsyncIterator[str]:
    """A balancer before base URLs; yields its own."""
    clients = [httpx.AsyncClient(base_url=url, trust_env=False, timeout=60.0) for url in backends]
    listener = listening_socket("127.0.0.1", 0)
    config = uvicorn.Config(_Balancer(clients), lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve(sockets=[listener]))  # without signal handlers
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        for client in clients:
            await client.aclose()
