"""A model that learns what its endpoint can do, and asks for nothing that it has refused."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

from ..router.capabilities import NOTHING_KNOWN, Capabilities, Capable
from ..router.errors import DeadlineExceeded, UpstreamRefused
from ..router.protocols import Completion, Model, ModelCall, OnTokens
from .capabilities import LEDGER, CapabilityLedger

__all__ = ["CapableModel"]

_ABOUT_LOGPROBS = re.compile(r"log_?probs?|logarithm", re.IGNORECASE)
_LIMIT = re.compile(
    r"(?:<=|less than or equal to|at most|up to|max(?:imum)?(?: allowed| value)?(?: of| is)?:?"
    r"|between \d+ and)\s*(\d+)",
    re.IGNORECASE,
)


class CapableModel:
    """A `Model` around another, next to it: a refusal that is mended here is no failure to others.

    An endpoint that refuses logprobs is asked again without, one that gives fewer candidates than
    wanted for as many as it names; only what has helped is remembered, for every model of the
    process with the same key. What answers bring is learned, too.

    Args:
        key: names the model and where it runs.
        ledger: where what was learned is kept.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        inner: Model,
        key: str,
        *,
        known: Capabilities = NOTHING_KNOWN,
        ledger: CapabilityLedger = LEDGER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._key = key
        self._known = known
        self._ledger = ledger
        self._clock = clock

    def __repr__(self) -> str:
        return f"CapableModel({self._inner!r})"

    @property
    def capabilities(self) -> Capabilities:
        """What the model says of itself, and what this process has learned."""
        own = self._inner.capabilities if isinstance(self._inner, Capable) else NOTHING_KNOWN
        return self._known.updated(own).updated(self._ledger.learned(self._key))

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """As the model, which is asked once more where it refused the logprobs."""
        began = self._clock()
        asked = self._within_reach(call)
        try:
            completion = await self._inner.generate(asked, on_tokens)
        except UpstreamRefused as error:
            lower = _lower(asked.top_logprobs, str(error))
            if lower is None:
                raise
            again = self._in_time(replace(asked, top_logprobs=lower), began, error)
            completion = await self._inner.generate(again, on_tokens)
            completion = replace(completion, calls=completion.calls + 1)
            self._ledger.refused(self._key, lower)
            asked = again
        self._ledger.learn(self._key, asked, completion)
        return completion

    async def aclose(self) -> None:
        """Close the model."""
        await self._inner.aclose()

    def _within_reach(self, call: ModelCall) -> ModelCall:
        most = self._ledger.limit(self._key)
        if most is None or call.top_logprobs <= most:
            return call
        return replace(call, top_logprobs=most)

    def _in_time(self, call: ModelCall, began: float, refused: UpstreamRefused) -> ModelCall:
        if call.timeout_s is None:
            return call
        left = call.timeout_s - (self._clock() - began)
        if left <= 0.0:
            raise DeadlineExceeded(
                f"no time is left to ask again without what was refused: {refused}"
            ) from refused
        return replace(call, timeout_s=left)


def _lower(asked: int, complaint: str) -> int | None:
    """How many candidates to ask for after a complaint; None where it is about something else."""
    if asked <= 0 or not _ABOUT_LOGPROBS.search(complaint):
        return None
    limits = [int(found) for found in _LIMIT.findall(complaint)]
    return next((limit for limit in limits if 0 < limit < asked), 0)
