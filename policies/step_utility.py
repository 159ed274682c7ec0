"""The action of the highest expected utility, from calibrated estimates and fitted prices.

    U(answer)        = -error price * (1 - p)
    U(abstain)       = -abstention price
    U(retrieve)      = -error price * (1 - p after it) - trade * its price
    U(escalate to j) = -error price * (1 - p of j)     - trade * (price of j and of its signal)

over what is open. A signal is bought first where that saves more than it costs. `trade` is the one
knob; 1 counts prices as they are. The policy promises nothing: certify what it does, or monitor it.
"""

from __future__ import annotations

from ..router.decisions import Action, Buy, Choice, Comparison, Decision
from ..router.errors import ConfigurationError
from ..router.making import maker
from ..router.protocols import Situation
from ..router.signals import Estimate
from .prices import Prices
from .step_models import BuyRule, StepModel, StepValues

__all__ = ["UtilityPolicy"]

_make_buy = maker(Buy)
_make_comparison = maker(Comparison)
_make_decision = maker(Decision)

Key = tuple[int, bool]

_ABSTAIN, _ESCALATE, _RETRIEVE, _ANSWER = range(4)  # the safer first


class UtilityPolicy:
    """argmax of expected utility over the open actions; of equal ones the safer.

    Args:
        values: fitted models and prices.
        prices: of a wrong answer and of an abstention, in the same currency.
        names: of the tiers, for the reasons.
        trade: utility that a unit of cost takes away.
        abstains: False never abstains while there is a whole answer to serve.

    Raises:
        ConfigurationError: the trade is negative.
    """

    def __init__(
        self,
        values: StepValues,
        prices: Prices,
        names: tuple[str, ...],
        trade: float = 1.0,
        *,
        abstains: bool = True,
    ) -> None:
        if trade < 0.0:
            raise ConfigurationError(
                f"the trade is {trade}; it must be 0 or more", field="policy.trade"
            )
        self.values = values
        self.prices = prices
        self.names = names
        self.trade = trade
        self.abstains = abstains
        self._steps: dict[Key, dict[Key, tuple[StepModel, float]]] = {}
        for step in values.steps:
            price = trade * values.price(step.tier, step.retrieved)
            found = self._steps.setdefault((step.at_tier, step.at_retrieved), {})
            found[step.tier, step.retrieved] = step, price
        self._buys: dict[Key, BuyRule] = {(b.tier, b.retrieved): b for b in values.buys}

    def decide(self, situation: Situation) -> Choice:
        """The best open action, with every number that was compared."""
        here = situation.rung.tier, situation.rung.retrieved
        estimate = situation.estimate
        rule = self._buys.get(here)
        if not isinstance(estimate, Estimate):
            if situation.prior is None or situation.attempt is None or not situation.can_answer:
                return self._blind(situation, here, estimate.reason)
            p = situation.prior[here[0]]  # all that is known until the signal is bought
        else:
            p = estimate.p
        if rule is not None and rule.low <= p < rule.high and self._judges(situation):
            for option in situation.buy:
                if option.signal == rule.signal:
                    return self._bought(rule, p)
        return self._best(situation, here, p)

    def _judges(self, situation: Situation) -> bool:
        """Whether knowing more can change anything: a last tier is answered with all the same."""
        return self.abstains or bool(situation.escalate)

    def _bought(self, rule: BuyRule, p: float) -> Buy:
        reason = f"{p:.2f} is where {rule.signal} saves more than it costs"
        compared = (
            _make_comparison("estimate", p, ">=", rule.low),
            _make_comparison("estimate", p, "<", rule.high),
        )
        return _make_buy(rule.signal, reason, compared)

    def _best(self, situation: Situation, here: Key, p: float) -> Decision:
        wrong, prior = self.prices.error, situation.prior
        options: list[tuple[float, int, Action, int | None, str | None]] = []
        best, known_best = situation.best, -1.0
        if best is not None and isinstance(best.estimate, Estimate):
            known_best = best.estimate.p
            options.append((-wrong * (1.0 - known_best), _ANSWER, Action.ANSWER, None, best.id))
        if p > known_best and situation.can_answer and situation.attempt is not None:
            options.append((-wrong * (1.0 - p), _ANSWER, Action.ANSWER, None, situation.attempt.id))
        if self.abstains or not options:
            options.append((-self.prices.abstain, _ABSTAIN, Action.ABSTAIN, None, None))
        steps = self._steps.get(here, {})
        if situation.retrieve is not None:
            known = steps.get((here[0], True))
            if known is not None:
                step, price = known
                value = -wrong * (1.0 - step.at(p, prior)) - price
                options.append((value, _RETRIEVE, Action.RETRIEVE, None, None))
        for tier, _ in situation.escalate:
            known = steps.get((tier, here[1]))
            if known is not None:
                step, price = known
                value = -wrong * (1.0 - step.at(p, prior)) - price
                options.append((value, _ESCALATE, Action.ESCALATE, tier, None))
        # Of equal values the safer action; of equal escalations the nearer tier.
        value, _, action, target, attempt = max(options, key=lambda one: (one[0], -one[1]))
        compared = tuple(
            [
                _make_comparison(self._name(other[2], other[3]), other[0], "<=", value)
                for other in options
                if other[2] is not action or other[3] != target
            ]
        )
        reason = f"{self._name(action, target)} is worth most, {value:.3g}, at {p:.2f} sure"
        return _make_decision(action, reason, compared, target, attempt)

    def _blind(self, situation: Situation, here: Key, why: str) -> Choice:
        if not self._judges(situation) and situation.can_answer and situation.attempt is not None:
            reason = f"nothing is left to try after {self.names[here[0]]}"
            return _make_decision(Action.ANSWER, reason, (), None, situation.attempt.id, False)
        rule = self._buys.get(here)
        if situation.can_answer and situation.attempt is not None:
            for option in situation.buy:
                if rule is None or option.signal == rule.signal:
                    return _make_buy(option.signal, f"nothing else says how sure it is: {why}")
        if situation.escalate:
            tier = situation.escalate[0][0]
            return _make_decision(
                Action.ESCALATE, f"no estimate: {why}; {self.names[tier]} may know", (), tier
            )
        best = situation.best
        if best is not None and isinstance(best.estimate, Estimate):
            return self._best(situation, here, best.estimate.p)
        if not self.abstains and best is not None:
            return _make_decision(
                Action.ANSWER,
                f"no estimate: {why}; it is the only answer",
                (),
                None,
                best.id,
                False,
            )
        return _make_decision(Action.ABSTAIN, f"no estimate: {why}; nothing is left to try")

    def _name(self, action: Action, tier: int | None) -> str:
        return action.value if tier is None else f"{action.value} to {self.names[tier]}"
