"""Calibrators for every rung of a table: each signal judged out of fold, the best one first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ..router.calibration.calibrators import FittedCurve
from ..router.calibration.cross_fitting import cross_fitted
from ..router.calibration.fit_smooth import fit_beta, fit_platt, fit_temperature
from ..router.calibration.fit_steps import fit_histogram, fit_isotonic
from ..router.errors import UsageError
from .choosing import KINDS, Calibrating, CalibratorKind, Judged, is_clearly_better, preferred_first
from .combining_signals import combinations_of
from .fitted import FitNote, FittedCalibrator
from .outcomes import OutcomeTable
from .rung_rows import FOLDS, RungRows, measured, ranking

__all__ = ["CalibratedRung", "calibrate_rungs"]

_LEAST_ROWS = 20
_MOST_QUESTIONS = 1500  # to choose a kind of calibrator on
_FITS: Mapping[CalibratorKind, Callable[..., FittedCurve]] = {
    "temperature": fit_temperature,
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
    "histogram": fit_histogram,
}


@dataclass(frozen=True, slots=True)
class CalibratedRung:
    """The calibrators of one rung, best first, and the out-of-fold estimates of each.

    Attributes:
        out_of_fold: name of a signal or combination to (query id, round) to probability;
            thresholds are chosen on it.
    """

    tier: int
    retrieved: bool
    calibrators: tuple[FittedCalibrator, ...]
    out_of_fold: Mapping[str, Mapping[tuple[str, int], float]]


def calibrate_rungs(
    table: OutcomeTable,
    versions: Mapping[str, int],
    *,
    seed: int,
    choice: Calibrating | None = None,
    date: str | None = None,
    needed: bool = True,
) -> tuple[CalibratedRung, ...]:
    """Fit every signal on every rung of the table, and combinations of them where wanted.

    For each signal one kind of calibrator is kept, by cross-fitted log loss; signals and
    combinations are ordered by that loss, so that the first available one is the most telling.

    Args:
        versions: of estimators by name; 1 where absent.
        choice: what is tried; isotonic and temperature, without combinations, by default.
        date: goes into the calibrators' notes.
        needed: False leaves a rung out that cannot be calibrated, where nothing rests on it.

    Raises:
        UsageError: a rung has too few judged rows, or all of them are as good.
    """
    fitting = _Fitting(versions, seed, choice or Calibrating(), date)
    kinds = sorted({(row.tier, row.retrieved) for row in table.rows()})
    found: list[CalibratedRung] = []
    for tier, retrieved in kinds:
        try:
            found.append(fitting.rung(table, tier, retrieved))
        except UsageError:
            if needed:
                raise
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Fitting:
    """How rungs are fitted."""

    versions: Mapping[str, int]
    seed: int
    choice: Calibrating
    date: str | None

    def rung(self, table: OutcomeTable, tier: int, retrieved: bool) -> CalibratedRung:
        rows = RungRows.of(table, tier, retrieved)
        found: list[Judged] = []
        reasons: list[str] = []
        for name in table.signals:
            try:
                found.append(self._single(name, rows))
            except UsageError as error:
                reasons.append(f"{name}: {error}")
        if not found:
            seen = "with" if retrieved else "without"
            raise UsageError(
                f"no signal can be calibrated for tier {tier} {seen} passages: {'; '.join(reasons)}"
            )
        found = preferred_first(found)
        if self.choice.combine != "none":
            found += combinations_of(
                rows,
                found,
                self.versions,
                bought=table.bought,
                combine=self.choice.combine,
                seed=self.seed,
                date=self.date,
            )
        found = preferred_first(found)
        return CalibratedRung(
            tier,
            retrieved,
            tuple(one.fitted for one in found),
            {one.fitted.name: one.out_of_fold for one in found},
        )

    def _single(self, name: str, rows: RungRows) -> Judged:
        usable = rows.having(name)
        if len(usable.rows) < _LEAST_ROWS:
            raise UsageError(f"{len(usable.rows)} judged rows have it, {_LEAST_ROWS} are needed")
        some, others = usable.parted(_MOST_QUESTIONS, self.seed)
        kinds = self.choice.kinds
        if others.rows and len(kinds) > 1:  # which kind is told by fewer; its numbers are not
            kinds = (self._chosen(name, some).fitted.curve.kind,)
            return self._fitted(kinds[0], name, usable.values(name), usable)
        return self._chosen(name, usable)

    def _chosen(self, name: str, usable: RungRows) -> Judged:
        """The best kind on these rows."""
        values = usable.values(name)
        candidates = [self._fitted(kind, name, values, usable) for kind in self.choice.kinds]
        best = min(candidates, key=lambda candidate: candidate.fitted.log_loss)
        if not self.choice.one_standard_error:
            return best
        candidates.sort(key=lambda candidate: KINDS.index(candidate.fitted.curve.kind))
        labels = usable.labels_by_key()
        return next(
            candidate
            for candidate in candidates
            if candidate is best
            or not is_clearly_better(best.out_of_fold, candidate.out_of_fold, labels)
        )

    def _fitted(
        self, kind: CalibratorKind, name: str, values: Sequence[float], rows: RungRows
    ) -> Judged:
        fit = partial(_FITS[kind], signal=name, version=self.versions.get(name, 1))
        labels = rows.labels
        out = cross_fitted(fit, values, labels, rows.questions, folds=FOLDS, seed=self.seed)
        curve = fit(values, labels)
        honest = measured(out, labels)
        note = FitNote(
            f"{kind}, cross-fitted over {FOLDS} folds of questions, seed {self.seed}",
            measured([curve.at(value) for value in values], labels),
            honest,
            rows.model,
            self.date,
        )
        fitted = FittedCalibrator(
            curve,
            honest.log_loss,
            ranking(values, labels),
            note=note,
        )
        return Judged(fitted, dict(zip(rows.keys, out, strict=True)))
