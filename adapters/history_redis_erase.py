"""Erasing from the Redis history: along the indexes, never by a scan, a bounded batch at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..router.errors import StoreError
from ..router.histories import Erased, Scope
from .history_format import key_part, key_part_or_none
from .history_redis_keys import Facts, read_facts
from .history_redis_outcomes import ModelKeys, RedisOutcomes
from .history_redis_place import Place
from .history_redis_scripts import FORGET
from .history_redis_threads import RedisThreads
from .history_turns import read_value

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisEraser"]

_TRIES = 8
_BATCH = 512
_WHAT = ("runs", "evidence", "feedback", "outcomes", "turns")


@dataclass(frozen=True, slots=True)
class RedisEraser:
    """Forgets; ids and users are key parts here.

    An entry leaves its index in the same step as what it stands for, or after it, so whatever is
    broken off is found again.
    """

    place: Place
    outcomes: RedisOutcomes
    threads: RedisThreads

    async def erase(self, scope: Scope, limit: int) -> Erased:
        """Some `limit` runs of the scope, and after the last one what else there is."""
        keys, counts = self.place.keys(scope.tenant), Counter[str]()
        users: list[str] = []
        if scope.thread is not None:
            users = await self._users_in(scope.tenant, key_part(scope.thread))
            index = keys.of("d", key_part(scope.thread))
        else:
            index = keys.of("s") if scope.user is None else keys.of("u", key_part(scope.user))
        ids = await self.place.first(index, limit)
        for id in ids:
            counts += await self.forget(scope, id, with_turn=True)
        left = limit - len(ids)
        if left > 0 and scope.thread is not None:
            thread = key_part(scope.thread)
            counts["turns"] += await self.threads.drop(scope.tenant, thread, users)
        elif left > 0 and scope.user is not None:
            left = await self._rest_of_user(scope.tenant, scope.user, left, counts)
        elif left > 0:
            left = await self._rest_of_tenant(scope, left, counts)
        if left > 0 and (scope.user is not None or scope.thread is not None):
            counts += await self._without_run(scope)
        return Erased(dict(+counts), is_done=left > 0)

    async def forget(self, scope: Scope, id: str, *, with_turn: bool) -> Counter[str]:
        """Everything of a run; how much it was."""
        place, keys = self.place, self.place.keys(scope.tenant)
        (facts,) = await self.facts(scope.tenant, [id])
        # Whoever has lost the facts still knows by what index the run was found.
        thread = facts.thread if facts else key_part_or_none(scope.thread)
        user = facts.user if facts else key_part_or_none(scope.user)
        for _ in range(_TRIES):
            heads = await self.outcomes.heads(scope.tenant, id)
            models, args = ModelKeys(keys), list[str | int | bytes]()
            for rung, head in heads.items():
                args += [rung, head, models.number(head)]
            found = await place.link.script(
                FORGET,
                [
                    *(keys.of("r", id), keys.of("s"), keys.of("m"), keys.of("a", id)),
                    *(keys.of("w"), keys.of("f", id), keys.of("g"), keys.of("p", id)),
                    *(keys.of("z"), keys.of("q", facts.digest if facts else "")),
                    *(keys.of("d", thread or ""), keys.of("u", user or "")),
                    *(keys.of("h", thread or ""), keys.of("t", thread or "")),
                    *models.names(),
                ],
                [id, int(with_turn), len(heads), *args],
            )
            if found[0] >= 0:
                return Counter(dict(zip(_WHAT, found, strict=True)))
        raise StoreError(f"the rows of a run changed {_TRIES} times while they were erased")

    async def forget_oldest(self, tenant: str, many: int) -> None:
        """Forget the oldest runs of a tenant; their turns stay with their threads."""
        for id in await self.place.first(self.place.keys(tenant).of("s"), many):
            await self.forget(Scope(tenant), id, with_turn=False)

    async def facts(self, tenant: str, ids: Sequence[str]) -> list[Facts | None]:
        """The facts of runs."""
        if not ids:
            return []
        key = self.place.keys(tenant).of("m")

        async def read(client: Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            pipe.hmget(key, list(ids))
            return self.place.served(await pipe.execute(raise_on_error=False))

        (lines,) = await self.place.link.call(read)
        return [read_facts(line) for line in lines or [None] * len(ids)]

    async def _users_in(self, tenant: str, thread: str) -> list[str]:
        """Who has runs or turns in a thread."""
        keys, users, start = self.place.keys(tenant), dict[str, None](), 0
        while ids := await self.place.first(keys.of("d", thread), _BATCH, start):
            start += len(ids)
            known = await self.facts(tenant, ids)
            users.update((one.user, None) for one in known if one is not None and one.user)

        async def read(client: Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            pipe.lrange(keys.of("h", thread), 0, -1)
            return self.place.served(await pipe.execute(raise_on_error=False))

        (values,) = await self.place.link.call(read)
        for value in values or ():
            turn = read_value(value, Counter())
            if turn is not None and turn.user is not None:
                users[key_part(turn.user)] = None
        return list(users)

    async def _rest_of_user(self, tenant: str, user: str, left: int, counts: Counter[str]) -> int:
        """Turns in threads of a user; how many more would have fitted into this batch."""
        keys, part = self.place.keys(tenant), key_part(user)
        threads = await self.place.first(keys.of("y", part), left)
        for thread in threads:
            counts["turns"] += await self.threads.without_user(tenant, thread, user)
        if len(threads) == left:
            return 0
        await self._delete(keys.of("u", part), keys.of("y", part))
        await self._remove(keys.of("v"), part)
        return left - len(threads)

    async def _rest_of_tenant(self, scope: Scope, left: int, counts: Counter[str]) -> int:
        """Whatever stands in the other indexes; how many more would have fitted into this batch."""
        tenant, keys = scope.tenant, self.place.keys(scope.tenant)
        for kind in ("w", "g", "z", "k", "v", "j"):
            for member in await self.place.first(keys.of(kind), left):
                left -= 1
                if kind in "wgz":
                    counts += await self.forget(scope, member, with_turn=False)
                elif kind == "k":
                    counts["turns"] += await self.threads.drop(tenant, member, ())
                else:
                    pair = "uy" if kind == "v" else "co"
                    await self._delete(*(keys.of(one, member) for one in pair))
                    await self._remove(keys.of(kind), member)
            if left <= 0:
                return 0
        await self._delete(*(keys.of(kind) for kind in "smwgzkvj"))
        return left

    async def _without_run(self, scope: Scope) -> Counter[str]:
        """Evidence of runs that were never recorded; how much it was."""
        index, counts, start = self.place.keys(scope.tenant).of("w"), Counter[str](), 0
        while ids := await self.place.first(index, _BATCH, start):
            known = await self.facts(scope.tenant, ids)
            lost = [id for id, facts in zip(ids, known, strict=True) if facts is None]
            for id in lost:
                counts += await self.forget(Scope(scope.tenant), id, with_turn=False)
            start += len(ids) - len(lost)
        return counts

    async def _delete(self, *names: str) -> None:
        async def write(client: Redis) -> None:
            await client.delete(*names)

        await self.place.link.call(write)

    async def _remove(self, index: str, member: str) -> None:
        async def write(client: Redis) -> None:
            await client.zrem(index, member)

        await self.place.link.call(write)
