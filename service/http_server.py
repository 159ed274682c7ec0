"""The server under the service: it ends gracefully, and with exit code 0."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator

import uvicorn

from .http_app import create_app
from .http_gateway import Gateway

__all__ = ["GracefulServer", "listening_socket"]

_POLL_S = 0.02
_LAST_WORDS_S = 1
"""Seconds for what is still under way when the drain's time is up."""


class GracefulServer(uvicorn.Server):
    """Serves a gateway until SIGTERM or SIGINT, then finishes what is under way.

    At the first signal `/readyz` fails and new work is refused, while the socket stays open, so
    that a balancer sees it. Once nothing is under way, or the drain's time is up, the server ends.
    A second signal ends it at once.

    Args:
        handles_signals: False where somebody else does, and calls `drain`.
        reload: called on SIGHUP; without it SIGHUP ends the process, as it does everywhere.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        handles_signals: bool = True,
        reload: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._marks = create_app(gateway)
        self._handles_signals = handles_signals
        self._reload = reload
        self._clock = clock
        self._draining: asyncio.Task[None] | None = None
        config = uvicorn.Config(
            self._marks,
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # nothing here asks where a client is
            server_header=False,
            timeout_graceful_shutdown=_LAST_WORDS_S,
        )
        super().__init__(config)

    def drain(self) -> None:
        """Begin to end; the second time, end at once."""
        if self._draining is not None:
            self.should_exit = self.force_exit = True
            return
        self._gateway.is_draining = True
        self._draining = asyncio.get_running_loop().create_task(self._drained())

    async def _drained(self) -> None:
        until = self._clock() + self._gateway.settings.drain_s
        while self._marks.active and self._clock() < until:
            await asyncio.sleep(_POLL_S)
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ours instead of uvicorn's, which raises the signal again and so ends with its code."""
        if not self._handles_signals:
            yield
            return
        asked = {signal.SIGTERM: self.drain, signal.SIGINT: self.drain}
        if self._reload is not None and hasattr(signal, "SIGHUP"):
            asked[signal.SIGHUP] = self._reload
        before = {
            one: signal.signal(one, lambda *_, do=do: loop.call_soon_threadsafe(do))
            for one, do in asked.items()
        }
        loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens; raises OSError where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.create_server((host, port), family=family, backlog=2048)
    # What is accepted inherits it. asyncio sets it only where a socket names its protocol, and a
    # body that waits for the acknowledgement of its head comes 40 ms late.
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found
