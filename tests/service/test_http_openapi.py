"""The OpenAPI document says what the service does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from surefoot.service.http_app import HANDLERS
from surefoot.service.http_openapi import openapi_document

from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration
from .serving import CITY, running_service


def references(part: Any) -> Iterator[str]:
    """Every `$ref` below."""
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from references(one)
    if isinstance(part, dict) and "$ref" in part:
        yield part["$ref"]


def operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (path, method.upper()) for path, methods in document["paths"].items() for method in methods
    }


async def test_it_holds_every_route_and_nothing_else(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        toml = configuration(("small", "ok", upstream.base_url))
        async with running_service(tmp_path, toml) as service:
            found = await service.client.get("/openapi.json")
            document = found.json()
            assert document == openapi_document()
            assert operations(document) == {
                (path.replace(":path}", "}"), method) for path, _, method in HANDLERS
            }
            answer = (await service.client.post("/v1/chat/completions", json=CITY)).json()
            wrong = (await service.client.post("/v1/chat/completions", json={})).json()
    schemas = document["components"]["schemas"]
    shown = schemas["Surefoot"]["properties"]
    assert set(answer["surefoot"]) == set(shown) - {"trail"}
    assert set(wrong["error"]) == set(schemas["Error"]["properties"]["error"]["properties"])


def test_every_reference_leads_somewhere() -> None:
    document = openapi_document()
    found = set(references(document))
    assert "#/components/schemas/ChatBody" in found
    for reference in found:
        part: Any = document
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]
        assert part


def test_every_operation_says_what_it_returns() -> None:
    for path, methods in openapi_document()["paths"].items():
        for operation in methods.values():
            assert operation["summary"] and "200" in operation["responses"], path
            names = {one["name"] for one in operation.get("parameters", ())}
            for name in ("name", "id"):
                assert (f"{{{name}}}" in path) <= (name in names)


def test_the_filters_of_decisions_are_told() -> None:
    listed = openapi_document()["paths"]["/v1/decisions"]["get"]["parameters"]
    by_name = {one["name"]: one["schema"] for one in listed}
    assert set(by_name) >= {"action", "tier", "label", "since", "until", "limit", "cursor"}
    assert by_name["limit"]["maximum"] == 200
    assert "abstain" in str(by_name["action"])
