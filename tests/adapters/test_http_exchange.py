"""A request that is given up at any step of its way, once or twice, leaves no connection behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx
import pytest

from surefoot.adapters.http_exchange import HttpExchange

from .scripted_upstream import Upstream, answer_events, events, running_upstream

STEPS = 60


async def ask(upstream: Upstream, client: httpx.AsyncClient, model: str = "ok") -> bytes:
    body = {"model": model, "messages": []}
    request = client.build_request("POST", f"{upstream.base_url}/chat/completions", json=body)
    exchange = HttpExchange(client, request)
    async with exchange as head:
        assert head.status_code == 200
        return b"".join([piece async for piece in exchange.pieces()])


async def given_up(
    upstream: Upstream, client: httpx.AsyncClient, step: int, again: int | None = None
) -> bool:
    """Cancel a request after so many turns of the event loop, and perhaps once more; whether it was
    still under way."""
    task = asyncio.create_task(ask(upstream, client))
    for _ in range(step):
        await asyncio.sleep(0)
    was_under_way = not task.done()
    task.cancel()
    if again is not None:
        for _ in range(again):
            await asyncio.sleep(0)
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return was_under_way


async def nothing_is_open(upstream: Upstream) -> None:
    async with asyncio.timeout(2.0):
        while upstream.open_connections:
            await asyncio.sleep(0.01)


async def test_nothing_is_left_wherever_it_was_given_up() -> None:
    async with running_upstream() as upstream, httpx.AsyncClient(trust_env=False) as client:
        before = asyncio.all_tasks()
        under_way = [await given_up(upstream, client, step) for step in range(STEPS)]
        assert sum(under_way) > 15  # there were so many steps to be given up at
        await nothing_is_open(upstream)
        assert asyncio.all_tasks() == before


async def test_nor_where_two_timers_strike_one_after_the_other() -> None:
    async with running_upstream() as upstream, httpx.AsyncClient(trust_env=False) as client:
        before = asyncio.all_tasks()
        for step in range(0, STEPS, 2):
            for again in (0, 1, 2, 3):
                await given_up(upstream, client, step, again)
        await nothing_is_open(upstream)
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() == before


async def test_a_pool_of_two_survives_a_thousand_cancellations() -> None:
    limits = httpx.Limits(max_connections=2)
    async with running_upstream() as upstream:
        async with httpx.AsyncClient(trust_env=False, limits=limits) as client:
            for n in range(1000):
                await given_up(upstream, client, n % 37, n % 3)
            assert b"Paris" in await asyncio.wait_for(ask(upstream, client), 2.0)


async def test_a_body_that_is_left_early_frees_the_upstream() -> None:
    async with running_upstream() as upstream, httpx.AsyncClient(trust_env=False) as client:
        upstream.streams["it"] = events(*answer_events())
        body = {"model": "stall:it"}
        request = client.build_request("POST", f"{upstream.base_url}/x", json=body)
        exchange = HttpExchange(client, request)
        async with exchange:
            async for piece in exchange.pieces():
                assert piece
                break
        await nothing_is_open(upstream)


async def test_what_nobody_takes_is_not_read_without_end() -> None:
    async with running_upstream() as upstream, httpx.AsyncClient(trust_env=False) as client:
        request = client.build_request("POST", f"{upstream.base_url}/x", json={"model": "endless"})
        async with HttpExchange(client, request):
            await asyncio.sleep(0.3)
            sent = upstream.bytes_sent
            await asyncio.sleep(0.3)
            assert upstream.bytes_sent == sent < 64 * 2**20
        await nothing_is_open(upstream)


async def test_errors_come_through() -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            async with HttpExchange(client, client.build_request("GET", "http://127.0.0.1:1/")):
                raise AssertionError
    async with running_upstream() as upstream, httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(upstream, client, "hang-up")
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(upstream, client, "cut:5")
