"""Answer when sure enough, else take the next open step: a threshold per rung.

A threshold alone promises nothing about the error rate; a certificate beside it may. Every reason
that this policy gives rests on the numbers that it compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..router.decisions import Action, Buy, Choice, Comparison, Decision, Rung
from ..router.errors import ConfigurationError
from ..router.making import maker
from ..router.protocols import Situation
from ..router.risk.tie_break import tie_break
from ..router.signals import Estimate, Signal

__all__ = ["BuyBand", "RungRule", "ThresholdPolicy", "threshold_rules"]

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
        threshold: answer at a score of at least this.
        retrieved: whether the attempt saw passages; None stands for both.
        then: what to try below it, in this order; the first that is open is taken.
        buy: signals worth buying on this rung, in this order.
        score: the signal whose value is the score; None takes the calibrated estimate.
        tie: of the attempts that score exactly the threshold, those answer whose run draws at
            least this (see `tie_break`); 0 answers all of them, 1 none.
        gated: False serves whatever whole draft there is, judged by nothing and vouched for by
            nothing: the last tier that the rest is handed over to.
        to: the tier to escalate to; None takes the next that is open. Where it is not open, the
            next one above it is taken.
        round: retrievals made before the attempt; None stands for all.
    """

    tier: int
    threshold: float
    retrieved: bool | None = None
    then: tuple[Action, ...] = (Action.RETRIEVE, Action.ESCALATE)
    buy: tuple[BuyBand, ...] = ()
    score: str | None = None
    tie: float = 0.0
    gated: bool = True
    to: int | None = None
    round: int | None = None


def threshold_rules(tier: int, thresholds: float | Sequence[float]) -> tuple[RungRule, ...]:
    """The rules of a tier with one threshold, or with one for each round from closed book on, of
    which the last holds for all rounds that follow."""
    if isinstance(thresholds, int | float):
        return (RungRule(tier, thresholds),)
    closed_book, *later = thresholds
    return (
        RungRule(tier, closed_book, False),
        *(RungRule(tier, one, True, round=round_) for round_, one in enumerate(later, start=1)),
        RungRule(tier, thresholds[-1], True),
    )


class ThresholdPolicy:
    """Thresholds per rung over the four actions.

    Args:
        rules: one for each rung that can be reached; the more specific one wins.
        names: the tiers' names, for the reasons.
        floor: where nothing is left to try, answer with the best attempt at an estimate of at
            least this; None abstains. A rung's threshold may be higher, since trying on has a
            value of its own.
        tie_seed: of the draw among attempts that score exactly the threshold.

    Raises:
        ConfigurationError: a threshold, a tie or the floor is not in [0, 1], a tier has no rule,
            or a rule escalates to a tier that is not above it.
    """

    def __init__(
        self,
        rules: tuple[RungRule, ...],
        names: tuple[str, ...],
        floor: float | None = None,
        *,
        tie_seed: int = 0,
    ) -> None:
        for rule in rules:
            _check(rule, names)
        if floor is not None and not 0.0 <= floor <= 1.0:
            raise ConfigurationError(
                f"the floor is {floor}; it must be in [0, 1]", field="policy.floor"
            )
        self.rules = rules
        self.names = names
        self.floor = floor
        self.tie_seed = tie_seed
        self._rules: dict[tuple[int, int | None, bool], RungRule] = {}
        for rule in sorted(rules, key=lambda rule: rule.retrieved is not None):
            for retrieved in (False, True) if rule.retrieved is None else (rule.retrieved,):
                self._rules[rule.tier, rule.round, retrieved] = rule
        for tier, name in enumerate(names):
            if (tier, None, False) not in self._rules or (tier, None, True) not in self._rules:
                raise ConfigurationError(
                    f"tier {name!r} has no threshold", field=f"policy.thresholds.{name}"
                )

    def rule(self, rung: Rung) -> RungRule:
        """The rule that holds on a rung."""
        return self._rules.get(rung) or self._rules[rung.tier, None, rung.retrieved]

    def decide(self, situation: Situation) -> Choice:
        """Answer at or above the threshold; else buy, retrieve, escalate or abstain."""
        rule = self.rule(situation.rung)
        if not rule.gated and situation.can_answer and situation.attempt is not None:
            reason = f"handed over to {self.names[rule.tier]}, whose answers nothing vouches for"
            return _make_decision(Action.ANSWER, reason, (), None, None, False)
        if rule.score is not None:
            return self._by_score(rule, rule.score, situation)
        estimate = situation.estimate
        if isinstance(estimate, Estimate):
            p = estimate.p
            purchase = self._purchase(rule, situation, p) if rule.buy else None
            if purchase is not None:
                return purchase
            words = f"{self.names[rule.tier]} is {p:.2f} sure"
            if not estimate.calibrated:
                words += f" ({estimate.signal}, not calibrated)"
            return self._compared(rule, situation, words, estimate.signal, p)
        return self._blind(rule, situation, estimate.reason)

    def _by_score(self, rule: RungRule, score: str, situation: Situation) -> Choice:
        """By the value of one signal, as it was read."""
        attempt = situation.attempt
        reading = None if attempt is None else attempt.signals.get(score)
        if isinstance(reading, Signal):
            words = f"{self.names[rule.tier]} scores {reading.value:.3g} on {score}"
            return self._compared(rule, situation, words, score, reading.value)
        if reading is None and rule.buy and isinstance(situation.estimate, Estimate):
            purchase = self._purchase(rule, situation, situation.estimate.p)
            if purchase is not None:
                return purchase
        why = f"{score} was not read" if reading is None else f"{score}: {reading.reason}"
        return self._blind(rule, situation, why)

    def _blind(self, rule: RungRule, situation: Situation, why: str) -> Choice:
        """Without the number that the threshold is for: buy it, or go on."""
        if situation.attempt is not None and situation.can_answer:
            for band in rule.buy:
                if any([option.signal == band.signal for option in situation.buy]):
                    reason = f"nothing else says how sure it is: {why}"
                    return _make_buy(band.signal, reason)
        return self._unsure(rule, situation, f"no estimate: {why}", ())

    def _compared(
        self, rule: RungRule, situation: Situation, words: str, name: str, s: float
    ) -> Decision:
        threshold = rule.threshold
        sure = s >= threshold and situation.can_answer
        if sure and s == threshold and rule.tie > 0.0:
            drawn = tie_break(self.tie_seed, situation.run_id)
            tied = (_make_comparison(name, s, "=", threshold),)
            if drawn >= rule.tie:
                compared = (*tied, _make_comparison("tie drawn", drawn, ">=", rule.tie))
                reason = f"{words}, the {threshold:.3g} asked for, and of such ties this one passes"
                return _make_decision(Action.ANSWER, reason, compared)
            compared = (*tied, _make_comparison("tie drawn", drawn, "<", rule.tie))
            words += (
                f", just the {threshold:.3g} asked for, and of such ties this one does not pass"
            )
            return self._unsure(rule, situation, words, compared)
        against = (_make_comparison(name, s, ">=" if sure else "<", threshold),)
        if sure:
            return _make_decision(
                Action.ANSWER, f"{words}, at least the {threshold:.2f} asked for", against
            )
        return self._unsure(rule, situation, f"{words}, {threshold:.2f} is asked for", against)

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
                tiers = [tier for tier, _ in situation.escalate]
                tier = next((t for t in tiers if rule.to is None or t >= rule.to), None)
                if tier is None:  # only tiers are left that this rule means to skip
                    continue
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


def _check(rule: RungRule, names: tuple[str, ...]) -> None:
    name = names[rule.tier] if rule.tier < len(names) else str(rule.tier)
    field = f"policy.thresholds.{name}"
    for what, value in (("threshold", rule.threshold), ("tie", rule.tie)):
        if not 0.0 <= value <= 1.0:
            raise ConfigurationError(
                f"the {what} of tier {name!r} is {value}; it must be in [0, 1]", field=field
            )
    if rule.to is not None and not rule.tier < rule.to < len(names):
        raise ConfigurationError(
            f"tier {name!r} escalates to tier {rule.to}; expected a tier above it", field=field
        )
