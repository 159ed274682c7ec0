"""Limits of a run, what it has used, and what a request is expected to use."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NOTHING", "Budget", "Forecast", "Price", "Spend"]

_ROUNDING = 1e-9  # 1 - 0.95 is above 0.05


@dataclass(frozen=True, slots=True)
class Price:
    """What a tier charges, in the deployment's one currency per token."""

    input: float
    output: float

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """Cost of one call."""
        return self.input * tokens_in + self.output * tokens_out


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a request is expected to use at most.

    Attributes:
        cost: in the deployment's currency; None where the tier's price is unknown.
        latency_s: seconds, as configured or observed; 0 where nothing is known.
        calls: model calls.
        tokens: input and output tokens together.
        rounds: retrievals.
    """

    cost: float | None = 0.0
    latency_s: float = 0.0
    calls: int = 0
    tokens: int = 0
    rounds: int = 0

    def __add__(self, other: Forecast) -> Forecast:
        """Both, one after the other."""
        unknown = self.cost is None or other.cost is None
        return Forecast(
            None if unknown else (self.cost or 0.0) + (other.cost or 0.0),
            self.latency_s + other.latency_s,
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.rounds + other.rounds,
        )


NOTHING = Forecast()
"""The forecast of a request that costs nothing."""


@dataclass(slots=True)
class Spend:
    """What a run has used so far. It lives in the run's state and only grows.

    Attributes:
        tokens: input and output tokens.
        tokens_out: those of them that models wrote.
    """

    cost: float = 0.0
    elapsed_s: float = 0.0
    calls: int = 0
    tokens: int = 0
    rounds: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one run; None is no limit. `max_steps` always holds.

    Attributes:
        max_cost: in the deployment's currency.
        deadline_s: seconds from the first request to the result.
        max_calls: model calls.
        max_tokens: input and output tokens over all calls.
        max_rounds: retrievals.
        max_steps: requests of any kind: the loop's own cap, independent of any policy.
        max_risk: P(wrong) that a served answer may have by its calibrated estimate, in [0, 1], over
            whatever the policy asks for. Answers under such terms carry no certificate: that is
            for the policy's own.
    """

    max_cost: float | None = None
    deadline_s: float | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    max_rounds: int = 3
    max_steps: int = 48
    max_risk: float | None = None

    def refusal(self, spend: Spend, ahead: Forecast) -> str | None:
        """Why `ahead` does not fit into what is left, or None where it fits.

        An unknown cost is not held against `max_cost`: the configuration has announced that the
        money budget is off, and the run says so under `degraded`.
        """
        if self.max_cost is not None and ahead.cost:
            total = spend.cost + ahead.cost
            if total > self.max_cost:
                return f"would bring the cost to {total:.6g} of {self.max_cost:.6g} allowed"
        if self.deadline_s is not None:
            total = spend.elapsed_s + ahead.latency_s
            if total >= self.deadline_s:
                return f"would take until {total:.2f} s of {self.deadline_s:.2f} s allowed"
        if self.max_calls is not None and spend.calls + ahead.calls > self.max_calls:
            return f"would make {spend.calls + ahead.calls} calls of {self.max_calls} allowed"
        if self.max_tokens is not None and spend.tokens + ahead.tokens > self.max_tokens:
            return f"would use {spend.tokens + ahead.tokens} tokens of {self.max_tokens} allowed"
        if spend.rounds + ahead.rounds > self.max_rounds:
            return f"all {self.max_rounds} rounds of retrieval are used"
        return None

    def allows(self, p: float) -> bool:
        """Whether an answer that is right with probability p is within the risk allowed."""
        return self.max_risk is None or 1.0 - p <= self.max_risk + _ROUNDING

    def time_left(self, spend: Spend) -> float | None:
        """Seconds until the deadline, None without one."""
        return None if self.deadline_s is None else max(0.0, self.deadline_s - spend.elapsed_s)
