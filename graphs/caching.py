"""The caches of a deployment, made from its settings, and what they are put around."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ..adapters.cache_stores import CacheStore, MemoryStore, RedisStore
from ..adapters.cached_comparer import CachedComparer
from ..adapters.cached_critic import CachedCritic
from ..adapters.cached_model import CachedModel
from ..adapters.exact_cache import CacheSettings as ExactSettings
from ..adapters.exact_cache import ExactCache
from ..router.critic.critics import CriticService
from ..router.errors import ConfigurationError
from ..router.protocols import Comparer, Model
from ..router.requests import CompareKind
from .settings import CacheSettings, TierSettings

__all__ = ["Caches", "build_caches"]


@dataclass(frozen=True, slots=True)
class Caches:
    """What the parts of a deployment are wrapped with.

    Attributes:
        exact: shared by models and critic; None where nothing is kept.
        failures: of the store, by kind.
        context: fingerprint of the deployment, a part of every key.
    """

    settings: CacheSettings
    exact: ExactCache | None
    failures: Counter[str]
    context: str

    def model(self, inner: Model, tier: TierSettings) -> Model:
        """The tier's model, cached where that is configured."""
        if self.exact is None or not self.settings.models:
            return inner
        name = f"{tier.model} at {tier.base_url}"
        return CachedModel(inner, self.exact, name, self.context)

    def critic(self, inner: CriticService) -> CriticService:
        """The critic, cached where that is configured."""
        if self.exact is None or not self.settings.critic:
            return inner
        return CachedCritic(inner, self.exact, self.context)

    def comparers(self, inner: Mapping[CompareKind, Comparer]) -> Mapping[CompareKind, Comparer]:
        """The comparers, cached where that is configured."""
        if self.exact is None or not self.settings.comparisons:
            return inner
        return {kind: CachedComparer(comparer) for kind, comparer in inner.items()}

    async def aclose(self) -> None:
        """Close the store. Idempotent."""
        if self.exact is not None:
            await self.exact.aclose()


def build_caches(settings: CacheSettings, context: str) -> Caches:
    """The caches; nothing is opened or reached for before the first use.

    Raises:
        ConfigurationError: the URL names no store.
        MissingExtra: redis-py is not installed.
    """
    failures: Counter[str] = Counter()
    store = None if settings.url is None else _store(settings.url, failures)
    exact = None
    if store is not None:
        exact = ExactCache(store, ExactSettings(ttl_s=settings.ttl_s, lease_s=settings.lease_s))
    return Caches(settings, exact, failures, context)


def _store(url: str, failures: Counter[str]) -> CacheStore:
    scheme = url.partition(":")[0]
    if url in ("memory:", "memory://"):
        return MemoryStore()
    if scheme in ("redis", "rediss", "unix"):
        try:
            return RedisStore(url, failures)
        except ConfigurationError as error:
            if type(error) is not ConfigurationError:
                raise
            words = str(error).replace("history.url", "cache.url")
            raise ConfigurationError(words, field="cache.url") from error
    raise ConfigurationError(
        "cache.url: expected memory:, redis://HOST:PORT/DB, rediss://HOST:PORT/DB or "
        "unix:///SOCKET?db=N",  # what follows may hold a password: the URL is not shown
        field="cache.url",
    )
