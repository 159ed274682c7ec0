"""The judged rows of one rung, as fits take them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..router.errors import UsageError
from ..router.metrics import auroc
from ..router.metrics.reliability import ace, brier, ece, log_loss
from ..router.signals import Unavailable
from .fitted import Quality
from .outcomes import Outcome, OutcomeTable

__all__ = ["FOLDS", "RungRows", "measured", "ranking"]

FOLDS = 5
"""Of questions, in every cross-fit."""


@dataclass(frozen=True, slots=True)
class RungRows:
    """Rows of one tier, with passages or without."""

    rows: tuple[Outcome, ...]

    @classmethod
    def of(cls, table: OutcomeTable, tier: int, retrieved: bool) -> RungRows:
        """The rows that somebody has judged."""
        return cls(
            tuple(
                row
                for row in table.rows()
                if row.tier == tier and row.retrieved == retrieved and row.loss is not None
            )
        )

    def having(self, name: str) -> RungRows:
        """Those that have a signal."""
        return replace(self, rows=tuple(r for r in self.rows if r.signals.get(name) is not None))

    def parted(self, most: int, seed: int) -> tuple[RungRows, RungRows]:
        """The rows of so many questions, drawn by name, and the rows of the others."""
        names = sorted(set(self.questions))
        if len(names) <= most:
            return self, RungRows(())
        kept = set(random.Random(seed).sample(names, most))
        some = tuple(row for row in self.rows if row.query_id in kept)
        return RungRows(some), RungRows(tuple(r for r in self.rows if r.query_id not in kept))

    def values(self, name: str) -> list[float]:
        """The signal's values, where every row has it."""
        found = [row.signals[name] for row in self.rows]
        return [value for value in found if value is not None]

    @property
    def labels(self) -> list[float]:
        """How good each answer is, in [0, 1]: 1 less its loss, so 1 for right and 0 for wrong."""
        return [1.0 - row.loss for row in self.rows if row.loss is not None]

    @property
    def questions(self) -> list[str]:
        """The question of each row."""
        return [row.query_id for row in self.rows]

    @property
    def keys(self) -> list[tuple[str, int]]:
        """Query id and round of each row."""
        return [(row.query_id, row.round) for row in self.rows]

    @property
    def model(self) -> str | None:
        """Of the rows' tier, where they all name the same one."""
        models = {row.model for row in self.rows}
        return models.pop() if len(models) == 1 else None

    def labels_by_key(self) -> dict[tuple[str, int], float]:
        """The labels by query id and round."""
        return dict(zip(self.keys, self.labels, strict=True))


def ranking(scores: Sequence[float], labels: Sequence[float]) -> float | None:
    """The AUROC, None where it is undefined: one class only, or graded labels."""
    if any(label not in (0.0, 1.0) for label in labels):
        return None
    area = auroc(scores, [int(label) for label in labels])
    return None if isinstance(area, Unavailable) else area


def measured(probabilities: Sequence[float], labels: Sequence[float]) -> Quality:
    """ECE, ACE, Brier and log loss. Raises UsageError without rows."""
    found = [number(probabilities, labels) for number in (ece, ace, brier, log_loss)]
    numbers = [number for number in found if not isinstance(number, Unavailable)]
    if len(numbers) < len(found):
        raise UsageError("expected rows to measure on, got none")
    return Quality(*numbers)
