"""Time that passes only when somebody sleeps or says so."""

from __future__ import annotations

__all__ = ["FakeTime"]


class FakeTime:
    """Pass `clock` as clock and `sleep` as sleep.

    Attributes:
        now: seconds.
        slept: what was slept, in order.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
