"""Threads of an adapter's own, for work that blocks."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["WorkerThreads"]

T = TypeVar("T")


class WorkerThreads:
    """Up to `most` threads, started when they are needed.

    Not the event loop's own threads: those are few and serve everybody, and one slow store that
    holds all of them would hold every other adapter of the process, too.
    """

    def __init__(self, name: str, most: int) -> None:
        self._executor = ThreadPoolExecutor(most, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises; it sees the caller's context variables.

        A caller that is cancelled stops waiting at once: work that has not begun is dropped, work
        that has begun ends unheard.
        """
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, context.run, _tellable, work)


def _tellable(work: Callable[[], T]) -> T:
    """No future can hold a StopIteration: on Python 3.11 whoever waits for one waits forever."""
    try:
        return work()
    except StopIteration as error:
        raise RuntimeError("StopIteration out of a worker thread") from error
