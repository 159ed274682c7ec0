"""Limits that replicas keep together through one Redis."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx

from ..adapters.scripted_upstream import running_upstream
from .serving import CITY, Service, running_service

KEY = "a-key-of-thirty-two-characters.."
TOML = """
[[tiers]]
name = "small"
model = "openai:ok"
base_url = "{url}"
price = "unknown"
[policy]
thresholds = {{ small = 0.0 }}
[retrieval]
enabled = false
[history]
url = "{history}"
[[serve.keys]]
name = "{name}"
sha256 = "{digest}"
tenant = "t"
requests_per_minute = 6
"""


def toml(url: str, history: str, name: str) -> str:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    return TOML.format(url=url, history=history, name=name, digest=digest)


async def ask(service: Service) -> httpx.Response:
    headers = {"authorization": f"Bearer {KEY}"}
    return await service.client.post("/v1/chat/completions", json=CITY, headers=headers)


async def alternating(folder: Path, text: str) -> tuple[list[httpx.Response], bool]:
    """Twelve requests to two replicas in turn, and whether Redis was there for all of them: on a
    machine that is busy elsewhere it may take longer than a request waits for it."""
    async with (
        running_service(folder / "one", text) as one,
        running_service(folder / "two", text) as two,
    ):
        found = [await ask(each) for _ in range(6) for each in (one, two)]
        metrics = [(await each.client.get("/metrics")).text for each in (one, two)]
        return found, not any("surefoot_unshared_total{" in text for text in metrics)


async def test_two_replicas_let_through_one_key_s_rate(tmp_path: Path, redis_url: str) -> None:
    async with running_upstream() as upstream:
        for number in range(5):
            name = f"{tmp_path.name}-{number}"
            found, was_shared = await alternating(
                tmp_path / name, toml(upstream.base_url, redis_url, name)
            )
            if was_shared:
                break
        codes = [response.status_code for response in found]
        assert codes.count(200) in (6, 7) and codes.count(429) == 12 - codes.count(200)
        refused = next(response for response in found if response.status_code == 429)
        assert 1 <= int(refused.headers["retry-after"]) <= 10


async def test_without_redis_each_keeps_its_own(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        text = toml(upstream.base_url, "redis://127.0.0.1:1/0", "k")
        async with running_service(tmp_path, text) as service:
            codes = [(await ask(service)).status_code for _ in range(8)]
            assert codes == [200] * 6 + [429] * 2
            metrics = (await service.client.get("/metrics")).text
            assert 'surefoot_unshared_total{what="rate"} 6.0' in metrics
