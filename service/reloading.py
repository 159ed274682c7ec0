"""Another configuration for a running service, without a request lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..graphs.auditing import shared_url
from ..router.errors import SurefootError

if TYPE_CHECKING:
    from ..graphs.config import Built
    from .http_gateway import Gateway

__all__ = ["Reloader", "unmoved"]

_LOG = logging.getLogger("surefoot.service")

_FIXED = ("host", "port", "workers", "cors_origins", "log", "idempotency_s", "interrupted")


class Reloader:
    """Builds the deployment anew, aside, and lets the gateway go over to it.

    Where the new configuration is wrong, the running deployment stays, and the log says what and
    where. One reload at a time; what is asked for meanwhile is done once, afterwards.

    Args:
        make: reads and builds; called in a thread with the running deployment, of which it may keep
            what has not changed.

    Attributes:
        failed: why the last reload was refused; None where it was not.
    """

    def __init__(self, gateway: Gateway, make: Callable[[Built], Built]) -> None:
        self.failed: str | None = None
        self._gateway = gateway
        self._make = make
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def ask(self) -> None:
        """Reload soon; must be called on the service's loop."""
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def wait(self) -> None:
        """Until nothing is being reloaded."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            self._again = False
            await self.reload()
            if not self._again:
                return

    async def reload(self) -> bool:
        """Reload now; False where the running deployment stays."""
        running = self._gateway.built
        try:
            built = await asyncio.to_thread(self._make, running)
        except SurefootError as error:
            where = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
            self.failed = f"{error}{where}"
            _LOG.error("not reloaded, the running configuration stays: %s", self.failed)
            self._gateway.metrics.reloads.labels("refused").inc()
            return False
        try:
            self._gateway.go_over_to(built)
        except SurefootError as error:
            self.failed = str(error)
            _LOG.error("not reloaded, the running configuration stays: %s", error)
            self._gateway.metrics.reloads.labels("refused").inc()
            await built.router.aclose()
            return False
        self.failed = None
        self._gateway.metrics.reloads.labels("done").inc()
        profile = built.profile
        named = "no profile" if profile is None else f"profile {profile.fingerprint[:12]}"
        _LOG.warning("reloaded: %s", named)
        for field in unmoved(running, built):
            _LOG.warning("%s has changed and takes effect at the next start only", field)
        return True


def unmoved(before: Built, after: Built) -> list[str]:
    """Fields that differ and that a running service cannot change."""
    old, new = before.settings, after.settings
    found = [
        f"serve.{name}" for name in _FIXED if getattr(old.serve, name) != getattr(new.serve, name)
    ]
    if old.telemetry != new.telemetry:
        found.append("telemetry")
    if shared_url(old) != shared_url(new):
        found.append("the Redis of idempotency keys, rates and spending")
    return found
