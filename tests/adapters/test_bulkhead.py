from __future__ import annotations

import asyncio

import pytest

from surefoot.adapters.bulkhead import Bulkhead, BulkheadSettings
from surefoot.router.errors import Overloaded


async def hold(bulkhead: Bulkhead, go: asyncio.Event, inside: list[int]) -> None:
    async with bulkhead.slot(None):
        inside.append(1)
        await go.wait()
        inside.pop()


async def test_only_so_many_at_once_and_so_many_wait() -> None:
    bulkhead, go, inside = Bulkhead(BulkheadSettings(2, 3), "small"), asyncio.Event(), list[int]()
    tasks = [asyncio.create_task(hold(bulkhead, go, inside)) for _ in range(5)]
    await asyncio.sleep(0)
    assert len(inside) == 2 and bulkhead.waiting == 3
    with pytest.raises(Overloaded, match="2 calls of small are under way and 3 wait"):
        async with bulkhead.slot(None):
            pass
    go.set()
    await asyncio.gather(*tasks)
    assert bulkhead.waiting == 0 and inside == []
    async with bulkhead.slot(None) as waited_s:
        assert waited_s < 0.05


async def test_waiting_ends_with_the_time_of_the_call() -> None:
    bulkhead, go = Bulkhead(BulkheadSettings(1, 3)), asyncio.Event()
    task = asyncio.create_task(hold(bulkhead, go, []))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match=r"within 0\.02 s"):
        async with bulkhead.slot(0.02):
            pass
    assert bulkhead.waiting == 0
    go.set()
    await task


async def test_who_leaves_while_waiting_or_inside_takes_no_place_along() -> None:
    bulkhead, go, inside = Bulkhead(BulkheadSettings(1, 3)), asyncio.Event(), list[int]()
    tasks = [asyncio.create_task(hold(bulkhead, go, inside)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in (tasks[1], tasks[0]):
        task.cancel()
    await asyncio.gather(*tasks[:2], return_exceptions=True)
    go.set()
    await tasks[2]
    async with bulkhead.slot(0.1):
        assert bulkhead.waiting == 0


def test_each_event_loop_has_places_of_its_own() -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, 1))

    async def crowd() -> None:
        go = asyncio.Event()
        tasks = [asyncio.create_task(hold(bulkhead, go, [])) for _ in range(2)]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*tasks)

    asyncio.run(crowd())
    asyncio.run(crowd())  # a semaphore of the loop before would refuse to be waited for
