"""The fault proxy itself: each fault, as a client of a plain echo server meets it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from .fault_proxy import HEALTHY, Fault, FaultProxy, Plan

WORDS = b"0123456789" * 100


@dataclass
class Met:
    """What became of one connection: what came back, and how it ended."""

    came: bytes
    ended: str


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def proxied(plan: Plan = HEALTHY) -> AsyncIterator[FaultProxy]:
    async with echo() as port, FaultProxy(port, plan) as proxy:
        yield proxy


async def meet(proxy: FaultProxy, wait_s: float = 0.1, size: int = len(WORDS)) -> Met:
    """Send the words, and read until they are back, the connection ends or the time is up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    came = bytearray()
    try:
        async with asyncio.timeout(wait_s):
            writer.write(WORDS[:size])
            await writer.drain()
            while len(came) < size:
                piece = await reader.read(4096)
                if not piece:
                    return Met(bytes(came), "fin")
                came += piece
        return Met(bytes(came), "whole")
    except TimeoutError:
        return Met(bytes(came), "silence")
    except ConnectionError:
        return Met(bytes(came), "rst")
    finally:
        writer.close()


async def closed(proxy: FaultProxy) -> None:
    give_up = time.monotonic() + 1.0
    while proxy.stats.open:
        assert time.monotonic() < give_up, proxy.stats
        await asyncio.sleep(0.002)


async def test_a_healthy_connection_carries_everything_and_counts_it() -> None:
    async with proxied() as proxy:
        assert await meet(proxy) == Met(WORDS, "whole")
        await closed(proxy)
        assert (proxy.stats.opened, proxy.stats.bytes_up, proxy.stats.bytes_down) == (1, 1000, 1000)


@pytest.mark.parametrize("reset", [False, True])
async def test_a_cut_lets_exactly_so_many_bytes_through(reset: bool) -> None:
    async with proxied(Fault(cut_after=17, reset=reset)) as proxy:
        met = await meet(proxy)
        # Bytes that wait to be read are lost with a reset: that is TCP, not the proxy.
        assert met.ended == ("rst" if reset else "fin")
        assert met.came == WORDS[:17] or (reset and met.came == b"")
        assert proxy.stats.bytes_down == 17


async def test_a_cut_may_count_what_the_client_sends() -> None:
    async with proxied(Fault(cut_after=5, direction="up")) as proxy:
        met = await meet(proxy)
        assert met.ended == "fin" and len(met.came) <= 5
        assert proxy.stats.bytes_up == 5


async def test_a_black_hole_never_answers_and_notices_that_the_client_left() -> None:
    async with proxied(Fault(black_hole=True)) as proxy:
        assert await meet(proxy, wait_s=0.05) == Met(b"", "silence")
        await closed(proxy)
        assert proxy.stats.bytes_up == 0


async def test_a_black_hole_may_open_in_the_middle() -> None:
    async with proxied(Fault(cut_after=400, black_hole=True)) as proxy:
        assert await meet(proxy, wait_s=0.05) == Met(WORDS[:400], "silence")
        await closed(proxy)


async def test_refusing_is_a_reset_before_anything_is_read() -> None:
    async with proxied(Fault(refuse=True)) as proxy:
        assert await meet(proxy) == Met(b"", "rst")
        assert (proxy.stats.opened, proxy.stats.bytes_up) == (1, 0)


async def test_latency_delays_and_a_rate_throttles() -> None:
    async with proxied(Fault(latency=0.05)) as proxy:
        began = time.monotonic()
        assert (await meet(proxy, wait_s=1.0)).ended == "whole"
        assert 0.1 <= time.monotonic() - began < 0.2  # once in each direction
        proxy.plan = Fault(rate=10_000.0)
        began = time.monotonic()
        assert (await meet(proxy, wait_s=1.0)).ended == "whole"
        assert 0.1 <= time.monotonic() - began < 0.3


async def test_a_plan_goes_by_ordinal_and_can_be_replaced() -> None:
    async with proxied({1: Fault(refuse=True)}) as proxy:
        assert [(await meet(proxy)).ended for _ in range(3)] == ["whole", "rst", "whole"]
        proxy.plan = lambda ordinal: Fault(refuse=ordinal % 2 == 0)
        assert [(await meet(proxy)).ended for _ in range(2)] == ["whole", "rst"]


async def test_down_and_up_again_on_the_same_port() -> None:
    async with proxied() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        await proxy.deafen()
        await proxy.drop()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.listen()
        assert (await meet(proxy)).ended == "whole"


async def test_a_dead_server_behind_it_is_a_reset() -> None:
    async with proxied() as proxy:
        async with echo() as port:
            proxy.target = port
        assert (await meet(proxy)).ended == "rst"


async def test_it_leaves_no_task_and_no_connection_behind() -> None:
    before = len(asyncio.all_tasks())
    async with proxied(Fault(black_hole=True)) as proxy:
        connections = [await asyncio.open_connection("127.0.0.1", proxy.port) for _ in range(5)]
        give_up = time.monotonic() + 1.0
        while proxy.stats.open < 5 and time.monotonic() < give_up:
            await asyncio.sleep(0.002)
    assert proxy.stats.open == 0
    assert len(asyncio.all_tasks()) == before
    for _, writer in connections:
        writer.close()
