"""Where cached results lie: in this process, or in a Redis that many processes share.

Both may lose anything at any time. What is read is what was written under that key, or nothing.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from .cache_keys import CacheKey
from .history_format import key_part
from .redis_link import RedisLink, RedisSettings

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["CacheStore", "MemoryStore", "RedisStore"]

SCHEMA = 1
"""First byte of every value; a value of another version is a miss."""

MAX_VALUE_BYTES = 4 * 2**20
_MEMORY_BYTES = 64 * 2**20

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""


class CacheStore(Protocol):
    """Keeps values for a while, and says who may compute one. Raises StoreError where it cannot."""

    async def get(self, key: CacheKey) -> bytes | None:
        """The value; None where there is none, or none that is ours."""
        ...

    async def put(self, key: CacheKey, value: bytes, ttl_s: float) -> None:
        """Keep a value for so many seconds; one that is too large is left out."""
        ...

    async def lease(self, key: CacheKey, token: str, ttl_s: float) -> bool:
        """Whether `token` may compute the value: nobody else may until it lets go or time is up."""
        ...

    async def renew(self, key: CacheKey, token: str, ttl_s: float) -> bool:
        """Hold on to the lease; False where it was lost."""
        ...

    async def release(self, key: CacheKey, token: str) -> None:
        """Let go of the lease, if it is still this token's."""
        ...

    async def aclose(self) -> None:
        """Give back what it holds."""
        ...


class MemoryStore:
    """A store of this process, by least recent use.

    Args:
        max_bytes: of all values together.
        clock: monotonic seconds.
    """

    def __init__(
        self, max_bytes: int = _MEMORY_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._values: OrderedDict[CacheKey, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._leases: dict[CacheKey, tuple[float, str]] = {}

    async def get(self, key: CacheKey) -> bytes | None:
        """The value, which now is the one used last."""
        found = self._values.get(key)
        if found is None:
            return None
        until, value = found
        if self._clock() >= until:
            self._forget(key)
            return None
        self._values.move_to_end(key)
        return value

    async def put(self, key: CacheKey, value: bytes, ttl_s: float) -> None:
        """Keep it, and forget what was not used for longest where there is no room."""
        self._forget(key)
        if len(value) > min(self._max_bytes, MAX_VALUE_BYTES):
            return
        self._values[key] = (self._clock() + ttl_s, value)
        self._bytes += len(value)
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._values)))

    async def lease(self, key: CacheKey, token: str, ttl_s: float) -> bool:
        """As the protocol says."""
        until, holder = self._leases.get(key, (0.0, token))
        if holder != token and self._clock() < until:
            return False
        self._leases[key] = (self._clock() + ttl_s, token)
        return True

    async def renew(self, key: CacheKey, token: str, ttl_s: float) -> bool:
        """As the protocol says."""
        until, holder = self._leases.get(key, (0.0, ""))
        if holder != token or self._clock() >= until:
            return False
        self._leases[key] = (self._clock() + ttl_s, token)
        return True

    async def release(self, key: CacheKey, token: str) -> None:
        """As the protocol says."""
        if self._leases.get(key, (0.0, ""))[1] == token:
            del self._leases[key]

    async def aclose(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._leases.clear()
        self._bytes = 0

    def _forget(self, key: CacheKey) -> None:
        found = self._values.pop(key, None)
        if found is not None:
            self._bytes -= len(found[1])


class RedisStore:
    """A store that processes share.

    Keys, with every part percent-encoded::

        sf:e:{tenant:digest}:kind   STRING  a value behind its schema version
        sf:l:{tenant:digest}:kind   STRING  who computes it, for as long as the lease lasts

    Args:
        url: as of a Redis history.
        failures: counted by kind, as `RedisLink` does.
        clock: monotonic seconds, for the breaker.
    """

    def __init__(
        self,
        url: str,
        failures: Counter[str],
        *,
        settings: RedisSettings | None = None,
        prefix: str = "sf",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = failures
        self._prefix = prefix
        self._link = RedisLink(url, settings or RedisSettings(), failures, clock)

    async def get(self, key: CacheKey) -> bytes | None:
        """The value; one of a foreign form or size is none, and counted."""
        name = self._name("e", key)

        async def read(client: Redis) -> bytes | None:
            found: Any = await client.getrange(name, 0, MAX_VALUE_BYTES + 1)
            return found if isinstance(found, bytes) else None

        value = await self._link.call(read)
        if not value:
            return None
        if len(value) > MAX_VALUE_BYTES + 1:
            self._failures["too_large"] += 1
            return None
        if value[0] != SCHEMA:
            self._failures["unknown_version"] += 1
            return None
        return value[1:]

    async def put(self, key: CacheKey, value: bytes, ttl_s: float) -> None:
        """Keep it; what is too large is left out and counted."""
        name = self._name("e", key)
        if len(value) > MAX_VALUE_BYTES:
            self._failures["too_large"] += 1
            return

        async def write(client: Redis) -> None:
            await client.set(name, bytes([SCHEMA]) + value, px=_milliseconds(ttl_s))

        await self._link.call(write)

    async def lease(self, key: CacheKey, token: str, ttl_s: float) -> bool:
        """As the protocol says."""
        name = self._name("l", key)

        async def take(client: Redis) -> bool:
            return bool(await client.set(name, token, nx=True, px=_milliseconds(ttl_s)))

        return await self._link.call(take)

    async def renew(self, key: CacheKey, token: str, ttl_s: float) -> bool:
        """As the protocol says."""
        name = self._name("l", key)

        async def hold(client: Redis) -> bool:
            return bool(await client.register_script(_RENEW)([name], [token, _milliseconds(ttl_s)]))

        return await self._link.call(hold)

    async def release(self, key: CacheKey, token: str) -> None:
        """As the protocol says."""
        name = self._name("l", key)

        async def drop(client: Redis) -> None:
            await client.register_script(_RELEASE)([name], [token])

        await self._link.call(drop)

    async def aclose(self) -> None:
        """Close the connections that this event loop has opened. Idempotent."""
        await self._link.aclose()

    def _name(self, what: str, key: CacheKey) -> str:
        tag = f"{{{key_part(key.tenant)}:{key.digest}}}"
        return f"{self._prefix}:{what}:{tag}:{key.kind}"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
