"""A head of the features critic: trees and a line over named features, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..calibration.boosted_trees import Tree
from ..calibration.curves import set_fingerprint, sigmoid
from ..errors import UsageError

__all__ = ["Head", "Line", "feature_row"]

_FURTHEST = 4.0
"""Standard deviations from the mean beyond which the line sees no difference."""


def feature_row(features: Mapping[str, float], names: Sequence[str]) -> list[float | None]:
    """The named features in order; None where a state has none."""
    return [features.get(name) for name in names]


@dataclass(frozen=True, slots=True)
class Line:
    """intercept + sum over features of weight * clip((x - center) / scale, -4, 4).

    A missing feature adds nothing: it stands at its center.

    Attributes:
        centers, scales, weights: one a feature of the head; scales are above 0.
    """

    intercept: float
    centers: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.centers) == len(self.scales) == len(self.weights):
            raise UsageError("expected one center, one scale and one weight a feature")
        if not all(map(math.isfinite, (self.intercept, *self.centers, *self.weights))) or not all(
            math.isfinite(scale) and scale > 0.0 for scale in self.scales
        ):
            raise UsageError("expected finite numbers and scales above 0")

    def at(self, values: Sequence[float | None]) -> float:
        """Log odds of a row of values."""
        total = self.intercept
        for value, center, scale, weight in zip(
            values, self.centers, self.scales, self.weights, strict=True
        ):
            if value is not None and weight:
                far = (value - center) / scale
                total += weight * min(max(far, -_FURTHEST), _FURTHEST)
        return total


@dataclass(frozen=True, slots=True)
class Head:
    """baseline + sum of trees + weight * line; its sigmoid is a score, not yet a probability.

    Trees find what interacts and are lost where features leave the range that they were trained on;
    a line goes on. Together they rank better than either, most of all on questions of another kind.

    Source: Friedman 2001, "Greedy Function Approximation: A Gradient Boosting Machine".

    Attributes:
        names: of the features, in the order of a row.
        baseline: log odds before any tree.
        line_weight: of the line, from 0.
        gate: the feature that decides between two weights; None always takes `line_weight`.
        gated_weight: of the line where the gate's feature is 0 or missing.
    """

    names: tuple[str, ...]
    baseline: float
    trees: tuple[Tree, ...]
    line: Line
    line_weight: float = 1.0
    gate: str | None = None
    gated_weight: float = 0.0
    fingerprint: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) < len(self.names):
            raise UsageError("expected the names of features, none of them twice")
        if len(self.line.weights) != len(self.names):
            raise UsageError("expected a line over the features that are named")
        if any(feature >= len(self.names) for tree in self.trees for feature in tree.features):
            raise UsageError("expected trees over the features that are named")
        weights = (self.line_weight, self.gated_weight)
        if not all(map(math.isfinite, (self.baseline, *weights))) or min(weights) < 0.0:
            raise UsageError("expected a finite baseline and weights from 0")
        line = self.line
        set_fingerprint(
            self,
            [
                list(self.names),
                [self.baseline, self.line_weight, self.gate, self.gated_weight, line.intercept],
                [list(line.centers), list(line.scales), list(line.weights)],
                [tree.plain() for tree in self.trees],
            ],
        )

    def score(self, features: Mapping[str, float]) -> float:
        """In (0, 1), higher is surer: what a calibration makes a probability of."""
        values = feature_row(features, self.names)
        total = self.baseline + sum([tree.at(values) for tree in self.trees])
        weight = self.line_weight
        if self.gate is not None and not features.get(self.gate):
            weight = self.gated_weight
        return sigmoid(total + weight * self.line.at(values) if weight else total)
