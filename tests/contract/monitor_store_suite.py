"""What every store of monitor states must do."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

from surefoot.policies.monitor_state import EventKind, MonitorEvent, MonitorState, moved
from surefoot.policies.monitor_store import MonitorStore, load_state, update_state


def noted(state: MonitorState | None, kind: EventKind, at: float = 2.0) -> MonitorState:
    """The state after an event; one that is missing begins with a certificate."""
    if state is None:
        begun = MonitorEvent("new_certificate", 1.0, "certified", "c1")
        state, _ = moved(MonitorState("k"), begun)
    return moved(state, MonitorEvent(kind, at, f"{kind} at {at:g}"))[0]


def noted_of(kind: EventKind, state: MonitorState | None) -> MonitorState:
    """`noted` as a change of a kept state."""
    return noted(state, kind)


class MonitorStoreSuite:
    """Subclasses give a fixture `store`."""

    async def test_a_key_that_is_unknown_has_nothing(self, store: MonitorStore) -> None:
        assert await store.load("k") is None
        assert await load_state(store, "k") is None

    async def test_versions_rise_by_one(self, store: MonitorStore) -> None:
        assert await store.save("k", "a", expected=0)
        assert await store.load("k") == (1, "a")
        assert await store.save("k", "b", expected=1)
        assert await store.load("k") == (2, "b")

    async def test_who_has_not_seen_the_latest_changes_nothing(self, store: MonitorStore) -> None:
        await store.save("k", "a", expected=0)
        for expected in (0, 2, -1):
            assert not await store.save("k", "b", expected=expected)
        assert not await store.save("other", "b", expected=1)
        assert await store.load("k") == (1, "a")
        assert await store.load("other") is None

    async def test_keys_do_not_touch_each_other(self, store: MonitorStore) -> None:
        names = ["k", "K", "k%", "k:\n", "", "schlüssel", "🦶"]
        for number, key in enumerate(names):
            assert await store.save(key, f"text {number}", expected=0)
        for number, key in enumerate(names):
            assert await store.load(key) == (1, f"text {number}")

    async def test_any_text_comes_back(self, store: MonitorStore) -> None:
        text = '{"reason": "ü\\n🦶 \\u0000"}' * 1000
        await store.save("k", text, expected=0)
        assert await store.load("k") == (1, text)

    async def test_a_state_comes_back(self, store: MonitorStore) -> None:
        state = await update_state(store, "k", lambda kept: noted(kept, "drift_alarm"))
        assert state.status == "unverified"
        assert await load_state(store, "k") == state

    async def test_a_change_that_changes_nothing_is_not_written(self, store: MonitorStore) -> None:
        state = await update_state(store, "k", lambda kept: noted(kept, "risk_alarm"))
        assert await update_state(store, "k", lambda kept: cast(MonitorState, kept)) == state
        kept = await store.load("k")
        assert kept is not None and kept[0] == 1

    async def test_changes_at_once_are_all_there(self, store: MonitorStore) -> None:
        kinds: list[EventKind] = [
            "drift_alarm",
            "risk_alarm",
            "too_few_audits",
            "certificate_too_old",
            "refit_failed",
        ]
        await asyncio.gather(*(update_state(store, "k", partial(noted_of, kind)) for kind in kinds))
        state = await load_state(store, "k")
        assert state is not None
        assert state.status == "not_certified"
        assert {step.kind for step in state.transitions} >= {"risk_alarm", "refit_failed"}
        assert all(state.has_noted(kind) for kind in kinds)
