"""The Redis history: keys, values, expiry, and what others may have put in its place."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import redis
from hypothesis import given
from redis.crc import key_slot

from surefoot.adapters.history_format import Retention
from surefoot.adapters.history_redis import MAX_VALUE_BYTES, RedisHistory
from surefoot.adapters.history_redis_keys import digest_of
from surefoot.adapters.redis_link import RedisSettings
from surefoot.router.errors import StoreError
from surefoot.router.evidence import Evidence, Generation

from ..contract.history_suite import ask, ids, make_evidence, make_run, questions
from ..redis_fixture import RedisServer

PATIENT = RedisSettings(budget_s=10.0, socket_timeout_s=10.0)
DAY_MS = 86_400_000


@pytest.fixture
def prefix() -> str:
    return f"sf-test-{uuid.uuid4().hex}"


@pytest.fixture
def plain(redis_url: str) -> Iterator[Any]:
    """A client of the test's own, to look at keys and to spoil them."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def store(redis_url: str, prefix: str) -> AsyncIterator[RedisHistory]:
    history = RedisHistory(redis_url, settings=PATIENT, prefix=prefix)
    yield history
    await history.aclose()


def keys_of(prefix: str) -> dict[str, str]:
    """The keys of `make_run("r1")` with evidence for attempt 2, by what they hold."""
    digest = digest_of("Capital of France?", "f1")
    kinds = {"runs": "s", "facts": "m", "with evidence": "w", "threads": "k", "users": "v"}
    return {
        **{name: f"{prefix}:{kind}:{{acme}}" for name, kind in kinds.items()},
        "turns": f"{prefix}:h:{{acme}}:t1",
        "guard": f"{prefix}:t:{{acme}}:t1",
        "runs of thread": f"{prefix}:d:{{acme}}:t1",
        "runs of user": f"{prefix}:u:{{acme}}:ann",
        "threads of user": f"{prefix}:y:{{acme}}:ann",
        "run": f"{prefix}:r:{{acme}}:r1",
        "repeat": f"{prefix}:q:{{acme}}:{digest}",
        "evidence": f"{prefix}:a:{{acme}}:r1",
    }


async def test_keys_expiry_and_first_bytes(store: RedisHistory, plain: Any, prefix: str) -> None:
    await store.record(make_run("r1", evidence={"2": make_evidence()}))
    keys = keys_of(prefix)
    assert {key.decode() for key in plain.scan_iter(f"{prefix}:*")} == set(keys.values())
    lifetimes = {name: plain.pttl(key) / DAY_MS for name, key in keys.items()}
    assert 0.99 < lifetimes.pop("evidence") <= 1 and 0.99 < lifetimes.pop("with evidence") <= 1
    assert all(29.99 < days <= 30 for days in lifetimes.values())
    # The version, then JSON or (behind the id) MessagePack: nothing is pickled.
    assert plain.get(keys["run"])[:2] == plain.hget(keys["evidence"], "2")[:2] == b"\x02{"
    assert plain.get(keys["repeat"])[:5] == b"\x02r1\n{"
    assert plain.lindex(keys["turns"], 0)[:5] == b"\x02r1\n\x94"


async def test_no_key_holds_a_question(store: RedisHistory, plain: Any, prefix: str) -> None:
    await store.record(make_run("r1", "What ails John Doe?"))
    assert not [key for key in plain.scan_iter(f"{prefix}:*") if b"john" in key.lower()]


async def test_nothing_expires_where_that_is_asked(redis_url: str, plain: Any, prefix: str) -> None:
    for_ever = Retention(ttl_s=float("inf"), evidence_ttl_s=float("inf"))
    store = RedisHistory(redis_url, for_ever, settings=PATIENT, prefix=prefix)
    await store.record(make_run("r1", evidence={"2": make_evidence()}))
    await store.put("acme", "r1", "2", make_evidence())
    assert {plain.ttl(key) for key in keys_of(prefix).values()} == {-1}
    plain.delete(*keys_of(prefix).values())
    await store.aclose()


@given(ids, ids)
def test_everything_of_a_run_lies_on_one_cluster_slot(tenant: str, thread: str) -> None:
    store = RedisHistory("redis://localhost")
    run = make_run("r}1", tenant=tenant, thread=thread, evidence={"{2}": make_evidence()})
    keys, _ = store._runs.commit(run)
    assert len(keys) == 13
    assert len({key_slot(key.encode("ascii")) for key in keys}) == 1


async def test_a_cluster_takes_it(start_redis: Callable[..., RedisServer]) -> None:
    """A server in cluster mode refuses a script or command whose keys lie on several slots."""
    server = start_redis("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
    with redis.Redis.from_url(server.url) as plain:
        plain.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while plain.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            await asyncio.sleep(0.02)
    store = RedisHistory(server.url, settings=PATIENT)
    await store.record(make_run("r1", tenant="", evidence={"2": make_evidence()}))
    recalled = await store.recall(ask(tenant=""))
    assert len(recalled.turns) == 1 and recalled.repeat is not None
    assert len(await store.runs("")) == 1
    await store.aclose()


async def test_the_script_survives_a_flush(store: RedisHistory, plain: Any) -> None:
    await store.record(make_run("r1", "q1"))
    plain.script_flush()
    await store.record(make_run("r2", "q2"))
    assert await questions(store, ask()) == ["q1", "q2"]
    assert not store.failures


async def test_a_lost_run_does_not_double_its_turn(
    store: RedisHistory, plain: Any, prefix: str
) -> None:
    await store.record(make_run("r1"))
    plain.delete(keys_of(prefix)["run"])
    await store.record(make_run("r1"))
    assert await questions(store, ask()) == ["Capital of France?"]


async def test_lists_and_guard_stay_short(redis_url: str, plain: Any, prefix: str) -> None:
    store = RedisHistory(
        redis_url, Retention(max_turns=2, max_runs=3), settings=PATIENT, prefix=prefix
    )
    for number in range(6):
        await store.record(make_run(f"r{number}", f"q{number}"))
    keys = keys_of(prefix)
    assert plain.llen(keys["turns"]) == plain.zcard(keys["guard"]) == 2
    assert plain.zcard(keys["runs"]) == plain.hlen(keys["facts"]) == 3
    assert plain.zcard(keys["runs of thread"]) == plain.zcard(keys["runs of user"]) == 3
    assert len(list(plain.scan_iter(f"{prefix}:r:*"))) == 3
    await store.aclose()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"\x03{}", "unknown_version"),
        (b"{}", "unknown_version"),
        (b"\x02", "corrupt"),
        (b"\x02{}", "corrupt"),
        (b"\x02\n{}", "corrupt"),
        (b"\x02r1\n\x94\xa1q", "corrupt"),
        (b"\x02r1\n\x93\xa1q\xa1a\xa0", "corrupt"),  # one too few
        (b"\x02r1\n\x94\xa1q\x01\xa0\xc0", "corrupt"),  # a number
        (b"\x02not json", "corrupt"),
        (b"\x02\xff\n\xfe", "corrupt"),
        (b"\x80\x04\x95", "unknown_version"),  # how a pickle starts
        (b"\x02" + b"[" * 10_000, "corrupt"),
        (b"\x02\n" + b"\x91" * 10_000, "corrupt"),
    ],
)
async def test_an_unreadable_value_is_a_miss(
    store: RedisHistory, plain: Any, prefix: str, value: bytes, kind: str
) -> None:
    await store.record(make_run("r1", evidence={"2": make_evidence()}))
    keys = keys_of(prefix)
    for name in ("run", "repeat"):
        plain.set(keys[name], value)
    plain.hset(keys["evidence"], "2", value)
    plain.lset(keys["turns"], 0, value)
    await expect_misses(store)
    assert store.failures == {kind: 4}
    await store.record(make_run("r2", "q2"))
    assert await questions(store, ask()) == ["q2"]


async def test_a_foreign_type_is_a_miss(store: RedisHistory, plain: Any, prefix: str) -> None:
    await store.record(make_run("r1", evidence={"2": make_evidence()}))
    keys = keys_of(prefix)
    for name in ("run", "repeat", "evidence", "turns"):
        plain.delete(keys[name])
        plain.setbit(keys[name], 9, 1) if name == "evidence" else plain.hset(keys[name], "a", "b")
    await expect_misses(store)
    plain.set(keys["runs"], "theirs")
    assert list(await store.runs("acme")) == []
    assert store.failures == {"foreign_type": 5}


async def test_a_foreign_list_is_neither_written_nor_removed(
    store: RedisHistory, plain: Any, prefix: str
) -> None:
    keys = keys_of(prefix)
    for name in keys:
        if name in ("run", "repeat"):
            continue
        plain.set(keys[name], "theirs")
        for _ in range(6):  # more often than the breaker would take
            with pytest.raises(StoreError, match="something else"):
                await store.record(make_run("r1", evidence={"2": make_evidence()}))
        assert [key.decode() for key in plain.scan_iter(f"{prefix}:*")] == [keys[name]]
        plain.delete(keys[name])
    assert store.failures == {"foreign_type": 66}
    await store.record(make_run("r1"))


async def test_a_huge_value_is_a_miss(store: RedisHistory, plain: Any, prefix: str) -> None:
    await store.record(make_run("r1", evidence={"2": make_evidence()}))
    for name in ("run", "repeat"):
        plain.setrange(keys_of(prefix)[name], MAX_VALUE_BYTES, b"}")
    plain.hset(keys_of(prefix)["evidence"], "2", b"x" * (MAX_VALUE_BYTES + 1))
    assert (await store.recall(ask())).repeat is None
    assert list(await store.runs("acme")) == []
    assert await store.get("acme", "r1", "2") is None
    assert store.failures == {"too_large": 3}


async def test_huge_evidence_is_left_out_and_the_run_is_kept(store: RedisHistory) -> None:
    huge = Evidence("q", Generation("x" * MAX_VALUE_BYTES))
    with pytest.raises(StoreError, match="at most"):
        await store.put("acme", "r1", "1", huge)
    await store.record(make_run("r1", evidence={"1": huge, "2": make_evidence()}))
    assert await store.get("acme", "r1", "1") is None
    assert await store.get("acme", "r1", "2") == make_evidence()
    with pytest.raises(StoreError, match="at most"):
        await store.record(make_run("r2", "x" * MAX_VALUE_BYTES))
    assert [run.result.run_id for run in await store.runs("acme")] == ["r1"]
    assert store.failures == {"too_large": 3}


def test_one_history_serves_several_event_loops(redis_url: str, prefix: str) -> None:
    """A program may call asyncio.run per question; a socket left open would warn, and fail this."""
    store = RedisHistory(redis_url, settings=PATIENT, prefix=prefix)
    asyncio.run(store.record(make_run("r1", "q1")))
    assert asyncio.run(questions(store, ask())) == ["q1"]
    assert not store.failures
    asyncio.run(store.aclose())


async def expect_misses(store: RedisHistory) -> None:
    recalled = await store.recall(ask())
    assert recalled.turns == () and recalled.repeat is None
    assert list(await store.runs("acme")) == []
    assert await store.get("acme", "r1", "2") is None
