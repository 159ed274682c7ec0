"""One budget for many runs: several agents, the steps of one, or a whole conversation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from .budget import Budget, Spend
from .errors import ConfigurationError

__all__ = ["Loan", "SharedBudget"]

Number = TypeVar("Number", int, float)


@dataclass(slots=True)
class Loan:
    """What one run may use of a shared budget.

    Attributes:
        budget: the run's own, within what is left of the shared one.
        used: what the run has used; set it before the loan ends, also where the run failed.
    """

    budget: Budget
    used: Spend


class SharedBudget:
    """Limits that hold for all runs together; None is no limit. Threads may share it.

    Every run borrows before it begins and settles when it ends. While it is under way all that it
    may use is reserved, so that runs at the same time cannot overdraw together: a run without a
    limit of its own reserves all that is left. Where nothing is left a run still decides, and can
    pay for nothing. The loop checks a limit by forecast before it pays, so the sum is exceeded only
    as far as a single call used more than was forecast.

    Args:
        max_cost: in the deployment's currency.
        max_calls: model calls.
        max_tokens: input and output tokens over all calls.

    Raises:
        ConfigurationError: a limit is negative.
    """

    def __init__(
        self,
        *,
        max_cost: float | None = None,
        max_calls: int | None = None,
        max_tokens: int | None = None,
    ) -> None:
        limits = {"max_cost": max_cost, "max_calls": max_calls, "max_tokens": max_tokens}
        for name, limit in limits.items():
            if limit is not None and not limit >= 0:
                raise ConfigurationError(f"{name} is {limit}; expected 0 or more", field=name)
        self._limit = Budget(max_cost=max_cost, max_calls=max_calls, max_tokens=max_tokens)
        self._lock = threading.Lock()  # guards both below
        self._used = Spend()
        self._reserved = Spend()

    @property
    def used(self) -> Spend:
        """What runs that have ended used."""
        with self._lock:
            return replace(self._used)

    @contextmanager
    def lend(self, configured: Budget) -> Iterator[Loan]:
        """A loan for one run, whose own limits are `configured`."""
        with self._lock:
            used, held, limit = self._used, self._reserved, self._limit
            budget = replace(
                configured,
                max_cost=_within(configured.max_cost, limit.max_cost, used.cost + held.cost),
                max_calls=_within(configured.max_calls, limit.max_calls, used.calls + held.calls),
                max_tokens=_within(
                    configured.max_tokens, limit.max_tokens, used.tokens + held.tokens
                ),
            )
            reserved = Spend(
                cost=budget.max_cost if limit.max_cost is not None and budget.max_cost else 0.0,
                calls=budget.max_calls if limit.max_calls is not None and budget.max_calls else 0,
                tokens=(
                    budget.max_tokens if limit.max_tokens is not None and budget.max_tokens else 0
                ),
            )
            _add(held, reserved, 1)
        loan = Loan(budget, Spend())
        try:
            yield loan
        finally:
            with self._lock:
                _add(self._reserved, reserved, -1)
                _add(self._used, loan.used, 1)


def _within(own: Number | None, limit: Number | None, taken: Number) -> Number | None:
    if limit is None:
        return own
    left = max(limit - taken, type(limit)(0))
    return left if own is None else min(own, left)


def _add(total: Spend, more: Spend, sign: int) -> None:
    total.cost += sign * more.cost
    total.calls += sign * more.calls
    total.tokens += sign * more.tokens
