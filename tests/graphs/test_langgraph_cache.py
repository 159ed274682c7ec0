"""LangGraph's node cache in Redis: in a real graph, on a real server, and while that is down."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy

from surefoot.adapters.redis_link import RedisSettings
from surefoot.graphs.langgraph_cache import RedisNodeCache

from ..redis_fixture import RedisServer

PATIENT = RedisSettings(budget_s=10.0, socket_timeout_s=10.0)
A, B = ("ns", "a"), ("ns", "b")


class State(TypedDict, total=False):
    x: int
    y: int


@pytest.fixture
def cache(redis_url: str) -> Iterator[RedisNodeCache]:
    cache = RedisNodeCache(redis_url, scope=f"test:{uuid.uuid4().hex}", settings=PATIENT)
    yield cache
    cache.close()


def graph_with(cache: RedisNodeCache, calls: list[int]) -> Any:
    def double(state: State) -> State:
        calls.append(state["x"])
        return {"y": 2 * state["x"]}

    graph = StateGraph(State)
    policy = CachePolicy(key_func=lambda state: str(state["x"]), ttl=60)
    graph.add_node("double", double, cache_policy=policy)
    graph.add_edge(START, "double")
    graph.add_edge("double", END)
    return graph.compile(cache=cache)


def test_a_node_runs_once_for_an_input(cache: RedisNodeCache) -> None:
    calls: list[int] = []
    graph = graph_with(cache, calls)
    assert [graph.invoke({"x": x})["y"] for x in (3, 3, 4, 3)] == [6, 6, 8, 6]
    assert calls == [3, 4]


async def test_the_same_within_an_event_loop(redis_url: str) -> None:
    cache = RedisNodeCache(redis_url, scope=uuid.uuid4().hex, settings=PATIENT)
    calls: list[int] = []
    graph = graph_with(cache, calls)
    assert [(await graph.ainvoke({"x": x}))["y"] for x in (3, 3, 4)] == [6, 6, 8]
    assert calls == [3, 4]
    await cache.aclose()


def test_values_of_any_kind_come_back(cache: RedisNodeCache) -> None:
    values = [None, 0, "", "päris\x00 \n", [1, [2, 3]], {"a": {"b": 1.5}}, b"\x00 1 2 3"]
    pairs: dict[Any, Any] = {
        (("n", str(i)), "k y"): (value, None) for i, value in enumerate(values)
    }
    cache.set(pairs)
    found = cache.get(list(pairs))
    assert [found[key] for key in pairs] == values


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((("a", "b"), "c"), (("a",), "b")),
        ((("a,b",), "c"), (("a", "b"), "c")),
        ((("a",), "b:c"), (("a:b",), "c")),
        (((), "x"), (("",), "x")),
    ],
)
def test_no_key_is_anothers(cache: RedisNodeCache, one: Any, other: Any) -> None:
    cache.set({one: ("one", None)})
    assert cache.get([other]) == {}


def test_nothing_crosses_scopes(redis_url: str) -> None:
    name = uuid.uuid4().hex
    mine = RedisNodeCache(redis_url, scope=name, settings=PATIENT)
    theirs = RedisNodeCache(redis_url, scope=name + "}", settings=PATIENT)
    mine.set({(A[:1], "k"): (1, None)})
    assert theirs.get([(A[:1], "k")]) == {}
    assert mine.get([(A[:1], "k")]) == {(A[:1], "k"): 1}
    mine.close()
    theirs.close()


def test_clearing_a_namespace_leaves_the_others(cache: RedisNodeCache) -> None:
    cache.set({((name,), "k"): (name, None) for name in "abc"})
    cache.clear([("a",), ("b",)])
    assert cache.get([((name,), "k") for name in "abc"]) == {(("c",), "k"): "c"}
    cache.set({(("a",), "k"): ("new", None)})
    assert cache.get([(("a",), "k")]) == {(("a",), "k"): "new"}
    cache.clear()
    assert cache.get([((name,), "k") for name in "abc"]) == {}


def test_values_expire(cache: RedisNodeCache) -> None:
    cache.set({(("a",), "k"): (1, 1), (("b",), "k"): (2, None)})
    time.sleep(1.1)
    assert cache.get([(("a",), "k"), (("b",), "k")]) == {(("b",), "k"): 2}


def test_what_cannot_be_written_is_left_out(cache: RedisNodeCache) -> None:
    cache.set({(("a",), "k"): (lambda: None, None), (("b",), "k"): (2, None)})
    assert cache.get([(("a",), "k"), (("b",), "k")]) == {(("b",), "k"): 2}
    assert cache.failures["unwritable"] == 1


@pytest.mark.parametrize("value", [b"", b"x", b"1 0 0 msgpack \xc1", b"9 0 0 null ", b"\xff" * 20])
async def test_a_foreign_value_is_a_miss(redis_url: str, value: bytes) -> None:
    from redis.asyncio import Redis

    scope = uuid.uuid4().hex
    cache = RedisNodeCache(redis_url, scope=scope, settings=PATIENT)
    async with Redis.from_url(redis_url) as client:
        await client.set(f"sf:n:{{{scope}}}:v:a:k", value)
    assert await cache.aget([(("a",), "k")]) == {}
    await cache.aset({(("a",), "k"): (1, None)})
    assert await cache.aget([(("a",), "k")]) == {(("a",), "k"): 1}
    await cache.aclose()


async def test_a_redis_that_is_down_costs_little_and_is_found_again(
    start_redis: Callable[..., RedisServer],
) -> None:
    server = start_redis()
    cache = RedisNodeCache(server.url, settings=RedisSettings(open_for_s=0.2))
    calls: list[int] = []
    graph = graph_with(cache, calls)
    assert (await graph.ainvoke({"x": 3}))["y"] == 6
    server.kill()
    for _ in range(8):
        assert (await graph.ainvoke({"x": 3}))["y"] == 6
    assert len(calls) == 9
    assert cache.failures["open"] > 0
    began = time.perf_counter()
    for _ in range(100):
        assert await cache.aget([(("a",), "k")]) == {}
    assert time.perf_counter() - began < 0.1
    server.start()
    await asyncio.sleep(0.25)
    await cache.aset({(("a",), "k"): (1, None)})
    assert await cache.aget([(("a",), "k")]) == {(("a",), "k"): 1}
    await cache.aclose()
