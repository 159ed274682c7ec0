"""Another configuration for a running service: nothing is dropped, and what is wrong is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from surefoot.graphs.config import Built, build
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import parse_settings
from surefoot.router.errors import ConfigurationError
from surefoot.service.http_limits import Admission
from surefoot.service.reloading import Reloader, unmoved

from ..adapters.scripted_upstream import running_upstream
from .serving import CITY, Service, running_service

MAIN = "from surefoot.service.cli import main; main()"
CONFIGURATION = """
[[tiers]]
name = "{name}"
model = "openai:{model}"
base_url = "{url}"
price = "unknown"
[policy]
thresholds = {{ {name} = {threshold} }}
[retrieval]
enabled = false
[history]
url = "{history}"
[serve]
max_in_flight = {room}
"""


def text(url: str, **changes: object) -> str:
    given = {
        "name": "small", "model": "ok", "threshold": 0.1, "history": "memory:", "room": 32,
    }  # fmt: skip
    return CONFIGURATION.format(url=url, **(given | changes))


def reloader(service: Service, folder: Path, written: Callable[[], str]) -> Reloader:
    def make(running: Built) -> Built:
        around = Surroundings(folder, Places(folder / "cache", folder / "data"), {})
        return build(parse_settings(written()), around, running=running)

    return Reloader(service.gateway, make)


async def ask(service: Service, **changes: object) -> httpx.Response:
    return await service.client.post("/v1/chat/completions", json={**CITY, **changes})


async def test_nothing_is_dropped_over_many_reloads(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        upstream.script["ok"] = "slow:0.05"
        names = ["small"]

        def written() -> str:
            names.append("small" if names[-1] == "large" else "large")
            return text(upstream.base_url, name=names[-1])

        async with running_service(tmp_path, text(upstream.base_url)) as service:
            again = reloader(service, tmp_path, written)
            found: list[httpx.Response] = []
            done = asyncio.Event()

            async def client(number: int) -> None:
                asked = 0
                while not done.is_set():
                    asked += 1
                    messages = [{"role": "user", "content": f"Which city, {number} {asked}?"}]
                    found.append(await ask(service, messages=messages))

            clients = [asyncio.create_task(client(number)) for number in range(4)]
            for _ in range(12):
                await asyncio.sleep(0.05)
                assert await again.reload()
            done.set()
            await asyncio.gather(*clients)
            assert {one.status_code for one in found} == {200}
            tiers = {one.json()["surefoot"]["tier"] for one in found}
            assert tiers == {"small", "large"}
            # The history went along: every run is there, whatever deployment it was on.
            listed = (await service.client.get("/v1/decisions?limit=200")).json()["data"]
            assert len(listed) == min(200, len(found))
            metrics = (await service.client.get("/metrics")).text
            assert 'surefoot_reloads_total{outcome="done"} 12.0' in metrics


async def test_a_request_ends_on_the_deployment_that_it_began_on(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        upstream.script["slow"] = "slow:0.6"
        async with running_service(tmp_path, text(upstream.base_url, model="slow")) as service:
            first = service.gateway.deployment
            asking = asyncio.create_task(ask(service))
            while not first.users:
                await asyncio.sleep(0.005)
            written = text(upstream.base_url, name="large", model="ok")
            assert await reloader(service, tmp_path, lambda: written).reload()
            assert service.gateway.deployment is not first and first.users
            second = await ask(service)
            assert second.json()["surefoot"]["tier"] == "large"
            assert not asking.done()
            assert (await asking).json()["surefoot"]["tier"] == "small"


async def test_a_wrong_configuration_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_upstream() as upstream:
        async with running_service(tmp_path, text(upstream.base_url)) as service:
            before = service.gateway.deployment
            again = reloader(service, tmp_path, lambda: text(upstream.base_url, threshold=7))
            assert not await again.reload()
            assert again.failed is not None and "policy.thresholds.small" in again.failed
            assert "the running configuration stays" in caplog.text
            assert service.gateway.deployment is before
            assert (await ask(service)).status_code == 200
            metrics = (await service.client.get("/metrics")).text
            assert 'surefoot_reloads_total{outcome="refused"} 1.0' in metrics


async def test_it_is_not_opened_to_everybody(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        async with running_service(tmp_path, text(upstream.base_url)) as service:
            open_to_all = text(upstream.base_url) + 'host = "0.0.0.0"\n'
            assert not await reloader(service, tmp_path, lambda: open_to_all).reload()
            assert service.gateway.settings.host == "127.0.0.1"


async def test_what_is_asked_for_meanwhile_is_done_once(tmp_path: Path) -> None:
    made = 0
    async with running_upstream() as upstream:

        def written() -> str:
            nonlocal made
            made += 1
            time.sleep(0.05)
            return text(upstream.base_url)

        async with running_service(tmp_path, text(upstream.base_url)) as service:
            again = reloader(service, tmp_path, written)
            again.ask()
            await asyncio.sleep(0.02)
            for _ in range(4):
                again.ask()
            await again.wait()
    assert made == 2


def test_what_cannot_be_changed_is_said(tmp_path: Path) -> None:
    around = Surroundings(tmp_path, Places(tmp_path / "cache", tmp_path / "data"), {})
    url = "http://127.0.0.1:1/v1"
    before = build(parse_settings(text(url)), around)
    after = build(parse_settings(text(url) + "port = 1\n" + "[telemetry]\nservice = 's'"), around)
    assert unmoved(before, after) == ["serve.port", "telemetry"]
    assert unmoved(before, before) == []


async def test_room_grows_and_shrinks_under_way() -> None:
    admission, order = Admission(2, 10), list[int]()
    ends = [asyncio.Event() for _ in range(5)]

    async def work(number: int) -> None:
        async with admission.place(5.0):
            order.append(number)
            await ends[number].wait()

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await asyncio.sleep(0.01)
    assert (order, admission.in_flight, admission.waiting) == ([0, 1], 2, 3)
    admission.resize(3, 10)
    await asyncio.sleep(0.01)
    assert (order, admission.in_flight, admission.waiting) == ([0, 1, 2], 3, 2)
    admission.resize(1, 10)
    for number in (0, 1):
        ends[number].set()
    await asyncio.sleep(0.01)
    assert (order, admission.in_flight) == ([0, 1, 2], 1)  # two places fewer were given back
    tasks[3].cancel()
    ends[2].set()
    await asyncio.sleep(0.01)
    assert (order, admission.in_flight, admission.waiting) == ([0, 1, 2, 4], 1, 0)
    ends[4].set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert admission.in_flight == 0


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP here")
async def test_sighup_reads_file_and_environment_anew(tmp_path: Path) -> None:
    """A process of its own, as an operator has it."""
    async with running_upstream() as upstream:
        file = tmp_path / "surefoot.toml"
        file.write_text(text(upstream.base_url))
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "serve", "--config", str(file), "--port", "0"],
            cwd=tmp_path,
            env={**os.environ, "SUREFOOT_HOME": str(tmp_path / "home")},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        try:
            line = ""
            while "listening on" not in line:
                line = await asyncio.to_thread(process.stderr.readline)
                assert line, "it ended"
            url = line.split()[-1].removesuffix("/v1")
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:

                async def tier() -> str:
                    found = await client.post("/v1/chat/completions", json=CITY)
                    return str(found.json()["surefoot"]["tier"])

                assert await tier() == "small"
                file.write_text(text(upstream.base_url, name="renamed"))
                process.send_signal(signal.SIGHUP)
                for _ in range(200):
                    if await tier() == "renamed":
                        break
                    await asyncio.sleep(0.05)
                else:
                    raise AssertionError("it did not go over to the new configuration")
                file.write_text("nonsense")
                process.send_signal(signal.SIGHUP)
                await asyncio.sleep(0.3)
                assert await tier() == "renamed"
        finally:
            process.terminate()
            _, err = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0, err
        assert "reloaded" in err and "not reloaded" in err and str(file) in err


def test_no_configuration_error_is_swallowed() -> None:
    """The control: what is no error of ours is raised, and not taken for a refusal."""
    with pytest.raises(ConfigurationError):
        parse_settings("nonsense")
