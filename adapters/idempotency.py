"""Answers by idempotency key: who gives one, and what it was, in this process or in Redis.

An entry is begun by one caller, which holds a lease on it while it works, and finished with its
answer. Whoever else asks is told the answer, or to wait; an entry whose lease has run out belonged
to a process that died, and may be taken over.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal, Protocol

import ormsgpack

from .history_format import key_part
from .redis_link import LuaScript, RedisLink, RedisSettings

__all__ = [
    "Claim",
    "Entry",
    "IdempotencyStore",
    "KeptAnswer",
    "MemoryIdempotency",
    "RedisIdempotency",
    "Slot",
    "body_hash",
]

_SCHEMA = 1
_PENDING, _DONE = 0, 1
_FLAG_AT = 33
_MOST_BYTES = 4 * 2**20
_MEMORY_BYTES = 64 * 2**20
_SWEPT = 4  # more than are added at a time, so that what has expired does not pile up

_CLAIM = LuaScript(
    """
local kept = redis.call('GET', KEYS[1])
if kept and string.sub(kept, 1, 1) == string.sub(ARGV[1], 1, 1) then
  if string.sub(kept, 34, 34) == string.char(1) then return {kept, 'known'} end
  if string.sub(kept, 1, 33) ~= string.sub(ARGV[1], 1, 33) then return {kept, 'known'} end
  if redis.call('EXISTS', KEYS[2]) == 1 then return {kept, 'known'} end
  if ARGV[5] == '0' then return {kept, 'orphan'} end
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
  return {kept, 'taken_over'}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return {ARGV[1], 'mine'}
"""
)
_FINISH = LuaScript(
    """
local kept = redis.call('GET', KEYS[1])
if kept and string.sub(kept, 1, 33) == string.sub(ARGV[1], 1, 33)
    and string.sub(kept, 34, 34) == string.char(1) then
  return kept
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
if redis.call('GET', KEYS[2]) == ARGV[2] then redis.call('DEL', KEYS[2]) end
return ARGV[1]
"""
)
_RENEW = LuaScript(
    """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
)
_RELEASE = LuaScript(
    """
if redis.call('GET', KEYS[2]) == ARGV[1] then return redis.call('DEL', KEYS[1], KEYS[2]) end
return 0
"""
)


@dataclass(frozen=True, slots=True)
class Slot:
    """Whose key it is, and the key."""

    tenant: str
    key: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An HTTP answer, to be given again byte by byte."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known under a key.

    Attributes:
        body: hash of the request that it was begun with, 32 bytes.
        run_id: of the run that answers it; "" where only the answer is known.
        answer: None while somebody works on it.
    """

    body: bytes
    run_id: str
    answer: KeptAnswer | None = None


Standing = Literal["mine", "taken_over", "known", "orphan"]
"""`mine` and `taken_over`: the caller is to work, and holds the lease; `known`: somebody else does,
or did; `orphan`: whoever did is gone, and nobody takes over."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The entry as it is kept, and how the caller stands to it."""

    entry: Entry
    standing: Standing


_NOTHING = Entry(b"", "")


class IdempotencyStore(Protocol):
    """Keeps entries. Raises a StoreError where it cannot."""

    async def claim(self, slot: Slot, entry: Entry, token: str, *, take_over: bool) -> Claim:
        """Begin an entry, or be told of the one there is.

        Args:
            token: the caller's, for the lease.
            take_over: whether to go on with one that a process left behind that died.
        """
        ...

    async def renew(self, slot: Slot, token: str) -> None:
        """Hold on to the lease."""
        ...

    async def finish(self, slot: Slot, entry: Entry, token: str) -> Entry:
        """Keep the answer; the entry that holds, which is another's where that was faster."""
        ...

    async def release(self, slot: Slot, token: str) -> None:
        """Forget an entry that came to nothing, so that the next caller begins anew."""
        ...

    async def aclose(self) -> None:
        """Give back what it holds."""
        ...


def body_hash(path: str, body: bytes) -> bytes:
    """What a key is bound to: where the request went and what it said."""
    return hashlib.sha256(path.encode() + b"\n" + body).digest()


class MemoryIdempotency:
    """Entries of this process, of which the oldest go where there is no room. Leases never run out,
    since whoever holds one is in this process too.

    Args:
        ttl_s: how long an entry is kept.
        max_bytes: of all answers together.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        ttl_s: float,
        max_bytes: int = _MEMORY_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[Slot, tuple[float, str, Entry]] = OrderedDict()
        self._bytes = 0

    async def claim(self, slot: Slot, entry: Entry, token: str, *, take_over: bool) -> Claim:
        """As the protocol says."""
        self._drop_expired(slot)
        found = self._entries.get(slot)
        if found is not None:
            return Claim(found[2], "known")
        self._keep(slot, token, entry)
        return Claim(entry, "mine")

    async def renew(self, slot: Slot, token: str) -> None:
        """Nothing: its holder is alive."""

    async def finish(self, slot: Slot, entry: Entry, token: str) -> Entry:
        """As the protocol says."""
        self._forget(slot)
        self._keep(slot, token, entry)
        done = [one for one, (_, _, kept) in self._entries.items() if kept.answer is not None]
        for oldest in done:
            if self._bytes <= self._max_bytes:
                break
            self._forget(oldest)
        return entry

    async def release(self, slot: Slot, token: str) -> None:
        """As the protocol says."""
        found = self._entries.get(slot)
        if found is not None and found[1] == token:
            self._forget(slot)

    async def aclose(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0

    def _keep(self, slot: Slot, token: str, entry: Entry) -> None:
        self._entries[slot] = (self._clock() + self._ttl_s, token, entry)
        self._bytes += _size(entry)

    def _forget(self, slot: Slot) -> None:
        found = self._entries.pop(slot, None)
        if found is not None:
            self._bytes -= _size(found[2])

    def _drop_expired(self, wanted: Slot) -> None:
        """The wanted one, and those that were kept first; all live equally long."""
        now = self._clock()
        for slot in [wanted, *islice(self._entries, _SWEPT)]:
            until, _, entry = self._entries.get(slot, (now, "", _NOTHING))
            if entry.answer is not None and now >= until:
                self._forget(slot)


def _size(entry: Entry) -> int:
    return 256 if entry.answer is None else 256 + len(entry.answer.body)


class RedisIdempotency:
    """Entries that processes share.

    Keys, with every part percent-encoded::

        sf:i:{tenant:key}    STRING  version, hash of the request, then run id or answer
        sf:il:{tenant:key}   STRING  who works on it, for as long as the lease lasts

    Args:
        url: as of a Redis history.
        ttl_s: how long an entry is kept.
        lease_s: after so long without a sign of life a process counts as dead.
        failures: counted by kind, as `RedisLink` does.
    """

    def __init__(
        self,
        url: str,
        ttl_s: float,
        failures: Counter[str],
        *,
        lease_s: float = 10.0,
        settings: RedisSettings | None = None,
        prefix: str = "sf",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl_ms = max(1, round(ttl_s * 1000))
        self._lease_ms = max(1, round(lease_s * 1000))
        self._failures = failures
        self._prefix = prefix
        self._link = RedisLink(url, settings or RedisSettings(), failures, clock)

    async def claim(self, slot: Slot, entry: Entry, token: str, *, take_over: bool) -> Claim:
        """As the protocol says."""
        fresh = _packed(entry)
        args = (fresh, token, self._lease_ms, self._ttl_ms, int(take_over))
        found: Any = await self._link.script(_CLAIM, self._names(slot), args, entry.run_id)
        kept = _unpacked(bytes(found[0]))
        if kept is not None:
            return Claim(kept, _standing(bytes(found[1])))
        # Damaged: it is begun anew, as if it had never been there.
        self._failures["corrupt"] += 1
        names = self._names(slot)
        await self._link.call(lambda client: client.delete(*names), entry.run_id)
        args = (fresh, token, self._lease_ms, self._ttl_ms, 0)
        await self._link.script(_CLAIM, names, args, entry.run_id)
        return Claim(entry, "mine")

    async def renew(self, slot: Slot, token: str) -> None:
        """As the protocol says."""
        await self._link.script(_RENEW, self._names(slot)[1:], (token, self._lease_ms))

    async def finish(self, slot: Slot, entry: Entry, token: str) -> Entry:
        """As the protocol says; an answer that is too large is not kept, and the key is free."""
        packed = _packed(entry)
        if len(packed) > _MOST_BYTES:
            self._failures["too_large"] += 1
            await self.release(slot, token)
            return entry
        args = (packed, token, self._ttl_ms)
        found: Any = await self._link.script(_FINISH, self._names(slot), args, entry.run_id)
        return _unpacked(bytes(found)) or entry

    async def release(self, slot: Slot, token: str) -> None:
        """As the protocol says."""
        await self._link.script(_RELEASE, self._names(slot), (token,))

    async def aclose(self) -> None:
        """Close the connections that this event loop has opened. Idempotent."""
        await self._link.aclose()

    def _names(self, slot: Slot) -> list[str]:
        tag = f"{{{key_part(slot.tenant)}:{key_part(slot.key)}}}"
        return [f"{self._prefix}:i:{tag}", f"{self._prefix}:il:{tag}"]


def _standing(text: bytes) -> Standing:
    found: dict[bytes, Standing] = {
        b"mine": "mine",
        b"taken_over": "taken_over",
        b"orphan": "orphan",
    }
    return found.get(text, "known")


def _packed(entry: Entry) -> bytes:
    start = bytes([_SCHEMA]) + entry.body
    answer = entry.answer
    if answer is None:
        return start + bytes([_PENDING]) + entry.run_id.encode()
    return start + bytes([_DONE]) + ormsgpack.packb((answer.status, answer.headers, answer.body))


def _unpacked(value: bytes) -> Entry | None:
    """The entry; None where it is none of ours."""
    if len(value) <= _FLAG_AT or value[0] != _SCHEMA:
        return None
    entry, rest = Entry(value[1:_FLAG_AT], ""), value[_FLAG_AT + 1 :]
    try:
        if value[_FLAG_AT] == _PENDING:
            return replace(entry, run_id=rest.decode("ascii"))
        status, headers, body = ormsgpack.unpackb(rest)
        pairs = tuple((str(name), str(text)) for name, text in headers)
        return replace(entry, answer=KeptAnswer(int(status), pairs, bytes(body)))
    except (ormsgpack.MsgpackDecodeError, UnicodeDecodeError, ValueError, TypeError):
        return None
