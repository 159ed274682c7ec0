"""How many retries a tier may see: a share of the requests that are routed to it.

A count of attempts a request multiplies the load of a tier that is failing by that count; a budget
bounds it. Pure: time is handed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["RetryBudget", "RetryBudgetSettings"]

_BUCKETS = 10


@dataclass(frozen=True, slots=True)
class RetryBudgetSettings:
    """The larger of a share of the requests and so many a second, both over a window.

    Attributes:
        share: of the requests that the tier was asked in the window.
        per_s: retries a second that are allowed whatever the requests; with few of them a share
            would allow none.
        window_s: seconds.
    """

    share: float = 0.2
    per_s: float = 1.0
    window_s: float = 10.0


@dataclass(slots=True)
class _Bucket:
    at: int
    requests: int = 0
    retries: int = 0


class RetryBudget:
    """The budget of one tier in one process.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, settings: RetryBudgetSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._buckets: deque[_Bucket] = deque()

    def routed(self) -> None:
        """A request came to the tier."""
        self._bucket().requests += 1

    def take(self) -> bool:
        """Whether one more retry may be made; if so it is counted."""
        bucket, settings = self._bucket(), self._settings
        requests = sum(each.requests for each in self._buckets)
        retries = sum(each.retries for each in self._buckets)
        allowed = max(settings.share * requests, settings.per_s * settings.window_s)
        if retries + 1 > allowed:
            return False
        bucket.retries += 1
        return True

    def _bucket(self) -> _Bucket:
        """That of now; those that have left the window are dropped."""
        now = int(self._clock() * _BUCKETS / self._settings.window_s)
        while self._buckets and self._buckets[0].at <= now - _BUCKETS:
            self._buckets.popleft()
        if not self._buckets or self._buckets[-1].at != now:
            self._buckets.append(_Bucket(now))
        return self._buckets[-1]
