"""A limit of requests a minute that several processes keep together, in Redis."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from ..router.errors import StoreError
from .history_format import key_part
from .redis_link import LuaScript, RedisLink, RedisSettings

__all__ = ["RedisRateLimit"]

# By the server's clock: replicas need not agree on the time.
_TAKE = LuaScript(
    """
local now = redis.call('TIME')
local at = tonumber(now[1]) + tonumber(now[2]) / 1000000
local rate, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local known = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = tonumber(known[1]) or most
local before = tonumber(known[2]) or at
left = math.min(most, left + math.max(0, at - before) * rate)
local wait = 0
if left >= 1 then left = left - 1 else wait = (1 - left) / rate end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', string.format('%.6f', at))
redis.call('PEXPIRE', KEYS[1], math.ceil(1000 * most / rate) + 1000)
return tostring(wait)
"""
)


class RedisRateLimit:
    """Token buckets by name, each a HASH `sf:rate:{name}` that expires once it is full again.

    A minute's requests may come at once, and are given back steadily.

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
        self._prefix = prefix
        self._link = RedisLink(url, settings or RedisSettings(), failures, clock)

    async def take(self, name: str, per_minute: float) -> float:
        """Seconds until a request may be made; 0 means now, and it is counted.

        Raises:
            StoreError: Redis cannot be asked.
        """
        key = f"{self._prefix}:rate:{{{key_part(name)}}}"
        args = (repr(per_minute / 60.0), repr(max(1.0, per_minute)))
        found = await self._link.script(_TAKE, [key], args)
        try:
            return float(found)
        except (TypeError, ValueError) as error:
            raise StoreError(f"Redis answered with {found!r} for a rate") from error

    async def aclose(self) -> None:
        """Close the connections that this event loop has opened. Idempotent."""
        await self._link.aclose()
