"""What a key may spend in a period, over all replicas."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..adapters.spend_ledger import NOTHING, Hold, MemoryLedger, SpendLedger, Terms
from ..adapters.spend_ledger_redis import RedisLedger
from ..graphs.settings import SpendPeriod
from ..router.budget import Budget, Forecast
from ..router.decisions import TrailStep
from ..router.drive import new_run_id
from ..router.errors import StoreError
from .http_auth import Caller
from .http_errors import HttpError

__all__ = ["Loan", "Period", "Spending", "period_of"]

_KEPT_S = 3600.0
"""Seconds beyond its period that an account is kept, for what ends after it."""


@dataclass(frozen=True, slots=True)
class Period:
    """A whole hour, day or month of UTC."""

    name: str
    began: datetime
    ends: datetime


def period_of(per: SpendPeriod, at: datetime) -> Period:
    """The period that a moment lies in."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if per == "hour":
        return Period(f"{hour:%Y-%m-%dT%H}", hour, hour + timedelta(hours=1))
    day = hour.replace(hour=0)
    if per == "day":
        return Period(f"{day:%Y-%m-%d}", day, day + timedelta(days=1))
    month = day.replace(day=1)
    return Period(f"{month:%Y-%m}", month, (month + timedelta(days=31)).replace(day=1))


@dataclass(slots=True)
class Loan:
    """What is held back of its key's spending for one request: as much as it may cost.

    Attributes:
        charged: what its steps have cost so far.
        lost: what was forecast of calls that may be billed although nothing came of them.
    """

    charged: float = 0.0
    lost: float = 0.0

    @property
    def used(self) -> float:
        """What counts as spent."""
        return self.charged + self.lost

    def note(self, step: TrailStep) -> None:
        """Count a step that has ended."""
        self.charged += step.cost or 0.0

    def lose(self, forecast: Forecast) -> None:
        """Count a call that was given up or broke off: else whoever leaves early never pays."""
        self.lost += forecast.cost or 0.0


class Spending:
    """The accounts of all keys that have a limit.

    Each process keeps what it has seen itself; where there is a Redis, all of them keep one account
    together, and go on with their own while it is down.

    Args:
        url: of a Redis; None where there is none.
        unshared: called for everything that Redis could not be told.
        shed: called for every request that is turned away.
        clock: monotonic seconds.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        url: str | None,
        unshared: Callable[[], None],
        shed: Callable[[], None] = lambda: None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._own = MemoryLedger(clock)
        self._shared = None if url is None else RedisLedger(url, Counter(), clock=clock)
        self._unshared = unshared
        self._shed = shed
        self._now = now

    @asynccontextmanager
    async def lend(self, caller: Caller, budget: Budget, longest_s: float) -> AsyncIterator[Loan]:
        """A loan for one request, settled with what its steps have cost, however it ends.

        Args:
            budget: of the request, with its own `max_cost`.
            longest_s: seconds after which it cannot be under way any more.

        Raises:
            HttpError: 429 where less is left of the key's limit than the request may cost, or
                others hold it back.
        """
        limit = caller.max_spend
        if limit is None or budget.max_cost is None:
            yield Loan()
            return
        period = self._period(caller)
        account, token = self._account(caller, period), new_run_id()
        terms = Terms(limit, budget.max_cost, longest_s, self._kept_s(period))
        ledgers: list[SpendLedger] = []
        loan = Loan()
        try:
            for ledger in (self._own, self._shared):
                if ledger is None:
                    continue
                hold = await self._held(ledger, account, token, terms)
                if hold is None:
                    continue
                ledgers.append(ledger)
                if not hold.is_granted:
                    self._shed()
                    raise self._refused(caller, hold, terms, period)
            yield loan
        finally:
            for asked in ledgers:
                await self._settled(asked, account, token, loan.used)

    async def stands(self, caller: Caller) -> tuple[Hold, Period] | None:
        """What the caller's key has spent in this period; None for a key without a limit."""
        if caller.max_spend is None:
            return None
        period = self._period(caller)
        account = self._account(caller, period)
        terms = Terms(caller.max_spend, 0.0, 0.0, self._kept_s(period))
        found = None
        if self._shared is not None:
            found = await self._held(self._shared, account, "", terms)
        return found or await self._own.hold(account, "", terms), period

    async def aclose(self) -> None:
        """Close the connections."""
        if self._shared is not None:
            await self._shared.aclose()

    def _period(self, caller: Caller) -> Period:
        return period_of(caller.spend_per, datetime.fromtimestamp(self._now(), UTC))

    def _account(self, caller: Caller, period: Period) -> str:
        return f"{caller.tenant}/{caller.name}/{period.name}"

    def _kept_s(self, period: Period) -> float:
        return max(0.0, period.ends.timestamp() - self._now()) + _KEPT_S

    async def _held(
        self, ledger: SpendLedger, account: str, token: str, terms: Terms
    ) -> Hold | None:
        try:
            return await ledger.hold(account, token, terms)
        except StoreError:
            self._unshared()
            return None

    async def _settled(self, ledger: SpendLedger, account: str, token: str, used: float) -> None:
        """What cannot be settled counts as spent in full once its time is up."""
        try:
            await ledger.settle(account, token, used)
        except StoreError:
            self._unshared()

    def _refused(self, caller: Caller, hold: Hold, terms: Terms, period: Period) -> HttpError:
        left = terms.limit - hold.spent
        if left + NOTHING >= terms.wanted:
            words = "what is left of its spending is held back for requests under way"
            return HttpError(
                429, "rate_limit_exceeded", f"the key '{caller.name}': {words}", retry_after_s=1.0
            )
        renews = f"{period.ends:%Y-%m-%dT%H:%M:%SZ}"
        return HttpError(
            429,
            "insufficient_quota",
            f"the key '{caller.name}' has spent {hold.spent:g} of its {terms.limit:g} a "
            f"{caller.spend_per}, and this request may cost {terms.wanted:g}; it may spend again "
            f"from {renews} on",
            retry_after_s=period.ends.timestamp() - self._now(),
            is_final=True,
        )
