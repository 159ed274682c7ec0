"""What is spent under an account, kept so that work at the same time cannot overdraw together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["NOTHING", "Hold", "MemoryLedger", "SpendLedger", "Terms"]

NOTHING = 1e-9
"""Amounts below it are the rounding of sums."""
_MOST_ACCOUNTS = 10_000


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of an account.

    Attributes:
        limit: that its spending must not exceed.
        wanted: amount to hold back, all of it or nothing; 0 only looks.
        for_s: seconds after which an amount that nobody has settled counts as spent.
        keep_s: seconds after its last use that the account is kept.
    """

    limit: float
    wanted: float
    for_s: float
    keep_s: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Whether it was held back, and how the account stands.

    Attributes:
        is_granted: whether spent and held were within the limit with it.
        spent: settled so far.
        held: by others, not settled.
    """

    is_granted: bool
    spent: float
    held: float


class SpendLedger(Protocol):
    """Accounts by name. Where nobody uses more than was held back, spent and held never exceed the
    limit together."""

    async def hold(self, account: str, token: str, terms: Terms) -> Hold:
        """Hold an amount back under a token of its own."""
        ...

    async def settle(self, account: str, token: str, used: float) -> None:
        """Put what was used in the place of what was held; nothing where that has expired, since
        it counts as spent by then."""
        ...


@dataclass(slots=True)
class _Account:
    forgotten_at: float
    spent: float = 0.0
    held: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By token: the amount, and when it expires."""


class MemoryLedger:
    """The accounts of one process; they end with it.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    async def hold(self, account: str, token: str, terms: Terms) -> Hold:
        """See `SpendLedger`."""
        now = self._clock()
        known = self._account(account, now)
        known.forgotten_at = now + terms.keep_s
        for other, (amount, expires_at) in list(known.held.items()):
            if expires_at <= now:
                known.spent += amount
                del known.held[other]
        held = sum([amount for amount, _ in known.held.values()])
        fits = known.spent + held + terms.wanted <= terms.limit + NOTHING
        if fits and terms.wanted > 0.0:
            known.held[token] = (terms.wanted, now + terms.for_s)
        return Hold(fits, known.spent, held)

    async def settle(self, account: str, token: str, used: float) -> None:
        """See `SpendLedger`."""
        known = self._accounts.get(account)
        if known is None or token not in known.held:
            return
        amount, expires_at = known.held.pop(token)
        known.spent += amount if expires_at <= self._clock() else max(0.0, used)

    def _account(self, name: str, now: float) -> _Account:
        known = self._accounts.get(name)
        if known is None or known.forgotten_at <= now:
            if len(self._accounts) >= _MOST_ACCOUNTS:
                kept = {n: one for n, one in self._accounts.items() if one.forgotten_at > now}
                self._accounts = kept
            known = self._accounts[name] = _Account(now)
        return known
