"""The shelf of profiles: over every store, changed by many at once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.adapters.monitor_store_redis import RedisMonitorStore
from surefoot.adapters.monitor_store_sqlite import SqliteMonitorStore
from surefoot.adapters.redis_link import RedisSettings
from surefoot.policies.monitor_store import MemoryMonitorStore, MonitorStore
from surefoot.policies.profile import FittedRung, FittedTier, Profile
from surefoot.policies.profile_shelf import ProfileShelf, ShelfState
from surefoot.router.decisions import Action
from surefoot.router.errors import StoreCorrupt, UsageError


def profile(threshold: float) -> Profile:
    rungs = tuple(
        FittedRung(0, retrieved, threshold, (Action.ESCALATE,), (), (), score="perplexity")
        for retrieved in (False, True)
    )
    return Profile((FittedTier("small"),), rungs)


ONE, TWO, THREE = profile(0.1), profile(0.2), profile(0.3)
A, B, C = ONE.fingerprint, TWO.fingerprint, THREE.fingerprint


class ShelfSuite:
    """Subclasses give a fixture `store`."""

    async def test_an_empty_shelf(self, store: MonitorStore) -> None:
        shelf = ProfileShelf(store)
        assert await shelf.state() == ShelfState()
        with pytest.raises(UsageError, match="not on the shelf"):
            await shelf.promote(A)
        with pytest.raises(UsageError, match="not on the shelf"):
            await shelf.profile(A)
        with pytest.raises(UsageError, match="no profile was active before"):
            await shelf.roll_back()

    async def test_the_way_of_a_profile(self, store: MonitorStore) -> None:
        shelf = ProfileShelf(store)
        for one in (ONE, TWO, ONE):
            await shelf.add(one)
        assert (await shelf.state()).known == (A, B)
        assert await shelf.profile(B) == TWO
        await shelf.promote(A)
        assert (await shelf.shadow(B)).candidate == B
        state = await shelf.promote(B, expected=A)
        assert (state.active, state.candidate, state.before) == (B, None, (A,))
        assert await shelf.promote(B) == state  # nothing to change
        back = await shelf.roll_back()
        assert (back.active, back.before) == (A, ())
        assert (await shelf.shadow(B)).candidate == B
        assert (await shelf.shadow(None)).candidate is None

    async def test_who_expected_another_one_changes_nothing(self, store: MonitorStore) -> None:
        shelf = ProfileShelf(store)
        for one in (ONE, TWO):
            await shelf.add(one)
        await shelf.promote(A)
        with pytest.raises(UsageError, match="somebody else was faster"):
            await shelf.promote(B, expected=C)
        assert (await shelf.state()).active == A

    async def test_of_many_who_expect_the_same_one_wins(self, store: MonitorStore) -> None:
        shelf = ProfileShelf(store)
        others = [profile(0.4 + i / 100) for i in range(8)]
        for one in (ONE, *others):
            await shelf.add(one)
        await shelf.promote(A)
        tries = [shelf.promote(one.fingerprint, expected=A) for one in others]
        found = await asyncio.gather(*tries, return_exceptions=True)
        won = [one for one in found if isinstance(one, ShelfState)]
        assert len(won) == 1
        state = await shelf.state()
        assert state == won[0] and state.before == (A,)

    async def test_no_change_is_lost(self, store: MonitorStore) -> None:
        shelf = ProfileShelf(store)
        others = [profile(0.4 + i / 100) for i in range(8)]
        await asyncio.gather(*[shelf.add(one) for one in others])
        state = await shelf.state()
        assert set(state.known) == {one.fingerprint for one in others}
        assert state.changes == 8

    async def test_shelves_are_apart(self, store: MonitorStore) -> None:
        await ProfileShelf(store, "a").add(ONE)
        assert await ProfileShelf(store, "b").state() == ShelfState()
        with pytest.raises(UsageError):
            await ProfileShelf(store, "b").profile(A)

    async def test_damage_is_told(self, store: MonitorStore) -> None:
        shelf = ProfileShelf(store)
        await shelf.add(ONE)
        for key in (shelf._key(A), shelf._key("")):
            kept = await store.load(key)
            assert kept is not None
            await store.save(key, "nonsense", expected=kept[0])
        with pytest.raises(StoreCorrupt):
            await shelf.profile(A)
        with pytest.raises(StoreCorrupt):
            await shelf.state()


class TestInMemory(ShelfSuite):
    @pytest.fixture
    def store(self) -> MemoryMonitorStore:
        return MemoryMonitorStore()


class TestInSqlite(ShelfSuite):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[SqliteMonitorStore]:
        made = SqliteMonitorStore(tmp_path / "monitor.db")
        yield made
        await made.aclose()


class TestInRedis(ShelfSuite):
    @pytest.fixture
    async def store(self, redis_url: str) -> AsyncIterator[RedisMonitorStore]:
        patient = RedisSettings(budget_s=5.0, socket_timeout_s=5.0)
        prefix = f"test-{uuid.uuid4().hex}"
        made = RedisMonitorStore(redis_url, settings=patient, prefix=prefix)
        yield made
        await made.aclose()


def test_what_is_kept_is_the_profile_s_own_text() -> None:
    assert replace(ONE, advice=("x",)).fingerprint == A  # advice is no part of it
