"""A critic whose states are compared with those that it was fitted on, as they come."""

from __future__ import annotations

from collections.abc import Sequence

from ..router.critic.critics import CriticService
from ..router.critic.drift_watch import DriftWatch
from ..router.critic.feature_critic import FeatureCritic, critic_features
from ..router.critic.states import CriticState
from ..router.errors import UpstreamRefused
from ..router.evidence import CriticVerdict
from ..router.text import question_key

__all__ = ["GuardedCritic", "WatchedCritic"]


class WatchedCritic:
    """A `Critic` that judges as the one in it does, and shows every state to a watch.

    Features are computed once for both.
    """

    def __init__(self, inner: FeatureCritic, watch: DriftWatch) -> None:
        self._inner = inner
        self._watch = watch

    @property
    def version(self) -> str:
        """Of the critic in it."""
        return self._inner.version

    def judge(self, states: Sequence[CriticState]) -> list[CriticVerdict]:
        """One verdict a state."""
        return [self._judge(state) for state in states]

    def _judge(self, state: CriticState) -> CriticVerdict:
        features = critic_features(state)
        verdict = self._inner.verdict(state, features)
        self._watch.see(question_key(state.question), state.round, verdict, lambda: features)
        return verdict


class GuardedCritic:
    """A `CriticService` that says what the watch has seen, and can go by it.

    It stands around the cache, so that a kept verdict is not taken for one that may be relied on.

    Args:
        refuses: from an alarm on there is no verdict anymore: a draft counts as one that nothing
            is known of.
    """

    def __init__(self, inner: CriticService, watch: DriftWatch, *, refuses: bool = False) -> None:
        self._inner = inner
        self._watch = watch
        self._refuses = refuses

    @property
    def version(self) -> str:
        """Of the critic behind it."""
        return self._inner.version

    @property
    def degraded(self) -> tuple[str, ...]:
        """The alarm in words; empty without one."""
        alarm = self._watch.alarm
        return () if alarm is None else (f"critic: {alarm.words}; recalibrate it",)

    async def judge(self, state: CriticState) -> CriticVerdict:
        """The verdict of the critic behind it.

        Raises:
            UpstreamRefused: there is an alarm, and it refuses then.
            RunError: as the critic behind it.
        """
        alarm = self._watch.alarm
        if self._refuses and alarm is not None:
            raise UpstreamRefused(
                f"{alarm.words}; recalibrate it, or set critic.drift to 'say' to go on all the same"
            )
        return await self._inner.judge(state)

    async def aclose(self) -> None:
        """Close the critic behind it."""
        await self._inner.aclose()
