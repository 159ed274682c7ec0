"""Who gets in, what is refused and how, and what the service says of itself."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from surefoot.graphs.settings import parse_settings
from surefoot.router.errors import ConfigurationError
from surefoot.service.http_auth import KeyRing, check_exposure, with_hashed_keys
from surefoot.service.http_errors import HttpError

from ..adapters.scripted_upstream import running_upstream
from ..faults.deployment import configuration
from .serving import CITY, Service, running_service

CHAT = "/v1/chat/completions"
KEYS = """
[serve]
max_body_bytes = 2048
models = ["surefoot", "gpt-4o"]
"""


def key(name: str, more: str = "") -> str:
    digest = hashlib.sha256(f"secret-{name}".encode()).hexdigest()
    return f'[[serve.keys]]\nname = "{name}"\nsha256 = "{digest}"\ntenant = "{name}"\n{more}\n'


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_upstream() as upstream:
        toml = configuration(("small", "ok", upstream.base_url))
        keys = key("alice") + key("bob", "requests_per_minute = 2\nmax_cost = 0.0")
        async with running_service(tmp_path, toml + KEYS + keys) as found:
            yield found


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer secret-{name}"}


def check(found: httpx.Response, status: int, code: str, param: str | None = None) -> None:
    """It is OpenAI's envelope, with these."""
    error = found.json()["error"]
    assert (found.status_code, error["code"], error["param"]) == (status, code, param)
    assert isinstance(error["message"], str) and isinstance(error["type"], str)
    assert found.headers["x-request-id"]


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic secret-alice", "Bearer", "x"])
@pytest.mark.parametrize("path", [CHAT, "/v1/models"])
async def test_without_a_known_key_nobody_gets_in(
    service: Service, header: str | None, path: str
) -> None:
    headers = {} if header is None else {"Authorization": header}
    method = "POST" if path == CHAT else "GET"
    found = await service.client.request(method, path, headers=headers)
    check(found, 401, "invalid_api_key")
    assert "secret" not in found.text


async def test_a_key_opens_and_its_limits_hold(service: Service) -> None:
    alice = await service.client.post(CHAT, json=CITY, headers=bearer("alice"))
    assert alice.status_code == 200
    assert alice.json()["surefoot"]["cost"] > 0.0
    bob = await service.client.post(CHAT, json=CITY, headers=bearer("bob"))
    assert bob.headers["x-surefoot-decision"] == "abstain", "nothing may be paid with this key"
    await service.client.post(CHAT, json=CITY, headers=bearer("bob"))
    third = await service.client.post(CHAT, json=CITY, headers=bearer("bob"))
    check(third, 429, "rate_limit_exceeded")
    assert 1 <= int(third.headers["retry-after"]) <= 30
    alice = await service.client.post(CHAT, json=CITY, headers=bearer("alice"))
    assert alice.status_code == 200


def test_without_keys_only_loopback_is_listened_on() -> None:
    toml = configuration(("small", "ok", "http://127.0.0.1:1/v1"))
    for host in ("127.0.0.1", "::1", "localhost"):
        check_exposure(parse_settings(f'{toml}[serve]\nhost = "{host}"\n').serve)
    for host in ("0.0.0.0", "::", "example.org"):
        exposed = f'{toml}[serve]\nhost = "{host}"\n'
        with pytest.raises(ConfigurationError) as caught:
            check_exposure(parse_settings(exposed).serve)
        assert caught.value.field == "serve.keys"
        check_exposure(parse_settings(exposed + key("alice")).serve)


def test_a_key_may_be_in_the_environment_and_must_be_a_good_one() -> None:
    toml = configuration(("small", "ok", "http://127.0.0.1:1/v1"))
    named = f'{toml}[[serve.keys]]\nname = "a"\nkey_env = "A_KEY"\ntenant = "acme"\n'
    settings = parse_settings(named).serve
    ring = KeyRing(with_hashed_keys(settings, {"A_KEY": "sixteen letters.\n"}).keys)
    assert ring.authenticate("Bearer sixteen letters.").tenant == "acme"
    with pytest.raises(HttpError):
        ring.authenticate("Bearer sixteen letters")
    for environment in ({}, {"A_KEY": ""}, {"A_KEY": "short"}):
        with pytest.raises(ConfigurationError, match="A_KEY"):
            with_hashed_keys(settings, environment)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ("[serve]\nport = 70000\n", "serve.port"),
        ("[serve]\nprot = 1\n", "serve.prot"),
        (key("a") + key("a"), "serve.keys.1.name"),
        (key("a").replace('sha256 = "', 'sha256 = "x'), "serve.keys.0.sha256"),
        (key("a", 'key_env = "A_KEY"'), "serve.keys.0.sha256"),
        ('[[serve.keys]]\nname = "a"\ntenant = "a"\n', "serve.keys.0.sha256"),
    ],
)
def test_settings_name_their_field(more: str, field: str) -> None:
    toml = configuration(("small", "ok", "http://127.0.0.1:1/v1"))
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(toml + more)
    assert caught.value.field == field


USER = {"role": "user", "content": "Which city?"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "system", "content": "Be brief."}]}, "messages"),
        ({"messages": [{"role": "owner", "content": "x"}]}, "messages.0.role"),
        ({"n": 1000}, "n"),
        ({"n": 0}, "n"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"stream": 1}, "stream"),
        ({"surefoot": {"danger": 1}}, "surefoot.danger"),
        ({"messages": [{"role": "user", "content": " "}]}, None),
    ],
)
async def test_a_wrong_field_is_named(
    service: Service, change: dict[str, Any], param: str | None
) -> None:
    found = await service.client.post(CHAT, json={**CITY, **change}, headers=bearer("alice"))
    check(found, 400, "invalid_request_error", param)


async def test_bodies_that_cannot_be(service: Service) -> None:
    async def post(content: bytes, kind: str = "application/json") -> httpx.Response:
        headers = {**bearer("alice"), "content-type": kind}
        return await service.client.post(CHAT, content=content, headers=headers)

    check(await post(b""), 400, "invalid_request_error")
    check(await post(b"{"), 400, "invalid_request_error")
    check(await post(b"[" * 2000), 400, "invalid_request_error")
    check(await post(b"{}", "text/plain"), 415, "unsupported_media_type")
    check(await post(b" " * 4096), 413, "request_too_large")


async def test_unknown_models_and_paths(service: Service) -> None:
    headers = bearer("alice")
    asked = {**CITY, "model": "gpt-9"}
    found = await service.client.post(CHAT, json=asked, headers=headers)
    check(found, 404, "model_not_found", "model")
    check(
        await service.client.get("/v1/models/gpt-9", headers=headers),
        404,
        "model_not_found",
        "model",
    )
    check(await service.client.get("/v2/x"), 404, "not_found")
    check(await service.client.get(CHAT), 405, "method_not_allowed")
    found = await service.client.post(CHAT, json={**CITY, "model": "gpt-4o"}, headers=headers)
    assert found.json()["model"] == "gpt-4o"


async def test_models_are_listed(service: Service) -> None:
    found = await service.client.get("/v1/models", headers=bearer("alice"))
    assert [one["id"] for one in found.json()["data"]] == ["surefoot", "gpt-4o"]
    one = await service.client.get("/v1/models/gpt-4o", headers=bearer("alice"))
    assert one.json() == found.json()["data"][1]


async def test_request_ids_are_echoed_or_made(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="surefoot.service"):
        headers = {**bearer("alice"), "x-request-id": "mine-1"}
        found = await service.client.post(CHAT, json=CITY, headers=headers)
        assert found.headers["x-request-id"] == "mine-1"
        assert found.headers["x-surefoot-run"] != "mine-1"
        await service.client.get("/healthz", headers={"x-request-id": "x" * 65})
    first, second = [record.message for record in caplog.records]
    assert "request=mine-1 " in first and "tenant=alice" in first and "status=200" in first
    assert "route=/v1/chat/completions" in first
    assert "Paris" not in first and "city" not in first
    assert "request=xxx" not in second


async def test_cors_is_off(service: Service) -> None:
    headers = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    found = await service.client.options(CHAT, headers=headers)
    assert found.status_code == 405
    assert not [name for name in found.headers if name.startswith("access-control")]


async def test_scripts_of_named_pages_may_ask(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        toml = configuration(("small", "ok", upstream.base_url))
        toml += '[serve]\ncors_origins = ["https://app.example", "http://localhost:3000"]\n'
        async with running_service(tmp_path, toml) as service:
            for origin, is_allowed in (("https://app.example", True), ("https://other.org", False)):
                asked = {
                    "Origin": origin,
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
                }
                before = await service.client.options(CHAT, headers=asked)
                assert (before.status_code == 200) == is_allowed
                found = await service.client.post(CHAT, json=CITY, headers={"Origin": origin})
                told = found.headers.get("access-control-allow-origin")
                assert told == (origin if is_allowed else None)
                wrong = await service.client.post(CHAT, json={}, headers={"Origin": origin})
                assert wrong.status_code == 400, "a refusal can be read as well"
                assert ("access-control-allow-origin" in wrong.headers) == is_allowed
            assert "x-surefoot-decision" in found.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in found.headers


@pytest.mark.parametrize(
    "origins", ['["*"]', '["app.example"]', '["https://app.example/"]', '["https://a b"]']
)
def test_pages_that_cannot_be_meant_are_refused(origins: str) -> None:
    toml = configuration(("small", "ok", "http://127.0.0.1:1/v1"))
    with pytest.raises(ConfigurationError) as raised:
        parse_settings(f"{toml}[serve]\ncors_origins = {origins}\n")
    assert raised.value.field is not None and raised.value.field.startswith("serve.cors_origins")


async def test_health_and_numbers(service: Service) -> None:
    await service.client.post(CHAT, json=CITY, headers=bearer("alice"))
    assert (await service.client.get("/healthz")).json() == {"status": "ok"}
    assert (await service.client.get("/readyz")).json() == {"status": "ready"}
    found = await service.client.get("/metrics")
    assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = found.text.splitlines()
    assert f'surefoot_requests_total{{outcome="200",route="{CHAT}"}} 1.0' in lines
    assert 'surefoot_decisions_total{action="answer",tier="small"} 1.0' in lines
    assert 'surefoot_upstream_attempts_total{result="ok",tier="small"} 1.0' in lines
    assert "surefoot_inflight_requests 1.0" in lines  # this very request
    assert "surefoot_confidence_count 1.0" in lines
    assert "alice" not in found.text
