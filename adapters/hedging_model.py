"""A model that is asked a second time where its answer takes longer than nearly all do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from ..router.protocols import Completion, Model, ModelCall, OnTokens
from .hedging import HedgeTimer, hedged
from .model_around import ModelAround

__all__ = ["HedgingModel"]


class HedgingModel(ModelAround):
    """A `Model` around another. Counts second calls as `hedged`.

    A draft that is judged while it is written is never asked for twice: the judge would see both.

    Args:
        clock: monotonic seconds.
    """

    def __init__(
        self,
        inner: Model,
        timer: HedgeTimer,
        counts: Counter[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(inner)
        self._timer = timer
        self._counts = counts
        self._clock = clock

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """As the model, by the quicker of at most two calls.

        What the other one used before it was cancelled is not known; it is counted like the
        winner's, so that the cost is rather too high than too low.
        """
        self._timer.began()
        began = self._clock()
        after = None if on_tokens is not None else self._timer.after_s()
        if after is None:
            completion = await self._inner.generate(call, on_tokens)
        else:
            completion = await self._quicker(call, after)
        self._timer.took(self._clock() - began)
        return completion

    async def _quicker(self, call: ModelCall, after: float) -> Completion:
        began = self._clock()

        async def ask() -> Completion:
            return await self._inner.generate(call.within(self._clock() - began))

        found = await hedged(ask, after, self._timer.take)
        completion = found.value
        if not found.doubled:
            return completion
        self._counts["hedged"] += 1
        words = f"a second call was made after {after:.2f} s"
        return replace(
            completion,
            tokens_in=2 * completion.tokens_in,
            tokens_out=2 * completion.tokens_out,
            calls=2 * completion.calls,
            degraded=(*completion.degraded, words),
        )
