"""F20: a process that is killed in the middle of a run loses nothing that was paid: another one
goes on with the thread, asks no tier twice, and the conversation gains one turn."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from surefoot.adapters.histories import open_history
from surefoot.router.protocols import RecallQuery

from ..adapters.scripted_upstream import running_upstream
from .deployment import configuration

RUN = """
import asyncio, sys
from pathlib import Path
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from surefoot.adapters.histories import open_history
from surefoot.graphs.config import build
from surefoot.graphs.graph_state import result_of
from surefoot.graphs.machine import compile_graph
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import load_settings

THREAD = {"configurable": {"thread_id": "t1"}}

async def main(folder, resume):
    around = Surroundings(folder, Places(folder / "cache", folder / "data"), {})
    router = build(load_settings(folder / "surefoot.toml"), around).router
    async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoints.db")) as saver:
        graph = compile_graph(
            router.plan,
            router.performer,
            attempts=open_history(f"sqlite:///{folder / 'history.db'}"),
            checkpointer=saver,
        )
        given = None if resume else {"question": "Which city?"}
        state = await graph.ainvoke(given, THREAD, durability="sync")
        print(result_of(state).answer, result_of(state).calls, flush=True)
    await router.aclose()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2] == "resume"))
"""


def process(folder: Path, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder), how], stdout=subprocess.PIPE, text=True
    )


async def ended(process: subprocess.Popen[str]) -> str:
    out, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0
    return out.strip()


async def test_a_killed_run_goes_on_without_paying_twice(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        upstream.script["b"] = "in-turn:hang,ok"
        history = tmp_path / "history.db"
        text = configuration(
            ("small", "a", upstream.base_url),
            ("large", "b", upstream.base_url),
            thresholds="small = 1.0, large = 0.5",
            deadline_s=60.0,
            history=f"sqlite:///{history}",
        )
        upstream.script["a"] = "ok"
        (tmp_path / "surefoot.toml").write_text(text)
        killed = process(tmp_path, "begin")
        while upstream.count("b") < 1:  # small was paid, and large is being asked
            await asyncio.sleep(0.02)
            assert killed.poll() is None
        killed.kill()
        killed.communicate()
        assert await ended(process(tmp_path, "resume")) == "Paris. 2"
        assert (upstream.count("a"), upstream.count("b")) == (1, 2)
        assert await ended(process(tmp_path, "resume")) == "Paris. 2"  # there is nothing left to do
        assert len(upstream.seen) == 3
        store = open_history(f"sqlite:///{history}")
        recalled = await store.recall(RecallQuery("default", "t1", "And which river?", "f"))
        assert [turn.answer for turn in recalled.turns] == ["Paris."]
        assert len(await store.runs("default")) == 1
        await store.aclose()
