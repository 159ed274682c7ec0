"""Fitting calibrators to labelled history, and judging them out of fold.

No fit depends on the order of its rows, and rows of equal score are one group. The fitted records
are those of `router.calibrators`, named here too.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .calibrators import (
    Curve,
    IsotonicCalibrator,
    TemperatureCalibrator,
    calibrated,
    calibrator_from_json,
    logit,
    sigmoid,
)
from .errors import UsageError

__all__ = [
    "Block",
    "Curve",
    "IsotonicCalibrator",
    "TemperatureCalibrator",
    "calibrated",
    "calibrator_from_json",
    "cross_fitted",
    "fit_isotonic",
    "fit_temperature",
    "pool_adjacent_violators",
]

_LEAST_TAU, _LARGEST_TAU = 0.01, 100.0


def fit_temperature(
    values: Sequence[float],
    labels: Sequence[int],
    *,
    signal: str,
    version: int = 1,
    weights: Sequence[float] | None = None,
) -> TemperatureCalibrator:
    """The temperature of least log loss.

    In beta = 1 / tau the loss is convex, so its derivative is bisected; tau stays in [0.01, 100].

    Args:
        values: signal values in [0, 1].
        labels: 1 for right, 0 for wrong.
        weights: above 0, one a row; all 1 by default.

    Raises:
        UsageError: only one class, lengths that differ, or a number out of its range.
    """
    ties = _tie_groups(values, labels, weights)
    if ties[0].low < 0.0 or ties[-1].high > 1.0:
        raise UsageError(f"expected values in [0, 1], got {ties[0].low} to {ties[-1].high}")
    points = [(logit(tie.low), tie.weight, tie.positive) for tie in ties]

    def slope(beta: float) -> float:
        return math.fsum([z * (w * sigmoid(beta * z) - y) for z, w, y in points])

    beta = _root(slope, 1.0 / _LARGEST_TAU, 1.0 / _LEAST_TAU)
    return TemperatureCalibrator(signal, version, len(labels), sum(labels), 1.0 / beta)


def fit_isotonic(
    scores: Sequence[float],
    labels: Sequence[int],
    *,
    signal: str,
    version: int = 1,
    weights: Sequence[float] | None = None,
) -> IsotonicCalibrator:
    """The non-decreasing curve of least squared error, with its ends made cautious.

    The lowest and the highest block get (positives + 1) / (n + 2), so that no finite history
    promises 0 or 1. Where that would cross the neighboring block, the end absorbs the neighbor.
    Wants about 1,000 rows; creates ties.

    Args:
        scores: `Signal.score`, higher is surer; any finite numbers.
        labels: 1 for right, 0 for wrong.
        weights: above 0, one a row; all 1 by default.

    Raises:
        UsageError: only one class, lengths that differ, or a number that is not finite.
    """
    blocks = pool_adjacent_violators(scores, labels, weights)
    knots: list[tuple[float, float]] = []
    for block, p in _with_cautious_ends(blocks):
        knots.append((block.low, p))
        if block.high > block.low:
            knots.append((block.high, p))
    return IsotonicCalibrator(
        signal,
        version,
        len(labels),
        sum(labels),
        tuple(score for score, _ in knots),
        tuple(p for _, p in knots),
    )


@dataclass(frozen=True, slots=True)
class Block:
    """A run of neighboring scores that share one probability.

    Attributes:
        low: the least score; `high` is the largest.
        positive: weight of the right answers among them.
        weight: of all answers among them.
    """

    low: float
    high: float
    positive: float
    weight: float

    @property
    def mean(self) -> float:
        """Share of right answers."""
        return self.positive / self.weight

    @property
    def cautious(self) -> float:
        """Share of right answers after one more of each kind."""
        return (self.positive + 1.0) / (self.weight + 2.0)

    def joined(self, right: Block) -> Block:
        """This block and the one to its right as one."""
        total = self.weight + right.weight
        return Block(self.low, right.high, self.positive + right.positive, total)


def pool_adjacent_violators(
    scores: Sequence[float], labels: Sequence[int], weights: Sequence[float] | None = None
) -> tuple[Block, ...]:
    """The blocks of the isotonic least-squares fit, lowest score first, means increasing.

    Equal scores form one group before anything is pooled, so no order of the rows matters.
    Raises as `fit_isotonic`.
    """
    blocks: list[Block] = []
    for group in _tie_groups(scores, labels, weights):
        block = group
        # Cross products instead of means: exact for whole weights.
        while blocks and blocks[-1].positive * block.weight >= block.positive * blocks[-1].weight:
            block = blocks.pop().joined(block)
        blocks.append(block)
    return tuple(blocks)


def cross_fitted(
    fit: Callable[[Sequence[float], Sequence[int]], Curve],
    scores: Sequence[float],
    labels: Sequence[int],
    groups: Sequence[str],
    *,
    folds: int = 5,
    seed: int = 0,
) -> tuple[float, ...]:
    """Out-of-fold probabilities, one a row: each from a curve that saw no row of its question.

    Questions are dealt to folds at random, but evenly by their share of right answers; the deal
    depends on the questions' names and the seed, not on the order of the rows.

    Args:
        fit: e.g. `partial(fit_isotonic, signal="perplexity")`.
        groups: the question of each row.

    Raises:
        UsageError: fewer than two folds or fewer questions than folds, and as `fit` does.
    """
    if not len(scores) == len(labels) == len(groups):
        raise UsageError(
            f"expected as many scores as labels and groups, got {len(scores)}, {len(labels)} and "
            f"{len(groups)}"
        )
    fold_of = _deal(labels, groups, folds, seed)
    found = [0.0] * len(scores)
    for fold in range(folds):
        held_out = [i for i, group in enumerate(groups) if fold_of[group] == fold]
        kept = [i for i, group in enumerate(groups) if fold_of[group] != fold]
        curve = fit([scores[i] for i in kept], [labels[i] for i in kept])
        for i in held_out:
            found[i] = curve.at(scores[i])
    return tuple(found)


def _deal(labels: Sequence[int], groups: Sequence[str], folds: int, seed: int) -> dict[str, int]:
    rows: dict[str, list[int]] = {}
    for group, label in zip(groups, labels, strict=True):
        rows.setdefault(group, []).append(label)
    if folds < 2 or len(rows) < folds:
        raise UsageError(
            f"expected at least two folds and as many questions, got {folds} folds over "
            f"{len(rows)} questions; use fewer folds or more questions"
        )
    names = sorted(rows)
    random.Random(seed).shuffle(names)
    names.sort(key=lambda name: sum(rows[name]) / len(rows[name]))
    return {name: position % folds for position, name in enumerate(names)}


def _with_cautious_ends(blocks: Sequence[Block]) -> list[tuple[Block, float]]:
    first, *rest = blocks
    while rest and first.cautious > rest[0].mean:
        first = first.joined(rest.pop(0))
    if not rest:
        return [(first, first.cautious)]
    inner = [(first, first.cautious), *((block, block.mean) for block in rest[:-1])]
    last = rest[-1]
    while inner and last.cautious < inner[-1][1]:
        last = inner.pop()[0].joined(last)
    return [*inner, (last, last.cautious)]


def _tie_groups(
    scores: Sequence[float], labels: Sequence[int], weights: Sequence[float] | None
) -> list[Block]:
    """One block per distinct score, lowest first, after the rows were found fit to fit on."""
    counted = [1.0] * len(scores) if weights is None else weights
    _check_rows(scores, labels, counted)
    rows: dict[float, list[tuple[float, int]]] = {}
    for score, label, weight in zip(scores, labels, counted, strict=True):
        # Adding 0.0 makes -0.0 the same knot as 0.0 whichever of them comes first.
        rows.setdefault(float(score) + 0.0, []).append((weight, label))
    return [
        Block(
            score,
            score,
            math.fsum(weight for weight, label in rows[score] if label),
            math.fsum(weight for weight, _ in rows[score]),
        )
        for score in sorted(rows)
    ]


def _check_rows(scores: Sequence[float], labels: Sequence[int], weights: Sequence[float]) -> None:
    if not len(scores) == len(labels) == len(weights):
        raise UsageError(
            f"expected one label and weight per score, got {len(labels)} labels and "
            f"{len(weights)} weights for {len(scores)} scores"
        )
    _require(scores, math.isfinite, "a finite score")
    _require(labels, lambda label: label in (0, 1), "a label of 0 or 1")
    _require(weights, lambda weight: math.isfinite(weight) and weight > 0.0, "a weight above 0")
    if len(set(labels)) < 2:
        what = f"only {labels[0]}" if labels else "none"
        raise UsageError(
            f"expected right and wrong answers to fit on, got {len(labels)} labels, {what}; "
            "collect labels of the other kind first"
        )


def _require(numbers: Iterable[float], holds: Callable[[float], bool], what: str) -> None:
    for row, number in enumerate(numbers):
        if not holds(number):
            raise UsageError(f"expected {what}, got {number} in row {row}")


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a non-decreasing function crosses zero, or the end that is nearer to it."""
    if rising(low) >= 0.0:
        return low
    if rising(high) <= 0.0:
        return high
    while True:
        middle = low + (high - low) / 2.0
        if not low < middle < high:
            return middle
        if rising(middle) < 0.0:
            low = middle
        else:
            high = middle
