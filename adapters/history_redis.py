"""A history in plain Redis (7.0, or anything that knows the commands of 6.2): many processes.

Keys, with every part percent-encoded so that no id can forge a separator or a hash tag::

    sf:h:{tenant}:thread                  LIST    turns of a conversation, oldest first
    sf:t:{tenant}:thread                  ZSET    ids of the runs that they came from
    sf:r:{tenant}:run                     STRING  a run, without its evidence
    sf:x:{tenant}                         LIST    ids of the latest runs, newest first
    sf:q:{tenant}:question:fingerprint    STRING  the latest answer to a question
    sf:a:{tenant}:run:attempt             STRING  evidence of an attempt

The hash tag is the tenant, so everything that one script touches lies on one Cluster slot. The
first byte of a value is the schema version. Only the script writes what a run consists of: it
checks, appends, trims and expires in one step, and does nothing for a run that is known.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..router.errors import StoreError
from ..router.evidence import Evidence, Turn
from ..router.protocols import RecallQuery, RunRecord
from ..router.requests import Recalled, Repeat
from ..router.text import question_key
from .history_format import (
    SCHEMA,
    Retention,
    key_part,
    read_record,
    read_run,
    repeat_of,
    run_text,
    to_text,
)
from .redis_link import RedisLink, RedisSettings, failure_kind

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisHistory"]

T = TypeVar("T")

MONTH_S = 30 * 86_400.0
MAX_VALUE_BYTES = 4 * 2**20
"""No larger value is written or read: it would not fit into the time budget of a call."""

_RECORD = """
-- KEYS: run, runs, turns, turn guard, repeat, then one per evidence
-- ARGV: run id, ttl in ms (0: for ever), evidence ttl in ms, max turns, max runs,
--       run, turn or '', repeat or '', then one per evidence
local run, runs, turns, guard, again = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, ttl, evidence_ttl = ARGV[1], ARGV[2], ARGV[3]
local max_turns, max_runs = tonumber(ARGV[4]), tonumber(ARGV[5])
local turn = ARGV[7]

local function is_foreign(key, kind)
  local found = redis.call('TYPE', key).ok
  return found ~= 'none' and found ~= kind
end
local function keep(key, value, lifetime)
  if lifetime == '0' then redis.call('SET', key, value)
  else redis.call('SET', key, value, 'PX', lifetime) end
end
local function renew(key)
  if ttl ~= '0' then redis.call('PEXPIRE', key, ttl) end
end

-- Before the first write: a script that fails half-way is not undone.
if is_foreign(runs, 'list') or is_foreign(turns, 'list') or is_foreign(guard, 'zset') then
  return redis.error_reply('WRONGTYPE a key of this history holds something else')
end
if redis.call('EXISTS', run) == 1 then return 0 end

keep(run, ARGV[6], ttl)
redis.call('LPUSH', runs, id)
redis.call('LTRIM', runs, 0, max_runs - 1)
renew(runs)
if turn ~= '' then
  local last = redis.call('ZREVRANGE', guard, 0, 0, 'WITHSCORES')[2]
  if redis.call('ZADD', guard, 'NX', (tonumber(last) or 0) + 1, id) == 1 then
    redis.call('RPUSH', turns, turn)
    redis.call('LTRIM', turns, -max_turns, -1)
    redis.call('ZREMRANGEBYRANK', guard, 0, -max_turns - 1)
  end
  renew(turns)
  renew(guard)
end
if ARGV[8] ~= '' then keep(again, ARGV[8], ttl) end
for i = 6, #KEYS do keep(KEYS[i], ARGV[i + 3], evidence_ttl) end
return 1
"""


class RedisHistory:
    """Keeps runs, turns and evidence in Redis, for any number of processes.

    Every method raises a StoreError within `settings.budget_s` where Redis does not serve it, and
    at once while the breaker is open; Redis is found again without a new history. Values that are
    corrupt, of another schema version, of a foreign type or larger than `MAX_VALUE_BYTES` count as
    absent. `failures` counts all of these by kind.

    Args:
        url: `redis://HOST:PORT/DB`, `rediss://` for TLS, `unix:///PATH?db=N`.
        prefix: of every key.
        clock: monotonic seconds, for the breaker.
    """

    def __init__(
        self,
        url: str,
        retention: Retention | None = None,
        *,
        settings: RedisSettings | None = None,
        prefix: str = "sf",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failures: Counter[str] = Counter()
        self._retention = retention or Retention()
        self._prefix = prefix
        self._link = RedisLink(url, settings or RedisSettings(), self.failures, clock)

    async def recall(self, query: RecallQuery) -> Recalled:
        """The latest turns of the thread and the latest answer to an equal question."""
        asked = question_key(query.question)
        again = self._key("q", query.tenant, asked, query.fingerprint)
        thread = self._key("h", query.tenant, query.thread or "")
        limit = 0 if query.thread is None else max(0, query.limit)

        async def read(client: Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            pipe.getrange(again, 0, MAX_VALUE_BYTES)
            if limit:
                pipe.lrange(thread, -limit, -1)
            return self._served(await pipe.execute(raise_on_error=False))

        repeat, *rest = await self._link.call(read)
        turns = (self._unpacked(Turn, value) for value in (rest[0] or () if rest else ()))
        return Recalled(
            tuple(turn for turn in turns if turn is not None), self._unpacked(Repeat, repeat)
        )

    async def record(self, run: RunRecord) -> None:
        """Keep run, turn and evidence in one atomic script; a known run id changes nothing."""
        keys, args = self._commit(run)

        async def write(client: Redis) -> None:
            await client.register_script(_RECORD)(keys, args)

        await self._link.call(write)

    async def runs(self, tenant: str, limit: int = 20) -> Sequence[RunRecord]:
        """The tenant's latest runs, newest first, without their evidence."""

        async def read(client: Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            pipe.lrange(self._key("x", tenant), 0, limit - 1)
            (ids,) = self._served(await pipe.execute(raise_on_error=False))
            for run_id in ids or ():
                # The ids stand in the list as they stand in the keys.
                pipe.getrange(f"{self._key('r', tenant)}:{run_id.decode()}", 0, MAX_VALUE_BYTES)
            return self._served(await pipe.execute(raise_on_error=False))

        values = await self._link.call(read) if limit > 0 else []
        split = (self._split(value) for value in values)
        found = (read_run(tenant, *parts, self.failures) for parts in split if parts)
        return [run for run in found if run is not None]

    async def put(self, tenant: str, run_id: str, attempt_id: str, evidence: Evidence) -> None:
        """Keep or replace the evidence of one attempt."""
        key, value = self._key("a", tenant, run_id, attempt_id), _packed(to_text(evidence))
        if len(value) > MAX_VALUE_BYTES:
            raise self._too_large(value)
        ttl_ms = _milliseconds(self._evidence_ttl_s())

        async def write(client: Redis) -> None:
            await client.set(key, value, px=ttl_ms or None)

        await self._link.call(write)

    async def get(self, tenant: str, run_id: str, attempt_id: str) -> Evidence | None:
        """The evidence, or None where it is unknown or was forgotten."""
        key = self._key("a", tenant, run_id, attempt_id)

        async def read(client: Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            pipe.getrange(key, 0, MAX_VALUE_BYTES)
            return self._served(await pipe.execute(raise_on_error=False))

        (value,) = await self._link.call(read)
        return self._unpacked(Evidence, value)

    async def aclose(self) -> None:
        """Close the connections that this event loop has opened. Idempotent."""
        await self._link.aclose()

    def _key(self, kind: str, tenant: str, *parts: str) -> str:
        tag = "{" + key_part(tenant) + "}"
        return ":".join((self._prefix, kind, tag, *map(key_part, parts)))

    def _evidence_ttl_s(self) -> float:
        return min(self._retention.evidence_ttl_s, self._retention.lifetime_s(MONTH_S))

    def _commit(self, run: RunRecord) -> tuple[list[str], list[str | int | bytes]]:
        """Keys and arguments of the script for this run."""
        tenant, run_id = run.tenant, run.result.run_id
        turn = None if run.thread is None else run.turn
        repeat = repeat_of(run)
        kept = _packed(run_text(run))
        if len(kept) > MAX_VALUE_BYTES:
            raise self._too_large(kept)
        evidence = self._evidence(run)
        keys = [
            self._key("r", tenant, run_id),
            self._key("x", tenant),
            self._key("h", tenant, run.thread or ""),
            self._key("t", tenant, run.thread or ""),
            self._key("q", tenant, question_key(run.result.question), run.fingerprint),
            *evidence,
        ]
        return keys, [
            key_part(run_id),
            _milliseconds(self._retention.lifetime_s(MONTH_S)),
            _milliseconds(self._evidence_ttl_s()),
            self._retention.max_turns,
            self._retention.max_runs,
            kept,
            b"" if turn is None else _packed(to_text(turn)),
            b"" if repeat is None else _packed(to_text(repeat)),
            *evidence.values(),
        ]

    def _evidence(self, run: RunRecord) -> dict[str, bytes]:
        """Value by key; what is too large is left out and counted, since the run matters more."""
        run_id = run.result.run_id
        values = {
            self._key("a", run.tenant, run_id, attempt_id): _packed(to_text(evidence))
            for attempt_id, evidence in run.evidence.items()
        }
        small = {key: value for key, value in values.items() if len(value) <= MAX_VALUE_BYTES}
        if len(small) < len(values):
            self.failures["too_large"] += len(values) - len(small)
        return small

    def _too_large(self, value: bytes) -> StoreError:
        self.failures["too_large"] += 1
        return StoreError(
            f"a value of {len(value):,} bytes is not kept in Redis: at most {MAX_VALUE_BYTES:,} "
            "are; a SQLite history has no such limit"
        )

    def _served(self, replies: list[Any]) -> list[Any]:
        """The replies of a pipeline, None for a key that holds a foreign type."""
        for at, reply in enumerate(replies):
            if not isinstance(reply, Exception):
                continue
            if failure_kind(reply) != "foreign_type":
                raise reply
            self.failures["foreign_type"] += 1
            replies[at] = None
        return replies

    def _split(self, value: bytes | None) -> tuple[int, bytes] | None:
        """Version and text of a value; None where there is none, or one that is too large."""
        if not value:
            return None
        if len(value) > MAX_VALUE_BYTES:
            self.failures["too_large"] += 1
            return None
        return value[0], value[1:]

    def _unpacked(self, kind: type[T], value: bytes | None) -> T | None:
        parts = self._split(value)
        return None if parts is None else read_record(kind, *parts, self.failures)


def _packed(text: str) -> bytes:
    return bytes([SCHEMA]) + text.encode()


def _milliseconds(seconds: float) -> int:
    """For an expiry; 0 means none."""
    return 0 if math.isinf(seconds) else max(1, round(seconds * 1000))
