"""One signal's numbers with their intervals: what is measured draw after draw, and its summary."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..router.calibration import Curve, cross_fitted, fit_beta, fit_isotonic
from ..router.errors import UsageError
from ..router.metrics.bootstrap import percentile_interval
from ..router.metrics.brier_parts import BrierParts, brier_parts
from ..router.metrics.ranked_rows import RankedRows
from ..router.metrics.reliability import equal_mass_bins, equal_width_bins
from ..router.metrics.stated_rows import StatedRows
from ..router.signals import Unavailable
from .quality_records import BinnedError, Calibration, Measured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Column", "Measurements", "StatedProbabilities", "cross_fitted_probabilities"]

_BINS = 10
_FOLDS = 5
# Below, a step curve fits noise. From here on it did at least as well as the smooth curves on real
# answers (see benchmarks/RESULTS.md), above all where many values are exactly 1.
_ISOTONIC_ROWS = 200

Column = Sequence[float | None]
"""One number a row, None where there is none."""

_Fit = Callable[[Sequence[float], Sequence[float]], Curve]


class Measurements:
    """What a signal's rows gave, draw after draw; the first draw has every row once."""

    def __init__(self, rows: RankedRows | StatedRows) -> None:
        self._rows = rows
        self._found: dict[str, list[float]] = {}

    def see(self, weights: NDArray[np.intp]) -> None:
        """Measure a block of draws."""
        for measure, numbers in self._rows.measures(weights).items():
            self._found.setdefault(measure, []).extend(numbers.tolist())

    def measured(self, measure: str, why_not: str = "") -> Measured | Unavailable:
        """The number on the rows as they came, and its interval over the other draws.

        Args:
            why_not: the reason given where the number does not exist.
        """
        point, *draws = self._found[measure]
        if math.isnan(point):
            return Unavailable(why_not)
        interval = percentile_interval([one for one in draws if not math.isnan(one)], len(draws))
        return Measured(point, None if isinstance(interval, Unavailable) else interval)

    def sure(self, measure: str) -> Measured:
        """The same of a measure that exists wherever there are rows."""
        found = self.measured(measure)
        assert isinstance(found, Measured)
        return found


@dataclass(frozen=True, slots=True)
class StatedProbabilities:
    """Probabilities of the rows that have one, and their measurements."""

    method: str
    probabilities: Sequence[float]
    labels: Sequence[int]
    measurements: Measurements

    @classmethod
    def of(cls, method: str, column: Column, labels: Sequence[int]) -> StatedProbabilities:
        """Those of the rows that have one.

        Raises:
            UsageError: no row has one, or one is outside [0, 1].
        """
        rows = [(p, label) for p, label in zip(column, labels, strict=True) if p is not None]
        measurements = Measurements(StatedRows.of(column, labels, _BINS))
        return cls(method, [p for p, _ in rows], [label for _, label in rows], measurements)

    def calibration(self) -> Calibration:
        """What was found, once all draws were seen."""
        parts = brier_parts(self.probabilities, self.labels, _BINS)
        assert isinstance(parts, BrierParts)
        wide = equal_width_bins(self.probabilities, self.labels, _BINS)
        heavy = equal_mass_bins(self.probabilities, self.labels, _BINS)
        ece, ace = self.measurements.sure("ece"), self.measurements.sure("ace")
        return Calibration(
            self.method,
            self.measurements.sure("brier"),
            parts,
            self.measurements.sure("log_loss"),
            BinnedError(ece.value, ece.interval, _BINS, len(wide)),
            BinnedError(ace.value, ace.interval, _BINS, len(heavy)),
            max(one.gap for one in wide),
            wide,
        )


def cross_fitted_probabilities(
    scores: Column,
    values: Column | None,
    labels: Sequence[int],
    groups: Sequence[str],
    seed: int,
) -> StatedProbabilities | Unavailable:
    """Out-of-fold probabilities: isotonic on the scores of many rows, beta on the values of few.

    Unavailable, with the reason, where a fold has only one class or there are too few questions.
    """
    rows = [i for i, score in enumerate(scores) if score is not None]
    method, column = "isotonic", scores
    fit: _Fit = partial(fit_isotonic, signal="judged")
    if values is not None and len(rows) < _ISOTONIC_ROWS:
        method, column, fit = "beta", values, partial(fit_beta, signal="judged")
    known = [(number, labels[i], groups[i]) for i in rows if (number := column[i]) is not None]
    try:
        fitted = cross_fitted(
            fit,
            [number for number, _, _ in known],
            [label for _, label, _ in known],
            [group for _, _, group in known],
            folds=_FOLDS,
            seed=seed,
        )
    except UsageError as error:
        return Unavailable(f"not calibrated: {error}")
    found: list[float | None] = [None] * len(scores)
    for i, p in zip(rows, fitted, strict=True):
        found[i] = p
    return StatedProbabilities.of(method, found, labels)
