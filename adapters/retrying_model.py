"""A model that is asked again where that can help: within the time, and within a budget."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from ..router.errors import RunError
from ..router.evidence import Token
from ..router.protocols import Completion, Model, ModelCall, OnTokens
from ..router.requests import Continue, PrefixVerdict
from ..router.tenancy import current_run
from .model_around import ModelAround
from .retry_budget import RetryBudget
from .retrying import RetrySettings, may_help, patience_s

__all__ = ["RetryingModel"]

_LOG = logging.getLogger(__name__)

_LEAST_S = 0.02  # that must be left for an attempt to be worth waiting for


class RetryingModel(ModelAround):
    """A `Model` around another. Counts `retried` and `out_of_budget`.

    Args:
        name: of the tier, for words.
        attempt_s: seconds that one attempt may take; without it a tier that hangs takes all the
            time of the request, and none is left for another attempt.
        clock: monotonic seconds.
        rng: of the waits.
        sleep: waits.
    """

    def __init__(
        self,
        inner: Model,
        settings: RetrySettings,
        budget: RetryBudget,
        name: str,
        counts: Counter[str],
        *,
        attempt_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(inner)
        self._settings = settings
        self._budget = budget
        self._name = name
        self._counts = counts
        self._attempt_s = attempt_s
        self._clock = clock
        self._rng = rng or random.Random()
        self._sleep = sleep

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """As the model, after at most so many attempts.

        The completion's `calls` count those that failed, too, and `degraded` says why there were
        any. Raises what the last attempt raised. Of a draft that is being shown there is no other
        attempt: it would go on in other words.
        """
        watched = None if on_tokens is None else _Watched(on_tokens)
        self._budget.routed()
        began = self._clock()
        failures: list[RunError] = []
        while True:
            left = call.within(self._clock() - began)
            try:
                completion = await self._inner.generate(self._one_attempt(left), watched)
            except RunError as error:
                failures.append(error)
                is_shown = watched is not None and watched.is_released
                wait = None if is_shown else self._patience_s(failures, call, began)
                if wait is None:
                    error.calls = sum(each.calls for each in failures)
                    raise
                await self._sleep(wait)
            else:
                return _told(completion, failures)

    def _one_attempt(self, call: ModelCall) -> ModelCall:
        most = self._attempt_s
        if most is None or (call.timeout_s is not None and call.timeout_s <= most):
            return call
        return replace(call, timeout_s=most)

    def _patience_s(self, failures: list[RunError], call: ModelCall, began: float) -> float | None:
        """Seconds until the next attempt; None where there must be none."""
        error, settings = failures[-1], self._settings
        if len(failures) >= settings.attempts or not may_help(error, len(failures)):
            return None
        wait = patience_s(error, len(failures), settings, self._rng)
        left = settings.longest_patience_s
        if call.timeout_s is not None:
            left = call.timeout_s - (self._clock() - began)
        if wait + _LEAST_S >= left:
            return None
        if not self._budget.take():
            self._counts["out_of_budget"] += 1
            return None
        self._counts["retried"] += 1
        words = "run %s: tier %s failed (%s), next attempt in %.2f s"
        _LOG.warning(words, current_run(), self._name, error.kind, wait)
        return wait


class _Watched:
    """Passes tokens on, and knows whether the draft is being shown by now."""

    __slots__ = ("_judge", "is_released")

    def __init__(self, judge: OnTokens) -> None:
        self._judge = judge
        self.is_released = False

    def __call__(self, tokens: Sequence[Token]) -> PrefixVerdict:
        verdict = self._judge(tokens)
        if isinstance(verdict, Continue) and verdict.release:
            self.is_released = True
        return verdict


def _told(completion: Completion, failures: list[RunError]) -> Completion:
    if not failures:
        return completion
    calls = sum(error.calls for error in failures)
    kinds = ", ".join(error.kind for error in failures)
    words = f"{len(failures) + 1} attempts were needed ({kinds})"
    return replace(
        completion,
        calls=completion.calls + calls,
        degraded=(*completion.degraded, words),
    )
