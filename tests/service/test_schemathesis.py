"""Schemathesis against the running service: thousands of requests made from its own OpenAPI
document, good ones and bad ones, each answer held against what the document says."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

import pytest

from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration
from .serving import CITY, Service, running_service

KEY = "sk-of-this-test-alone"
CALLER = {"Authorization": f"Bearer {KEY}"}
SERVE = """
[serve]
models = ["surefoot"]
expose_tiers = true
[[serve.keys]]
name = "tests"
tenant = "tests"
sha256 = "{digest}"
"""
# What a good request holds is more than its shape: a chat in which a user says something, a cursor
# that this history has given, evidence with an answer. Whether good ones are taken is for the tests
# with real clients.
LEFT_OUT = "positive_data_acceptance"
A_PATH = 200
LEAST = 2_000


async def known(service: Service) -> dict[str, Any]:
    """The served document, with names that exist here: made-up ones would all end as 404."""
    made = await service.client.post("/v1/chat/completions", json=CITY, headers=CALLER)
    run_id = made.json()["surefoot"]["run_id"]
    found = (await service.client.get("/openapi.json")).json()
    found["security"] = [{"key": []}]  # this service has keys
    schemas, names = found["components"]["schemas"], ["surefoot", "tier:small", "nobody"]
    for body in ("ChatBody", "CompletionBody"):
        schemas[body]["properties"]["model"]["enum"] = names
    schemas["FeedbackBody"]["properties"]["id"]["enum"] = [run_id, "nothing"]
    for path, values in (("/v1/models/{name}", names), ("/v1/decisions/{id}", [run_id, "nothing"])):
        found["paths"][path]["get"]["parameters"][0]["schema"]["enum"] = values
    for path in ("/v1/chat/completions", "/v1/completions"):
        (patience,) = [
            one["schema"]
            for one in found["paths"][path]["post"]["parameters"]
            if one["name"] == "x-request-timeout-ms"
        ]
        patience["minimum"] = 5_000  # less may end as 408 or 504, which is no fault
    document: dict[str, Any] = found
    return document


def requests_counted(metrics: str) -> dict[str, int]:
    """By route, those that came from outside."""
    pattern = r'surefoot_requests_total\{outcome="(\d+)",route="([^"]+)"\} (\d+)'
    found: dict[str, int] = {}
    for status, route, count in re.findall(pattern, metrics):
        assert not (status.startswith("5") and status != "503"), (route, status)
        found[route] = found.get(route, 0) + int(count)
    return found


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_thousands_of_requests_get_what_the_document_says(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        upstream.script |= {"a": "ok", "b": "ok"}
        tiers = (("small", "a", upstream.base_url), ("large", "b", upstream.base_url))
        text = configuration(*tiers, thresholds="small = 0.9, large = 0.5", history="memory:")
        text += SERVE.format(digest=hashlib.sha256(KEY.encode()).hexdigest())
        async with running_service(tmp_path, text) as service:
            document = tmp_path / "openapi.json"
            document.write_text(json.dumps(await known(service)))
            run = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "schemathesis.cli", "run", str(document),
                "--url", service.base_url, "--header", f"Authorization: {CALLER['Authorization']}",
                "--phases", "examples,coverage,fuzzing", "--max-examples", str(A_PATH),
                "--exclude-checks", LEFT_OUT, "--continue-on-failure", "--seed", "1",
                "--suppress-health-check", "all", "--warnings", "off",
                cwd=tmp_path, stdout=PIPE, stderr=STDOUT,
            )  # fmt: skip
            said, _ = await run.communicate()
            assert run.returncode == 0, said.decode()[-8000:]
            counted = requests_counted((await service.client.get("/metrics")).text)
    assert sum(counted.values()) >= LEAST, counted
    for path, methods in json.loads(document.read_text())["paths"].items():
        for operation in methods.values():
            has_choice = operation.get("parameters") or "requestBody" in operation
            assert counted[path] >= (100 if has_choice else 1), (path, counted)
