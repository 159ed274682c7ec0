"""Following the shelf: every replica goes over to the profile that was promoted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..policies.profile_shelf import ProfileShelf, ShelfState
from ..policies.shadow import Shadow
from ..router.errors import StoreError, UsageError

if TYPE_CHECKING:
    from .http_gateway import Gateway

__all__ = ["ProfileFollower"]

_LOG = logging.getLogger("surefoot.service")


class ProfileFollower:
    """Looks at the shelf every few seconds: one small read.

    A promoted profile is gone over to by a reload. One that cannot run here is refused once, in the
    log, and the running one stays. A shelf that cannot be read changes nothing.

    Args:
        reload: asks for a reload, which reads the shelf itself.
        every_s: how long a replica may lag behind.
    """

    def __init__(
        self,
        gateway: Gateway,
        shelf: ProfileShelf,
        reload: Callable[[], None],
        every_s: float,
    ) -> None:
        self._gateway = gateway
        self._shelf = shelf
        self._reload = reload
        self._every_s = every_s
        self._asked_for: str | None = None
        self._is_down = False

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Follow what the shelf says at the moment."""
        try:
            state = await self._shelf.state()
            await self._try_beside(state)
        except StoreError as error:
            if not self._is_down:
                _LOG.warning("the shelf of profiles cannot be read, what runs stays: %s", error)
            self._is_down = True
            return
        self._is_down = False
        profile = self._gateway.built.profile
        running = None if profile is None else profile.fingerprint
        if state.active is None or state.active == running:
            self._asked_for = None
        elif state.active != self._asked_for:  # else it was refused, and nothing has changed since
            self._asked_for = state.active
            _LOG.warning("profile %s was promoted", state.active[:12])
            self._reload()

    async def _try_beside(self, state: ShelfState) -> None:
        shadow, wanted = self._gateway.shadow, state.candidate
        if (None if shadow is None else shadow.profile.fingerprint) == wanted:
            return
        if wanted is None:
            self._gateway.shadow = None
            return
        built = self._gateway.built
        with contextlib.suppress(UsageError):  # taken off the shelf by hand
            profile = await self._shelf.profile(wanted)
            self._gateway.shadow = Shadow(profile, built.names, built.router.plan.budget)
            _LOG.warning("profile %s is tried beside the active one", wanted[:12])
