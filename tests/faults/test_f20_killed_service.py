"""F20 over HTTP: a replica that is killed loses no decision, and no idempotency key is charged
twice: what it had answered is replayed by another one, what it had begun becomes one run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from surefoot.adapters.histories import open_history

from ..adapters.scripted_upstream import running_upstream
from ..redis_fixture import RedisServer
from .deployment import configuration
from .test_f19_sigterm import CHAT, CITY, served

KEY = {"Idempotency-Key": "order-1"}


async def runs_of(url: str) -> list[str]:
    history = open_history(url)
    try:
        return [run.result.run_id for run in await history.runs("default")]
    finally:
        await history.aclose()


async def post(url: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=40.0) as client:
        return await client.post(CHAT, json=CITY, headers=KEY)


def folder(tmp_path: Path, name: str) -> Path:
    made = tmp_path / name
    made.mkdir()
    return made


@pytest.mark.slow
async def test_what_was_answered_is_replayed_by_another_replica(
    tmp_path: Path, start_redis: Callable[..., RedisServer]
) -> None:
    redis = start_redis().url
    async with running_upstream() as upstream:
        toml = configuration(("small", "ok", upstream.base_url), history=redis)
        async with (
            served(folder(tmp_path, "a"), toml) as (one, first_url),
            served(folder(tmp_path, "b"), toml) as (_, other_url),
        ):
            first = await post(first_url)
            one.kill()
            again = await post(other_url)
    assert first.status_code == again.status_code == 200
    assert first.content == again.content and again.headers["idempotent-replayed"] == "true"
    assert len(upstream.seen) == 1
    assert await runs_of(redis) == [first.headers["x-surefoot-run"]]


@pytest.mark.slow
async def test_what_was_begun_becomes_one_run(
    tmp_path: Path, start_redis: Callable[..., RedisServer]
) -> None:
    redis = start_redis().url
    async with running_upstream() as upstream:
        upstream.script["a"] = "in-turn:hang,ok"
        toml = configuration(("small", "a", upstream.base_url), history=redis, deadline_s=30.0)
        async with (
            served(folder(tmp_path, "a"), toml) as (one, first_url),
            served(folder(tmp_path, "b"), toml) as (_, other_url),
        ):
            lost = asyncio.create_task(post(first_url))
            while not upstream.seen:
                await asyncio.sleep(0.01)
            # It waits for the first one as long as that gives signs of life, and no longer.
            waiting = asyncio.create_task(post(other_url))
            await asyncio.sleep(0.3)
            assert len(upstream.seen) == 1 and not waiting.done()
            one.kill()
            found = await waiting
            await asyncio.gather(lost, return_exceptions=True)
    assert found.status_code == 200 and "Paris." in found.text
    assert await runs_of(redis) == [found.headers["x-surefoot-run"]]
