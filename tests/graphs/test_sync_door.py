"""One loop in a thread, for callers that cannot await."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from contextvars import ContextVar

import pytest

from surefoot.graphs.sync_door import SyncDoor
from surefoot.router.errors import UsageError

WHO: ContextVar[str] = ContextVar("who", default="nobody")


async def current_thread() -> threading.Thread:
    return threading.current_thread()


async def current_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_all_calls_meet_one_loop_until_the_door_is_closed() -> None:
    door = SyncDoor()
    loop = door.call(current_loop())
    assert door.call(current_loop()) is loop
    thread = door.call(current_thread())
    assert thread is not threading.current_thread()
    door.close()
    door.close()
    assert (thread.is_alive(), loop.is_closed()) == (False, True)
    assert door.call(current_loop()) is not loop
    door.close()


def test_the_loop_ends_with_the_last_holder_of_the_door() -> None:
    door = SyncDoor()
    loop, thread = door.call(current_loop()), door.call(current_thread())
    del door
    gc.collect()
    assert (thread.is_alive(), loop.is_closed()) == (False, True)


def test_errors_and_context_variables_cross_the_door() -> None:
    async def who() -> str:
        return WHO.get()

    async def fail() -> None:
        raise ValueError("as it is")

    door = SyncDoor()
    token = WHO.set("caller")
    try:
        assert door.call(who()) == "caller"
    finally:
        WHO.reset(token)
    assert door.call(who()) == "nobody"
    with pytest.raises(ValueError, match="as it is"):
        door.call(fail())
    door.close()


async def test_it_serves_a_thread_that_has_a_loop_of_its_own() -> None:
    door = SyncDoor()
    assert door.call(current_loop()) is not asyncio.get_running_loop()
    door.close()


def test_a_call_from_inside_is_refused_and_not_waited_for() -> None:
    door = SyncDoor()

    async def inside() -> None:
        door.call(asyncio.sleep(0))

    with pytest.raises(UsageError, match="await it instead"):
        door.call(inside())
    door.close()


def test_closing_cancels_what_still_runs() -> None:
    door, ended = SyncDoor(), threading.Event()

    async def linger() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def start() -> None:
        door.lingering = asyncio.create_task(linger())  # type: ignore[attr-defined]  # kept alive
        await asyncio.sleep(0)

    door.call(start())
    began = time.monotonic()
    door.close()
    assert ended.is_set()
    assert time.monotonic() - began < 10
