"""The sync door of an async machine: one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Coroutine
from queue import SimpleQueue
from typing import Any, TypeVar

from ..router.errors import UsageError

__all__ = ["SyncDoor"]

T = TypeVar("T")


class SyncDoor:
    """Runs coroutines for callers that cannot await.

    One loop for all calls: HTTP clients and pools are bound to the loop that they met first. It
    starts with the first call and ends with `close`, or when nobody holds the door any more.
    Context variables of the caller are seen by the coroutine.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: weakref.finalize[Any, SyncDoor] | None = None

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return, or raise, what it does.

        Raises:
            UsageError: called from inside a coroutine that this door runs, which would wait for
                itself for ever.
        """
        loop = self._started()
        if _running_loop() is loop:
            coroutine.close()
            raise UsageError("a sync call inside an async step of the same graph; await it instead")
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result()
        finally:
            future.cancel()  # does nothing to a finished one; else the wait was broken off

    def close(self) -> None:
        """End the loop and its thread; what still runs there is cancelled."""
        with self._lock:
            end, self._end, self._loop = self._end, None, None
        if end is not None:
            end()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                ready: SimpleQueue[asyncio.AbstractEventLoop] = SimpleQueue()
                thread = threading.Thread(
                    target=_serve, args=(ready,), name="surefoot-sync-door", daemon=True
                )
                thread.start()
                self._loop = ready.get()
                self._end = weakref.finalize(self, _stop, self._loop, thread)
            return self._loop


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _serve(ready: SimpleQueue[asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner() as runner:  # cancels what is left and closes the loop
        loop = runner.get_loop()
        ready.put(loop)
        loop.run_forever()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join()
