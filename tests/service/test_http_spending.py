"""What a key may spend in a period: over requests, replicas, reloads and clients that leave."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from surefoot.graphs.config import build
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import SpendPeriod, parse_settings
from surefoot.router.errors import ConfigurationError
from surefoot.service.http_spending import period_of

from ..adapters.scripted_upstream import Upstream, running_upstream
from .serving import CITY, Service, running_service

KEY = "a-key-of-thirty-two-characters.."
CALLER = {"authorization": f"Bearer {KEY}"}
CHAT = "/v1/chat/completions"
# Each request uses 11 tokens to read and 2 to write: 15.
TOML = """
[[tiers]]
name = "small"
model = "openai:{model}"
base_url = "{url}"
price = {{ input = 1e6, output = 2e6 }}
max_output = 8
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
max_cost = {max_cost}
max_spend = {max_spend}
"""


def toml(
    upstream: Upstream,
    *,
    name: str = "k",
    model: str = "ok",
    history: str = "none",
    max_cost: float = 60.0,
    max_spend: float = 150.0,
    more: str = "",
) -> str:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    url = upstream.base_url
    return (
        TOML.format(
            url=url, model=model, history=history, name=name, digest=digest,
            max_cost=max_cost, max_spend=max_spend,
        )
        + more
    )  # fmt: skip


async def ask(service: Service, **more: Any) -> httpx.Response:
    headers = {**CALLER, **more.pop("headers", {})}
    return await service.client.post(CHAT, json={**CITY, **more}, headers=headers)


async def standing(service: Service) -> dict[str, Any]:
    found = (await service.client.get("/v1/usage", headers=CALLER)).json()
    spending: dict[str, Any] = found["spending"]
    return spending


async def test_a_key_spends_its_limit_and_no_more(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        async with running_service(tmp_path, toml(upstream)) as service:
            found = [await ask(service) for _ in range(9)]
            # 60 fit below 150 until 105 are spent, of which each request has used 15.
            assert [one.status_code for one in found] == [200] * 7 + [429] * 2
            assert {one.json()["surefoot"]["cost"] for one in found[:7]} == {15.0}
            stands = await standing(service)
            assert (stands["limit"], stands["spent"], stands["held"]) == (150.0, 105.0, 0.0)
            assert (stands["per"], stands["left"]) == ("day", 45.0)
            metrics = (await service.client.get("/metrics")).text
            assert 'surefoot_shed_total{reason="spend"} 2.0' in metrics
            assert "surefoot_unshared_total{" not in metrics
            modest = await ask(service, surefoot={"max_cost": 45.0})
            assert modest.status_code == 200, "what may cost no more than is left is taken"
        assert upstream.count("ok") == 8


async def test_the_client_is_told_until_when(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        async with running_service(tmp_path, toml(upstream, max_spend=60.0)) as service:
            assert (await ask(service)).status_code == 200
            refused = await ask(service)
            assert refused.status_code == 429
            error = refused.json()["error"]
            assert error["code"] == "insufficient_quota"
            assert "has spent 15 of its 60 a day" in error["message"]
            assert refused.headers["x-should-retry"] == "false"
            left = datetime.fromisoformat((await standing(service))["ends_at"]) - datetime.now(UTC)
            assert abs(int(refused.headers["retry-after"]) - left.total_seconds()) < 10

            base_url = f"{service.base_url}/v1"
            async with openai.AsyncOpenAI(base_url=base_url, api_key=KEY) as client:
                with pytest.raises(openai.RateLimitError, match="15 of its 60 a day"):
                    await client.chat.completions.create(**CITY)  # type: ignore[call-overload]
        assert upstream.count("ok") == 1


async def test_requests_at_the_same_time_cannot_overdraw_together(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        async with running_service(tmp_path, toml(upstream, model="slow:0.5")) as service:
            found = await asyncio.gather(*[ask(service) for _ in range(6)])
            codes = [one.status_code for one in found]
            assert (codes.count(200), codes.count(429)) == (2, 4)  # 60 are held back for each
            busy = next(one for one in found if one.status_code == 429)
            assert busy.json()["error"]["code"] == "rate_limit_exceeded"
            assert busy.headers["retry-after"] == "1"
            assert (await standing(service))["spent"] == 30.0
            assert (await ask(service)).status_code == 200  # what was held is free again


async def test_a_reload_gives_nothing_back(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        text = toml(upstream)
        async with running_service(tmp_path, text) as service:
            await ask(service)
            around = Surroundings(tmp_path, Places(tmp_path / "cache", tmp_path / "data"), {})
            other = text.replace("max_spend = 150.0", "max_spend = 70.0")
            service.gateway.go_over_to(build(parse_settings(other), around))
            stands = await standing(service)
            assert (stands["limit"], stands["spent"]) == (70.0, 15.0)
            assert (await ask(service)).status_code == 429


async def test_a_client_that_leaves_pays_what_its_call_may_cost(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        async with running_service(tmp_path, toml(upstream, model="hang")) as service:
            asking = asyncio.create_task(ask(service))
            while upstream.open_connections == 0:
                await asyncio.sleep(0.01)
            assert (await standing(service))["held"] == 60.0
            asking.cancel()
            async with asyncio.timeout(5.0):
                while (await standing(service))["held"]:
                    await asyncio.sleep(0.01)
            left = (await standing(service))["spent"]
            assert 16.0 < left <= 60.0  # at least eight tokens to write

            late = await ask(service, headers={"x-request-timeout-ms": "200"})
            assert late.status_code == 504
            assert (await standing(service))["spent"] == 2 * left


async def test_a_call_that_was_never_made_costs_nothing(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        text = toml(upstream, model="status:429", more="[resilience]\nattempts = 1\n")
        async with running_service(tmp_path, text) as service:
            assert (await ask(service)).status_code == 503
            assert (await standing(service))["spent"] == 0.0


async def test_a_repeated_idempotency_key_is_charged_once(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        async with running_service(tmp_path, toml(upstream)) as service:
            for _ in range(3):
                assert (await ask(service, headers={"idempotency-key": "1"})).status_code == 200
            assert (await standing(service))["spent"] == 15.0


async def test_replicas_share_an_account(tmp_path: Path, redis_url: str) -> None:
    async with running_upstream() as upstream:
        for number in range(5):  # a busy machine may take longer than a request waits for Redis
            name = f"{tmp_path.name}-{number}"
            text = toml(upstream, name=name, history=redis_url)
            async with (
                running_service(tmp_path / f"{name}-one", text) as one,
                running_service(tmp_path / f"{name}-two", text) as two,
            ):
                for turn in range(8):  # other words, so that the history recognizes none
                    said = {"messages": [{"role": "user", "content": f"Which city, {turn}?"}]}
                    await ask((one, two)[turn % 2], **said)
                metrics = [(await each.client.get("/metrics")).text for each in (one, two)]
                stands = [await standing(each) for each in (one, two)]
            if not any("surefoot_unshared_total{" in text for text in metrics):
                break
        assert stands[0]["spent"] == stands[1]["spent"]
        assert stands[0]["spent"] == 105.0  # seven together


async def test_without_redis_each_goes_on_with_what_it_has_seen(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        text = toml(upstream, history="redis://127.0.0.1:1/0")
        async with running_service(tmp_path, text) as service:
            assert (await ask(service)).status_code == 200
            assert (await standing(service))["spent"] == 15.0
            metrics = (await service.client.get("/metrics")).text
            assert 'surefoot_unshared_total{what="spend"}' in metrics


async def test_a_key_without_a_limit_has_no_account(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        text = toml(upstream).replace("max_spend = 150.0\n", "requests_per_minute = 60\n")
        async with running_service(tmp_path, text) as service:
            assert (await ask(service)).status_code == 200
            found = (await service.client.get("/v1/usage", headers=CALLER)).json()
            assert found == {
                "object": "surefoot.usage", "key": "k", "tenant": "t", "max_cost": 60.0,
                "requests_per_minute": 60.0, "max_risk": None, "spending": None,
            }  # fmt: skip
            assert (await service.client.get("/v1/usage")).status_code == 401


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("max_cost = 60.0\n", ""), "serve.keys.0.max_cost"),
        (("max_spend = 150.0", "max_spend = 20.0"), "serve.keys.0.max_spend"),
        (("max_spend = 150.0", 'spend_per = "hour"'), "serve.keys.0.spend_per"),
        (("price = { input = 1e6, output = 2e6 }", 'price = "unknown"'), "serve.keys.0.max_spend"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused(change: tuple[str, str], field: str) -> None:
    text = toml(Upstream("http://127.0.0.1:1/v1"))
    assert change[0] in text
    with pytest.raises(ConfigurationError) as raised:
        parse_settings(text.replace(*change))
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("per", "name", "began", "ends"),
    [
        ("hour", "2026-12-31T23", "2026-12-31T23:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        ("day", "2026-12-31", "2026-12-31T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        ("month", "2026-12", "2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_periods_are_whole_ones_of_utc(per: SpendPeriod, name: str, began: str, ends: str) -> None:
    found = period_of(per, datetime.fromisoformat("2027-01-01T00:30:00+01:00"))
    assert (found.name, found.began.isoformat(), found.ends.isoformat()) == (name, began, ends)
    february = period_of("month", datetime(2028, 2, 29, 12, tzinfo=UTC))
    assert february.ends == datetime(2028, 3, 1, tzinfo=UTC)
