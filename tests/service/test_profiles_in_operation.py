"""Promoting, trying beside and rolling back, on running replicas that share one Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from surefoot.graphs.config import Built, build
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import parse_settings
from surefoot.policies.profile import FittedRung, FittedTier, Profile, save_profile
from surefoot.router.decisions import Action
from surefoot.service.profile_following import ProfileFollower
from surefoot.service.reloading import Reloader
from surefoot.service.shelf_reading import active_profile, open_shelf

from ..adapters.scripted_upstream import running_upstream
from .doors import Here
from .serving import CITY, Service, running_service

TOML = """
[[tiers]]
name = "small"
model = "openai:ok"
base_url = "{url}"
price = "unknown"
[signals]
free = ["perplexity"]
[policy]
shelf = "{shelf}"
thresholds = {{ small = 0.0 }}
[retrieval]
enabled = false
[history]
url = "{history}"
"""


def profile(threshold: float, model: str = "openai:ok") -> Profile:
    rungs = tuple(
        FittedRung(0, retrieved, threshold, (Action.ESCALATE,), (), (), score="perplexity")
        for retrieved in (False, True)
    )
    return Profile((FittedTier("small", model),), rungs, {"versions": {"perplexity": 1}})


SERVES, HOLDS, OTHER = profile(0.0), profile(1.0), profile(0.0, "openai:another")


@asynccontextmanager
async def replica(folder: Path, text: str) -> AsyncIterator[tuple[Service, Any, ProfileFollower]]:
    """A service that looks at the shelf when it is told to."""
    places = Places(folder / "cache", folder / "data")
    around = Surroundings(folder, places, {})
    settings = parse_settings(text)

    def make(running: Built) -> Built:
        active = active_profile(settings, around)
        return build(settings, around, running=running, profile=active)

    async with running_service(folder, text) as service, open_shelf(settings, around) as shelf:
        reloader = Reloader(service.gateway, make)
        follower = ProfileFollower(service.gateway, shelf, reloader.ask, 2.0)

        async def look() -> None:
            await follower.look()
            await reloader.wait()

        yield service, look, follower


async def ended(service: Service) -> str:
    found = (await service.client.post("/v1/chat/completions", json=CITY)).json()
    return str(found["surefoot"]["action"])


async def test_all_replicas_go_over_and_back(tmp_path: Path, redis_url: str) -> None:
    async with running_upstream() as upstream:
        text = TOML.format(url=upstream.base_url, shelf=tmp_path.name, history=redis_url)
        one_folder, two_folder = tmp_path / "one", tmp_path / "two"
        async with (
            replica(one_folder, text) as (one, look_one, follower),
            replica(two_folder, text) as (two, look_two, _),
        ):
            shelf = follower._shelf

            async def both() -> list[str]:
                await asyncio.gather(look_one(), look_two())
                return [await ended(one), await ended(two)]

            assert await both() == ["answer", "answer"]
            for made in (SERVES, HOLDS):
                await shelf.add(made)
            await shelf.promote(HOLDS.fingerprint)
            assert await both() == ["abstain", "abstain"]
            await shelf.promote(SERVES.fingerprint, expected=HOLDS.fingerprint)
            assert await both() == ["answer", "answer"]
            await shelf.roll_back()
            assert await both() == ["abstain", "abstain"]


async def test_a_profile_that_cannot_run_here_is_refused_once(
    tmp_path: Path, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_upstream() as upstream:
        text = TOML.format(url=upstream.base_url, shelf=tmp_path.name, history=redis_url)
        async with replica(tmp_path, text) as (service, look, follower):
            for made in (SERVES, OTHER):
                await follower._shelf.add(made)
            await follower._shelf.promote(SERVES.fingerprint)
            await look()
            await follower._shelf.promote(OTHER.fingerprint)
            for _ in range(3):
                await look()
            assert await ended(service) == "answer"
            assert caplog.text.count("not reloaded") == 1
            running = service.gateway.built.profile
            assert running is not None and running.fingerprint == SERVES.fingerprint


async def test_a_candidate_is_tried_beside(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        text = TOML.format(url=upstream.base_url, shelf="s", history="memory:")
        async with replica(tmp_path, text) as (service, look, follower):
            for made in (SERVES, HOLDS):
                await follower._shelf.add(made)
            await follower._shelf.promote(SERVES.fingerprint)
            await follower._shelf.shadow(HOLDS.fingerprint)
            await look()
            for number in range(3):
                messages = [{"role": "user", "content": f"Which city, {number}?"}]
                asked = {**CITY, "messages": messages}
                found = await service.client.post("/v1/chat/completions", json=asked)
                assert found.json()["surefoot"]["action"] == "answer"  # nothing is changed
            metrics = (await service.client.get("/metrics")).text
            assert (
                'surefoot_shadow_decisions_total{action="abstain",verdict="other"} 3.0' in metrics
            )
            await follower._shelf.shadow(None)
            await look()
            assert service.gateway.shadow is None


async def test_a_shelf_that_is_down_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_upstream() as upstream:
        text = TOML.format(url=upstream.base_url, shelf="s", history="redis://127.0.0.1:1/0")
        async with replica(tmp_path, text) as (service, look, _):
            for _ in range(3):
                await look()
            assert await ended(service) == "answer"
            assert caplog.text.count("the shelf of profiles cannot be read") == 1


def test_the_command(here: Here, tmp_path: Path) -> None:
    text = TOML.format(url="http://127.0.0.1:1/v1", shelf="s", history="sqlite:///h.db")
    (tmp_path / "surefoot.toml").write_text(text)
    for made, name in ((SERVES, "one.json"), (HOLDS, "two.json")):
        save_profile(made, tmp_path / name)
        assert here("profile", "add", name).code == 0
    a, b = SERVES.fingerprint, HOLDS.fingerprint
    assert here("profile", "promote", a[:8]).code == 0
    assert here("profile", "promote", b[:8], "--expect", b[:8]).code == 2
    assert here("profile", "promote", b[:8], "--expect", a[:8]).code == 0
    assert here("profile", "shadow", a[:8]).code == 0
    state = json.loads(here("profile", "status", "--json").out)
    assert (state["active"], state["candidate"], state["before"]) == (b, a, [a])
    assert "active     " + b[:12] in here("profile", "status").out
    assert here("profile", "rollback").code == 0
    assert here("profile", "rollback").code == 2
    assert here("profile", "shadow", "--off").code == 0
    assert here("profile", "shadow").code == 2
    gone = here("profile", "promote", "ffff")
    assert gone.code == 2 and "the shelf holds" in gone.err
    assert here("profile", "show", b[:8], "--out", "back.json").code == 0
    assert (tmp_path / "back.json").read_text() == (tmp_path / "two.json").read_text()


def test_without_a_shelf_the_command_says_what_to_set(here: Here, tmp_path: Path) -> None:
    text = TOML.format(url="http://127.0.0.1:1/v1", shelf="s", history="none")
    (tmp_path / "surefoot.toml").write_text(text.replace('shelf = "s"\n', ""))
    found = here("profile", "status")
    assert found.code == 2 and "policy.shelf" in found.err


async def _served(tmp_path: Path) -> None:
    """Six runs on a history that the command reads, audited and labeled."""
    async with running_upstream() as upstream:
        text = TOML.format(url=upstream.base_url, shelf="s", history="sqlite:///h.db")
        text += "[audit]\nshare = 1.0\n"
        (tmp_path / "surefoot.toml").write_text(text)
        async with running_service(tmp_path, text) as service:
            for number in range(6):
                messages = [{"role": "user", "content": f"Which city, {number}?"}]
                found = await service.client.post(
                    "/v1/chat/completions", json={**CITY, "messages": messages}
                )
                body = {
                    "id": found.json()["id"],
                    "verdict": "wrong" if number == 0 else "right",
                }
                assert (await service.client.post("/v1/feedback", json=body)).status_code == 200


def test_compare(here: Here, tmp_path: Path) -> None:
    asyncio.run(_served(tmp_path))
    for made, name in ((SERVES, "one.json"), (HOLDS, "two.json")):
        save_profile(made, tmp_path / name)
        assert here("profile", "add", name).code == 0
    assert here("profile", "promote", SERVES.fingerprint[:8]).code == 0
    ended = here("profile", "compare", HOLDS.fingerprint[:8], "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert (found["n"], found["same"], found["other"], found["unknown"]) == (6, 0, 6, 0)
    assert found["active"]["risk"] == pytest.approx(1 / 6)
    assert found["active"]["answered"] == 1.0 and found["candidate"]["answered"] == 0.0
    assert found["candidate"]["risk"] is None
    assert "otherwise on 6" in here("profile", "compare", HOLDS.fingerprint[:8]).out
