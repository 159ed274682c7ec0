"""Calibrators for every rung of a table: each signal judged out of fold, the best one first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..router.calibration import cross_fitted, fit_isotonic, fit_temperature
from ..router.errors import UsageError
from ..router.metrics import auroc
from ..router.reliability import log_loss
from ..router.signals import Unavailable
from .outcomes import Outcome, OutcomeTable
from .profile import FittedCalibrator

__all__ = ["CalibratedRung", "calibrate_rungs", "with_out_of_fold"]

_FOLDS = 5
_LEAST_ROWS = 20
_FITS = (fit_isotonic, fit_temperature)


@dataclass(frozen=True, slots=True)
class CalibratedRung:
    """The calibrators of one rung, best first, and the out-of-fold estimates of each signal.

    Attributes:
        out_of_fold: signal name to (query id, round) to probability; thresholds are chosen on it.
    """

    tier: int
    retrieved: bool
    calibrators: tuple[FittedCalibrator, ...]
    out_of_fold: Mapping[str, Mapping[tuple[str, int], float]]


def calibrate_rungs(
    table: OutcomeTable, versions: Mapping[str, int], *, seed: int
) -> tuple[CalibratedRung, ...]:
    """Fit every signal on every rung of the table.

    For each signal the kind (isotonic or temperature) of least cross-fitted log loss is kept; the
    signals are ordered by that loss, so that the first available one is the most telling.

    Raises:
        UsageError: a rung has too few judged rows, or all of them are right or wrong.
    """
    kinds = sorted({(row.tier, row.retrieved) for row in table.rows()})
    return tuple(
        _calibrated_rung(table, tier, retrieved, versions, seed) for tier, retrieved in kinds
    )


def _calibrated_rung(
    table: OutcomeTable, tier: int, retrieved: bool, versions: Mapping[str, int], seed: int
) -> CalibratedRung:
    rows = [
        row
        for row in table.rows()
        if row.tier == tier and row.retrieved == retrieved and row.loss is not None
    ]
    found: list[tuple[FittedCalibrator, Mapping[tuple[str, int], float]]] = []
    reasons: list[str] = []
    for name in table.signals:
        try:
            found.append(_best_fit(name, rows, versions.get(name, 1), seed))
        except UsageError as error:
            reasons.append(f"{name}: {error}")
    if not found:
        seen = "with" if retrieved else "without"
        raise UsageError(
            f"no signal can be calibrated for tier {tier} {seen} passages: {'; '.join(reasons)}"
        )
    found.sort(key=lambda pair: (pair[0].log_loss, pair[0].curve.signal))
    return CalibratedRung(
        tier,
        retrieved,
        tuple(fitted for fitted, _ in found),
        {fitted.curve.signal: out for fitted, out in found},
    )


def _best_fit(
    name: str, rows: Sequence[Outcome], version: int, seed: int
) -> tuple[FittedCalibrator, Mapping[tuple[str, int], float]]:
    usable = [(value, row) for row in rows if (value := row.signals.get(name)) is not None]
    if len(usable) < _LEAST_ROWS:
        raise UsageError(f"{len(usable)} judged rows have it, {_LEAST_ROWS} are needed")
    values = [value for value, _ in usable]
    labels = [_label(row) for _, row in usable]
    groups = [row.query_id for _, row in usable]
    candidates = []
    for fit in _FITS:
        fitting = partial(fit, signal=name, version=version)
        out = cross_fitted(fitting, values, labels, groups, folds=_FOLDS, seed=seed)
        loss = log_loss(out, labels)
        assert not isinstance(loss, Unavailable)
        candidates.append((loss, fitting, out))
    loss, fitting, out = min(candidates, key=lambda candidate: candidate[0])
    area = auroc(values, labels)
    fitted = FittedCalibrator(
        fitting(values, labels), loss, None if isinstance(area, Unavailable) else area
    )
    keys = [(row.query_id, row.round) for _, row in usable]
    return fitted, dict(zip(keys, out, strict=True))


def _label(row: Outcome) -> int:
    if row.loss not in (0.0, 1.0):
        raise UsageError(
            f"query {row.query_id!r} has loss {row.loss}; this version calibrates on losses of 0 "
            "and 1 only"
        )
    return int(row.loss == 0.0)


def with_out_of_fold(
    table: OutcomeTable, rungs: Sequence[CalibratedRung]
) -> tuple[OutcomeTable, dict[tuple[int, bool], tuple[str, ...]]]:
    """The table with each signal replaced by its out-of-fold probability, and the order per rung.

    Thresholds chosen on probabilities that a calibrator gave to its own training rows would be
    too hopeful.
    """
    by_rung = {(rung.tier, rung.retrieved): rung for rung in rungs}
    queries = {}
    for query_id, ladder in table.queries.items():
        queries[query_id] = {
            key: replace(
                row,
                signals={
                    name: out.get((query_id, row.round))
                    for name, out in by_rung[row.tier, row.retrieved].out_of_fold.items()
                },
            )
            for key, row in ladder.items()
        }
    orders = {
        key: tuple(fitted.curve.signal for fitted in rung.calibrators)
        for key, rung in by_rung.items()
    }
    return OutcomeTable(queries), orders
