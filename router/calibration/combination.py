"""Combining signals honestly: nested cross-fitting of a combination and the curve behind it.

A combination's log odds on its own rows are too sure, and a curve fitted on them stays so. So the
curve is fitted on log odds from *inner* folds, and what is reported comes from *outer* folds that
neither of the two has seen::

    outer: rows of 4/5 of the questions ──► inner: out-of-fold log odds ──► curve
                                       └──► all of them ──► combination
           rows of 1/5 of the questions ──► curve(combination) ──► reported

Source: Wolpert 1992, "Stacked Generalization".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from ..errors import UsageError
from ..metrics.reliability import log_loss
from ..signals import Unavailable
from .calibrators import FittedCurve
from .combining import FittedCombination, combined_name
from .cross_fitting import cross_fitted, splits
from .curves import sigmoid
from .fit_combination import SignalRow, fit_boosted_combination, fit_logistic_combination
from .fit_smooth import fit_beta, fit_platt
from .fit_steps import fit_isotonic

__all__ = [
    "COMBINATIONS",
    "CombinationKind",
    "CombinedFit",
    "SignalRow",
    "cross_fitted_combination",
    "fit_boosted_combination",
    "fit_combined",
    "fit_logistic_combination",
]

CombinationKind = Literal["logistic", "boosted"]
"""How signals are combined."""

COMBINATIONS: Mapping[CombinationKind, Callable[..., FittedCombination]] = {
    "logistic": fit_logistic_combination,
    "boosted": fit_boosted_combination,
}
"""The fit of each kind; its settings are fixed, since choosing them costs more than it gains."""

_ENOUGH_FOR_ISOTONIC = 1000


@dataclass(frozen=True, slots=True)
class CombinedFit:
    """A combination and the curve that makes a probability of its log odds."""

    combination: FittedCombination
    curve: FittedCurve

    def at(self, row: SignalRow, /) -> float:
        """P(correct) of a row of signal values."""
        return self.curve.at(sigmoid(self.combination.log_odds(row)))


@dataclass(frozen=True, slots=True)
class _Odds:
    """A combination as something that can be cross-fitted: a number in [0, 1] a row."""

    combination: FittedCombination

    def at(self, row: SignalRow, /) -> float:
        return sigmoid(self.combination.log_odds(row))


def fit_combined(
    kind: CombinationKind,
    rows: Sequence[SignalRow],
    labels: Sequence[float],
    groups: Sequence[str],
    *,
    signals: Sequence[str],
    versions: Sequence[int] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> CombinedFit:
    """A combination of all rows, and a curve of its out-of-fold log odds.

    The curve is Platt's, beta or, from 1,000 rows on, isotonic: whichever has the least
    cross-fitted log loss.

    Args:
        labels: 1 for right, 0 for wrong, or how good the answer is, in [0, 1].
        groups: the question of each row.
        versions: of the estimators; all 1 by default.

    Raises:
        UsageError: as the fits do, or fewer questions than folds.
        MissingExtra: scikit-learn is not installed, for `boosted`.
    """
    fit = partial(COMBINATIONS[kind], signals=signals, versions=versions)
    inner = seed + 1  # another deal than the outer one
    odds = cross_fitted(
        lambda x, y: _Odds(fit(x, y)), rows, labels, groups, folds=folds, seed=inner
    )
    curve = _curve(odds, labels, groups, combined_name(signals), folds, inner)
    return CombinedFit(fit(rows, labels), curve)


def _curve(
    odds: Sequence[float],
    labels: Sequence[float],
    groups: Sequence[str],
    name: str,
    folds: int,
    seed: int,
) -> FittedCurve:
    """The curve of least cross-fitted log loss."""
    fits: list[Callable[[Sequence[float], Sequence[float]], FittedCurve]] = [
        partial(fit_platt, signal=name),
        partial(fit_beta, signal=name),
    ]
    if len(odds) >= _ENOUGH_FOR_ISOTONIC:
        fits.append(partial(fit_isotonic, signal=name))
    losses = []
    for fit in fits:
        out = cross_fitted(fit, odds, labels, groups, folds=folds, seed=seed)
        loss = log_loss(out, labels)
        assert not isinstance(loss, Unavailable)
        losses.append(loss)
    return fits[losses.index(min(losses))](odds, labels)


def cross_fitted_combination(
    kind: CombinationKind,
    rows: Sequence[SignalRow],
    labels: Sequence[float],
    groups: Sequence[str],
    *,
    signals: Sequence[str],
    folds: int = 5,
    seed: int = 0,
) -> tuple[float, ...]:
    """Out-of-fold probabilities, one a row: combination and curve saw no row of its question.

    What is computed of them is honest.

    Raises:
        UsageError: as `fit_combined`.
    """
    if not len(rows) == len(labels) == len(groups):
        raise UsageError(
            f"expected as many rows as labels and groups, got {len(rows)}, {len(labels)} and "
            f"{len(groups)}"
        )
    found = [0.0] * len(rows)
    for kept, held_out in splits(labels, groups, folds, seed):
        fitted = fit_combined(
            kind,
            [rows[i] for i in kept],
            [labels[i] for i in kept],
            [groups[i] for i in kept],
            signals=signals,
            folds=folds,
            seed=seed,
        )
        for i in held_out:
            found[i] = fitted.at(rows[i])
    return tuple(found)
