"""A critic whose verdicts are kept: an equal state of the same tenant is judged once."""

from __future__ import annotations

from ..router.critic.critics import CriticService
from ..router.critic.states import CriticState
from ..router.errors import UsageError
from ..router.evidence import CriticVerdict
from ..router.tenancy import current_tenant
from ..router.wire import decode_json, encode_json
from .cache_keys import verdict_key
from .critic_serving import verdict_problem
from .exact_cache import Codec, ExactCache

__all__ = ["CachedCritic"]


class CachedCritic:
    """A `CriticService` around another. Verdicts are kept under the critic's version.

    Args:
        context: fingerprint of the deployment.
    """

    def __init__(self, inner: CriticService, cache: ExactCache, context: str) -> None:
        self._inner = inner
        self._cache = cache
        self._context = context

    @property
    def version(self) -> str:
        """Of the critic behind it."""
        return self._inner.version

    async def judge(self, state: CriticState) -> CriticVerdict:
        """The kept verdict, else the critic's. Raises as it does."""
        try:
            key = verdict_key(current_tenant(), self.version, state, self._context)
        except ValueError:  # a lone surrogate somewhere: nothing that could be kept
            return await self._inner.judge(state)
        found = await self._cache.through(key, lambda: self._inner.judge(state), _codec(state))
        return found.value

    async def aclose(self) -> None:
        """Close the critic; the cache may serve others."""
        await self._inner.aclose()


def _codec(state: CriticState) -> Codec[CriticVerdict]:
    def unpack(packed: bytes) -> CriticVerdict:
        try:
            verdict = decode_json(CriticVerdict, packed)
        except UsageError as error:
            raise ValueError(str(error)) from error
        problem = verdict_problem(verdict, state)
        if problem is not None:
            raise ValueError(str(problem))
        return verdict

    return Codec(lambda verdict: encode_json(verdict).encode(), unpack)
