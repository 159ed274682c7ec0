"""Policies and tiers as model names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from surefoot.graphs.settings import parse_settings
from surefoot.router.errors import ConfigurationError

from ..adapters.scripted_upstream import running_upstream
from .serving import CITY, Service, running_service

KEYS = {"all": "k" * 32, "few": "f" * 32}
TOML = """
[[tiers]]
name = "small"
model = "openai:ok"
base_url = "{url}"
price = "unknown"
[[tiers]]
name = "large"
model = "openai:ok"
base_url = "{url}"
price = "unknown"
[policy]
thresholds = {{ small = 0.0, large = 0.0 }}
[policies.careful]
thresholds = {{ small = 1.0, large = 0.0 }}
[policies.never]
thresholds = {{ small = 1.0, large = 1.0 }}
[retrieval]
enabled = false
[history]
url = "memory:"
[serve]
models = ["surefoot", "default"]
expose_tiers = true
{keys}
"""
KEY = """
[[serve.keys]]
name = "{name}"
sha256 = "{digest}"
tenant = "t"
{more}
"""


def keys() -> str:
    more = {"all": "", "few": 'models = ["careful", "tier:small"]'}
    return "".join(
        KEY.format(name=name, digest=hashlib.sha256(key.encode()).hexdigest(), more=more[name])
        for name, key in KEYS.items()
    )


async def ask(service: Service, model: str, key: str = "all") -> Any:
    headers = {"authorization": f"Bearer {KEYS[key]}"}
    asked = {**CITY, "model": model}
    return await service.client.post("/v1/chat/completions", json=asked, headers=headers)


async def names(service: Service, key: str) -> list[str]:
    headers = {"authorization": f"Bearer {KEYS[key]}"}
    found = (await service.client.get("/v1/models", headers=headers)).json()["data"]
    return [one["id"] for one in found]


async def test_each_name_decides_by_its_own_policy(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        async with running_service(tmp_path, TOML.format(url=upstream.base_url, keys=keys())) as s:
            listed = await names(s, "all")
            assert listed == [
                "surefoot", "default", "careful", "never", "tier:small", "tier:large",
            ]  # fmt: skip
            wanted = {
                "surefoot": ("answer", "small", True),
                "default": ("answer", "small", True),
                "careful": ("answer", "large", True),
                "never": ("abstain", None, False),
                "tier:small": ("answer", "small", False),
                "tier:large": ("answer", "large", False),
            }
            for name in listed:
                body = (await ask(s, name)).json()
                decision = body["surefoot"]
                found = (decision["action"], decision["tier"], decision["gated"])
                assert (body["model"], found) == (name, wanted[name])
                assert decision["certificate"] is None


async def test_a_question_is_not_recognized_under_another_policy(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        async with running_service(tmp_path, TOML.format(url=upstream.base_url, keys=keys())) as s:
            for name in ("surefoot", "careful", "tier:large"):
                for is_known in (False, True):
                    decision = (await ask(s, name)).json()["surefoot"]
                    assert decision["recognized"] is is_known, name


async def test_a_key_asks_for_its_own_models_alone(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        async with running_service(tmp_path, TOML.format(url=upstream.base_url, keys=keys())) as s:
            assert await names(s, "few") == ["careful", "tier:small"]
            assert (await ask(s, "careful", "few")).status_code == 200
            refused = await ask(s, "surefoot", "few")
            assert refused.status_code == 404
            assert refused.json()["error"]["code"] == "model_not_found"
            headers = {"authorization": f"Bearer {KEYS['few']}"}
            assert (await s.client.get("/v1/models/tier:small", headers=headers)).status_code == 200
            assert (await s.client.get("/v1/models/never", headers=headers)).status_code == 404


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[policies.surefoot]\nthresholds = { small = 1, large = 1 }", "policies.surefoot"),
        ('[policies."tier:x"]\nthresholds = { small = 1, large = 1 }', "policies.tier:x"),
        ("[policies.x]", "policies.x"),
        ("[policies.x]\nthresholds = { small = 0.5 }", "policies.x.thresholds.large"),
        ("[policies.x]\nthresholds = { tiny = 0.5 }", "policies.x.thresholds.tiny"),
        ('[policies.x]\nprofile = "p.json"\nshelf = "s"', "policies.x.shelf"),
        ('[policies.x]\nprofile = "p.json"\nfloor = 0.1', "policies.x.floor"),
    ],
)
def test_mistakes_name_their_field(text: str, field: str) -> None:
    whole = TOML.format(url="http://127.0.0.1:1/v1", keys="") + text
    with pytest.raises(ConfigurationError) as raised:
        parse_settings(whole)
    assert raised.value.field == field


def test_a_key_for_a_model_that_is_not_there() -> None:
    whole = TOML.format(url="http://127.0.0.1:1/v1", keys=keys().replace("careful", "carful"))
    with pytest.raises(ConfigurationError, match="careful") as raised:
        parse_settings(whole)
    assert raised.value.field == "serve.keys.1.models"
