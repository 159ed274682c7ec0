"""What happens where none of the signals that a policy is for can be had: others stand in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..router.decisions import Buy, Choice
from ..router.protocols import BuyOption, Policy, Situation
from ..router.signals import Estimate, Unavailable

__all__ = ["FallbackPolicy"]


class FallbackPolicy:
    """A policy around another, for models that do not give what its signals are made from.

    Where the estimate is Unavailable, the first signal of `order` that can still be bought is
    bought; those that cost nothing are read anyway. An estimate from one of them is judged by its
    own policy in `own`, since a threshold holds for the signal that it was set for. A signal that
    is not in `own` is calibrated: its estimate is a probability like any other, and `inner` judges
    it. Where nothing stands in, `inner` decides as if there were no fallback: it never answers for
    the lack of a signal.

    A draft that the critic could not judge is left to `inner`, too: nothing speaks for the critic.

    Args:
        order: names of the signals that stand in, the preferred one first.
        own: by signal, what judges its bare values.
        critics: names of the free signals that the critic's judgment is read by.
    """

    def __init__(
        self,
        inner: Policy,
        order: tuple[str, ...],
        own: Mapping[str, Policy],
        critics: tuple[str, ...] = (),
    ) -> None:
        self.inner = inner
        self.order = order
        self.own = own
        self.critics = critics

    def decide(self, situation: Situation) -> Choice:
        """Buy what stands in, or what the policy of the estimate's signal decides."""
        estimate = situation.estimate
        judge, preferred = self.inner, self.order
        if isinstance(estimate, Estimate):
            if estimate.signal not in self.own:
                return self.inner.decide(self._comparable(situation))
            judge = self.own[estimate.signal]
            preferred = self.order[: self.order.index(estimate.signal)]
        if self._lacks_signals(situation):
            for option in _in_order(situation.buy, preferred):
                return Buy(option.signal, self._why(option, estimate))
        return judge.decide(self._comparable(situation))

    def _lacks_signals(self, situation: Situation) -> bool:
        """Whether a whole draft stands there that no signal has judged."""
        attempt = situation.attempt
        if attempt is None or not attempt.is_complete:
            return False
        return not any(
            isinstance(attempt.signals.get(name, Unavailable("")), Unavailable)
            for name in self.critics
        )

    def _comparable(self, situation: Situation) -> Situation:
        """Without a best attempt that the bound of another signal would be held against."""
        best = situation.best
        if best is None or not isinstance(best.estimate, Estimate):
            return situation
        return replace(situation, best=None) if best.estimate.signal in self.own else situation

    def _why(self, option: BuyOption, estimate: Estimate | Unavailable) -> str:
        cost = option.forecast.cost
        price = "an unknown price" if cost is None else f"at most {cost:.3g}"
        lost = estimate.fallback if isinstance(estimate, Estimate) else estimate.reason
        return f"{lost}; {option.signal} stands in and costs {price}"


def _in_order(options: tuple[BuyOption, ...], names: tuple[str, ...]) -> list[BuyOption]:
    return [option for name in names for option in options if option.signal == name]
