"""A model that is left alone while it fails."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

from ..router.errors import (
    CircuitOpen,
    DeadlineExceeded,
    Overloaded,
    RunError,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnauthorized,
)
from ..router.protocols import Completion, Model, ModelCall, OnTokens
from ..router.tenancy import current_run
from .model_around import ModelAround
from .tier_breaker import Permit, TierBreaker

__all__ = ["BreakerModel"]

_LOG = logging.getLogger(__name__)

# A call cancelled so shortly before its time was up was ended by that, whoever's timer fired first.
_SAME_MOMENT_S = 0.005


class BreakerModel(ModelAround):
    """A `Model` around another. Counts `opened` and `left_alone` (calls that were not made).

    Refusals show that the tier is well, but for those of its credentials: they open the breaker at
    once, since no request can succeed until somebody mends the configuration.

    Args:
        name: of the tier, for words.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        inner: Model,
        breaker: TierBreaker,
        name: str,
        counts: Counter[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(inner)
        self._breaker = breaker
        self._name = name
        self._counts = counts
        self._clock = clock
        self._last = "nothing yet"

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """As the model. Raises `CircuitOpen` while it is left alone."""
        permit = self._breaker.admit()
        if permit is None:
            raise self._left_alone()
        due = None if call.timeout_s is None else self._clock() + call.timeout_s
        try:
            completion = await self._inner.generate(call, on_tokens)
        except Overloaded:
            self._breaker.abandon(permit)
            raise
        except RunError as error:
            self._failed(permit, error)
            raise
        except BaseException:
            # Cancelled: by a caller that left, which says nothing, or since the time was up.
            if due is not None and self._clock() >= due - _SAME_MOMENT_S:
                self._failed(permit, DeadlineExceeded("no answer in time"))
            else:
                self._breaker.abandon(permit)
            raise
        self._breaker.success(permit)
        return completion

    def _left_alone(self) -> CircuitOpen:
        self._counts["left_alone"] += 1
        wait = self._breaker.retry_in_s
        return CircuitOpen(
            f"{self._name} failed too often (at last: {self._last}) and is left alone for "
            f"{wait:.1f} s more",
            retry_after_s=wait,
        )

    def _failed(self, permit: Permit, error: RunError) -> None:
        if isinstance(error, UpstreamUnauthorized):
            opened = self._breaker.trip(permit)
        elif isinstance(error, UpstreamRefused):
            self._breaker.success(permit)
            return
        else:
            patience = error.retry_after_s if isinstance(error, UpstreamError) else None
            opened = self._breaker.failure(permit, patience)
        self._last = error.kind
        if opened:
            self._counts["opened"] += 1
            level = logging.ERROR if isinstance(error, UpstreamUnauthorized) else logging.WARNING
            words = "run %s: tier %s is left alone for %.1f s: %s"
            _LOG.log(level, words, current_run(), self._name, self._breaker.retry_in_s, error.kind)
