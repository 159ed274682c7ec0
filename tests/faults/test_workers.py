"""Several workers on one port: one that is killed under load is replaced, and all drain."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import httpx
import pytest

from ..adapters.scripted_upstream import running_upstream
from .deployment import configuration
from .test_f19_sigterm import CHAT, MAIN


def question(number: int) -> dict[str, object]:
    """No two alike, or the history would answer."""
    asked = {"role": "user", "content": f"Which city has number {number}?"}
    return {"model": "surefoot", "messages": [asked]}


async def chats(client: httpx.AsyncClient) -> float:
    """How many chats were answered, by all workers."""
    text = (await client.get("/metrics")).text
    wanted = f'surefoot_requests_total{{outcome="200",route="{CHAT}"}} '
    (line,) = [one for one in text.splitlines() if one.startswith(wanted)]
    return float(line.split()[-1])


def children(pid: int) -> set[int]:
    """Processes that a process has started; by /proc, hence on Linux alone."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            state, parent = stat.rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.add(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
async def test_a_killed_worker_is_replaced_and_all_of_them_drain(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        tier = ("small", "slow:0.3", upstream.base_url)
        file = tmp_path / "surefoot.toml"
        history = f"sqlite:///{tmp_path}/runs.db"
        file.write_text(configuration(tier, history=history, deadline_s=20.0), encoding="utf-8")
        log = tmp_path / "log"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", MAIN, "serve", "--config", str(file)),
                *("--port", "0", "--workers", "2"),
                stderr=stderr,
                env={**os.environ, "SUREFOOT_HOME": str(tmp_path / "home")},
            )
        try:
            async with asyncio.timeout(60.0):
                while not (found := re.search(r"listening on (\S+)/v1", log.read_text())):
                    await asyncio.sleep(0.05)
            url = found[1]
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60.0) as client:
                assert (await client.get("/readyz")).status_code == 200

            async def one(number: int) -> bool:
                # Each on a connection of its own, or one worker would serve them all.
                async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60.0) as own:
                    try:
                        return (await own.post(CHAT, json=question(number))).status_code == 200
                    except httpx.TransportError:
                        return False

            async with asyncio.timeout(60.0):
                while len(before := children(process.pid)) < 2:
                    await asyncio.sleep(0.05)
            victim = min(before)
            under_way = [asyncio.create_task(one(number)) for number in range(12)]
            await asyncio.sleep(0.1)
            os.kill(victim, signal.SIGKILL)
            await asyncio.gather(*under_way)  # what the victim had accepted is lost with it
            assert await one(20) and await one(21), "the service goes on"
            async with asyncio.timeout(60.0):
                while len(now := children(process.pid)) < 2:
                    await asyncio.sleep(0.05)
            assert victim not in now and len(now & before) == 1
            assert f"worker {victim} ended with code -9" in log.read_text()
            assert all(await asyncio.gather(*map(one, range(30, 38))))

            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60.0) as client:
                before_s = -1.0
                while before_s != (told := await chats(client)):  # until each has told its own
                    before_s = told
                    await asyncio.sleep(3.0)
                assert all(await asyncio.gather(*map(one, range(50, 58))))
                async with asyncio.timeout(30.0):
                    while await chats(client) < before_s + 8:
                        await asyncio.sleep(0.1)
                assert await chats(client) == before_s + 8, "the sum of all, nothing twice"

            seen = len(upstream.seen)
            last = [asyncio.create_task(one(number)) for number in range(40, 44)]
            async with asyncio.timeout(30.0):
                while len(upstream.seen) < seen + 4:
                    await asyncio.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert all(await asyncio.gather(*last)), "what is under way ends"
            assert await asyncio.wait_for(process.wait(), 40.0) == 0, log.read_text()
            assert not any(Path(f"/proc/{pid}").exists() for pid in now)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
