"""Fitting an uncertified threshold policy: calibrate out of fold, then search the cheapest rules.

The objective is the mean over questions of

    cost + error_price * loss of what was served + abstain_price * [abstained].

It is minimized by coordinate descent over the rungs' thresholds, orders and buy bands, every
candidate replayed through the loop that serves. Nothing here promises an error rate.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..router.decisions import Action, Rung
from ..router.errors import UsageError
from ..router.signals import Estimate, Reading, Signal, Unavailable
from .calibrating import CalibratedRung, calibrate_rungs, with_out_of_fold
from .outcomes import OutcomeTable
from .profile import FittedRung, FittedTier, Profile
from .recorded import Replayer
from .replay import Served, serve
from .threshold import BuyBand, RungRule, ThresholdPolicy

__all__ = ["FitSettings", "Prices", "check_prices", "default_prices", "fit_uncertified"]

Progress = Callable[[str, int, int], None]

_GRID = 12
_SWEEPS = 3
_BAND_WIDTHS = (0.05, 0.1, 0.2, 1.0)
_ERROR_IN_ATTEMPTS = 50.0
_REPS = 1000


@dataclass(frozen=True, slots=True)
class Prices:
    """What a wrong answer and an abstention cost, in the table's currency."""

    error: float
    abstain: float

    @property
    def floor(self) -> float:
        """The estimate from which an answer is better than an abstention: 1 - abstain / error."""
        share = self.abstain / self.error if self.error else 0.0
        return min(1.0, max(0.0, 1.0 - share))


@dataclass(frozen=True, slots=True)
class FitSettings:
    """What is known beside the table.

    Attributes:
        tiers: one a tier, cheapest first.
        estimators: what goes into the profile's `estimators`; empty for bare tables.
        versions: version of each estimator by name.
    """

    tiers: tuple[FittedTier, ...]
    prices: Prices
    estimators: Mapping[str, Any]
    versions: Mapping[str, int]
    seed: int = 0


def default_prices(table: OutcomeTable) -> Prices:
    """A wrong answer costs as much as 50 attempts by the dearest rung, an abstention half of it.

    With costs of zero throughout: 1 and 0.5.
    """
    costs: dict[Rung, list[float]] = {}
    for row in table.rows():
        costs.setdefault(row.rung, []).append(row.cost)
    dearest = max(math.fsum(values) / len(values) for values in costs.values())
    error = _ERROR_IN_ATTEMPTS * dearest or 1.0
    return Prices(error, error / 2)


def fit_uncertified(
    table: OutcomeTable,
    settings: FitSettings,
    fitted_on: Mapping[str, Any],
    progress: Progress | None = None,
) -> Profile:
    """Calibrate every rung and choose the rules of least expected price.

    Raises:
        UsageError: a price cannot be used, a row was not judged, the table cannot be calibrated, or
            it lacks a row that a policy would reach.
    """
    check_prices(settings.prices)
    _check_judged(table)
    rungs = calibrate_rungs(table, settings.versions, seed=settings.seed)
    search = _Search(table, rungs, settings, progress)
    rules = search.best()
    fitted = tuple(
        FittedRung(
            rung.tier,
            rung.retrieved,
            rule.threshold,
            rule.then,
            rule.buy,
            rung.calibrators,
        )
        for rung, rule in zip(rungs, rules, strict=True)
    )
    return Profile(
        tiers=settings.tiers,
        rungs=_with_unseen_rungs(fitted, len(settings.tiers)),
        estimators=settings.estimators,
        floor=settings.prices.floor,
        prices={"error": settings.prices.error, "abstain": settings.prices.abstain},
        advice=search.advice(rules),
        fitted_on=fitted_on,
    )


def _check_judged(table: OutcomeTable) -> None:
    for row in table.rows():
        if row.loss is None:
            raise UsageError(
                f"query {row.query_id!r}, tier {row.tier} has no loss: judge it first, or leave "
                "the question out of the table"
            )


def _with_unseen_rungs(fitted: tuple[FittedRung, ...], tiers: int) -> tuple[FittedRung, ...]:
    """A rung that the table lacks gets no calibrator: it can never answer, only go on."""
    seen = {(rung.tier, rung.retrieved) for rung in fitted}
    missing = tuple(
        FittedRung(tier, retrieved, 1.0, (Action.ESCALATE,), (), ())
        for tier in range(tiers)
        for retrieved in (False, True)
        if (tier, retrieved) not in seen
    )
    return fitted + missing


class _OutOfFold:
    """Reads the preferred signal's out-of-fold probability, which stands in the table."""

    def __init__(self, orders: Mapping[tuple[int, bool], tuple[str, ...]]) -> None:
        self._orders = orders

    def assess(self, rung: Rung, signals: Mapping[str, Reading]) -> Estimate | Unavailable:
        for name in self._orders[rung.tier, rung.retrieved]:
            reading = signals.get(name)
            if isinstance(reading, Signal):
                return Estimate(reading.value, name, True)
        return Unavailable("no signal is available")


class _Search:
    """Coordinate descent over the rules of all rungs."""

    def __init__(
        self,
        table: OutcomeTable,
        rungs: Sequence[CalibratedRung],
        settings: FitSettings,
        progress: Progress | None,
    ) -> None:
        self._prices = settings.prices
        self._names = tuple(tier.name for tier in settings.tiers)
        self._progress = progress
        self._rungs = rungs
        self._table, orders = with_out_of_fold(table, rungs)
        self._bought = table.bought
        self._rounds = table.rounds
        self._seed = settings.seed
        self._questions = sorted(table.queries)
        self._tried: dict[tuple[RungRule, ...], float] = {}
        self._start = tuple(self._first_rule(rung) for rung in rungs)
        policy = self._policy(self._start)
        self._replayer = Replayer(self._table, self._names, policy, _OutOfFold(orders))

    def best(self) -> tuple[RungRule, ...]:
        """The rules of least expected price."""
        rules = self._start
        price = self._price(rules)
        for _ in range(_SWEEPS):
            before = price
            for i, rung in enumerate(self._rungs):
                for candidate in self._candidates(rung, rules[i]):
                    changed = (*rules[:i], candidate, *rules[i + 1 :])
                    found = self._price(changed)
                    if found < price - 1e-12:
                        rules, price = changed, found
            if price >= before:
                break
        return rules

    def advice(self, rules: tuple[RungRule, ...]) -> tuple[str, ...]:
        """Whether each step beyond the first draft pays on these questions, with an interval."""
        served = self._replay(rules)
        lines = []
        for tier in range(1, len(self._names)):
            without = self._replay(tuple(_without(rule, Action.ESCALATE, tier) for rule in rules))
            lines.append(self._verdict(f"escalating to {self._names[tier]}", served, without))
        if self._rounds:
            without = self._replay(tuple(_without(rule, Action.RETRIEVE, 0) for rule in rules))
            lines.append(self._verdict("retrieving", served, without))
        return tuple(lines)

    def _first_rule(self, rung: CalibratedRung) -> RungRule:
        names = [fitted.curve.signal for fitted in rung.calibrators]
        # Where every signal has a price, the best one is bought, or nothing would ever be known.
        blind = all(name in self._bought for name in names)
        buy = (BuyBand(names[0], 0.0, 1.0),) if blind else ()
        # No step that the table has no rows for, or the policy would do online what nobody tried.
        then: tuple[Action, ...] = (Action.RETRIEVE, Action.ESCALATE)
        if self._rounds <= int(rung.retrieved):
            then = then[1:]
        return RungRule(rung.tier, self._prices.floor, rung.retrieved, then, buy)

    def _candidates(self, rung: CalibratedRung, rule: RungRule) -> list[RungRule]:
        best = rung.calibrators[0].curve.signal
        values = sorted(set(rung.out_of_fold[best].values()))
        step = max(1, len(values) // _GRID)
        found = [replace(rule, threshold=value) for value in [*values[::step], values[-1], 1.0]]
        if len(rule.then) > 1:
            found.append(replace(rule, then=rule.then[::-1]))
        if best in self._bought:
            for width in _BAND_WIDTHS:
                low, high = max(0.0, rule.threshold - width), min(1.0, rule.threshold + width)
                found.append(replace(rule, buy=(BuyBand(best, low, high),)))
        if rule.buy:
            found.append(replace(rule, buy=()))
        return found

    def _policy(self, rules: tuple[RungRule, ...]) -> ThresholdPolicy:
        known = {(rule.tier, rule.retrieved) for rule in rules}
        rest = tuple(
            RungRule(tier, 1.0, retrieved)
            for tier in range(len(self._names))
            for retrieved in (False, True)
            if (tier, retrieved) not in known
        )
        return ThresholdPolicy(rules + rest, self._names, self._prices.floor)

    def _replay(self, rules: tuple[RungRule, ...]) -> list[Served]:
        policy = self._policy(rules)
        return [serve(self._table, self._replayer, name, policy) for name in self._questions]

    def _price(self, rules: tuple[RungRule, ...]) -> float:
        """Mean price of a question; asked again and again for the same rules in later sweeps."""
        price = self._tried.get(rules)
        if price is None:
            served = self._replay(rules)
            price = math.fsum([self._paid(one) for one in served]) / len(served)
            self._tried[rules] = price
            if self._progress is not None:
                total = _SWEEPS * len(rules) * (_GRID + 4)
                self._progress("searching rules", min(len(self._tried), total), total)
        return price

    def _paid(self, one: Served) -> float:
        if one.loss is None:
            return one.cost + self._prices.abstain
        return one.cost + self._prices.error * one.loss

    def _verdict(self, what: str, served: Sequence[Served], without: Sequence[Served]) -> str:
        """Paired bootstrap of the price saved, over questions."""
        saved = [self._paid(b) - self._paid(a) for a, b in zip(served, without, strict=True)]
        rng, n = random.Random(self._seed), len(saved)
        means = sorted(math.fsum(rng.choices(saved, k=n)) / n for _ in range(_REPS))
        low, high = means[int(0.025 * _REPS)], means[int(0.975 * _REPS)]
        mean = math.fsum(saved) / n
        unit = self._prices.error or 1.0
        interval = f"[{low / unit:+.4f}, {high / unit:+.4f}]"
        words = f"it saves {mean / unit:+.4f} errors' worth a question {interval}"
        if low > 0:
            return f"{what} pays: {words}"
        if high < 0 or (low == high == 0):
            return f"{what} does not pay: {words}"
        return f"{what}: undecided on {n} questions: {words}"


def _without(rule: RungRule, action: Action, tier: int) -> RungRule:
    """The rule with an action taken away; escalation only where it leads to `tier` or above."""
    if action is Action.ESCALATE and rule.tier + 1 < tier:
        return rule
    return replace(rule, then=tuple(step for step in rule.then if step is not action))


def check_prices(prices: Prices) -> Prices:
    """The prices, if they can be used.

    Raises:
        UsageError: a price is negative or not finite.
    """
    for name, price in (("error", prices.error), ("abstain", prices.abstain)):
        if not (math.isfinite(price) and price >= 0.0):
            raise UsageError(f"the {name} price is {price}; it must be a finite number from 0")
    return prices
