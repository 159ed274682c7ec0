"""Monitor states in Redis, shared by replicas."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from ..router.errors import StoreCorrupt
from .history_format import key_part
from .redis_link import LuaScript, RedisLink, RedisSettings

__all__ = ["RedisMonitorStore"]

_LOAD = LuaScript("return redis.call('HMGET', KEYS[1], 'version', 'state')")
_SAVE = LuaScript(
    """
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', tonumber(version) + 1, 'state', ARGV[2])
return 1
"""
)


class RedisMonitorStore:
    """Texts by key with versions, each a HASH `sf:mon:{key}`; a text is replaced only by who has
    seen the one before. Nothing expires: what was revoked must not come back by being forgotten.

    Every method raises a StoreError where Redis cannot be asked.

    Args:
        url: as of a Redis history.
        failures: counted by kind, as `RedisLink` does.
        clock: monotonic seconds, for the breaker.
    """

    def __init__(
        self,
        url: str,
        *,
        settings: RedisSettings | None = None,
        prefix: str = "sf",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failures: Counter[str] = Counter()
        self._prefix = prefix
        self._link = RedisLink(url, settings or RedisSettings(), self.failures, clock)

    async def load(self, key: str) -> tuple[int, str] | None:
        """Version and text; None where the key is unknown."""
        found: Any = await self._link.script(_LOAD, [self._name(key)])
        version, text = found
        if version is None:
            return None
        try:
            return int(version), bytes(text).decode()
        except (TypeError, ValueError) as error:
            raise StoreCorrupt(
                f"what Redis keeps for the monitor under {key} is damaged ({error}); remove "
                f"{self._name(key)}, and treat its certificate as revoked"
            ) from error

    async def save(self, key: str, text: str, *, expected: int) -> bool:
        """Replace the text if its version is still `expected`, 0 for a key that is unknown."""
        args = (expected, text.encode())
        return bool(await self._link.script(_SAVE, [self._name(key)], args))

    async def aclose(self) -> None:
        """Close the connections that this event loop has opened. Idempotent."""
        await self._link.aclose()

    def _name(self, key: str) -> str:
        return f"{self._prefix}:mon:{{{key_part(key)}}}"
