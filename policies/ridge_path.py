"""Ridge regressions of several outcomes on the same numbers, the penalty chosen out of fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from ..router.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["PENALTIES", "RidgeFit", "fit_ridge", "ridge_path"]

PENALTIES = (4.0, 10.0, 25.0, 80.0, 400.0)
"""Of the squared weights, against a sum of squared errors over questions of length about 1."""


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums over some rows: all that a ridge needs to know of them."""

    count: float
    inputs: Floats
    outcomes: Floats
    squares: Floats
    products: Floats

    def plus(self, other: _Moments, sign: float = 1.0) -> _Moments:
        """Over the rows of both, or without the other's where the sign is -1."""
        return _Moments(
            self.count + sign * other.count,
            self.inputs + sign * other.inputs,
            self.outcomes + sign * other.outcomes,
            self.squares + sign * other.squares,
            self.products + sign * other.products,
        )


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """Regressions of every outcome.

    Attributes:
        weights: shape (inputs, outcomes).
        out_of_fold: outcome of every row as a fit expects it that saw no row of its fold; shape
            (rows, outcomes).
        penalty: the one chosen.
    """

    weights: Floats
    out_of_fold: Floats
    penalty: float


def fit_ridge(
    inputs: Floats, outcomes: Floats, folds: Ints, penalties: Sequence[float] = PENALTIES
) -> RidgeFit:
    """Least squares with an unpenalized constant and a penalty on the squared weights.

    The penalty is the one of the least squared error out of fold, relative to the variance of each
    outcome and averaged over outcomes; of equals the largest. One for all: outcomes are compared
    with each other, and where one was shrunk ten times more than another, their difference is
    mostly the other.

    Args:
        inputs: shape (rows, inputs).
        outcomes: shape (rows, outcomes), NaN where unknown: that row is left out for it.
        folds: of each row, from 0.
        penalties: to choose from, rising.

    Raises:
        UsageError: an outcome is known in one fold only.

    Source: Hoerl and Kennard 1970, "Ridge Regression: Biased Estimation for Nonorthogonal
    Problems".
    """
    import numpy as np

    basis = _row_space(inputs)
    reduced = inputs if basis is None else inputs @ basis
    weights = np.zeros((reduced.shape[1], outcomes.shape[1]))
    scores = np.empty((len(penalties), *outcomes.shape))
    totals = []
    for columns in _equally_known(outcomes):
        total, found = _folded(reduced, outcomes[:, columns], folds, penalties)
        totals.append((columns, total))
        scores[:, :, columns] = found
    errors = np.nanmean((scores - outcomes) ** 2, axis=1)
    variances = np.nanvar(outcomes, axis=0)
    relative = (errors / np.where(variances > 0.0, variances, 1.0)).mean(axis=1)
    # Backwards, so that of equal errors the largest penalty is taken.
    best = len(penalties) - 1 - int(np.argmin(relative[::-1]))
    for columns, total in totals:
        weights[:, columns] = next(ridge_path(total, penalties[best : best + 1]))
    whole = weights if basis is None else basis @ weights
    return RidgeFit(whole, scores[best], penalties[best])


def ridge_path(moments: _Moments, penalties: Sequence[float]) -> Iterator[NDArray[Any]]:
    """The weights for each penalty, shape (inputs, outcomes)."""
    import numpy as np

    mean = moments.inputs / moments.count
    squares = moments.squares - np.outer(moments.inputs, mean)
    products = moments.products - np.outer(mean, moments.outcomes)
    diagonal = np.diag_indices_from(squares)
    before = 0.0
    for penalty in penalties:
        squares[diagonal] += penalty - before
        before = penalty
        yield np.linalg.solve(squares, products)


def _folded(
    inputs: Floats, outcomes: Floats, folds: Ints, penalties: Sequence[float]
) -> tuple[_Moments, Floats]:
    """The sums over all rows, and what is expected out of fold, (penalties, rows, outcomes).

    The outcomes are known for the same rows.
    """
    import numpy as np

    known = np.isfinite(outcomes[:, 0])
    members = [np.flatnonzero(folds == fold) for fold in range(int(folds.max()) + 1)]
    parts = [_moments(inputs[m[known[m]]], outcomes[m[known[m]]]) for m in members]
    total = reduce(_Moments.plus, parts)
    scores = np.empty((len(penalties), *outcomes.shape))
    for member, part in zip(members, parts, strict=True):
        rest = total.plus(part, -1.0)
        if rest.count < 1.0:
            raise UsageError("expected outcomes of every tier in more than one group of questions")
        mean, middle, held_out = (
            rest.inputs / rest.count,
            rest.outcomes / rest.count,
            inputs[member],
        )
        for place, weights in enumerate(ridge_path(rest, penalties)):
            scores[place, member] = held_out @ weights + (middle - mean @ weights)
    return total, scores


def _moments(inputs: Floats, outcomes: Floats) -> _Moments:
    return _Moments(
        float(len(inputs)),
        inputs.sum(axis=0),
        outcomes.sum(axis=0),
        inputs.T @ inputs,
        inputs.T @ outcomes,
    )


def _equally_known(outcomes: Floats) -> list[list[int]]:
    """Columns with the same unknown rows together: they share the costly sums."""
    import numpy as np

    alike: dict[bytes, list[int]] = {}
    for column in range(outcomes.shape[1]):
        alike.setdefault(np.isfinite(outcomes[:, column]).tobytes(), []).append(column)
    return list(alike.values())


def _row_space(inputs: Floats) -> Floats | None:
    """Fewer, orthonormal columns with the same rows in their span, or None where rows abound.

    The weights of a ridge lie in that span, so nothing changes but the time.
    """
    import numpy as np

    rows, columns = inputs.shape
    if rows >= columns:
        return None
    basis: Floats = np.linalg.qr(inputs.T)[0]
    return basis
