"""A regression tree as plain numbers, and what it says of a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError

__all__ = ["Tree"]

_LEAF = -1


@dataclass(frozen=True, slots=True)
class Tree:
    """Nodes in one row, the root first, children always behind their parent.

    Attributes:
        features: which value a node looks at; -1 for a leaf.
        thresholds: a value up to this goes left.
        missing_left: whether a missing value goes left.
        left: the node to the left; `right` the one to the right.
        leaves: what a leaf adds to the log odds; unused in other nodes.
    """

    features: tuple[int, ...]
    thresholds: tuple[float, ...]
    missing_left: tuple[bool, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    leaves: tuple[float, ...]

    def __post_init__(self) -> None:
        n = len(self.features)
        columns = (self.thresholds, self.missing_left, self.left, self.right, self.leaves)
        if not n or any(len(column) != n for column in columns):
            raise UsageError("expected a tree with one number of each kind a node")
        for node, feature in enumerate(self.features):
            children = (self.left[node], self.right[node])
            if feature < _LEAF or (feature > _LEAF and not all(node < c < n for c in children)):
                raise UsageError("expected the children of a node behind it in the tree")
        if not all(map(math.isfinite, (*self.thresholds, *self.leaves))):
            raise UsageError("expected finite thresholds and leaves")

    def at(self, values: Sequence[float | None]) -> float:
        """What the leaf says that a row of values ends in; None stands for a missing value."""
        node = 0
        while (feature := self.features[node]) >= 0:
            value = values[feature]
            if value is None:
                goes_left = self.missing_left[node]
            else:
                goes_left = value <= self.thresholds[node]
            node = self.left[node] if goes_left else self.right[node]
        return self.leaves[node]

    def plain(self) -> list[list[float]]:
        """All its numbers, for a fingerprint."""
        return [
            list(self.features),
            list(self.thresholds),
            list(self.missing_left),
            list(self.left),
            list(self.right),
            list(self.leaves),
        ]
