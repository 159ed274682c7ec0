"""The action of the highest expected utility, compared with one look ahead.

With w the price of an error, p_j the chance that tier j is right given what was seen, and t the
trade, each action is worth at least

    U(answer)        = -w (1 - p)
    U(abstain)       = -abstention price
    U(retrieve)      = -w (1 - p after it) - t c_retrieve
    U(escalate to j) = -w (1 - p_j) - t (c_j + price of judging it)

and more where what is learned on the way can still change the mind: `ActionValues` says how much.
A signal is bought where it is expected to save more than its price, so only where p is uncertain.
The policy promises no error rate: certify what it does.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..router.decisions import Action, Buy, Choice, Comparison, Decision, Rung
from ..router.making import maker
from ..router.protocols import Situation
from ..router.signals import Estimate
from .action_values import ActionValues, Leap, logit_of, logits_of
from .prices import Prices
from .value_models import ValueModels

__all__ = ["UtilityPolicy"]

_make_buy = maker(Buy)
_make_comparison = maker(Comparison)
_make_decision = maker(Decision)


class _Option(NamedTuple):
    """An open action and its worth. An answer is with `attempt`, the current one where None."""

    value: float
    action: Action
    name: str
    tier: int | None = None
    attempt: str | None = None
    gated: bool = True
    words: str = ""


class _View(NamedTuple):
    """What is known in a situation.

    `source` is the rung whose estimate, of logit `x`, tells of the others; None where there is
    none. `otherwise` is what can be had in any case: an earlier answer, or an abstention.
    """

    source: Rung | None
    x: float
    logits: tuple[float, ...] | None
    otherwise: float


class UtilityPolicy:
    """argmax of expected utility over what is open; of equal values the safer action.

    Safer first: abstain, escalate (to the cheaper tier), retrieve, answer. An answer that no
    estimate vouches for is served ungated. A failed prior leaves the models without one.

    Args:
        prices: of an error and of an abstention; an infinite one never abstains while anything
            else is open.
        names: the tiers', for the reasons.
        trade: utility that a unit of the table's currency takes away: the one knob.

    Raises:
        ConfigurationError: a price or the trade cannot be used.
    """

    def __init__(
        self, models: ValueModels, prices: Prices, names: tuple[str, ...], trade: float = 1.0
    ) -> None:
        self.values = ActionValues(models, prices, trade)
        self.names = names
        self._escalating = tuple([f"utility of escalating to {name}" for name in names])

    def decide(self, situation: Situation) -> Choice:
        """The best open action, or a signal to buy first, with every value that was compared."""
        view = self._view(situation)
        options = [_Option(self.values.abstain, Action.ABSTAIN, "utility of abstaining")]
        self._add_steps(options, situation, view)
        answer = self._answer(situation, view)
        if answer is not None:
            options.append(answer)
        most = max([option.value for option in options])
        purchase = self._purchase(situation, view, most)
        if purchase is not None:
            return purchase
        least = most - self.values.slack
        chosen = next(option for option in options if option.value >= least)
        compared = tuple(
            [
                _make_comparison(other.name, other.value, "<=", chosen.value)
                for other in options
                if other is not chosen and other.value > -1e300  # an abstention may be ruled out
            ]
        )
        return _make_decision(
            chosen.action,
            self._reason(chosen, situation),
            compared,
            chosen.tier,
            chosen.attempt,
            chosen.gated,
        )

    def _view(self, situation: Situation) -> _View:
        values, best, estimate = self.values, situation.best, situation.estimate
        prior = situation.prior if values.informed else None
        logits = None if prior is None else logits_of(prior)
        otherwise = values.abstain
        source: Rung | None = None
        x = 0.0
        if isinstance(estimate, Estimate):
            source, x = situation.rung, logit_of(estimate.p)
            otherwise = max(otherwise, values.answer(estimate.p))
        if best is not None and isinstance(best.estimate, Estimate):
            otherwise = max(otherwise, values.answer(best.estimate.p))
            if source is None:
                source, x = best.rung, logit_of(best.estimate.p)
        return _View(source, x, logits, otherwise)

    def _leap(self, view: _View, target: Rung) -> Leap | None:
        return self.values.leap(view.source, target, informed=view.logits is not None)

    def _add_steps(self, options: list[_Option], situation: Situation, view: _View) -> None:
        """Escalations, then the search."""
        values, (tier, round, seen) = self.values, situation.rung
        above = [Rung(other, round, seen) for other, _ in situation.escalate]
        searches = situation.retrieve is not None
        for place, target in enumerate(above):
            leap = self._leap(view, target)
            if leap is None:
                continue
            onward = above[place + 1 :]
            if searches:
                onward.append(Rung(target.tier, round + 1, True))
            level = leap.level(view.x, view.logits)
            value = values.going(leap, level, view.logits, onward, view.otherwise)
            name = self._escalating[target.tier]
            options.append(_Option(value, Action.ESCALATE, name, target.tier))
        if searches:
            leap = self._leap(view, Rung(tier, round + 1, True))
            if leap is not None:
                onward = [Rung(other.tier, round + 1, True) for other in above]
                level = leap.level(view.x, view.logits)
                value = values.going(leap, level, view.logits, onward, view.otherwise)
                options.append(_Option(value, Action.RETRIEVE, "utility of retrieving"))

    def _answer(self, situation: Situation, view: _View) -> _Option | None:
        """With the current attempt, or with an earlier one that is surer."""
        values, best, estimate = self.values, situation.best, situation.estimate
        action, name = Action.ANSWER, "utility of answering"
        attempt = situation.attempt if situation.can_answer else None
        if attempt is not None and isinstance(estimate, Estimate):
            earlier = best is not None and isinstance(best.estimate, Estimate)
            if not earlier or best is None or not _surer(best.estimate, estimate.p):
                return _Option(values.answer(estimate.p), action, name)
        own: _Option | None = None
        if attempt is not None and not isinstance(estimate, Estimate):
            words = f"{self.names[attempt.tier]} was not judged"
            value = self._unread(situation.rung, view)
            own = _Option(value, action, name, gated=False, words=words)
        if best is not None and (attempt is None or best.id != attempt.id):
            who = f"the best attempt, by {self.names[best.tier]},"
            if isinstance(best.estimate, Estimate):
                words = f"{who} is {best.estimate.p:.2f} sure"
                value = values.answer(best.estimate.p)
                other = _Option(value, action, name, None, best.id, True, words)
                return own if own is not None and own.value > other.value else other
            if own is None:
                words = f"{who} was not judged"
                value = self._unread(best.rung, view)
                return _Option(value, action, name, None, best.id, False, words)
        return own

    def _unread(self, rung: Rung, view: _View) -> float:
        """Of an answer without an estimate: what else was seen tells how right it may be."""
        source = None if view.source == rung else view.source
        leap = self.values.leap(source, rung, informed=view.logits is not None)
        if leap is None:
            return -self.values.error
        return self.values.answer(1.0 / (1.0 + math.exp(-leap.level(view.x, view.logits))))

    def _purchase(self, situation: Situation, view: _View, most: float) -> Buy | None:
        """The rung's signal, where what it may change is worth more than its price."""
        values, rung = self.values, situation.rung
        costs = values.costs.get(rung)
        if costs is None or costs.signal is None or not situation.can_answer:
            return None
        if not any([option.signal == costs.signal for option in situation.buy]):
            return None
        leap = self._leap(view, rung)
        assert leap is not None  # whatever has costs has a model
        (tier, round, seen), signal = rung, costs.signal
        onward = [Rung(other, round, seen) for other, _ in situation.escalate]
        if situation.retrieve is not None:
            onward.append(Rung(tier, round + 1, True))
        level, price = leap.level(view.x, view.logits), values.trade * costs.price
        if view.source == rung:
            otherwise = self._without_current(situation)
            looked = values.looked(leap, level, view.logits, onward, otherwise)
            saving = looked - values.at_once(leap, level, view.logits, onward, otherwise)
        else:
            looked = values.looked(leap, level, view.logits, onward, view.otherwise)
            saving = looked - most
        if not saving > price + values.slack:
            return None
        reason = f"{signal} is expected to save {saving:.3g}, at a price of {price:.3g}"
        return _make_buy(
            signal, reason, (_make_comparison(f"saving of {signal}", saving, ">", price),)
        )

    def _without_current(self, situation: Situation) -> float:
        """What can be had in any case if the current attempt turns out wrong."""
        best, attempt = situation.best, situation.attempt
        other = best is not None and attempt is not None and best.id != attempt.id
        if other and best is not None and isinstance(best.estimate, Estimate):
            return max(self.values.abstain, self.values.answer(best.estimate.p))
        return self.values.abstain

    def _reason(self, chosen: _Option, situation: Situation) -> str:
        estimate, worth = situation.estimate, f"worth {chosen.value:.3g}"
        words = chosen.words
        if not words and isinstance(estimate, Estimate):
            words = f"{self.names[situation.rung.tier]} is {estimate.p:.2f} sure"
            if not estimate.calibrated:
                words += f" ({estimate.signal}, not calibrated)"
        elif not words and not isinstance(estimate, Estimate):
            words = f"no estimate: {estimate.reason}"
        if chosen.action is Action.ESCALATE and chosen.tier is not None:
            return f"{words}; {self.names[chosen.tier]} may know, {worth}"
        if chosen.action is Action.RETRIEVE:
            return f"{words}; passages may help, {worth}"
        if chosen.action is Action.ABSTAIN:
            return f"{words}; nothing that is open is worth more than no answer"
        return f"{words}; answering is {worth}, and nothing that is open is worth more"


def _surer(estimate: object, p: float) -> bool:
    return isinstance(estimate, Estimate) and estimate.p > p
