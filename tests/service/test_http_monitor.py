"""The service watches its own certificate: audited labels that refute it take it back."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot.policies.monitor_store import load_state
from surefoot.service.cli import main

from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration
from ..redis_fixture import RedisServer
from .serving import CITY, Service, running_service

CHAT = "/v1/chat/completions"
AUDIT = "[audit]\nshare = 1.0\n"


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile that answers at a perplexity of one half or more, with at most a fifth wrong."""
    folder, rng = tmp_path_factory.mktemp("certified"), random.Random(3)
    table = folder / "outcomes.jsonl"
    with table.open("w") as file:
        for number in range(600):
            sure = rng.random()
            row = {
                "query_id": f"q{number}", "tier": 0, "round": 0, "retrieved": False,
                "answer": "x", "loss": float(sure < 0.5), "cost": 1e-5, "latency_s": None,
                "signals": {"perplexity": sure},
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    profile = folder / "profile.json"
    risk = ("--risk", "selective", "--alpha", "0.2", "--fallback", "abstain")
    with pytest.raises(SystemExit) as ended:
        main(["fit", str(table), *risk, "--out", str(profile), "--json"])
    assert ended.value.code == 0
    return profile


def toml(url: str, profile: Path, history: str) -> str:
    text = configuration(("tier 0", "ok", url), history=history)
    return text.replace("thresholds = { tier 0 = 0.5 }", f'profile = "{profile}"') + AUDIT


def city() -> dict[str, object]:
    """Never asked before: a repeat is not drawn again."""
    asked = f"Which city, {uuid.uuid4().hex}?"
    return {**CITY, "messages": [{"role": "user", "content": asked}]}


async def answered(service: Service) -> str:
    found = await service.client.post(CHAT, json=city())
    decision = found.json()["surefoot"]
    assert (decision["action"], decision["gated"]) == ("answer", True), decision
    return str(decision["run_id"])


async def certificate(service: Service) -> tuple[str | None, str]:
    found = await service.client.post(CHAT, json=city())
    return found.json()["surefoot"]["certificate"], found.headers.get("x-surefoot-degraded", "")


async def settled(service: Service) -> None:
    """Until everything so far is old enough to be read."""
    history = service.built.history
    assert history is not None
    for _ in range(300):
        notes = [
            await history.labels("default", one.result.run_id)
            for one in await history.runs("default", 99)
        ]
        if all(notes):
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(3.1)


async def test_wrong_answers_take_the_certificate_back(
    tmp_path: Path, certified: Path, start_redis: Callable[..., RedisServer]
) -> None:
    url = start_redis().url
    async with running_upstream() as upstream:
        configured = toml(upstream.base_url, certified, url)
        async with (
            running_service(tmp_path / "a", configured) as one,
            running_service(tmp_path / "b", configured) as other,
        ):
            before, remark = await certificate(one)
            assert before is not None and not remark
            known = city()
            assert (await one.client.post(CHAT, json=known)).json()["surefoot"][
                "action"
            ] == "answer"
            repeat = (await one.client.post(CHAT, json=known)).json()["surefoot"]
            assert repeat["recognized"]
            ids = [await answered(one) for _ in range(24)]
            await settled(one)
            state = await one.gateway.monitor.update()
            assert state is not None and state.status == "valid"
            assert state.evidence is not None and state.evidence.counts.labelled == 0
            for run_id in ids:
                said = {"id": run_id, "verdict": "wrong"}
                assert (await other.client.post("/v1/feedback", json=said)).status_code == 200
            state = await other.gateway.monitor.update()
            assert state is not None and state.status == "revoked"
            assert state.evidence is not None
            assert (state.evidence.counts.labelled, state.evidence.counts.drawn) == (24, 26)
            again = await one.gateway.monitor.update()
            assert again is not None and again.evidence is not None
            assert again.evidence.counts.labelled == 24, "no label is read twice"

            for service in (one, other):
                now, remark = await certificate(service)
                assert now is None and "revoked" in remark
                found = await service.client.post(CHAT, json=city())
                decision = found.json()["surefoot"]
                assert decision["action"] == "abstain", "no gate lets anything through"
                repeat = (await service.client.post(CHAT, json=known)).json()["surefoot"]
                assert (repeat["action"], repeat["recognized"]) == ("abstain", False)
            store = one.built.monitor_store
            assert store is not None and one.built.profile is not None
            kept = await load_state(store, one.built.profile.fingerprint)
            assert kept is not None and kept.status == "revoked"


async def test_without_a_certificate_nothing_is_watched(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        text = configuration(("small", "ok", upstream.base_url), history="memory:")
        async with running_service(tmp_path, text) as service:
            assert not service.gateway.monitor.is_on
            assert await service.gateway.monitor.update() is None
            assert (await certificate(service)) == (None, "")
