"""The shelf of profiles that a configuration names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..graphs.config import Surroundings
    from ..graphs.settings import Settings
    from ..policies.profile import Profile
    from ..policies.profile_shelf import ProfileShelf

__all__ = ["active_profile", "open_shelf"]


def active_profile(settings: Settings, around: Surroundings) -> Profile | None:
    """The profile that is active on the configured shelf; None without a shelf, or where none is.

    For callers outside of any event loop.

    Raises:
        StoreError: the shelf cannot be read: which profile decides is not guessed.
    """
    if settings.policy.shelf is None:
        return None
    return asyncio.run(_active(settings, around))


async def _active(settings: Settings, around: Surroundings) -> Profile | None:
    async with open_shelf(settings, around) as shelf:
        state = await shelf.state()
        return None if state.active is None else await shelf.profile(state.active)


@asynccontextmanager
async def open_shelf(settings: Settings, around: Surroundings) -> AsyncIterator[ProfileShelf]:
    """The shelf, in Redis where processes share one, else in a file beside the histories.

    Raises:
        UsageError: the configuration names none.
    """
    from ..graphs.auditing import build_monitor_store
    from ..policies.profile_shelf import ProfileShelf
    from ..router.errors import UsageError

    if settings.policy.shelf is None:
        raise UsageError('no shelf is configured; set policy.shelf = "production", say')
    store = build_monitor_store(settings, around)
    try:
        yield ProfileShelf(store, settings.policy.shelf)
    finally:
        await store.aclose()
