"""Keeping states: no change lost, nothing damaged taken for a fresh start."""

from __future__ import annotations

import pytest

from surefoot.policies.monitor_state import MonitorState
from surefoot.policies.monitor_store import MemoryMonitorStore, load_state, update_state
from surefoot.router.errors import StoreCorrupt, StoreError
from surefoot.router.wire import encode_json

from ..contract.monitor_store_suite import MonitorStoreSuite, noted


class TestMemoryMonitorStore(MonitorStoreSuite):
    @pytest.fixture
    def store(self) -> MemoryMonitorStore:
        return MemoryMonitorStore()


async def test_a_conflict_shows_the_newer_state() -> None:
    store = MemoryMonitorStore()
    await update_state(store, "k", lambda kept: noted(kept, "drift_alarm"))
    seen: list[str] = []

    def slow(kept: MonitorState | None) -> MonitorState:
        assert kept is not None
        seen.append(kept.status)
        if len(seen) == 1:  # somebody revokes while this one is thinking
            newer = noted(kept, "risk_alarm")
            version, _ = store._texts["k"]
            store._texts["k"] = version + 1, encode_json(newer)
        return noted(kept, "too_few_audits", 3.0)

    state = await update_state(store, "k", slow)
    assert seen == ["unverified", "revoked"]
    assert state.status == "revoked"
    assert state.has_noted("too_few_audits")
    assert await load_state(store, "k") == state


async def test_a_store_that_is_never_free_is_an_error() -> None:
    class Busy(MemoryMonitorStore):
        async def save(self, key: str, text: str, *, expected: int) -> bool:
            return False

    with pytest.raises(StoreError, match="100 times in a row"):
        await update_state(Busy(), "k", lambda kept: noted(kept, "risk_alarm"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "k", "status": "fine"}'])
async def test_what_is_damaged_is_no_fresh_start(text: str) -> None:
    store = MemoryMonitorStore()
    await store.save("k", text, expected=0)
    with pytest.raises(StoreCorrupt, match="as revoked"):
        await load_state(store, "k")
    with pytest.raises(StoreCorrupt):
        await update_state(store, "k", lambda kept: noted(kept, "risk_alarm"))
    assert await store.load("k") == (1, text)


async def test_the_state_of_another_key_is_refused() -> None:
    store = MemoryMonitorStore()
    await store.save("other", encode_json(noted(None, "risk_alarm")), expected=0)
    with pytest.raises(StoreCorrupt, match="the state of k for other"):
        await load_state(store, "other")
