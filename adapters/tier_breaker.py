"""A circuit breaker for one tier: leaves a model alone that fails, and asks it again one by one.

A pure state machine: time and randomness are handed in, and nothing sleeps.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["BreakerSettings", "Permit", "TierBreaker"]

_BUCKETS = 30


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When a tier is left alone, and for how long.

    Attributes:
        consecutive: failures in a row that open it. A ratio alone would take half a window of
            healthy calls to notice that a tier went down.
        ratio: share of failures in the window that opens it, from `min_calls` calls on.
        window_s: seconds that the ratio looks back.
        open_s: seconds until the first probe; doubled with every probe that fails.
        longest_open_s: bound of that doubling.
        longest_patience_s: bound of what the tier itself may ask for by Retry-After.
        jitter: share by which each time is lengthened at random, so that processes that opened
            together do not probe together.
    """

    consecutive: int = 10
    ratio: float = 0.5
    window_s: float = 30.0
    min_calls: int = 10
    open_s: float = 5.0
    longest_open_s: float = 60.0
    longest_patience_s: float = 600.0
    jitter: float = 0.1


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call; whoever holds it says how the call ended, exactly once."""

    epoch: int
    is_probe: bool


@dataclass(slots=True)
class _Bucket:
    at: int
    calls: int = 0
    failures: int = 0


class TierBreaker:
    """Closed while all is well, open after too many failures, and half open for one probe.

    What calls say that were admitted before the breaker last opened or closed counts for nothing:
    they tell of the past.

    Args:
        clock: monotonic seconds.

    Attributes:
        openings: how often it has opened by what its own calls showed.
    """

    def __init__(
        self, settings: BreakerSettings, clock: Callable[[], float], rng: random.Random
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self.openings = 0
        self._epoch = 0
        self._in_a_row = 0
        self._buckets: deque[_Bucket] = deque()
        self._open_until: float | None = None
        self._probing = False
        self._times_opened = 0

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, but for a probe."""
        return self._open_until is not None

    @property
    def state(self) -> Literal["closed", "half_open", "open"]:
        """Whether all calls are let through, one probe at a time, or none."""
        if self._open_until is None:
            return "closed"
        return "open" if self._clock() < self._open_until else "half_open"

    @property
    def retry_in_s(self) -> float:
        """Seconds until a probe is let through; 0 where one may be made now, or none is needed."""
        if self._open_until is None:
            return 0.0
        return max(self._open_until - self._clock(), 0.0)

    def admit(self) -> Permit | None:
        """Leave to call now; None while the tier is left alone."""
        if self._open_until is None:
            return Permit(self._epoch, False)
        if self._probing or self._clock() < self._open_until:
            return None
        self._probing = True
        return Permit(self._epoch, True)

    def success(self, permit: Permit) -> None:
        """The call showed that the tier is well. A probe closes the breaker."""
        if permit.epoch != self._epoch:
            return
        if permit.is_probe:
            self._close()
            return
        self._in_a_row = 0
        self._bucket().calls += 1

    def failure(self, permit: Permit, retry_after_s: float | None = None) -> bool:
        """The call showed that the tier is not; whether that opened the breaker."""
        if permit.epoch != self._epoch:
            return False
        self._in_a_row += 1
        bucket = self._bucket()
        bucket.calls += 1
        bucket.failures += 1
        if permit.is_probe or self._is_too_much():
            self._open(retry_after_s)
            return True
        return False

    def trip(self, permit: Permit) -> bool:
        """Open at once: the call showed that no call can work. Whether it was not open."""
        if permit.epoch != self._epoch:
            return False
        self._open(None)
        return True

    def abandon(self, permit: Permit) -> None:
        """The call was given up and says nothing: where it was the probe, let there be another."""
        if permit.epoch == self._epoch and permit.is_probe:
            self._probing = False

    def hint(self) -> bool:
        """Somebody else found the tier failing: let the next call be a probe.

        What that probe shows closes or opens it, hence no hint keeps a healthy tier away. Where it
        is open already, nothing changes.

        Returns:
            whether it was closed.
        """
        if self._open_until is not None:
            return False
        self._open_until = self._clock()
        self._forget()
        return True

    def _is_too_much(self) -> bool:
        settings = self._settings
        if self._in_a_row >= settings.consecutive:
            return True
        calls = sum(bucket.calls for bucket in self._buckets)
        failures = sum(bucket.failures for bucket in self._buckets)
        return calls >= settings.min_calls and failures >= settings.ratio * calls

    def _bucket(self) -> _Bucket:
        """That of now; those that have left the window are dropped."""
        now = int(self._clock() * _BUCKETS / self._settings.window_s)
        while self._buckets and self._buckets[0].at <= now - _BUCKETS:
            self._buckets.popleft()
        if not self._buckets or self._buckets[-1].at != now:
            self._buckets.append(_Bucket(now))
        return self._buckets[-1]

    def _open(self, retry_after_s: float | None) -> None:
        settings = self._settings
        # Doubled so often that it is past the bound stays there: 2.0 ** 2000 would overflow.
        doubled = settings.open_s * 2.0 ** min(self._times_opened, 32)
        rest = min(doubled, settings.longest_open_s)
        if retry_after_s is not None:
            rest = max(rest, min(retry_after_s, settings.longest_patience_s))
        rest *= 1.0 + settings.jitter * self._rng.random()
        self._times_opened += 1
        self.openings += 1
        self._open_until = self._clock() + rest
        self._forget()

    def _close(self) -> None:
        self._open_until = None
        self._times_opened = 0
        self._forget()

    def _forget(self) -> None:
        self._epoch += 1
        self._probing = False
        self._in_a_row = 0
        self._buckets.clear()
