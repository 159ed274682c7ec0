"""Where monitor states are kept between runs, and how several processes change one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..router.errors import StoreCorrupt, StoreError, UsageError
from ..router.wire import decode_json, encode_json
from .monitor_state import MonitorState

__all__ = ["MemoryMonitorStore", "MonitorStore", "load_state", "update_state"]

_TRIES = 100


class MonitorStore(Protocol):
    """Texts by key, each with a version that rises by one with each change."""

    async def load(self, key: str) -> tuple[int, str] | None:
        """Version and text; None where the key is unknown."""
        ...

    async def save(self, key: str, text: str, *, expected: int) -> bool:
        """Replace the text if its version is still `expected`, 0 for a key that is unknown.

        Atomic among all who share the store. False, and nothing changed, where somebody else was
        faster.
        """
        ...


class MemoryMonitorStore:
    """A store for one process, and for tests."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[int, str]] = {}

    async def load(self, key: str) -> tuple[int, str] | None:
        """Version and text; None where the key is unknown."""
        return self._texts.get(key)

    async def save(self, key: str, text: str, *, expected: int) -> bool:
        """Replace the text if its version is still `expected`."""
        version, _ = self._texts.get(key, (0, ""))
        if version != expected:
            return False
        self._texts[key] = version + 1, text
        return True


async def load_state(store: MonitorStore, key: str) -> MonitorState | None:
    """The state kept under a key; None where there is none.

    Raises:
        StoreCorrupt: what is kept is no state. It is not taken for a fresh one: a promise that was
            revoked must not come back with a damaged file.
    """
    kept = await store.load(key)
    return None if kept is None else _state(key, kept[1])


async def update_state(
    store: MonitorStore, key: str, change: Callable[[MonitorState | None], MonitorState]
) -> MonitorState:
    """Change a state so that nobody's change is lost: on a conflict, `change` sees the newer one.

    Args:
        change: from the kept state, None where there is none, to the next; may be called several
            times. Built from `moved`, `merged` or `run_monitor` it never makes a state less safe,
            so that replicas drift towards safety whatever their order.

    Raises:
        StoreCorrupt: what is kept is no state.
        StoreError: too many others change it at the same time.
    """
    for _ in range(_TRIES):
        kept = await store.load(key)
        version, before = (0, None) if kept is None else (kept[0], _state(key, kept[1]))
        after = change(before)
        if after == before or await store.save(key, encode_json(after), expected=version):
            return after
    raise StoreError(f"the state of {key} was changed by others {_TRIES} times in a row; try again")


def _state(key: str, text: str) -> MonitorState:
    try:
        state = decode_json(MonitorState, text)
    except UsageError as error:
        raise StoreCorrupt(
            f"what the store keeps for {key} is no monitor state ({error}); treat its certificate "
            "as revoked, and certify anew under another key or remove the entry"
        ) from error
    if state.key != key:
        raise StoreCorrupt(f"the store keeps the state of {state.key} for {key}")
    return state
