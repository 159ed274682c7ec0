"""The local critic of a deployment, made from its settings."""

from __future__ import annotations

from collections.abc import Sequence

from ..router.critic.critics import Critic, CriticService
from ..router.errors import ConfigurationError
from ..router.protocols import Estimator
from .caching import Caches
from .places import Surroundings
from .settings import CriticSettings, Settings

__all__ = ["build_critic", "serve_critic"]


def build_critic(
    settings: Settings, signals: Sequence[Estimator], around: Surroundings
) -> Critic | None:
    """The critic that the signals rely on; None where none does.

    Raises:
        ConfigurationError: a signal relies on a critic and none is configured, or it cannot be
            loaded.
    """
    relying = [one.name for one in signals if one.needs.critique]
    if not relying:
        return None
    from ..adapters.critics import DEFAULT_CRITIC, open_critic

    model = settings.critic.model
    if model is None:
        raise ConfigurationError(
            f"signals: '{relying[0]}' is what the local critic says, and none is configured: set "
            f'critic.model = "{DEFAULT_CRITIC}", or the folder of a trained one',
            field="critic.model",
        )
    found = DEFAULT_CRITIC if model == DEFAULT_CRITIC else str(around.path(model))
    return open_critic(found, device=settings.critic.device)


def serve_critic(critic: Critic, settings: CriticSettings, caches: Caches) -> CriticService:
    """The critic behind a queue that puts concurrent judgments into one batch, and behind the
    cache; watched for drift where it brings what its states are to be compared with."""
    from ..adapters.critic_serving import BatchingCritic
    from ..adapters.critic_watch import GuardedCritic, WatchedCritic
    from ..router.critic.drift_watch import DriftWatch
    from ..router.critic.feature_critic import FeatureCritic

    watch = None
    if settings.drift != "off" and isinstance(critic, FeatureCritic) and critic.reference:
        watch = DriftWatch(critic.reference, settings.drift_level)
        critic = WatchedCritic(critic, watch)
    served = caches.critic(
        BatchingCritic(critic, max_batch=settings.max_batch, window_s=settings.window_ms / 1000.0)
    )
    if watch is None:
        return served
    return GuardedCritic(served, watch, refuses=settings.drift == "refuse")
