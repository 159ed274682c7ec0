"""Decisions over HTTP: listed, filtered, looked at and judged, by their tenant alone."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from surefoot.policies.outcomes import read_outcomes
from surefoot.policies.run_rows import rows_of_run
from surefoot.router.tables import json_line

from ..adapters.scripted_upstream import Upstream, running_upstream
from ..faults.deployment import configuration
from .serving import CITY, Service, running_service

CHAT = "/v1/chat/completions"


def key(name: str) -> str:
    digest = hashlib.sha256(f"secret-{name}".encode()).hexdigest()
    return f'[[serve.keys]]\nname = "{name}"\nsha256 = "{digest}"\ntenant = "{name}"\n'


KEYS = key("alice") + key("bob")
ALICE = {"Authorization": "Bearer secret-alice"}
BOB = {"Authorization": "Bearer secret-bob"}
EVERYTHING = "[audit]\nshare = 1.0\nescalated_share = 1.0\nabstained_share = 1.0\n"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with running_upstream() as found:
        found.script |= {"a": "ok", "b": "ok"}
        yield found


@pytest.fixture(params=["memory:", "sqlite:///runs.db"])
async def service(
    request: pytest.FixtureRequest, upstream: Upstream, tmp_path: Path
) -> AsyncIterator[Service]:
    """Of the two tiers the first is never sure enough."""
    toml = configuration(
        ("small", "a", upstream.base_url),
        ("large", "b", upstream.base_url),
        thresholds="small = 0.9, large = 0.5",
        history=request.param,
    )
    async with running_service(tmp_path, toml + EVERYTHING + KEYS) as found:
        yield found


async def ask(service: Service, words: str, who: dict[str, str], **more: Any) -> str:
    """The run's id."""
    asked = {**CITY, "messages": [{"role": "user", "content": words}], **more}
    found = await service.client.post(CHAT, json=asked, headers=who)
    assert found.status_code == 200, found.text
    return found.headers["x-surefoot-run"]


async def get(service: Service, path: str, who: dict[str, str], **query: Any) -> Any:
    found = await service.client.get(path, headers=who, params=query)
    assert found.status_code == 200, found.text
    return found.json()


async def judge(service: Service, who: dict[str, str], **said: Any) -> httpx.Response:
    return await service.client.post("/v1/feedback", json=said, headers=who)


async def drawn(service: Service, run_id: str, who: dict[str, str]) -> dict[str, Any]:
    """The decision, once its draws are noted."""
    async with asyncio.timeout(5.0):
        while True:
            found = await get(service, f"/v1/decisions/{run_id}", who)
            if len(found["feedback"]) >= len(found["attempts"]):
                return dict(found)
            await asyncio.sleep(0.01)


async def test_decisions_are_listed_page_by_page(service: Service) -> None:
    ids = [await ask(service, f"Which city, {n}?", ALICE, user="u1") for n in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = await get(service, "/v1/decisions", ALICE, limit=2, **cursor)
        seen += [one["id"] for one in page["data"]]
        cursor = {"cursor": page["cursor"]} if page["cursor"] else {}
    assert seen == ids[::-1] and not cursor
    oldest = await get(service, "/v1/decisions", ALICE, order="oldest", limit=1)
    (one,) = oldest["data"]
    assert (one["id"], one["question"], one["answer"]) == (ids[0], "Which city, 0?", "Paris.")
    assert (one["action"], one["tier"], one["user"]) == ("answer", "large", "u1")
    assert one["confidence"] == pytest.approx(math.exp(-0.25))
    assert "trail" not in one
    assert (await get(service, "/v1/decisions", BOB))["data"] == []


async def test_one_decision_has_its_trail(service: Service) -> None:
    run_id = await ask(service, "Which city?", ALICE)
    found = await drawn(service, run_id, ALICE)
    assert [step["action"] for step in found["trail"] if step["action"]] == ["escalate", "answer"]
    assert [one["tier"] for one in found["attempts"]] == ["small", "large"]
    assert [one["audited"] for one in found["feedback"]] == [True, True]
    assert found["label"]["propensity"] == 1.0 and found["label"]["verdict"] is None


async def test_filters(service: Service, upstream: Upstream) -> None:
    first = await ask(service, "One?", ALICE)
    abstained = await ask(service, "Two?", ALICE, surefoot={"max_calls": 1})
    await judge(service, ALICE, id=first, verdict="right")
    await drawn(service, abstained, ALICE)

    async def listed(**query: Any) -> list[str]:
        return [one["id"] for one in (await get(service, "/v1/decisions", ALICE, **query))["data"]]

    assert await listed(action="abstain") == [abstained]
    assert await listed(tier="large") == [first]
    assert await listed(tier="small") == []
    assert await listed(label="right") == await listed(label="any") == [first]
    assert await listed(label="wrong") == []
    assert await listed(label="none") == await listed(label="due") == [abstained]
    now = datetime.now(UTC)
    assert await listed(since=(now - timedelta(hours=1)).isoformat()) == [abstained, first]
    assert await listed(until=(now - timedelta(hours=1)).isoformat()) == []
    assert await listed(user="nobody") == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"action": "guess"}, "action"),
        ({"limit": "0"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"since": "yesterday"}, "since"),
        ({"cursor": "x"}, "cursor"),
        ({"lable": "right"}, "lable"),
    ],
)
async def test_a_wrong_filter_is_named(service: Service, query: dict[str, str], param: str) -> None:
    found = await service.client.get("/v1/decisions", headers=ALICE, params=query)
    assert (found.status_code, found.json()["error"]["param"]) == (400, param)


async def test_feedback_is_kept_counted_and_told(service: Service) -> None:
    run_id = await ask(service, "Which city?", ALICE)
    await drawn(service, run_id, ALICE)
    said = {"id": run_id, "verdict": "corrected", "correction": "Lyon", "feedback_id": "f1"}
    found = (await judge(service, ALICE, **said)).json()
    assert (found["run_id"], found["is_new"]) == (run_id, True)
    label = found["label"]
    assert (label["verdict"], label["correction"], label["by"]) == ("corrected", "Lyon", "alice")
    assert (label["audited"], label["propensity"]) == (True, 1.0)
    assert (await judge(service, ALICE, **said)).json()["is_new"] is False
    await judge(service, ALICE, id=run_id, verdict="right", attempt="1", by="rita")
    history = service.built.history
    assert history is not None
    counts = {one.model: one for one in await history.correctness("alice")}
    assert {
        name: (sum(b.n for b in one.bins), sum(b.ok for b in one.bins))
        for name, one in counts.items()
    } == {
        "small": (1, 1),
        "large": (1, 0),
    }
    metrics = (await service.client.get("/metrics")).text
    assert 'surefoot_feedback_total{new="yes",verdict="corrected"} 1.0' in metrics
    assert 'surefoot_audits_total{drawn="yes"} 2.0' in metrics


async def test_feedback_by_the_id_of_a_completion_or_a_request(service: Service) -> None:
    headers = {**ALICE, "x-request-id": "mine-7"}
    asked = await service.client.post(CHAT, json=CITY, headers=headers)
    run_id = asked.headers["x-surefoot-run"]
    for name in (asked.json()["id"], "mine-7", run_id):
        found = await judge(service, ALICE, id=name, verdict="right")
        assert found.json()["run_id"] == run_id
    assert (await judge(service, BOB, id="mine-7", verdict="right")).status_code == 404


async def test_no_tenant_reads_or_labels_another_ones(service: Service) -> None:
    run_id = await ask(service, "Which city?", ALICE)
    before = await drawn(service, run_id, ALICE)
    found = await service.client.get(f"/v1/decisions/{run_id}", headers=BOB)
    assert (found.status_code, found.json()["error"]["code"]) == (404, "decision_not_found")
    assert (await judge(service, BOB, id=run_id, verdict="wrong")).status_code == 404
    assert await get(service, f"/v1/decisions/{run_id}", ALICE) == before
    for path in ("/v1/decisions", f"/v1/decisions/{run_id}"):
        assert (await service.client.get(path)).status_code == 401


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"verdict": "fine"}, "verdict"),
        ({"verdict": "corrected"}, None),
        ({"verdict": "right", "attempt": "9"}, "attempt"),
        ({"verdict": "right", "correctoin": "x"}, "correctoin"),
        ({}, "verdict"),
    ],
)
async def test_feedback_that_says_nothing(
    service: Service, said: dict[str, str], param: str | None
) -> None:
    run_id = await ask(service, "Which city?", ALICE)
    found = await judge(service, ALICE, id=run_id, **said)
    assert (found.status_code, found.json()["error"]["param"]) == (400, param)


async def test_runs_are_a_log_that_monitors_read(service: Service, tmp_path: Path) -> None:
    run_id = await ask(service, "Which city?", ALICE)
    await drawn(service, run_id, ALICE)
    await judge(service, ALICE, id=run_id, verdict="wrong")
    history = service.built.history
    assert history is not None
    run = await history.find_run("alice", run_id)
    assert run is not None
    rows = rows_of_run(run, await history.labels("alice", run_id), service.built.names)
    file = tmp_path / "log.jsonl"
    file.write_bytes(b"".join(json_line(row) for row in rows))
    first, last = read_outcomes(file, is_log=True).queries[run_id].values()
    assert (first.tier, first.loss, first.extra["action"]) == (0, None, "escalate")
    assert (last.tier, last.loss, last.extra["action"]) == (1, 1.0, "answer")
    for row in (first, last):
        assert (row.extra["audited"], row.extra["propensity"]) == (True, 1.0)
    assert [row.extra["served"] for row in (first, last)] == [False, True]
    assert last.signals["perplexity"] == pytest.approx(math.exp(-0.25))


async def test_without_a_history_there_is_nothing_to_read(
    upstream: Upstream, tmp_path: Path
) -> None:
    toml = configuration(("small", "ok", upstream.base_url))
    async with running_service(tmp_path, toml) as service:
        found = await service.client.get("/v1/decisions")
        assert (found.status_code, found.json()["error"]["code"]) == (404, "no_history")


async def test_a_history_that_fails_is_said(upstream: Upstream, tmp_path: Path) -> None:
    toml = configuration(("small", "ok", upstream.base_url), history="redis://127.0.0.1:9/0")
    async with running_service(tmp_path, toml) as service:
        assert await ask(service, "Which city?", {})
        found = await service.client.get("/v1/decisions")
        assert (found.status_code, found.json()["error"]["code"]) == (503, "history_unavailable")
        assert found.headers["retry-after"] == "1"


async def test_only_the_configured_share_is_drawn(upstream: Upstream, tmp_path: Path) -> None:
    toml = configuration(("small", "ok", upstream.base_url), history="memory:")
    async with running_service(tmp_path, toml + "[audit]\nshare = 0.3\n") as service:
        ids = [await ask(service, f"City {n}?", {}) for n in range(200)]
        notes = [(await drawn(service, run_id, {}))["label"] for run_id in ids]
    assert {note["propensity"] for note in notes} == {0.3}
    # Binomial(200, 0.3): outside of these with probability below 1e-6.
    assert 30 <= sum(note["audited"] for note in notes) <= 95
