"""What the parts of the Redis history share: the way to the server, names, lifetimes, reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ..router.errors import StoreError
from ..router.histories import Page
from .history_format import SCHEMA, Retention, from_key_part, read_record
from .history_pages import cursor_number, page_of_rows
from .history_redis_keys import Keys, milliseconds
from .history_redis_scripts import MAX_VALUE_BYTES
from .redis_link import RedisLink, failure_kind

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["Place", "packed"]

T = TypeVar("T")

MONTH_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how things are kept.

    Attributes:
        now: seconds since the epoch.
    """

    link: RedisLink
    prefix: str
    retention: Retention
    failures: Counter[str]
    now: Callable[[], float]

    def keys(self, tenant: str) -> Keys:
        """The keys of a tenant."""
        return Keys(self.prefix, tenant)

    @property
    def now_us(self) -> int:
        """The time, as it stands in an index."""
        return int(self.now() * 1_000_000)

    @property
    def ttl_ms(self) -> int:
        """The lifetime of everything but evidence; 0 is for ever."""
        return milliseconds(self.retention.lifetime_s(MONTH_S))

    @property
    def evidence_ttl_ms(self) -> int:
        """The lifetime of evidence; 0 is for ever."""
        lifetime_s = self.retention.lifetime_s(MONTH_S)
        return milliseconds(min(self.retention.evidence_ttl_s, lifetime_s))

    def check_size(self, value: bytes) -> None:
        """Refuse what would not fit into the time budget of a call.

        Raises:
            StoreError: it is too large.
        """
        if len(value) > MAX_VALUE_BYTES:
            self.failures["too_large"] += 1
            raise StoreError(
                f"a value of {len(value):,} bytes is not kept in Redis: at most "
                f"{MAX_VALUE_BYTES:,} are; a SQLite history has no such limit"
            )

    def served(self, replies: list[Any]) -> list[Any]:
        """The replies of a pipeline, None for a key that holds a foreign type."""
        for at, reply in enumerate(replies):
            if not isinstance(reply, Exception):
                continue
            if failure_kind(reply) != "foreign_type":
                raise reply
            self.failures["foreign_type"] += 1
            replies[at] = None
        return replies

    def split(self, value: bytes | None) -> tuple[int, bytes] | None:
        """Version and text of a value; None where there is none, or one that is too large."""
        if not value:
            return None
        if len(value) > MAX_VALUE_BYTES:
            self.failures["too_large"] += 1
            return None
        return value[0], value[1:]

    def read(self, kind: type[T], value: bytes | None) -> T | None:
        """The record of a value; None where there is none that can be read."""
        parts = self.split(value)
        return None if parts is None else read_record(kind, *parts, self.failures)

    def told(self, reply: Any) -> list[bytes]:
        """What a reading script found; what it had to leave out is counted."""
        state, *found = reply
        if state == b"foreign":
            self.failures["foreign_type"] += 1
        elif state == b"large":
            self.failures["too_large"] += 1
        return [value for value in found if value is not None]

    async def first(self, index: str, many: int, start: int = 0) -> list[str]:
        """Members of an index as they stand in it, from a rank on."""

        async def read(client: Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            pipe.zrange(index, start, start + many - 1)
            return self.served(await pipe.execute(raise_on_error=False))

        (found,) = await self.link.call(read)
        return [member.decode() for member in found or ()]

    async def page_of_members(self, index: str, limit: int, cursor: str | None) -> Page[str]:
        """Members of an index as ids, the one written to longest ago first."""
        low = f"({cursor_number(cursor)}" if cursor is not None else "-inf"

        async def read(client: Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            pipe.zrangebyscore(index, low, "+inf", 0, max(0, limit) + 1, withscores=True)
            return self.served(await pipe.execute(raise_on_error=False))

        (rows,) = await self.link.call(read)
        found = [(int(score), from_key_part(member.decode())) for member, score in rows or ()]
        return page_of_rows(found, limit)


def packed(text: str) -> bytes:
    """A value: the schema's version and a text."""
    return bytes([SCHEMA]) + text.encode()
