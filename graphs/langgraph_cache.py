"""LangGraph's node cache in plain Redis: asynchronous through and through, and failing open.

Give it to `compile(cache=...)` with a `CachePolicy(key_func=...)` at the nodes to cache.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from langgraph.cache.base import BaseCache

from ..adapters.history_format import key_part
from ..adapters.redis_link import RedisLink, RedisSettings
from ..router.errors import StoreError
from .sync_door import SyncDoor

if TYPE_CHECKING:
    from langgraph.cache.base import FullKey, Namespace
    from langgraph.checkpoint.serde.base import SerializerProtocol
    from redis.asyncio import Redis

__all__ = ["RedisNodeCache"]

ValueT = TypeVar("ValueT")

SCHEMA = 1
MAX_VALUE_BYTES = 4 * 2**20
_MONTH_S = 30 * 86_400.0


class RedisNodeCache(BaseCache[Any]):
    """A node cache that processes share.

    A Redis that fails costs at most 50 ms a call, then nothing while its breaker is open: reads
    find nothing, writes are dropped, and `failures` counts both by kind. Values are written by
    LangGraph's serializer, without pickle; a value that it cannot write is dropped, one that it
    cannot read is a miss. The sync methods do the same work on a loop of their own.

    Clearing raises a namespace's generation, which every value carries: it takes one step however
    much is kept, and what is outdated expires by itself.

    Keys, with every part percent-encoded::

        sf:n:{scope}:g                     STRING  generation of everything
        sf:n:{scope}:g:namespace           STRING  generation of a namespace
        sf:n:{scope}:v:namespace:key       STRING  schema, generations, type and value

    Attributes:
        failures: by kind, as of a Redis history, and `unreadable`, `unwritable`, `too_large`.

    Args:
        url: `redis://HOST:PORT/DB`, `rediss://` for TLS, `unix:///PATH?db=N`.
        scope: whose values these are, e.g. a tenant; nothing crosses scopes.
        ttl_s: seconds that a value without a lifetime of its own is kept.
        clock: monotonic seconds, for the breaker.

    Raises:
        MissingExtra: redis-py is not installed.
        ConfigurationError: it does not understand the URL.
    """

    def __init__(
        self,
        url: str,
        *,
        scope: str = "default",
        ttl_s: float = _MONTH_S,
        serde: SerializerProtocol | None = None,
        settings: RedisSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(serde=serde)
        self.failures: Counter[str] = Counter()
        self._link = RedisLink(url, settings or RedisSettings(), self.failures, clock)
        self._root = f"sf:n:{{{key_part(scope)}}}"
        self._ttl_s = ttl_s
        self._door = SyncDoor()

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """What is kept under these keys; what is not is left out."""
        if not keys:
            return {}
        names = list(dict.fromkeys(namespace for namespace, _ in keys))

        async def read(client: Redis) -> list[Any]:
            asked = [self._generation(), *map(self._generation, names), *map(self._value, keys)]
            return list(await client.mget(asked))

        try:
            whole, *rest = await self._link.call(read)
        except StoreError:
            return {}
        current = {
            name: (_number(whole), _number(found))
            for name, found in zip(names, rest[: len(names)], strict=True)
        }
        found = {}
        for key, packed in zip(keys, rest[len(names) :], strict=True):
            read_value = self._unpacked(packed, current[key[0]])
            if read_value is not None:
                found[key] = read_value[0]
        return found

    async def aset(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """Keep these values for so many seconds each."""
        if not pairs:
            return
        names = list(dict.fromkeys(namespace for namespace, _ in pairs))
        bodies = {
            key: (body, ttl)
            for key, (value, ttl) in pairs.items()
            if (body := self._packed(value)) is not None
        }

        async def write(client: Redis) -> None:
            found: list[Any] = await client.mget(
                [self._generation(), *map(self._generation, names)]
            )
            whole, *rest = map(_number, found)
            own = dict(zip(names, rest, strict=True))
            pipe = client.pipeline(transaction=False)
            for key, (body, ttl) in bodies.items():
                head = b"%d %d %d " % (SCHEMA, whole, own[key[0]])
                milliseconds = max(1, round((self._ttl_s if ttl is None else ttl) * 1000))
                pipe.set(self._value(key), head + body, px=milliseconds)
            await pipe.execute()

        try:
            await self._link.call(write)
        except StoreError:
            return

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget these namespaces, or everything of this scope."""
        names = [self._generation()]
        if namespaces is not None:
            names = [self._generation(namespace) for namespace in namespaces]

        async def raise_generations(client: Redis) -> None:
            pipe = client.pipeline(transaction=False)
            for name in names:
                pipe.incr(name)
            await pipe.execute()

        try:
            await self._link.call(raise_generations)
        except StoreError:
            return

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """`aget` for callers without an event loop."""
        return self._door.call(self.aget(keys))

    def set(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """`aset` for callers without an event loop."""
        self._door.call(self.aset(pairs))

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """`aclear` for callers without an event loop."""
        self._door.call(self.aclear(namespaces))

    async def aclose(self) -> None:
        """Close the connections of this event loop, and the door of the sync methods."""
        await self._link.aclose()
        self._door.close()

    def close(self) -> None:
        """`aclose` for callers without an event loop."""
        self._door.call(self._link.aclose())
        self._door.close()

    def _generation(self, namespace: Namespace | None = None) -> str:
        return f"{self._root}:g" if namespace is None else f"{self._root}:g:{_part(namespace)}"

    def _value(self, key: FullKey) -> str:
        namespace, name = key
        return f"{self._root}:v:{_part(namespace)}:{key_part(name)}"

    def _packed(self, value: Any) -> bytes | None:
        found = self._guarded(lambda: self.serde.dumps_typed(value), "unwritable")
        if found is None:
            return None
        kind, body = found
        if len(body) > MAX_VALUE_BYTES:
            self.failures["too_large"] += 1
            return None
        return kind.encode() + b" " + body

    def _unpacked(self, packed: bytes | None, current: tuple[int, int]) -> tuple[Any] | None:
        """The value in a tuple of its own, since it may be None."""
        if packed is None:
            return None

        def read() -> tuple[Any] | None:
            schema, whole, own, kind, body = packed.split(b" ", 4)
            if int(schema) != SCHEMA or (int(whole), int(own)) != current:
                return None
            return (self.serde.loads_typed((kind.decode(), body)),)

        return self._guarded(read, "unreadable")

    def _guarded(self, work: Callable[[], ValueT], failure: str) -> ValueT | None:
        try:
            return work()
        except Exception:
            # The one broad except: a serializer raises whatever users' own types and damaged bytes
            # make it raise, and a cache is no reason to fail.
            self.failures[failure] += 1
            return None


def _part(namespace: Namespace) -> str:
    return ",".join(map(key_part, namespace)) or "()"  # which no encoded part can be


def _number(found: bytes | None) -> int:
    try:
        return int(found or 0)
    except ValueError:
        return -1
