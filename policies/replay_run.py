"""Replaying all questions of a table, on as many processors as there are.

Questions are replayed in blocks by processes that are forked off, so that they find table and
policy in their memory, and each takes the next block when it is done with one. What comes out is in
the order of the questions and does not depend on how many processes there were.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from multiprocessing.connection import Connection, wait
from operator import attrgetter
from typing import Any, TypeVar

from ..router.making import maker

__all__ = ["replay_questions", "workers_for"]

T = TypeVar("T")

_BLOCK = 500
"""Questions at a time: a twentieth of a second, and a message of some ten kilobytes."""
_WORTH_FORKING = 4000
"""Questions from which a second process saves more time than it takes to start."""
_REPORTS = 200
"""How often at most progress is told where one process does it all."""


def workers_for(questions: int) -> int:
    """How many processes are worth having for so many questions, 1 where none can be forked.

    Only Linux and its like can: elsewhere a process would have to be handed the whole table. Only
    the main thread does: a server's other threads may hold locks that a copy would wait for.
    """
    return _processors() if questions >= _WORTH_FORKING and _can_fork() else 1


def _can_fork() -> bool:
    return (
        sys.platform != "darwin"  # Apple's own libraries break in a fork
        and "fork" in multiprocessing.get_all_start_methods()
        and threading.current_thread() is threading.main_thread()
        and not multiprocessing.current_process().daemon
    )


def _processors() -> int:
    """Those that this process may use, which may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def replay_questions(
    query_ids: Sequence[str],
    replay: Callable[[str], T],
    record: type[T],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[T]:
    """`replay` of every question, in order.

    Args:
        replay: how one question ends. Pure: what it changes in its process is lost.
        record: the slotted dataclass that it returns, of fields that can be pickled.
        workers: processes; None takes as many as are worth it. Where none can be forked, this
            one does it all.
        progress: called with questions done and questions in all, now and then and at the end.

    Raises:
        Exception: what `replay` raises, for the first question for which it raises anything.
    """
    count = workers_for(len(query_ids)) if workers is None else workers
    tell = progress or (lambda done, total: None)
    if count <= 1 or not query_ids or not _can_fork():
        return _one_after_the_other(query_ids, replay, tell)
    blocks = [query_ids[i : i + _BLOCK] for i in range(0, len(query_ids), _BLOCK)]
    courier = _Courier(record)
    with _forked(blocks, replay, courier, min(count, len(blocks))) as links:
        return _collected(blocks, replay, courier, links, tell)


def _one_after_the_other(
    query_ids: Sequence[str], replay: Callable[[str], T], tell: Callable[[int, int], None]
) -> list[T]:
    found: list[T] = []
    total = len(query_ids)
    step = 1 + total // _REPORTS
    for done, query_id in enumerate(query_ids, start=1):
        found.append(replay(query_id))
        if done % step == 0 or done == total:
            tell(done, total)
    return found


class _Courier:
    """Records as plain tuples and back: pickling a frozen record takes five times as long."""

    def __init__(self, record: type[Any]) -> None:
        self._values = attrgetter(*[one.name for one in fields(record)])
        self._make = maker(record)

    def packed(self, records: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Their fields. Equal tuples (rungs, above all) become one, which is pickled once."""
        seen: dict[tuple[type[Any], Any], Any] = {}
        return [
            tuple(
                [
                    seen.setdefault((type(value), value), value)
                    if isinstance(value, tuple)
                    else value
                    for value in self._values(record)
                ]
            )
            for record in records
        ]

    def unpacked(self, packed: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The records."""
        return [self._make(*values) for values in packed]


# --- the process that collects -------------------------------------------------------------------


def _collected(
    blocks: Sequence[Sequence[str]],
    replay: Callable[[str], T],
    courier: _Courier,
    links: Sequence[Connection],
    tell: Callable[[int, int], None],
) -> list[T]:
    """Hand out the blocks in order, take in what came of them."""
    found: dict[int, list[T]] = {}
    waiting = iter(range(len(blocks)))
    at_work: dict[Connection, int] = {}
    total, done = sum(map(len, blocks)), 0
    for link in links:
        _hand_out(link, waiting, at_work)
    while at_work:
        for ready in wait(list(at_work)):
            assert isinstance(ready, Connection)
            block = at_work.pop(ready)
            packed = _received(ready)
            if packed is None:
                waiting = iter(())  # blocks are handed out in order: the first failure is among
                continue  # those at work
            found[block] = courier.unpacked(packed)
            done += len(found[block])
            tell(done, total)
            _hand_out(ready, waiting, at_work)
    # What failed is replayed here, where it raises its own error, and so is what a process that
    # was ended from outside has left undone.
    whole: list[T] = []
    for number, block_ids in enumerate(blocks):
        if number not in found:
            found[number] = [replay(query_id) for query_id in block_ids]
            done += len(block_ids)
            tell(done, total)
        whole += found[number]
    return whole


def _hand_out(link: Connection, waiting: Iterator[int], at_work: dict[Connection, int]) -> None:
    block = next(waiting, None)
    if block is not None:
        at_work[link] = block
        try:
            link.send(block)
        except OSError:
            pass  # its end is closed: `_received` will see that too


def _received(link: Connection) -> list[tuple[Any, ...]] | None:
    """What came of a block, None where it failed or its process is gone."""
    try:
        packed: list[tuple[Any, ...]] | None = link.recv()
    except (EOFError, OSError):
        return None
    return packed


@contextmanager
def _forked(
    blocks: Sequence[Sequence[str]], replay: Callable[[str], Any], courier: _Courier, count: int
) -> Iterator[list[Connection]]:
    """Processes that wait for numbers of blocks; ended on the way out, whatever happens."""
    context = multiprocessing.get_context("fork")
    processes, links = [], []
    gc.freeze()  # or a search for cycles would write on, and so copy, every page of the table
    try:
        for _ in range(count):
            link, far = context.Pipe()
            links.append(link)
            process = context.Process(
                target=_work, args=(far, links, blocks, replay, courier), daemon=True
            )
            with warnings.catch_warnings():
                # Python 3.12 warns of locks that other threads hold: the work takes none.
                warnings.filterwarnings("ignore", "This process", DeprecationWarning)
                process.start()
            processes.append(process)
            far.close()
        yield links
    finally:
        gc.unfreeze()
        for link in links:
            link.close()
        for process in processes:
            process.terminate()
            process.join()


# --- the processes that replay -------------------------------------------------------------------


def _work(
    link: Connection,
    copies: Sequence[Connection],
    blocks: Sequence[Sequence[str]],
    replay: Callable[[str], Any],
    courier: _Courier,
) -> None:
    """Replay block after block until there is none, or nobody who wants it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the collecting process, too
    for copy in copies:  # of the other ends: a link is at its end when its last copy is closed
        copy.close()
    gc.disable()
    try:
        while True:
            block = link.recv()
            link.send(_packed_block(blocks[block], replay, courier))
    except (EOFError, OSError):
        pass
    finally:
        # At once, without flushing or closing what belongs to the collecting process.
        os._exit(0)


def _packed_block(
    query_ids: Sequence[str], replay: Callable[[str], Any], courier: _Courier
) -> list[tuple[Any, ...]] | None:
    try:
        return courier.packed([replay(query_id) for query_id in query_ids])
    except Exception:  # whatever it is, it is raised again where it can be caught
        return None
