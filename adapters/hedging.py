"""A second, equal call where the first takes longer than nearly all do: the tail at a small price.

Dean and Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["HedgeSettings", "HedgeTimer", "Hedged", "hedged"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HedgeSettings:
    """When a second call is made.

    Attributes:
        quantile: of the tier's own recent durations, after which the second call is made.
        share: of all calls, at most, that get a second one.
        min_calls: durations that must be known first.
        memory: durations that are remembered.
    """

    quantile: float = 0.95
    share: float = 0.05
    min_calls: int = 20
    memory: int = 200


class HedgeTimer:
    """Knows how long calls of one tier take, and how many of them were doubled."""

    def __init__(self, settings: HedgeSettings) -> None:
        self._settings = settings
        self._durations: deque[float] = deque(maxlen=settings.memory)
        self._calls = 0
        self._doubled = 0

    def began(self) -> None:
        """A call is made."""
        self._calls += 1

    def took(self, seconds: float) -> None:
        """A call was answered; where the second call won, since the first was made."""
        self._durations.append(seconds)

    def after_s(self) -> float | None:
        """Seconds after which a call may be doubled; None where none may be now."""
        if len(self._durations) < self._settings.min_calls or not self._has_share():
            return None
        ordered = sorted(self._durations)
        return ordered[min(int(self._settings.quantile * len(ordered)), len(ordered) - 1)]

    def take(self) -> bool:
        """Whether one more call may be doubled now; if so it is counted."""
        if not self._has_share():
            return False
        self._doubled += 1
        return True

    def _has_share(self) -> bool:
        return self._doubled + 1 <= self._settings.share * self._calls


@dataclass(frozen=True, slots=True)
class Hedged(Generic[T]):
    """A result, and whether a second call was made for it."""

    value: T
    doubled: bool


async def hedged(
    start: Callable[[], Coroutine[Any, Any, T]],
    after_s: float,
    take: Callable[[], bool],
) -> Hedged[T]:
    """What the first of at most two calls brings; the other is cancelled and waited for.

    An error counts only where the other call does not bring anything either: then that of the
    first call is raised.

    Args:
        take: whether the second call may be made, asked when it is about to be.
    """
    calls = [asyncio.ensure_future(start())]
    try:
        await asyncio.wait(calls, timeout=after_s)
        if not calls[0].done() and take():
            calls.append(asyncio.ensure_future(start()))
        pending = {call for call in calls if not call.done()}
        while pending and not any(_succeeded(call) for call in calls):
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        winner = next((call for call in calls if _succeeded(call)), calls[0])
        return Hedged(winner.result(), len(calls) > 1)
    finally:
        for call in calls:
            call.cancel()
        # Cancelled is not ended: its connection must be free before the caller goes on.
        await asyncio.gather(*calls, return_exceptions=True)


def _succeeded(call: asyncio.Future[T]) -> bool:
    return call.done() and not call.cancelled() and call.exception() is None
