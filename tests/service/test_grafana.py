"""The dashboard asks for numbers that there are, by labels that they have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration
from .serving import CITY, running_service

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana.json"
NAME = re.compile(r"surefoot_[a-z_]+")
BY = re.compile(r"by \(([^)]*)\)")


def expressions() -> list[str]:
    document: Any = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [target["expr"] for panel in document["panels"] for target in panel["targets"]]


async def test_every_number_is_there(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        toml = configuration(("small", "ok", upstream.base_url), history="memory:")
        more = '[audit]\nshare = 1.0\n[cache]\nurl = "memory:"\n[serve]\nmax_in_flight = 1\n'
        async with running_service(tmp_path, toml + more) as service:
            headers = {"Idempotency-Key": "k"}
            post = service.client.post
            run = await post("/v1/chat/completions", json=CITY, headers=headers)
            await post("/v1/feedback", json={"id": run.json()["id"], "verdict": "right"})
            service.gateway.is_draining = True
            await post("/v1/chat/completions", json=CITY)
            service.gateway.built.tier_counts["small"]["retried"] += 1
            service.gateway.metrics.live.labels("kept").inc()
            text = (await service.client.get("/metrics")).text
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    asked = expressions()
    assert len(asked) > 10
    for expression in asked:
        (name,) = set(NAME.findall(expression))
        assert name in labels, expression
        for group in BY.findall(expression):
            assert set(re.split(r",\s*", group)) <= labels[name], expression


def test_its_panels_do_not_overlap() -> None:
    document: Any = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in document["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in document["panels"]}) == len(places)
