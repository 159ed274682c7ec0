"""Combinations: frozen maps from several signals of one attempt to the log odds of being right.

A combination ranks; its log odds come from the rows that it was fitted on and are too sure. A
curve, fitted on out-of-fold log odds, makes the probability of them (`CombinedCalibrator`). Both
are made by `router.calibration.combination` and travel as JSON inside a profile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ..errors import UsageError
from ..signals import Reading, Signal
from ..wire import decode
from .boosted_trees import Tree
from .curves import CLIP, Curve, set_fingerprint, sigmoid

__all__ = [
    "BoostedCombination",
    "Combination",
    "CombinedCalibrator",
    "FittedCombination",
    "LogisticCombination",
    "combination_from_data",
    "combined_name",
]


class Combination(Protocol):
    """Several signals to one number."""

    @property
    def signals(self) -> tuple[str, ...]:
        """Canonical names, in the order of `log_odds`' values."""
        ...

    @property
    def saw_missing(self) -> tuple[bool, ...]:
        """For each signal, whether it was fitted on rows that lacked it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes whenever any fitted number changes."""
        ...

    def log_odds(self, values: Sequence[float | None]) -> float:
        """Higher is surer; None stands for a signal that is missing."""
        ...


@dataclass(frozen=True, slots=True)
class LogisticCombination:
    """intercept + sum of a ln v - b ln(1 - v), or of the indicator where a signal is missing.

    v is a signal's value, clipped to [1e-6, 1 - 1e-6]; with a = b its term is a logit(v). Neither
    weight is negative, so the sum falls with no signal.

    Attributes:
        signals: canonical names.
        versions: of their estimators.
        n: labels it was fitted on; `positives` is their sum, how many were right unless graded.
        a: weights of ln v, one a signal, from 0.
        b: weights of -ln(1 - v), one a signal, from 0.
        missing: what a missing signal adds in the place of its term; None where none was missing.
        penalty: ridge on the standardized terms that the weights were fitted with.
    """

    signals: tuple[str, ...]
    versions: tuple[int, ...]
    n: int
    positives: int | float
    intercept: float
    a: tuple[float, ...]
    b: tuple[float, ...]
    missing: tuple[float | None, ...]
    penalty: float
    kind: Literal["logistic"] = "logistic"
    fingerprint: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        columns = (self.signals, self.versions, self.a, self.b, self.missing)
        if len({len(column) for column in columns}) > 1 or not self.signals:
            raise UsageError("expected one version, two weights and one indicator a signal")
        offsets = [self.intercept, *(gap for gap in self.missing if gap is not None)]
        weights = [*self.a, *self.b]
        if not all(map(math.isfinite, [*offsets, *weights])) or min(weights) < 0.0:
            raise UsageError("expected finite numbers and weights from 0")
        numbers = [self.intercept, list(self.a), list(self.b), list(self.missing)]
        set_fingerprint(self, [self.kind, list(self.signals), list(self.versions), numbers])

    @property
    def saw_missing(self) -> tuple[bool, ...]:
        """For each signal, whether it was fitted on rows that lacked it."""
        return tuple([gap is not None for gap in self.missing])

    def log_odds(self, values: Sequence[float | None]) -> float:
        """Higher is surer. Raises UsageError where a signal is missing that never was."""
        total = self.intercept
        for value, a, b, gap in zip(values, self.a, self.b, self.missing, strict=True):
            if value is not None:
                v = min(max(value, CLIP), 1.0 - CLIP)
                total += a * math.log(v) - b * math.log1p(-v)
            elif gap is None:
                raise UsageError("a signal is missing that no fitted row lacked")
            else:
                total += gap
        return total


@dataclass(frozen=True, slots=True)
class BoostedCombination:
    """A sum of small trees, none of which falls where a signal rises.

    Fitted by scikit-learn's histogram gradient boosting under monotonic constraints, kept as plain
    numbers and evaluated here, so that serving needs no scikit-learn.

    Source: Friedman 2001, "Greedy Function Approximation: A Gradient Boosting Machine".

    Attributes:
        signals: canonical names.
        versions: of their estimators.
        n: labels it was fitted on; `positives` is their sum, how many were right unless graded.
        baseline: log odds before any tree.
        saw_missing: for each signal, whether it was fitted on rows that lacked it.
    """

    signals: tuple[str, ...]
    versions: tuple[int, ...]
    n: int
    positives: int | float
    baseline: float
    trees: tuple[Tree, ...]
    saw_missing: tuple[bool, ...]
    kind: Literal["boosted"] = "boosted"
    fingerprint: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not len(self.signals) == len(self.versions) == len(self.saw_missing) > 0:
            raise UsageError("expected one version and one word on missing values a signal")
        if any(feature >= len(self.signals) for tree in self.trees for feature in tree.features):
            raise UsageError("expected trees over the signals that are named")
        if not math.isfinite(self.baseline):
            raise UsageError(f"expected a finite baseline, got {self.baseline}")
        numbers = [self.baseline, list(self.saw_missing), [tree.plain() for tree in self.trees]]
        set_fingerprint(self, [self.kind, list(self.signals), list(self.versions), numbers])

    def log_odds(self, values: Sequence[float | None]) -> float:
        """Higher is surer. Raises UsageError where a signal is missing that never was."""
        for value, seen in zip(values, self.saw_missing, strict=True):
            if value is None and not seen:
                raise UsageError("a signal is missing that no fitted row lacked")
        return self.baseline + sum([tree.at(values) for tree in self.trees])


FittedCombination = LogisticCombination | BoostedCombination
"""Any of the combinations that a profile can hold."""


def combination_from_data(data: Any) -> FittedCombination:
    """The combination in JSON-plain values, as `wire.encode` made them.

    Raises:
        UsageError: of an unknown kind, or with numbers that make no combination.
    """
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if kind == "logistic":
        return decode(LogisticCombination, data)
    if kind == "boosted":
        return decode(BoostedCombination, data)
    raise UsageError(f"expected a combination of kind logistic or boosted, got {kind!r}")


def combined_name(signals: Sequence[str]) -> str:
    """What an estimate from these signals together is called."""
    return f"combined({', '.join(signals)})"


@dataclass(frozen=True, slots=True)
class CombinedCalibrator:
    """A combination and the curve that makes a probability of its log odds."""

    combination: Combination
    curve: Curve
    fingerprint: str

    def read(self, signals: Mapping[str, Reading]) -> tuple[float | None, str | None]:
        """The probability, None where it cannot be had; and which signal was missing, and why.

        A signal that was never read (one that has to be bought, say) leaves no probability and no
        reason: nothing has failed. One that was read and is Unavailable counts as missing, where
        fitted rows lacked it too.
        """
        values: list[float | None] = []
        gaps: list[str] = []
        is_fitted = True
        combination = self.combination
        for name, saw in zip(combination.signals, combination.saw_missing, strict=True):
            reading = signals.get(name)
            if isinstance(reading, Signal):
                values.append(reading.value)
            elif reading is None:
                return None, None
            else:
                values.append(None)
                gaps.append(f"{name}: {reading.reason}")
                is_fitted = is_fitted and saw
        why = "; ".join(gaps) or None
        if not is_fitted or len(gaps) == len(values):
            return None, why
        return self.curve.at(sigmoid(combination.log_odds(values))), why
