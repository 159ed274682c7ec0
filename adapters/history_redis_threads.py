"""Turns of conversations in the Redis history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..router.evidence import Turn
from ..router.histories import KeptTurn, Page
from .history_format import from_key_part, key_part
from .history_pages import cursor_number, page_of_rows
from .history_redis_place import Place
from .history_redis_scripts import APPEND, DROP_THREAD, TURNS, WITHOUT_USER
from .history_turns import read_value, value_of

__all__ = ["RedisThreads"]


@dataclass(frozen=True, slots=True)
class RedisThreads:
    """The threads of all tenants."""

    place: Place

    async def append(self, tenant: str, thread: str, turns: Sequence[KeptTurn]) -> int:
        """Append turns, each id once, and trim the thread; how many were new."""
        place, keys, part = self.place, self.place.keys(tenant), key_part(thread)
        if not turns:
            return 0
        values = value_of(turns)
        for value in values:
            place.check_size(value)
        users = list(dict.fromkeys(key_part(one.user) for one in turns if one.user is not None))
        args: list[str | int | bytes] = [place.now_us, place.ttl_ms, place.retention.max_turns]
        args += [part, len(turns)]
        for one, value in zip(turns, values, strict=True):
            args += [key_part(one.id), value]
        return int(
            await place.link.script(
                APPEND,
                [
                    keys.of("h", part),
                    keys.of("t", part),
                    keys.of("k"),
                    keys.of("v"),
                    *(keys.of("y", user) for user in users),
                ],
                [*args, *users],
            )
        )

    def latest(self, values: Sequence[bytes]) -> tuple[Turn, ...]:
        """The turns of a list's values; those that cannot be read are left out."""
        turns = (read_value(value, self.place.failures) for value in values)
        return tuple(kept.turn for kept in turns if kept is not None)

    async def page(
        self, tenant: str, thread: str, limit: int, cursor: str | None
    ) -> Page[KeptTurn]:
        """Turns from a number on, oldest first."""
        keys, part, after = self.place.keys(tenant), key_part(thread), cursor_number(cursor)
        found = await self.place.link.script(
            TURNS,
            [keys.of("h", part), keys.of("t", part)],
            [after or 0, max(0, limit) + 1],
        )
        if found == b"foreign":
            self.place.failures["foreign_type"] += 1
            return Page(())
        values, guard = found
        rows: list[tuple[int, KeptTurn | None]] = []
        for value, id, number in zip(values, guard[::2], guard[1::2], strict=False):
            kept = read_value(value, self.place.failures)
            if kept is not None:
                kept = replace(kept, id=from_key_part(id.decode()))  # of version 1 had none
            rows.append((int(float(number)), kept))
        return page_of_rows(rows, limit)

    async def names(self, tenant: str, limit: int, cursor: str | None) -> Page[str]:
        """Threads by the time of their latest turn."""
        return await self.place.page_of_members(self.place.keys(tenant).of("k"), limit, cursor)

    async def without_user(self, tenant: str, thread: str, user: str) -> int:
        """Forget the turns of a user in a thread (a key part); how many there were."""
        keys = self.place.keys(tenant)
        return int(
            await self.place.link.script(
                WITHOUT_USER,
                [
                    keys.of("h", thread),
                    keys.of("t", thread),
                    keys.of("k"),
                    keys.of("y", key_part(user)),
                ],
                [key_part(user), thread],
            )
        )

    async def drop(self, tenant: str, thread: str, users: Sequence[str]) -> int:
        """Forget all turns of a thread; how many there were.

        Args:
            thread: as a key part.
            users: who has turns in it, as key parts.
        """
        keys = self.place.keys(tenant)
        return int(
            await self.place.link.script(
                DROP_THREAD,
                [
                    keys.of("h", thread),
                    keys.of("t", thread),
                    keys.of("d", thread),
                    keys.of("k"),
                    *(keys.of("y", user) for user in users),
                ],
                [thread],
            )
        )
