"""One way to ask any critic, for sync and async callers of other people's graphs."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from typing import Any, TypeGuard

from ..adapters.critic_serving import BatchingCritic, verdict_problem
from ..router.critic.critics import Critic, CriticService
from ..router.critic.states import CriticState
from ..router.errors import ConfigurationError
from ..router.evidence import CriticVerdict
from .critic_reading import Read
from .sync_door import SyncDoor

__all__ = ["CriticAsker", "checked_threshold"]


class CriticAsker:
    """Reads states and has a critic judge them; never takes a failure for a verdict.

    A plain critic is put behind a `BatchingCritic` that waits for nobody: states that come while it
    judges are judged together next. A service is used as it is, and stays its owner's to close.
    There is nothing to close: what runs in the background ends with it, or a while after the last
    question.
    """

    def __init__(self, critic: Critic | CriticService, read: Read) -> None:
        self._service = critic if _is_service(critic) else _served(critic)
        self._read = read
        self._door = SyncDoor()

    @property
    def version(self) -> str:
        """Of the critic."""
        return self._service.version

    async def judge(self, given: Any) -> tuple[CriticState, CriticVerdict]:
        """What was read of a state, and the verdict on it.

        Raises:
            UsageError: the state cannot be read.
            RunError: the critic failed, or what it said is no verdict.
        """
        found = self._read(given)
        state = await found if isinstance(found, Awaitable) else found
        verdict = await self._service.judge(state)
        problem = verdict_problem(verdict, state)
        if problem is not None:
            raise problem
        return state, verdict

    def judge_sync(self, given: Any) -> tuple[CriticState, CriticVerdict]:
        """`judge` for callers that cannot await."""
        return self._door.call(self.judge(given))


def checked_threshold(threshold: float) -> float:
    """The threshold. Raises ConfigurationError where it is no number in [0, 1]."""
    is_number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if not is_number or not 0.0 <= threshold <= 1.0:
        raise ConfigurationError(
            f"threshold: expected a probability in [0, 1], got {threshold!r}", field="threshold"
        )
    return float(threshold)


def _is_service(critic: Critic | CriticService) -> TypeGuard[CriticService]:
    return inspect.iscoroutinefunction(critic.judge)


def _served(critic: Critic | CriticService) -> CriticService:
    # A service was told apart before; the checker cannot see that.
    return BatchingCritic(critic, window_s=0.0)  # type: ignore[arg-type]  # see above
