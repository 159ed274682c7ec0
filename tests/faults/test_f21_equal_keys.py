"""F21: one `Idempotency-Key`, one execution and equal bodies, on one process and on two that share
a Redis; another body under the key is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from surefoot.adapters.idempotency import Entry, KeptAnswer, RedisIdempotency, Slot, body_hash

from ..adapters.scripted_upstream import Upstream, running_upstream
from ..redis_fixture import RedisServer
from ..service.serving import CITY, Service, running_service
from .deployment import configuration

CHAT = "/v1/chat/completions"
KEY = {"Idempotency-Key": "order-1"}


@asynccontextmanager
async def serving(
    folder: Path, behavior: str, history: str = "memory:", more: str = ""
) -> AsyncIterator[tuple[Service, Upstream]]:
    async with running_upstream() as upstream:
        toml = configuration(("small", behavior, upstream.base_url), history=history)
        async with running_service(folder, toml + more) as service:
            yield service, upstream


async def post(service: Service, asked: Any = CITY, **headers: str) -> httpx.Response:
    return await service.client.post(CHAT, json=asked, headers={**KEY, **headers})


@pytest.mark.parametrize("stream", [False, True])
async def test_twenty_at_once_are_one(tmp_path: Path, stream: bool) -> None:
    asked = {**CITY, "stream": stream}
    async with serving(tmp_path, "slow:0.2") as (service, upstream):
        found = await asyncio.gather(*[post(service, asked) for _ in range(20)])
        later = await post(service, asked)
        metrics = (await service.client.get("/metrics")).text
        history = service.built.router.performer.history
        assert history is not None
        assert len(await history.runs("default")) == 1
    assert len(upstream.seen) == 1
    assert {one.status_code for one in (*found, later)} == {200}
    assert {one.content for one in found} == {later.content}
    assert b"Paris." in later.content
    assert len({one.headers["x-request-id"] for one in (*found, later)}) == 21
    assert len({one.headers["x-surefoot-run"] for one in (*found, later)}) == 1
    first = [one for one in found if "idempotent-replayed" not in one.headers]
    assert len(first) == 1
    kinds = {one.headers["content-type"] for one in (*found, later)}
    assert len(kinds) == 1 and ("event-stream" in kinds.pop()) == stream
    assert 'surefoot_idempotency_total{result="replayed"} 20.0' in metrics


async def test_another_body_under_the_key_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, "slow:0.2") as (service, upstream):
        first = asyncio.create_task(post(service))
        while not upstream.seen:
            await asyncio.sleep(0.005)
        other = {**CITY, "max_tokens": 3}
        during, _ = await asyncio.gather(post(service, other), first)
        after = await post(service, other)
        elsewhere = await service.client.post(
            "/v1/completions", json={"model": "surefoot", "prompt": "x"}, headers=KEY
        )
    for found in (during, after, elsewhere):
        assert (found.status_code, found.json()["error"]["code"]) == (409, "idempotency_conflict")
        assert found.headers["x-should-retry"] == "false"
    assert len(upstream.seen) == 1


async def test_what_failed_may_be_tried_again(tmp_path: Path) -> None:
    async with serving(tmp_path, "a", more="") as (service, upstream):
        upstream.script["a"] = "in-turn:status:400,ok"
        assert (await post(service)).status_code == 400
        again = await post(service)
        assert (again.status_code, len(upstream.seen)) == (200, 2)
        assert "idempotent-replayed" not in again.headers


async def test_a_client_that_leaves_takes_its_key_along(tmp_path: Path) -> None:
    async with serving(tmp_path, "a") as (service, upstream):
        upstream.script["a"] = "in-turn:hang,ok"
        leaving = asyncio.create_task(post(service))
        while not upstream.seen:
            await asyncio.sleep(0.005)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert (await post(service)).status_code == 200


async def test_who_waits_longer_than_it_may_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path, "slow:1.0") as (service, upstream):
        first = asyncio.create_task(post(service))
        while not upstream.seen:
            await asyncio.sleep(0.005)
        impatient = await post(service, **{"x-request-timeout-ms": "100"})
        assert (impatient.status_code, (await first).status_code) == (504, 200)
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("key", ["x" * 256, "two words", ""])
async def test_a_key_that_is_none(tmp_path: Path, key: str) -> None:
    async with serving(tmp_path, "ok") as (service, upstream):
        found = await post(service, **{"Idempotency-Key": key})
    assert (found.status_code, found.json()["error"]["param"]) == (400, "Idempotency-Key")
    assert not upstream.seen


async def test_two_processes_that_share_a_redis_are_one(
    tmp_path: Path, start_redis: Callable[..., RedisServer]
) -> None:
    url = start_redis().url
    async with running_upstream() as upstream:
        toml = configuration(("small", "slow:0.3", upstream.base_url), history=url)
        async with (
            running_service(tmp_path / "a", toml) as one,
            running_service(tmp_path / "b", toml) as other,
        ):
            posts = [post(service) for service in (one, other) for _ in range(5)]
            found = await asyncio.gather(*posts)
            assert one.built.router.performer.history is not None
            assert len(await one.built.router.performer.history.runs("default")) == 1
    assert len(upstream.seen) == 1
    assert len({response.content for response in found}) == 1


def claimed_by_the_dead(url: str) -> RedisIdempotency:
    """A process whose lease is short, and which never comes back."""
    from collections import Counter

    return RedisIdempotency(url, 60.0, Counter(), lease_s=0.05)


@pytest.mark.parametrize(("interrupted", "status"), [("again", 200), ("refuse", 409)])
async def test_a_key_whose_process_died(
    tmp_path: Path, start_redis: Callable[..., RedisServer], interrupted: str, status: int
) -> None:
    url = start_redis().url
    dead = claimed_by_the_dead(url)
    data = httpx.Request("POST", "http://x", json=CITY).read()
    begun = Entry(body_hash(CHAT, data), "0" * 32)
    await dead.claim(Slot("default", "order-1"), begun, "dead", take_over=True)
    await dead.aclose()
    more = f'[serve]\ninterrupted = "{interrupted}"\n'
    async with serving(tmp_path, "ok", url, more) as (service, upstream):
        found = await post(service)
        assert found.status_code == status
        assert len(upstream.seen) == (1 if status == 200 else 0)
        if status == 200:  # one run in the books, whichever process ends it
            assert found.headers["x-surefoot-run"] == "0" * 32


async def test_without_redis_a_key_still_holds_within_the_process(
    tmp_path: Path, start_redis: Callable[..., RedisServer], caplog: pytest.LogCaptureFixture
) -> None:
    redis = start_redis()
    async with serving(tmp_path, "slow:0.1", redis.url) as (service, upstream):
        redis.kill()
        found = await asyncio.gather(*[post(service) for _ in range(5)])
        metrics = (await service.client.get("/metrics")).text
    assert [one.status_code for one in found] == [200] * 5
    assert len(upstream.seen) == 1 and len({one.content for one in found}) == 1
    assert 'surefoot_idempotency_total{result="unshared"}' in metrics
    assert "idempotency within this process alone" in caplog.text


async def test_what_is_damaged_in_redis_is_begun_anew(
    start_redis: Callable[..., RedisServer],
) -> None:
    import redis

    server = start_redis()
    store = claimed_by_the_dead(server.url)
    slot, body = Slot("t:1", "a}b"), b"b" * 32
    client = redis.Redis(unix_socket_path=str(server.socket))
    try:
        client.set("sf:i:{t%3A1:a%7Db}", b"\x01" + body + b"\x01not msgpack")
        claim = await store.claim(slot, Entry(body, "r1"), "me", take_over=True)
        assert (claim.standing, claim.entry.run_id) == ("mine", "r1")
        answer = KeptAnswer(200, (("a", "b"),), b"\xff body")
        await store.finish(slot, Entry(body, "r1", answer), "me")
        late = Entry(body, "r2", KeptAnswer(200, (), b"another"))
        assert (await store.finish(slot, late, "you")).answer == answer, "the first one holds"
        claim = await store.claim(Slot("t:2", "a}b"), Entry(body, "r3"), "me", take_over=True)
        assert claim.standing == "mine", "another tenant's key is another key"
        assert client.pttl("sf:i:{t%3A1:a%7Db}") > 50_000
    finally:
        client.close()
        await store.aclose()
