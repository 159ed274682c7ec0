"""A TCP proxy between a client and a loopback server that breaks the connection as told.

::

    async with FaultProxy(("127.0.0.1", 8000), {0: Fault(cut_after=17)}) as proxy:
        ...  # talk to 127.0.0.1, proxy.port; proxy.plan = Fault(black_hole=True)
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

__all__ = ["HEALTHY", "Fault", "FaultProxy", "Plan", "Stats", "Target"]

_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a connection; by default nothing.

    Attributes:
        latency: seconds by which everything arrives late, in both directions.
        cut_after: bytes to let through, then the connection ends.
        direction: in which the bytes of `cut_after` are counted: `down` is to the client.
        reset: end the connection by RST rather than FIN.
        black_hole: let nothing through, or nothing after `cut_after`, and never end.
        rate: bytes a second, in each direction.
        refuse: end the connection by RST before anything is read.
    """

    latency: float = 0.0
    cut_after: int | None = None
    direction: Literal["down", "up"] = "down"
    reset: bool = False
    black_hole: bool = False
    rate: float | None = None
    refuse: bool = False


HEALTHY = Fault()

Plan = Fault | Mapping[int, Fault] | Callable[[int], Fault]
"""One fault for all, or by a connection's ordinal, from 0; healthy where a mapping has none."""

Target = int | tuple[str, int] | Path
"""A port of this machine, host and port, or a unix socket."""


@dataclass(slots=True)
class Stats:
    """What came through. `opened` counts refused connections, too; bytes are those passed on."""

    opened: int = 0
    open: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


class _Cut(Exception):
    """The fault has ended the connection."""


class FaultProxy:
    """The proxy, listening while in an `async with` block.

    Attributes:
        plan: may be replaced at any time; connections keep the fault that they were opened with.
        stats: of all connections so far.
    """

    def __init__(self, target: Target, plan: Plan = HEALTHY) -> None:
        self.target: Target = target
        self.plan: Plan = plan
        self.stats = Stats()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FaultProxy:
        await self.listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.deafen()
        await self.drop()

    async def listen(self) -> None:
        """Take connections, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def deafen(self) -> None:
        """Take no more connections: the kernel refuses them. Those that are open stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def drop(self) -> None:
        """End all open connections by RST."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fault(self, ordinal: int) -> Fault:
        plan = self.plan
        if isinstance(plan, Fault):
            return plan
        return plan.get(ordinal, HEALTHY) if isinstance(plan, Mapping) else plan(ordinal)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        fault = self._fault(self.stats.opened)
        self.stats.opened += 1
        self.stats.open += 1
        by_reset = True
        try:
            with suppress(OSError):
                by_reset = await self._relay(fault, reader, writer)
        except asyncio.CancelledError:
            pass  # asyncio's server would report a cancelled connection as an error
        finally:
            self.stats.open -= 1
            self._tasks.discard(task)
            _end(writer, by_reset)

    async def _relay(
        self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Carry bytes until one side ends; True where the client is to be told by RST."""
        if fault.refuse:
            return True
        if fault.black_hole and fault.cut_after is None:
            await _swallow(reader)
            return False
        from_server, to_server = await self._connected()
        ways = (
            _Way(fault, "up", self.stats).carry(reader, to_server),
            _Way(fault, "down", self.stats).carry(from_server, writer),
        )
        tasks = [asyncio.ensure_future(way) for way in ways]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            errors = [task.exception() for task in done]
            was_cut = any(isinstance(error, _Cut) for error in errors)
            if was_cut and fault.black_hole:
                await _silence(tasks[0], reader)
            return fault.reset if was_cut else any(error is not None for error in errors)
        finally:
            for task in tasks:
                task.cancel()
            _end(to_server, by_reset=False)
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target = self.target
        if isinstance(target, Path):
            return await asyncio.open_unix_connection(str(target))
        host, port = ("127.0.0.1", target) if isinstance(target, int) else target
        return await asyncio.open_connection(host, port)


class _Way:
    """One direction of a connection."""

    def __init__(self, fault: Fault, name: Literal["up", "down"], stats: Stats) -> None:
        self._fault = fault
        self._stats = stats
        self._is_up = name == "up"
        self._left = fault.cut_after if fault.direction == name else None

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes until the sender ends or the fault strikes (_Cut)."""
        if self._left == 0:
            raise _Cut
        # A line of pieces under way, so that latency delays and does not throttle.
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        filling = asyncio.ensure_future(self._fill(line, reader))
        try:
            while True:
                due, piece = await line.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                if not piece:
                    return
                await self._pass_on(piece, writer)
        finally:
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)

    async def _fill(
        self, line: asyncio.Queue[tuple[float, bytes]], reader: asyncio.StreamReader
    ) -> None:
        loop, piece = asyncio.get_running_loop(), b"..."
        while piece:
            try:
                piece = await reader.read(_PIECE)
            except OSError:
                piece = b""
            line.put_nowait((loop.time() + self._fault.latency, piece))

    async def _pass_on(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        piece = piece if self._left is None else piece[: self._left]
        step = len(piece) if self._fault.rate is None else max(1, int(self._fault.rate / 50))
        for start in range(0, len(piece), step):
            part = piece[start : start + step]
            if self._fault.rate is not None:
                await asyncio.sleep(len(part) / self._fault.rate)
            writer.write(part)
            await writer.drain()
            self._count(len(part))
        if self._left is not None:
            self._left -= len(piece)
            if self._left == 0:
                raise _Cut

    def _count(self, size: int) -> None:
        if self._is_up:
            self._stats.bytes_up += size
        else:
            self._stats.bytes_down += size


async def _swallow(reader: asyncio.StreamReader) -> None:
    """Read until the client leaves."""
    while await reader.read(_PIECE):
        pass


async def _silence(upward: asyncio.Future[None], reader: asyncio.StreamReader) -> None:
    """Say nothing more until the client leaves."""
    if upward.done():
        await _swallow(reader)
    else:
        await asyncio.wait((upward,))


def _end(writer: asyncio.StreamWriter, by_reset: bool) -> None:
    if by_reset:
        # Closing with a linger of no time sends RST instead of FIN.
        sock = writer.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()
