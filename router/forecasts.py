"""What a call of a tier would use, and which passages it could be shown."""

from __future__ import annotations

from typing import NamedTuple

from .budget import Forecast
from .evidence import Passage
from .making import maker
from .plan import Plan, RetrievalPlan, TierPlan
from .sizing import estimate_tokens
from .state import RunState

__all__ = ["Fit", "Outlook", "call_forecast", "draft_fit", "finishing_fit", "retrieval_forecast"]

_make_forecast = maker(Forecast)


def call_forecast(tier: TierPlan, tokens_in: int, n: int = 1) -> Forecast:
    """What `n` calls with a prompt of `tokens_in` tokens use at most."""
    total_in, total_out = n * tokens_in, n * tier.max_output
    price = tier.price
    cost = None if price is None else price.of(total_in, total_out)
    return _make_forecast(cost, n * tier.latency_s, n, total_in + total_out)


def retrieval_forecast(retrieval: RetrievalPlan, tier: TierPlan, tokens_in: int) -> Forecast:
    """What a search and the draft after it use at most, the prompt being `tokens_in` so far."""
    ahead = tokens_in + retrieval.k * retrieval.passage_tokens
    ahead = min(ahead, tier.context - tier.max_output)  # passages beyond it are not shown
    price = tier.price
    cost = None if price is None else price.of(ahead, tier.max_output)
    return _make_forecast(cost, retrieval.latency_s + tier.latency_s, 1, ahead + tier.max_output, 1)


class Fit(NamedTuple):
    """How a tier would be asked: the passages that fit its context, and the forecast."""

    passages: tuple[Passage, ...]
    tokens_in: int
    forecast: Forecast


def draft_fit(plan: Plan, state: RunState, tier: int) -> Fit | str:
    """How `tier` would draft with the passages at hand, or why its context is too short.

    Passages are dropped from the worst end until the prompt and the answer fit.
    """
    spec, passages = plan.tiers[tier], state.passages
    room = spec.context - spec.max_output
    tokens = plan.sizer.prompt_tokens(tier, state.question, passages, state.turns)
    while tokens > room and passages:
        passages = passages[:-1]
        tokens = plan.sizer.prompt_tokens(tier, state.question, passages, state.turns)
    if tokens > room:
        needed = tokens + spec.max_output
        return f"its context takes {spec.context} tokens, the question needs {needed}"
    return Fit(passages, tokens, call_forecast(spec, tokens))


def finishing_fit(spec: TierPlan, fit: Fit, begun: str) -> Fit | None:
    """The same with the beginning of an answer to go on from; None where that is too long."""
    tokens = fit.tokens_in + estimate_tokens(begun)
    if tokens > spec.context - spec.max_output:
        return None
    return Fit(fit.passages, tokens, call_forecast(spec, tokens))


class Outlook:
    """How each tier of a run could be asked, worked out once for the same passages.

    Estimating the length of a prompt means building it, which costs more than all else that the
    loop does. A run keeps its outlook beside its state: it can always be worked out again.
    """

    __slots__ = ("_fits", "_passages", "plan", "state")

    def __init__(self, plan: Plan, state: RunState) -> None:
        self.plan = plan
        self.state = state
        self._fits: dict[int, Fit | str] = {}
        self._passages = state.passages

    def fit(self, tier: int) -> Fit | str:
        """How `tier` would draft with the passages at hand, or why its context is too short."""
        if self._passages is not self.state.passages:
            self._passages = self.state.passages
            self._fits.clear()
        fit = self._fits.get(tier)
        if fit is None:
            fit = self._fits[tier] = draft_fit(self.plan, self.state, tier)
        return fit

    def tokens(self, tier: int, passages: tuple[Passage, ...]) -> int:
        """Estimated tokens of the prompt that shows these passages to `tier`."""
        fit = self.fit(tier)
        if isinstance(fit, Fit) and fit.passages == passages:
            return fit.tokens_in
        state = self.state
        return self.plan.sizer.prompt_tokens(tier, state.question, passages, state.turns)
