"""The service's log as JSON objects."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from surefoot.service.http_logs import JsonLines

from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration
from .serving import CITY, running_service


async def test_a_request_is_one_object_without_its_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_upstream() as upstream:
        toml = configuration(("small", "ok", upstream.base_url))
        async with running_service(tmp_path, toml) as service:
            with caplog.at_level(logging.INFO, logger="surefoot.service"):
                headers = {"x-request-id": "mine-1"}
                found = await service.client.post(
                    "/v1/chat/completions", json=CITY, headers=headers
                )
    lines = [JsonLines().format(record) for record in caplog.records]
    (line,) = [json.loads(line) for line in lines if "mine-1" in line]
    assert line["request"] == "mine-1" and line["run"] == found.headers["x-surefoot-run"]
    assert (line["status"], line["route"]) == (200, "/v1/chat/completions")
    assert line["ms"] > 0.0 and line["at"].endswith("+00:00")
    assert "Paris" not in str(line) and "city" not in str(line)


def test_a_failure_is_told_with_its_place() -> None:
    try:
        raise ValueError("broken\nin two lines")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("surefoot", logging.ERROR, "f", 1, "it %s", ("failed",), info)
    text = JsonLines().format(record)
    assert "\n" not in text
    found = json.loads(text)
    assert (found["level"], found["message"]) == ("ERROR", "it failed")
    assert "ValueError: broken" in found["error"]
