"""F16: two hundred equal prompts at once are one upstream call; if its leader dies, another takes
over within the lease."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from collections import Counter

from surefoot.adapters.cache_stores import RedisStore
from surefoot.adapters.cached_model import CachedModel
from surefoot.adapters.exact_cache import CacheSettings, ExactCache
from surefoot.adapters.model_openai import OpenAIModel
from surefoot.adapters.redis_link import RedisSettings
from surefoot.router.protocols import Message, ModelCall, Prompt

from ..adapters.scripted_upstream import running_upstream

CALL = ModelCall(Prompt(messages=(Message("user", "Which city?"),)))
PATIENT = RedisSettings(budget_s=5.0, socket_timeout_s=5.0)
LEASE_S = 0.6

LEADER = """
import asyncio, sys
from collections import Counter
from surefoot.adapters.cache_stores import RedisStore
from surefoot.adapters.cached_model import CachedModel
from surefoot.adapters.exact_cache import CacheSettings, ExactCache
from surefoot.adapters.model_openai import OpenAIModel
from surefoot.router.protocols import Message, ModelCall, Prompt

async def main(redis, prefix, base_url, lease_s):
    cache = ExactCache(RedisStore(redis, Counter(), prefix=prefix), CacheSettings(lease_s=lease_s))
    model = CachedModel(OpenAIModel(base_url, "hang"), cache, "m", "ctx")
    print("asking", flush=True)
    await model.generate(ModelCall(Prompt(messages=(Message("user", "Which city?"),))))

asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
"""


def exact(redis_url: str, prefix: str, failures: Counter[str] | None = None) -> ExactCache:
    counted = Counter() if failures is None else failures
    store = RedisStore(redis_url, counted, settings=PATIENT, prefix=prefix)
    return ExactCache(store, CacheSettings(lease_s=LEASE_S, poll_s=0.01))


async def test_two_hundred_equal_prompts_are_one_upstream_call(redis_url: str) -> None:
    prefix = f"sf-test-{uuid.uuid4().hex}"
    caches = [exact(redis_url, prefix) for _ in range(4)]  # as of four replicas
    async with running_upstream() as upstream:
        models = [CachedModel(OpenAIModel(upstream.base_url, "ok"), c, "m", "x") for c in caches]
        found = await asyncio.gather(*(model.generate(CALL) for model in models * 50))
        assert len(upstream.seen) == 1
        assert {each.generations[0].text for each in found} == {"Paris."}
        assert sum(each.calls for each in found) == 1  # and one charge
        for model in models:
            await model.aclose()
    for cache in caches:
        await cache.aclose()


async def test_a_follower_takes_over_from_a_process_that_was_killed(redis_url: str) -> None:
    prefix = f"sf-test-{uuid.uuid4().hex}"
    async with running_upstream() as upstream:
        leader = subprocess.Popen(
            [sys.executable, "-c", LEADER, redis_url, prefix, upstream.base_url, str(LEASE_S)],
            stdout=subprocess.PIPE,
        )
        while not upstream.seen:  # it holds the lease, and waits for its model
            await asyncio.sleep(0.01)
            assert leader.poll() is None
        cache = exact(redis_url, prefix)
        model = CachedModel(OpenAIModel(upstream.base_url, "ok"), cache, "m", "ctx")
        followers = [asyncio.create_task(model.generate(CALL)) for _ in range(20)]
        await asyncio.sleep(2 * LEASE_S)
        assert not any(task.done() for task in followers)  # renewed while the leader lived
        leader.kill()
        killed = time.monotonic()
        leader.communicate()
        found = await asyncio.gather(*followers)
        assert time.monotonic() - killed < LEASE_S + 0.5
        assert {each.generations[0].text for each in found} == {"Paris."}
        assert len(upstream.seen) == 2
        assert cache.counts["taken_over"] == 1
        await model.aclose()
        await cache.aclose()
