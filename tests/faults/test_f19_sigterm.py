"""F19: at SIGTERM `readyz` is false at once, what is under way ends, and the exit code is 0."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from ..adapters.scripted_upstream import running_upstream
from .deployment import configuration

CHAT = "/v1/chat/completions"
CITY = {"model": "surefoot", "messages": [{"role": "user", "content": "Which city?"}]}
MAIN = "from surefoot.service.cli import main; main()"


@asynccontextmanager
async def served(folder: Path, toml: str) -> AsyncIterator[tuple[Process, str]]:
    """`surefoot serve` as a process of its own, and where it listens."""
    file = folder / "surefoot.toml"
    file.write_text(toml, encoding="utf-8")
    command = (sys.executable, "-c", MAIN, "serve", "--config", str(file), "--port", "0")
    environment = {**os.environ, "SUREFOOT_HOME": str(folder / "home")}
    process = await asyncio.create_subprocess_exec(*command, stderr=PIPE, env=environment)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30.0):
            while b"listening on " not in (line := await process.stderr.readline()):
                assert line, "it ended"
        yield process, line.decode().split()[-1].removesuffix("/v1")
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_work_under_way_ends_and_new_work_is_refused(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        tiers = ("small", "slow:1.0", upstream.base_url)
        toml = configuration(tiers, deadline_s=10.0) + "[serve]\ndrain_s = 8.0\n"
        async with served(tmp_path, toml) as (process, url):
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10.0) as client:
                assert (await client.get("/readyz")).status_code == 200
                posts = [{**CITY, "stream": stream} for stream in (True, False, True)]
                under_way = [asyncio.create_task(client.post(CHAT, json=one)) for one in posts]
                while len(upstream.seen) < len(posts):
                    await asyncio.sleep(0.005)
                process.send_signal(signal.SIGTERM)
                signaled = time.monotonic()
                while (await client.get("/readyz")).status_code == 200:
                    assert time.monotonic() - signaled < 0.3
                refused = await client.post(CHAT, json=CITY)
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
                answers = await asyncio.gather(*under_way)
                assert [one.status_code for one in answers] == [200, 200, 200]
                assert all("Paris." in one.text for one in answers)
                assert answers[0].text.endswith("data: [DONE]\n\n")
            assert await asyncio.wait_for(process.wait(), 5.0) == 0


async def test_what_takes_longer_than_the_grace_is_broken_off(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        toml = configuration(("small", "hang", upstream.base_url), deadline_s=60.0)
        async with served(tmp_path, toml + "[serve]\ndrain_s = 0.3\n") as (process, url):
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20.0) as client:
                under_way = asyncio.create_task(client.post(CHAT, json=CITY))
                while not upstream.seen:
                    await asyncio.sleep(0.005)
                process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(process.wait(), 5.0) == 0
                (broken,) = await asyncio.gather(under_way, return_exceptions=True)
                is_refused = isinstance(broken, httpx.Response) and broken.status_code >= 500
                assert isinstance(broken, httpx.TransportError) or is_refused
            assert upstream.open_connections == 0
