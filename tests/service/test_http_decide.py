"""Decisions about drafts that the caller already has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration
from .serving import Service, running_service

GIVEN = '[signals]\ngiven = ["my_score"]\n'
TOKENS = [{"token": "Paris", "logprob": -0.05}]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_upstream() as upstream:
        toml = configuration(
            ("small", "ok", upstream.base_url),
            ("large", "ok", upstream.base_url),
            thresholds="small = 0.9, large = 0.5",
            history="memory:",
        )
        async with running_service(tmp_path, toml + GIVEN) as found:
            yield found
        assert not upstream.seen, "nothing is generated"


async def decide(service: Service, status: int = 200, **asked: Any) -> Any:
    found = await service.client.post("/v1/decide", json=asked)
    assert found.status_code == status, found.text
    return found.json()


async def test_a_given_score_decides(service: Service) -> None:
    draft: dict[str, Any] = {"question": "Which city?", "answer": "Paris"}
    sure = await decide(service, **draft, signals={"my_score": 0.95})
    assert (sure["action"], sure["confidence"], sure["gated"]) == ("answer", 0.95, True)
    unsure = await decide(service, **draft, signals={"my_score": 0.4})
    assert (unsure["action"], unsure["escalate_to"]) == ("escalate", "large")
    last = await decide(service, **draft, signals={"my_score": 0.4}, tier="large")
    assert last["action"] == "abstain"
    unknown = await decide(service, **draft, surefoot={"trail": True})
    assert (unknown["action"], unknown["confidence"]) == ("escalate", None)
    assert unknown["trail"][-1]["reason"] == unknown["reason"]
    history = service.built.history
    assert history is not None and not await history.runs("default"), "nothing is recorded"


async def test_evidence_with_tokens(service: Service) -> None:
    evidence = {"question": "Which city?", "greedy": {"text": "Paris", "tokens": TOKENS}}
    found = await decide(service, evidence=evidence)
    assert (found["action"], found["estimate"]["signal"]) == ("answer", "perplexity")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"question": "x"}, "answer"),
        ({"answer": "x"}, "question"),
        ({"answer": "x", "evidence": {}}, "answer"),
        ({"evidence": {"question": "x"}}, "evidence.greedy"),
        ({"question": "x", "answer": "y", "tier": "huge"}, "tier"),
        ({"question": "x", "answer": "y", "signals": {"s": 2.0}}, "signals.s"),
        ({"question": "x", "answer": "y", "round": 1}, None),
        ({"question": " ", "answer": "y"}, None),
        ({"evidence": {"question": "x", "greedy": {"text": 10**30}}}, "evidence"),
    ],
)
async def test_what_is_no_draft_is_named(
    service: Service, asked: dict[str, Any], param: str | None
) -> None:
    found = await decide(service, 400, **asked)
    assert found["error"]["param"] == param
