"""Combinations of the signals of one rung: of the free ones, and of these with each bought one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from typing import Literal

from ..router.calibration.combination import (
    CombinationKind,
    SignalRow,
    cross_fitted_combination,
    fit_combined,
)
from ..router.errors import UsageError
from .choosing import Judged, is_clearly_better
from .fitted import FitNote, FittedCalibrator
from .rung_rows import FOLDS, RungRows, measured, ranking

__all__ = ["combinations_of"]

_LEAST_ROWS = 60
_LEAST_GAPS = 10  # questions that lack a signal, before its absence can be fitted
_ENOUGH_TO_BOOST = 500
_MOST_QUESTIONS = 800


def combinations_of(
    rows: RungRows,
    singles: Sequence[Judged],
    versions: Mapping[str, int],
    *,
    bought: Collection[str],
    combine: Literal["auto"] | CombinationKind,
    seed: int,
    date: str | None = None,
) -> list[Judged]:
    """The combinations that are kept; none where there are too few rows or signals.

    With `auto` one of the free signals is kept where it is clearly better than the best free
    signal, one with a bought signal where it is clearly better than that signal alone and than the
    best of what is free.

    Args:
        singles: the calibrated signals, best first.
        bought: names of the signals that have to be bought.
    """
    free = [one for one in singles if one.fitted.name not in bought]
    rows = _read_by_any(rows, singles)
    labels = rows.labels_by_key()

    def kept(
        parts: Sequence[str], rivals: Sequence[Judged], paid: str | None = None
    ) -> Judged | None:
        # A purchase that failed tells nothing of the answer, unlike a signal that could not be read
        # from it: no combination is fitted on rows that lack what was bought.
        told = rows if paid is None else rows.having(paid)
        best = _best(told, parts, versions, combine, seed, date)
        if best is None or combine != "auto":
            return best
        better = [is_clearly_better(best.out_of_fold, r.out_of_fold, labels) for r in rivals]
        return best if all(better) else None

    names = sorted(one.fitted.name for one in free)
    together = kept(names, free[:1]) if len(names) > 1 else None
    found = [] if together is None else [together]
    best_free = [*found, *free][:1]
    for one in singles:
        if one.fitted.name in bought and names:
            paid = one.fitted.name
            richer = kept([*names, paid], [one, *best_free], paid)
            if richer is not None:
                found.append(richer)
    return found


def _read_by_any(rows: RungRows, singles: Sequence[Judged]) -> RungRows:
    """Rows that a calibrator could be fitted on."""
    known = {key for one in singles for key in one.out_of_fold}
    return RungRows(tuple(row for row in rows.rows if (row.query_id, row.round) in known))


def _best(
    rows: RungRows,
    parts: Sequence[str],
    versions: Mapping[str, int],
    combine: Literal["auto"] | CombinationKind,
    seed: int,
    date: str | None,
) -> Judged | None:
    """The combination of these signals; with `auto` a logistic one, unless boosting is better."""
    usable = _usable(rows, parts)
    kinds: list[CombinationKind] = ["logistic"] if combine == "auto" else [combine]
    enough = len(usable.rows) >= _ENOUGH_TO_BOOST
    if combine == "auto" and enough and find_spec("sklearn") is not None:
        kinds.append("boosted")
    found = [one for kind in kinds if (one := _judged(kind, usable, parts, versions, seed, date))]
    if len(found) == 2:
        logistic, boosted = found
        labels = usable.labels_by_key()
        if is_clearly_better(boosted.out_of_fold, logistic.out_of_fold, labels):
            return boosted
    return found[0] if found else None


def _usable(rows: RungRows, parts: Sequence[str]) -> RungRows:
    """Rows with a signal at least, and without gaps that are too rare to be fitted."""
    for name in parts:
        lacking = {row.query_id for row in rows.rows if row.signals.get(name) is None}
        if len(lacking) < _LEAST_GAPS:
            rows = rows.having(name)
    told = [row for row in rows.rows if any(row.signals.get(name) is not None for name in parts)]
    return RungRows(tuple(told))


def _judged(
    kind: CombinationKind,
    rows: RungRows,
    parts: Sequence[str],
    versions: Mapping[str, int],
    seed: int,
    date: str | None,
) -> Judged | None:
    if len(rows.rows) < _LEAST_ROWS:
        return None
    rows, others = rows.parted(_MOST_QUESTIONS, seed)  # more changes weights in the third digit
    values: list[SignalRow] = [tuple(row.signals.get(name) for name in parts) for row in rows.rows]
    labels, questions = rows.labels, rows.questions
    try:
        out = cross_fitted_combination(
            kind, values, labels, questions, signals=parts, folds=FOLDS, seed=seed
        )
        fitted = fit_combined(
            kind,
            values,
            labels,
            questions,
            signals=parts,
            versions=[versions.get(name, 1) for name in parts],
            folds=FOLDS,
            seed=seed,
        )
    except UsageError:  # equal labels in a fold, say: the single signals stay
        return None
    # What was left out of the fit is judged by it as it is: it never saw these questions.
    rest = [fitted.at(tuple(row.signals.get(name) for name in parts)) for row in others.rows]
    out, labels = (*out, *rest), [*labels, *others.labels]
    honest = measured(out, labels)
    method = (
        f"{kind} combination behind a {fitted.curve.kind} curve, nested cross-fit over {FOLDS} "
        f"folds of questions, seed {seed}"
    )
    in_sample = measured([fitted.at(row) for row in values], labels[: len(values)])
    return Judged(
        FittedCalibrator(
            fitted.curve,
            honest.log_loss,
            ranking(out, labels),
            fitted.combination,
            FitNote(method, in_sample, honest, rows.model, date),
        ),
        dict(zip([*rows.keys, *others.keys], out, strict=True)),
    )
