"""The audit of a deployment, made from its settings."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from ..adapters.monitor_store_redis import RedisMonitorStore
from ..adapters.monitor_store_sqlite import SqliteMonitorStore
from ..policies.audit import AuditPlan
from ..policies.run_rows import audit_draws
from ..router.decisions import Action, Result
from ..router.errors import ConfigurationError
from ..router.feedback import Feedback
from .places import Surroundings
from .settings import AuditSettings, Settings

__all__ = ["Audit", "build_audit", "build_monitor_store", "shared_url"]

_SHARED = ("redis", "rediss", "unix")


@dataclass(frozen=True, slots=True)
class Audit:
    """Draws what is to be labeled.

    Attributes:
        secret: key of the draws. Whoever knows it can foresee them.
    """

    plan: AuditPlan
    secret: str = field(repr=False)

    @property
    def least(self) -> float:
        """The least propensity of any served answer."""
        served = [band.share for band in self.plan.bands if band.action is Action.ANSWER]
        return min([self.plan.share, *served])

    def draws(self, result: Result, at: str) -> tuple[Feedback, ...]:
        """The draws for a run, to be noted beside it."""
        return audit_draws(self.plan, result, secret=self.secret, at=at)


def build_audit(settings: AuditSettings, around: Surroundings) -> Audit | None:
    """The audit; None where none is wanted.

    Raises:
        ConfigurationError: a share below the least propensity, or a secret that is not there.
    """
    if settings.share == 0.0:
        for name in ("escalated_share", "abstained_share"):
            if getattr(settings, name) != 0.0:
                raise ConfigurationError(
                    f"audit.{name}: goes with audit.share, which is 0: nothing is drawn",
                    field=f"audit.{name}",
                )
        return None
    plan = AuditPlan(
        settings.share,
        escalated_share=settings.escalated_share,
        abstained_share=settings.abstained_share,
        pi_min=settings.pi_min,
    )
    if settings.secret_env is None:
        # Nobody has to repeat a draw: it is noted with its propensity.
        return Audit(plan, secrets.token_hex(16))
    secret = around.environment.get(settings.secret_env)
    if not secret:
        raise ConfigurationError(
            f"audit.secret_env: the environment has no {settings.secret_env}; set it to a random "
            "text, or leave the key out",
            field="audit.secret_env",
        )
    return Audit(plan, secret)


def shared_url(settings: Settings) -> str | None:
    """The Redis that processes share, of the history or else of the caches; None without one."""
    for url in (settings.history.url, settings.cache.url):
        if url is not None and url.partition(":")[0] in _SHARED:
            return url
    return None


def build_monitor_store(
    settings: Settings, around: Surroundings
) -> RedisMonitorStore | SqliteMonitorStore:
    """Where the state of the certificate is kept: in Redis where there is one, else in a file
    beside the histories. Nothing is opened before the first use."""
    url = shared_url(settings)
    if url is not None:
        return RedisMonitorStore(url)
    return SqliteMonitorStore(around.places.data / "monitor.db")
