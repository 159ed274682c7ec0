"""Answer when sure enough, else take the next open step: a threshold per rung.

Uncertified: a threshold alone promises nothing about the error rate. Every reason that this policy
gives rests on the two numbers that it compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..router.decisions import Action, Buy, Choice, Comparison, Decision, Rung
from ..router.errors import ConfigurationError
from ..router.making import maker
from ..router.protocols import Situation
from ..router.signals import Estimate

__all__ = ["BuyBand", "RungRule", "ThresholdPolicy"]

_make_buy = maker(Buy)
_make_comparison = maker(Comparison)
_make_decision = maker(Decision)


@dataclass(frozen=True, slots=True)
class BuyBand:
    """Buy `signal` where the estimate so far lies in [low, high): where it may change the mind."""

    signal: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RungRule:
    """What holds on one rung.

    Attributes:
        tier: number of the tier.
        retrieved: whether the attempt saw passages; None stands for both.
        threshold: answer at an estimate of at least this.
        then: what to try below it, in this order; the first that is open is taken.
        buy: signals worth buying on this rung, in this order.
    """

    tier: int
    threshold: float
    retrieved: bool | None = None
    then: tuple[Action, ...] = (Action.RETRIEVE, Action.ESCALATE)
    buy: tuple[BuyBand, ...] = ()


class ThresholdPolicy:
    """Thresholds per rung over the four actions.

    Args:
        rules: one for each rung that can be reached; the more specific one wins.
        names: the tiers' names, for the reasons.
        floor: where nothing is left to try, answer with the best attempt at an estimate of at
            least this; None abstains. A rung's threshold may be higher, since trying on has a
            value of its own.

    Raises:
        ConfigurationError: a threshold or the floor is not in [0, 1], or a tier has no rule.
    """

    def __init__(
        self, rules: tuple[RungRule, ...], names: tuple[str, ...], floor: float | None = None
    ) -> None:
        for rule in rules:
            if not 0.0 <= rule.threshold <= 1.0:
                name = names[rule.tier] if rule.tier < len(names) else str(rule.tier)
                raise ConfigurationError(
                    f"the threshold of tier {name!r} is {rule.threshold}; it must be in [0, 1]",
                    field=f"policy.thresholds.{name}",
                )
        if floor is not None and not 0.0 <= floor <= 1.0:
            raise ConfigurationError(
                f"the floor is {floor}; it must be in [0, 1]", field="policy.floor"
            )
        self.rules = rules
        self.names = names
        self.floor = floor
        self._rules: dict[tuple[int, bool], RungRule] = {}
        for rule in sorted(rules, key=lambda rule: rule.retrieved is not None):
            for retrieved in (False, True) if rule.retrieved is None else (rule.retrieved,):
                self._rules[rule.tier, retrieved] = rule
        for tier, name in enumerate(names):
            if (tier, False) not in self._rules or (tier, True) not in self._rules:
                raise ConfigurationError(
                    f"tier {name!r} has no threshold", field=f"policy.thresholds.{name}"
                )

    def rule(self, rung: Rung) -> RungRule:
        """The rule that holds on a rung."""
        return self._rules[rung.tier, rung.retrieved]

    def decide(self, situation: Situation) -> Choice:
        """Answer at or above the threshold; else buy, retrieve, escalate or abstain."""
        rule = self._rules[situation.rung.tier, situation.rung.retrieved]
        estimate = situation.estimate
        if isinstance(estimate, Estimate):
            p = estimate.p
            purchase = self._purchase(rule, situation, p) if rule.buy else None
            if purchase is not None:
                return purchase
            sure = p >= rule.threshold and situation.can_answer
            compared = (
                _make_comparison(estimate.signal, p, ">=" if sure else "<", rule.threshold),
            )
            words = f"{self.names[rule.tier]} is {p:.2f} sure"
            if not estimate.calibrated:
                words += f" ({estimate.signal}, not calibrated)"
            if sure:
                reason = f"{words}, at least the {rule.threshold:.2f} asked for"
                return _make_decision(Action.ANSWER, reason, compared)
            return self._unsure(
                rule, situation, f"{words}, {rule.threshold:.2f} is asked for", compared
            )
        if situation.attempt is not None and situation.can_answer:
            for band in rule.buy:
                if any(option.signal == band.signal for option in situation.buy):
                    return _make_buy(
                        band.signal, f"nothing else says how sure it is: {estimate.reason}"
                    )
        return self._unsure(rule, situation, f"no estimate: {estimate.reason}", ())

    def _purchase(self, rule: RungRule, situation: Situation, p: float) -> Buy | None:
        for band in rule.buy:
            if band.low <= p < band.high:
                for option in situation.buy:
                    if option.signal == band.signal:
                        cost = option.forecast.cost
                        price = "an unknown price" if cost is None else f"at most {cost:.3g}"
                        reason = f"{p:.2f} is near the threshold; {band.signal} costs {price}"
                        compared = (
                            _make_comparison("estimate", p, ">=", band.low),
                            _make_comparison("estimate", p, "<", band.high),
                        )
                        return _make_buy(band.signal, reason, compared)
        return None

    def _unsure(
        self, rule: RungRule, situation: Situation, words: str, compared: tuple[Comparison, ...]
    ) -> Decision:
        for action in rule.then:
            if action is Action.RETRIEVE and situation.retrieve is not None:
                return _make_decision(action, f"{words}; passages may help", compared)
            if action is Action.ESCALATE and situation.escalate:
                tier = situation.escalate[0][0]
                return _make_decision(
                    action, f"{words}; {self.names[tier]} may know", compared, tier
                )
        best = situation.best
        if self.floor is not None and best is not None and isinstance(best.estimate, Estimate):
            p, name = best.estimate.p, self.names[best.tier]
            if p >= self.floor:
                compared = (Comparison("best attempt", p, ">=", self.floor),)
                reason = (
                    f"nothing is left to try; the best attempt, by {name}, is {p:.2f} sure, at "
                    f"least the {self.floor:.2f} that is better than no answer"
                )
                return _make_decision(Action.ANSWER, reason, compared, attempt=best.id)
        closed = "; ".join(
            f"{other.action.value}: {other.why_not}" for other in situation.closed if other.why_not
        )
        reason = f"{words}; nothing is left to try" + (f" ({closed})" if closed else "")
        return _make_decision(Action.ABSTAIN, reason, compared)
