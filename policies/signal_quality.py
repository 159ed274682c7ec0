"""How well each signal tells right answers from wrong ones, before and after calibration.

Ranking is measured on the score (the paper's own number, turned so that higher is surer), since a
value may saturate. Calibration is measured out of fold: no probability comes from a curve that saw
its question. Every number has a 95 % interval over questions drawn anew, and all signals see the
same draws. The records are those of `policies.quality_records`, named here too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from ..router.errors import UsageError
from ..router.metrics import risk_coverage
from ..router.metrics.draws import every_row_once, question_draws
from ..router.metrics.ranked_rows import RANKING_MEASURES, RankedRows
from ..router.signals import Unavailable
from .quality_records import BinnedError, Calibration, Measured, SignalQuality, quality_document
from .signal_measurements import (
    Column,
    Measurements,
    StatedProbabilities,
    cross_fitted_probabilities,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BinnedError",
    "Calibration",
    "Measured",
    "SignalQuality",
    "judge",
    "quality_document",
]

_CURVE_POINTS = 200
_MOST_REPS, _LEAST_REPS = 1000, 200
_CELLS = 200_000_000  # rows * draws * signals: about ten seconds

_NO_VALUES = Unavailable("no values in [0, 1]")


def judge(
    signals: Mapping[str, Sequence[float | None]],
    labels: Sequence[int],
    groups: Sequence[str],
    *,
    seed: int,
    values: Mapping[str, Sequence[float | None]] | None = None,
    reps: int | None = None,
) -> tuple[SignalQuality, ...]:
    """Every signal judged, the one of highest AUROC first.

    Probabilities are cross-fitted over five folds of questions: isotonic on the score from 200
    rows on, below that beta on the value, or isotonic still where a signal has no values.

    Args:
        signals: per name one score (`Signal.score`, finite, higher is surer) a row, or None.
        labels: 1 for right, 0 for wrong.
        groups: the question of each row; rows of one question are held out and drawn together.
        seed: of the folds and of the draws. No number depends on the order of the rows.
        values: likewise `Signal.value`, in [0, 1]. A signal without any whose scores all are in
            [0, 1] stands for itself.
        reps: draws; by default 1,000, or as few as 200 where rows times signals are many.

    Raises:
        UsageError: lengths that differ, a label or number out of its range.
    """
    stated = {
        name: _values_of(scores, (values or {}).get(name)) for name, scores in signals.items()
    }
    for name, scores in signals.items():
        _check(name, scores, stated[name], labels, groups)
    draws = _affordable(len(labels), len(signals)) if reps is None else reps
    some = {name for name, scores in signals.items() if any(one is not None for one in scores)}
    judged = [
        _Judged.of(name, signals[name], stated[name], labels, groups, seed) for name in sorted(some)
    ]
    if judged:
        blocks = question_draws(groups, seed=seed, reps=draws)
        for weights in chain([every_row_once(len(labels))], blocks):
            for one in judged:
                one.see(weights)
    found = [one.verdict(draws) for one in judged]
    found += [_nowhere(name, len(labels)) for name in signals if name not in some]
    return tuple(sorted(found, key=_best_first))


@dataclass(frozen=True, slots=True)
class _Judged:
    """One signal while it is judged."""

    name: str
    scores: Column
    labels: Sequence[int]
    groups: Sequence[str]
    ranking: Measurements
    before: StatedProbabilities | Unavailable
    after: StatedProbabilities | Unavailable

    @classmethod
    def of(
        cls,
        name: str,
        scores: Column,
        values: Column | None,
        labels: Sequence[int],
        groups: Sequence[str],
        seed: int,
    ) -> _Judged:
        ranking = Measurements(RankedRows.of(scores, labels))
        before: StatedProbabilities | Unavailable = _NO_VALUES
        if values is not None:
            before = StatedProbabilities.of("none", values, labels)
        after = cross_fitted_probabilities(scores, values, labels, groups, seed)
        return cls(name, scores, labels, groups, ranking, before, after)

    def see(self, weights: NDArray[np.intp]) -> None:
        self.ranking.see(weights)
        for one in (self.before, self.after):
            if isinstance(one, StatedProbabilities):
                one.measurements.see(weights)

    def verdict(self, reps: int) -> SignalQuality:
        rows = [
            (score, label, group)
            for score, label, group in zip(self.scores, self.labels, self.groups, strict=True)
            if score is not None
        ]
        classes = {label for _, label, _ in rows}
        why_not = "only one class" if len(classes) < 2 else "fewer than four rows"
        auroc, aurc, excess, prr, half = (
            self.ranking.measured(measure, why_not) for measure in RANKING_MEASURES
        )
        return SignalQuality(
            self.name,
            len(rows),
            len({group for _, _, group in rows}),
            (len(self.labels) - len(rows)) / len(self.labels),
            sum(label for _, label, _ in rows) / len(rows),
            auroc,
            aurc,
            excess,
            prr,
            half,
            self.before if isinstance(self.before, Unavailable) else self.before.calibration(),
            self.after if isinstance(self.after, Unavailable) else self.after.calibration(),
            _thinned(risk_coverage([s for s, _, _ in rows], [1 - label for _, label, _ in rows])),
            reps,
        )


def _nowhere(name: str, rows: int) -> SignalQuality:
    """A signal that no row has."""
    share = 1.0 if rows else 0.0
    no = Unavailable("no rows")
    return SignalQuality(name, 0, 0, share, None, no, no, no, no, no, no, no, (), 0)


def _values_of(scores: Column, values: Column | None) -> Column | None:
    """The values where the score is known; the scores themselves where all could be values."""
    if values is not None:
        return values
    return scores if all(one is None or 0.0 <= one <= 1.0 for one in scores) else None


def _thinned(curve: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    n, points = len(curve), min(len(curve), _CURVE_POINTS)
    return tuple(curve[-(-i * n // points) - 1] for i in range(1, points + 1))


def _affordable(rows: int, signals: int) -> int:
    return max(_LEAST_REPS, min(_MOST_REPS, _CELLS // max(rows * signals, 1)))


def _best_first(one: SignalQuality) -> tuple[float, str]:
    return -one.auroc.value if isinstance(one.auroc, Measured) else math.inf, one.name


def _check(
    name: str, scores: Column, values: Column | None, labels: Sequence[int], groups: Sequence[str]
) -> None:
    columns = (scores, labels, groups) if values is None else (scores, values, labels, groups)
    if len({len(column) for column in columns}) > 1:
        raise UsageError(
            f"expected as many scores and values of '{name}' as labels and groups, got "
            f"{[len(column) for column in columns]}"
        )
    if values is not None and any(
        (score is None) != (value is None) for score, value in zip(scores, values, strict=True)
    ):
        raise UsageError(f"expected a value of '{name}' wherever it has a score, and only there")
