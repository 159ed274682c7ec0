"""Runs, repeats and evidence in the Redis history."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..router.errors import StoreError
from ..router.evidence import Evidence
from ..router.histories import KeptTurn, Page, RunFilter
from ..router.protocols import RecallQuery, RunRecord
from ..router.requests import Recalled, Repeat
from .history_format import key_part, read_run, repeat_of, run_text, to_text
from .history_pages import cursor_number, page_of_rows
from .history_redis_erase import RedisEraser
from .history_redis_keys import Facts, digest_of, facts_of, write_facts
from .history_redis_place import Place, packed
from .history_redis_scripts import GET_FIELD, MAX_VALUE_BYTES, PUT, RECORD
from .history_redis_threads import RedisThreads
from .history_turns import value_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisRuns"]

_BATCH = 512  # index entries looked at together where most may not be meant
_TRIMMED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class RedisRuns:
    """The runs of all tenants."""

    place: Place
    threads: RedisThreads
    eraser: RedisEraser

    async def recall(self, query: RecallQuery) -> Recalled:
        """The latest turns of the thread and the latest answer to an equal question."""
        keys = self.place.keys(query.tenant)
        again = keys.of("q", digest_of(query.question, query.fingerprint))
        thread = keys.of("h", key_part(query.thread or ""))
        limit = 0 if query.thread is None else max(0, query.limit)

        async def read(client: Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            pipe.getrange(again, 0, MAX_VALUE_BYTES)
            if limit:
                pipe.lrange(thread, -limit, -1)
            return self.place.served(await pipe.execute(raise_on_error=False))

        repeat, *rest = await self.place.link.call(read)
        turns = self.threads.latest(rest[0] or ()) if rest else ()
        return Recalled(turns, self._repeat(repeat))

    def _repeat(self, value: bytes | None) -> Repeat | None:
        parts = self.place.split(value)
        if parts is None:
            return None
        version, text = parts
        _, _, text = text.partition(b"\n")  # before it stands whose it is
        return self.place.read(Repeat, bytes([version]) + text)

    async def keep(self, run: RunRecord, *, with_turn: bool) -> None:
        """Keep a run, its evidence and its turn; a known run id changes nothing."""
        keys, args = self.commit(run, with_turn=with_turn)
        many = await self.place.link.script(RECORD, keys, args)
        cap = self.place.retention.run_cap
        # Some at a time, so that not every run past the cap pays for another one's removal.
        if many > cap + min(_TRIMMED_AT_ONCE, cap // _TRIMMED_AT_ONCE):
            with suppress(StoreError):  # the run is kept; the next one trims
                await self.eraser.forget_oldest(run.tenant, many - cap)

    def commit(
        self, run: RunRecord, *, with_turn: bool = True
    ) -> tuple[list[str], list[str | int | bytes]]:
        """Keys and arguments of the script for this run.

        Raises:
            StoreError: the run is too large, or holds what JSON cannot.
        """
        place, keys, facts = self.place, self.place.keys(run.tenant), facts_of(run)
        id = key_part(run.result.run_id)
        kept, repeat = packed(run_text(run)), repeat_of(run)
        place.check_size(kept)
        evidence = self._evidence(run)
        thread, user = facts.thread or "", facts.user or ""
        return [
            keys.of("r", id),
            keys.of("s"),
            keys.of("m"),
            keys.of("q", facts.digest),
            keys.of("a", id),
            keys.of("w"),
            keys.of("k"),
            keys.of("h", thread),
            keys.of("t", thread),
            keys.of("d", thread),
            keys.of("v"),
            keys.of("u", user),
            keys.of("y", user),
        ], [
            *(id, place.now_us, place.ttl_ms, place.evidence_ttl_ms, place.retention.max_turns),
            kept,
            write_facts(facts),
            b"" if repeat is None else packed(f"{id}\n{to_text(repeat)}"),
            thread,
            user,
            _turn_of(run) if with_turn else b"",
            *(text for pair in evidence.items() for text in pair),
        ]

    def _evidence(self, run: RunRecord) -> dict[str, bytes]:
        """Value by attempt; what is too large is left out and counted, since the run matters
        more."""
        values = {key_part(id): packed(to_text(one)) for id, one in run.evidence.items()}
        small = {id: value for id, value in values.items() if len(value) <= MAX_VALUE_BYTES}
        if len(small) < len(values):
            self.place.failures["too_large"] += len(values) - len(small)
        return small

    async def find(self, tenant: str, run_id: str) -> RunRecord | None:
        """The run of that id."""
        name = self.place.keys(tenant).of("r", key_part(run_id))

        async def read(client: Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            pipe.getrange(name, 0, MAX_VALUE_BYTES)
            return self.place.served(await pipe.execute(raise_on_error=False))

        (value,) = await self.place.link.call(read)
        return self._run(tenant, value)

    async def page(
        self, tenant: str, where: RunFilter, limit: int, cursor: str | None, oldest_first: bool
    ) -> Page[RunRecord]:
        """Runs from a time on."""
        if limit <= 0:
            return Page(())
        keys, found = (
            self.place.keys(tenant),
            await self._numbered(tenant, where, limit + 1, cursor, oldest_first),
        )

        async def read(client: Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            for _, id in found[:limit]:
                pipe.getrange(keys.of("r", id), 0, MAX_VALUE_BYTES)
            return self.place.served(await pipe.execute(raise_on_error=False))

        values = await self.place.link.call(read) if found else []
        runs = [self._run(tenant, value) for value in values] + [None]
        rows = [(at, run) for (at, _), run in zip(found, runs, strict=False)]
        return page_of_rows(rows, limit)

    def _run(self, tenant: str, value: bytes | None) -> RunRecord | None:
        parts = self.place.split(value)
        return None if parts is None else read_run(tenant, *parts, self.place.failures)

    async def _numbered(
        self, tenant: str, where: RunFilter, limit: int, cursor: str | None, oldest_first: bool
    ) -> list[tuple[int, str]]:
        """Times and ids (key parts) of some `limit` runs that are meant."""
        index, is_exact = self._index(tenant, where)
        found: list[tuple[int, str]] = []
        after = cursor_number(cursor)
        while len(found) < limit:
            batch = limit if is_exact else _BATCH
            rows = await self._entries(index, after, batch, oldest_first)
            known = await self._meant(tenant, where, rows) if not is_exact else rows
            found += known[: limit - len(found)]
            if len(rows) < batch:
                break
            after = rows[-1][0]
        return found

    def _index(self, tenant: str, where: RunFilter) -> tuple[str, bool]:
        """The narrowest index, and whether all of it is meant."""
        keys = self.place.keys(tenant)
        is_exact = where.action is None and where.since is None and where.until is None
        if where.thread is not None:
            return keys.of("d", key_part(where.thread)), is_exact and where.user is None
        if where.user is not None:
            return keys.of("u", key_part(where.user)), is_exact
        return keys.of("s"), is_exact

    async def _entries(
        self, index: str, after: int | None, many: int, oldest_first: bool
    ) -> list[tuple[int, str]]:
        async def read(client: Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            low = "-inf" if after is None or not oldest_first else f"({after}"
            high = "+inf" if after is None or oldest_first else f"({after}"
            if oldest_first:
                pipe.zrangebyscore(index, low, high, 0, many, withscores=True)
            else:
                pipe.zrevrangebyscore(index, high, low, 0, many, withscores=True)
            return self.place.served(await pipe.execute(raise_on_error=False))

        (rows,) = await self.place.link.call(read)
        return [(int(score), member.decode()) for member, score in rows or ()]

    async def _meant(
        self, tenant: str, where: RunFilter, rows: list[tuple[int, str]]
    ) -> list[tuple[int, str]]:
        lines = await self.eraser.facts(tenant, [id for _, id in rows])
        return [
            row
            for row, facts in zip(rows, lines, strict=True)
            if facts is not None and _takes(where, facts)
        ]

    async def put(self, tenant: str, run_id: str, attempt_id: str, evidence: Evidence) -> None:
        """Keep or replace the evidence of one attempt."""
        place, keys, id = self.place, self.place.keys(tenant), key_part(run_id)
        value = packed(to_text(evidence))
        place.check_size(value)
        await place.link.script(
            PUT,
            [keys.of("a", id), keys.of("w")],
            [id, key_part(attempt_id), place.now_us, place.evidence_ttl_ms, value],
            run_id,
        )

    async def get(self, tenant: str, run_id: str, attempt_id: str) -> Evidence | None:
        """The evidence, or None where it is unknown or was forgotten."""
        reply = await self.place.link.script(
            GET_FIELD,
            [self.place.keys(tenant).of("a", key_part(run_id))],
            [key_part(attempt_id), MAX_VALUE_BYTES],
            run_id,
        )
        found = self.place.told(reply)
        return self.place.read(Evidence, found[0]) if found else None


def _turn_of(run: RunRecord) -> bytes:
    turn = run.turn
    if run.thread is None or turn is None:
        return b""
    kept = KeptTurn(run.result.run_id, turn.question, turn.answer, run.at, run.user)
    return value_of([kept])[0]


def _takes(where: RunFilter, facts: Facts) -> bool:
    """Whether a run with these facts is meant; its thread was looked up by."""
    if where.action is not None and facts.action != where.action:
        return False
    if where.user is not None and facts.user != key_part(where.user):
        return False
    return where.takes_microseconds(facts.at_us)
