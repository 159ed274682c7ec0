"""Labelled rows made ready to be fitted on: checked, and grouped where scores are equal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..errors import UsageError

__all__ = ["Block", "check_labels", "check_values", "positives_of", "tie_groups"]


@dataclass(frozen=True, slots=True)
class Block:
    """A run of neighboring scores that share one probability.

    Attributes:
        low: the least score; `high` is the largest.
        positive: weight of the right answers among them; of a graded answer its label's share.
        weight: of all answers among them.
    """

    low: float
    high: float
    positive: float
    weight: float

    @property
    def mean(self) -> float:
        """Share of right answers; of graded ones the mean label."""
        return self.positive / self.weight

    @property
    def cautious(self) -> float:
        """Share of right answers after one more of each kind."""
        return (self.positive + 1.0) / (self.weight + 2.0)

    def joined(self, right: Block) -> Block:
        """This block and the one to its right as one."""
        total = self.weight + right.weight
        return Block(self.low, right.high, self.positive + right.positive, total)


def tie_groups(
    scores: Sequence[float], labels: Sequence[float], weights: Sequence[float] | None
) -> list[Block]:
    """One block per distinct score, lowest first, after the rows were found fit to fit on.

    A graded label y of weight w counts as a right answer of weight w y and a wrong one of weight
    w (1 - y), which is what every fit on these blocks is linear in.

    Raises:
        UsageError: labels that are all equal, lengths that differ, or a number that is not finite.
    """
    counted = [1.0] * len(scores) if weights is None else weights
    _check_rows(scores, labels, counted)
    rows: dict[float, list[tuple[float, float]]] = {}
    for score, label, weight in zip(scores, labels, counted, strict=True):
        # Adding 0.0 makes -0.0 the same knot as 0.0 whichever of them comes first.
        rows.setdefault(float(score) + 0.0, []).append((weight, label))
    return [
        Block(
            score,
            score,
            math.fsum(weight * label for weight, label in rows[score]),
            math.fsum(weight for weight, _ in rows[score]),
        )
        for score in sorted(rows)
    ]


def check_values(ties: Sequence[Block]) -> None:
    """Refuse scores that are no values. Raises UsageError for one outside [0, 1]."""
    if ties[0].low < 0.0 or ties[-1].high > 1.0:
        raise UsageError(f"expected values in [0, 1], got {ties[0].low} to {ties[-1].high}")


def check_labels(labels: Sequence[float]) -> None:
    """Refuse labels to fit on. Raises UsageError for one outside [0, 1], or where all are equal."""
    _require(labels, lambda label: 0.0 <= label <= 1.0, "a label in [0, 1]")
    if len(set(labels)) < 2:
        what = f"only {labels[0]:g}" if labels else "none"
        is_graded = bool(labels) and labels[0] not in (0, 1)
        wanted, other = (
            ("better and worse", "others")
            if is_graded
            else ("right and wrong", "labels of the other kind")
        )
        raise UsageError(
            f"expected {wanted} answers to fit on, got {len(labels)} labels, {what}; collect "
            f"{other} first"
        )


def positives_of(labels: Sequence[float]) -> int | float:
    """How many answers were right; the sum of the labels where some are graded."""
    if all(label in (0, 1) for label in labels):
        return sum(1 for label in labels if label)
    return math.fsum(labels)


def _check_rows(scores: Sequence[float], labels: Sequence[float], weights: Sequence[float]) -> None:
    if not len(scores) == len(labels) == len(weights):
        raise UsageError(
            f"expected one label and weight per score, got {len(labels)} labels and "
            f"{len(weights)} weights for {len(scores)} scores"
        )
    _require(scores, math.isfinite, "a finite score")
    _require(weights, lambda weight: math.isfinite(weight) and weight > 0.0, "a weight above 0")
    check_labels(labels)


def _require(numbers: Iterable[float], holds: Callable[[float], bool], what: str) -> None:
    for row, number in enumerate(numbers):
        if not holds(number):
            raise UsageError(f"expected {what}, got {number} in row {row}")
