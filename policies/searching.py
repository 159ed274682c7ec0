"""Searching the rules of least expected price, and judging whether each step pays.

Coordinate descent over the rungs' thresholds, next steps and buy bands. What comes of a question is
always found by the loop that serves, once for all rules that treat it alike.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import NamedTuple

from ..router.decisions import Action, Rung
from ..router.signals import Estimate, Reading, Signal, Unavailable
from .calibrating import CalibratedRung, with_out_of_fold
from .outcomes import OutcomeTable
from .prices import Prices
from .recorded import Replayer
from .replay import Served, serve
from .threshold import BuyBand, RungRule, ThresholdPolicy

__all__ = ["OutOfFoldAssessor", "Progress", "RuleSearch"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, units done and units in all."""

_GRID = 12
_SWEEPS = 3
_FOLDS = 5
_BAND_WIDTHS = (0.05, 0.1, 0.2, 1.0)
_REPS = 1000


class OutOfFoldAssessor:
    """Reads the preferred signal's out-of-fold probability, which stands in the table.

    Args:
        orders: names by rung, the preferred one first.
        to_buy: the bought signal within each combination, without which that cannot be had.
    """

    def __init__(
        self,
        orders: Mapping[tuple[int, bool], tuple[str, ...]],
        to_buy: Mapping[str, str] | None = None,
    ) -> None:
        self._orders = orders
        self._to_buy = to_buy or {}

    def assess(self, rung: Rung, signals: Mapping[str, Reading]) -> Estimate | Unavailable:
        """The estimate from the first available signal of the rung's order."""
        for name in self._orders[rung.tier, rung.retrieved]:
            reading = signals.get(name)
            part = signals.get(self._to_buy.get(name, name))
            if isinstance(reading, Signal) and isinstance(part, Signal):
                return Estimate(reading.value, name, True)
        return Unavailable("no signal is available")


class RuleSearch:
    """Coordinate descent over the rules of all rungs.

    Args:
        table: with a loss in every row.
        rungs: as calibrated on this very table.
        names: the tiers' names.
    """

    def __init__(
        self,
        table: OutcomeTable,
        rungs: Sequence[CalibratedRung],
        names: tuple[str, ...],
        prices: Prices,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        self._prices = prices
        self._names = names
        self._progress = progress
        self._rungs = rungs
        self._table, orders = with_out_of_fold(table, rungs)
        self._to_buy = _parts_to_buy(rungs, table.bought)
        self._rounds = table.rounds
        self._seed = seed
        self._known: dict[tuple[object, ...], Served] = {}
        self._tried = 0
        self._start = tuple(self._first_rule(rung) for rung in rungs)
        self._estimates = self._estimated(orders)
        policy = self._policy(self._start)
        self._replayer = Replayer(
            self._table, self._names, policy, OutOfFoldAssessor(orders, self._to_buy)
        )

    def best(self) -> tuple[RungRule, ...]:
        """The rules of least expected price."""
        return self._best_on(list(self._estimates))

    def advice(self) -> tuple[str, ...]:
        """Whether each step beyond the first draft pays, with an interval.

        Judged on questions that the rules were not chosen on: on its own questions, a search finds
        something to gain from any step.
        """
        folds = self._folds()
        rules = [
            self._best_on([q for other in folds if other is not fold for q in other])
            for fold in folds
        ]

        def served(action: Action | None = None, tier: int = 0) -> list[Served]:
            found: list[Served] = []
            for fold, chosen in zip(folds, rules, strict=True):
                kept = chosen if action is None else [_without(r, action, tier) for r in chosen]
                found += self.replay(tuple(kept), fold)
            return found

        lines = [
            self._verdict(f"escalating to {name}", served(), served(Action.ESCALATE, tier))
            for tier, name in enumerate(self._names)
            if tier
        ]
        if self._rounds:
            lines.append(self._verdict("retrieving", served(), served(Action.RETRIEVE)))
        return tuple(lines)

    def _folds(self) -> list[list[str]]:
        questions = list(self._estimates)
        random.Random(self._seed).shuffle(questions)
        return [questions[i::_FOLDS] for i in range(_FOLDS)]

    def _best_on(self, questions: Sequence[str]) -> tuple[RungRule, ...]:
        rules = self._start
        price = self._price(rules, questions)
        for _ in range(_SWEEPS):
            before = price
            for i, rung in enumerate(self._rungs):
                for candidate in self._candidates(rung, rules[i]):
                    changed = (*rules[:i], candidate, *rules[i + 1 :])
                    found = self._price(changed, questions)
                    if found < price - 1e-12:
                        rules, price = changed, found
            if price >= before:
                break
        return rules

    def _first_rule(self, rung: CalibratedRung) -> RungRule:
        names = [fitted.name for fitted in rung.calibrators]
        # Where every signal has a price, the best one is bought, or nothing would ever be known.
        blind = all(name in self._to_buy for name in names)
        buy = (BuyBand(self._to_buy[names[0]], 0.0, 1.0),) if blind else ()
        return RungRule(rung.tier, self._prices.floor, rung.retrieved, self._steps(rung), buy)

    def _steps(self, rung: CalibratedRung) -> tuple[Action, ...]:
        """What can follow on a rung; a step without rows would do online what nobody tried."""
        steps = []
        if self._rounds > int(rung.retrieved):
            steps.append(Action.RETRIEVE)
        if rung.tier + 1 < len(self._names):
            steps.append(Action.ESCALATE)
        return tuple(steps)

    def _estimated(
        self, orders: Mapping[tuple[int, bool], tuple[str, ...]]
    ) -> dict[str, list[_Estimates]]:
        """The estimates of each question's rows, by question."""
        places = {(rung.tier, rung.retrieved): i for i, rung in enumerate(self._rungs)}
        found: dict[str, list[_Estimates]] = {}
        for query_id in sorted(self._table.queries):
            found[query_id] = []
            for row in self._table.queries[query_id].values():
                names = orders[row.tier, row.retrieved]
                free = _first([row.signals[name] for name in names if name not in self._to_buy])
                # The best one's purchase opens all that rest on it; nothing else is ever bought.
                known = (None, self._to_buy.get(names[0]))
                paid = _first([row.signals[n] for n in names if self._to_buy.get(n) in known])
                place = places[row.tier, row.retrieved]
                found[query_id].append(_Estimates(place, free, paid))
        return found

    def _candidates(self, rung: CalibratedRung, rule: RungRule) -> list[RungRule]:
        best = rung.calibrators[0].name
        values = sorted(set(rung.out_of_fold[best].values()))
        step = max(1, len(values) // _GRID)
        found = [replace(rule, threshold=value) for value in [*values[::step], values[-1], 1.0]]
        steps = self._steps(rung)
        for length in range(len(steps) + 1):
            found += [replace(rule, then=then) for then in permutations(steps, length)]
        if best in self._to_buy:
            for width in _BAND_WIDTHS:
                low, high = max(0.0, rule.threshold - width), min(1.0, rule.threshold + width)
                found.append(replace(rule, buy=(BuyBand(self._to_buy[best], low, high),)))
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

    def replay(self, rules: tuple[RungRule, ...], questions: Sequence[str]) -> list[Served]:
        """The questions under these rules, replayed where no earlier rules treated them alike.

        A rule may buy no signal but the best of its rung.

        Raises:
            UsageError: the table lacks a row that is reached.
        """
        policy, served = self._policy(rules), []
        for query_id in questions:
            rows = self._estimates[query_id]
            key = (query_id, *[_treatment(rules[row.place], row) for row in rows])
            one = self._known.get(key)
            if one is None:
                one = self._known[key] = serve(self._table, self._replayer, query_id, policy)
            served.append(one)
        return served

    def _price(self, rules: tuple[RungRule, ...], questions: Sequence[str]) -> float:
        self._tried += 1
        if self._progress is not None:
            total = (1 + _FOLDS) * _SWEEPS * len(rules) * (_GRID + 8)
            self._progress("searching rules", min(self._tried, total), total)
        served = self.replay(rules, questions)
        return math.fsum([self._paid(one) for one in served]) / len(served)

    def _paid(self, one: Served) -> float:
        if one.loss is None:
            return one.cost + self._prices.abstain
        return one.cost + self._prices.error * one.loss

    def _verdict(self, what: str, served: Sequence[Served], without: Sequence[Served]) -> str:
        """Paired bootstrap of the price saved, over questions."""
        saved = [self._paid(b) - self._paid(a) for a, b in zip(served, without, strict=True)]
        if not any(saved):
            return f"{what} does not pay: no rule found a use for it"
        unit, n = self._prices.error or 1.0, len(saved)
        # A step taken a few times may by chance have mended nothing, or harmed nothing, and drawing
        # from its questions again would be too sure of that. So one of each is added.
        drawn = [*saved, unit, -unit]
        rng = random.Random(self._seed)
        means = sorted(math.fsum(rng.choices(drawn, k=n + 2)) / (n + 2) for _ in range(_REPS))
        low, high = means[int(0.025 * _REPS)], means[int(0.975 * _REPS)]
        words = (
            f"it saves {math.fsum(saved) / n / unit:+.4f} errors' worth a question "
            f"[{low / unit:+.4f}, {high / unit:+.4f}]"
        )
        if low > 0:
            return f"{what} pays: {words}"
        if high <= 0:
            return f"{what} does not pay: {words}"
        return f"{what}: undecided on {n} questions: {words}"


def _parts_to_buy(rungs: Sequence[CalibratedRung], bought: frozenset[str]) -> dict[str, str]:
    """What has to be bought before a signal, or a combination, can be had; free ones are absent."""
    fitted = [one for rung in rungs for one in rung.calibrators]
    return {one.name: part for one in fitted for part in one.parts if part in bought}


def _first(values: Sequence[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)


class _Estimates(NamedTuple):
    """What is known of a row before and after the rung's best signal is bought."""

    place: int
    free: float | None
    paid: float | None


def _treatment(rule: RungRule, known: _Estimates) -> object:
    """All that the policy makes of a rule on a row: two rules of one treatment lead to one end."""
    p = known.free
    buys = any(p is None or band.low <= p < band.high for band in rule.buy)
    if buys:
        p = known.paid
    return buys, p is not None and p >= rule.threshold, rule.then


def _without(rule: RungRule, action: Action, tier: int) -> RungRule:
    """The rule with an action taken away; escalation only where it leads to `tier` or above."""
    if action is Action.ESCALATE and rule.tier + 1 < tier:
        return rule
    return replace(rule, then=tuple(step for step in rule.then if step is not action))
