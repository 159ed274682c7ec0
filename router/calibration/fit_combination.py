"""Fits of the two combinations, on rows of signal values with gaps.

No fit depends on the order of its rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtra, UsageError
from .boosted_trees import Tree
from .combining import BoostedCombination, LogisticCombination
from .curves import CLIP
from .fit_rows import check_labels, positives_of
from .fit_smooth import fit_beta
from .logistic import LogisticProblem, fit_logistic
from .smooth_calibrators import BetaCalibrator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

__all__ = ["SignalRow", "fit_boosted_combination", "fit_logistic_combination"]

SignalRow = tuple[float | None, ...]
"""One attempt's values in [0, 1], in the order of the signals' names; None where missing."""

_ENOUGH_FOR_THREADS = 20_000


def fit_logistic_combination(
    rows: Sequence[SignalRow],
    labels: Sequence[float],
    *,
    signals: Sequence[str],
    versions: Sequence[int] | None = None,
    penalty: float = 3.0,
) -> LogisticCombination:
    """Logistic regression on the logits of calibrated signals, with indicators of missing ones.

    Each signal first goes through a beta curve of its own. The logit of a bare value would set a
    share of 5 of 5 samples ten times as far from 4 of 5 as that is from 1/2; behind its curve it is
    as far as it was right more often. The ridge `penalty` * (sum of squared weights) / 2 stands
    beside the log loss summed over rows. It acts on standardized columns, indicators included,
    never on the intercept, and keeps the weights of signals that say the same alike. No weight of a
    signal may be negative.

    Args:
        rows: one a label.
        labels: 1 for right, 0 for wrong, or how good the answer is, in [0, 1].
        versions: of the estimators; all 1 by default.
        penalty: above 0.

    Raises:
        UsageError: labels that are all equal (also among the rows that have a signal), lengths that
            differ, a value outside [0, 1], or a penalty that is not above 0.
    """
    if not (math.isfinite(penalty) and penalty > 0.0):
        raise UsageError(f"expected a penalty above 0, got {penalty}")
    import numpy as np

    values, targets = _matrix(rows, labels, signals)
    curves = [_beta(values[:, j], targets, name) for j, name in enumerate(signals)]
    a, b = np.array([curve.a for curve in curves]), np.array([curve.b for curve in curves])
    clipped = np.clip(values, CLIP, 1.0 - CLIP)
    terms, gaps = a * np.log(clipped) - b * np.log1p(-clipped), np.isnan(values)
    centers, scales = np.nanmean(terms, axis=0), np.nanstd(terms, axis=0)
    scales[scales < 1e-9] = 1.0  # a signal that tells nothing: its column is 0, and its weight too
    standard = np.where(gaps, 0.0, (terms - centers) / scales)
    lacking = np.flatnonzero(gaps.any(axis=0))
    shares, spreads = gaps.mean(axis=0)[lacking], gaps.std(axis=0)[lacking]
    indicators = (gaps[:, lacking] - shares) / spreads
    found = _ridge(np.hstack([standard, indicators]), targets, penalty, len(signals))
    weights, steps = found[1 : 1 + len(signals)] / scales, found[1 + len(signals) :] / spreads
    # Back from standardized columns: a missing signal stood at its center.
    missing: list[float | None] = [None] * len(signals)
    for column, step in zip(lacking.tolist(), steps.tolist(), strict=True):
        missing[column] = step + float(weights[column] * centers[column])
    return LogisticCombination(
        tuple(signals),
        _versions(signals, versions),
        len(labels),
        positives_of(labels),
        float(found[0] - (weights * centers).sum() - (steps * shares).sum()),
        tuple((weights * a).tolist()),
        tuple((weights * b).tolist()),
        tuple(missing),
        penalty,
    )


def _beta(values: Floats, targets: Floats, name: str) -> BetaCalibrator:
    """The beta curve over the rows that have the signal."""
    has = values == values  # NaN is unlike itself
    return fit_beta(values[has].tolist(), targets[has].tolist(), signal=name)


def _ridge(columns: Floats, targets: Floats, penalty: float, signals: int) -> Floats:
    """The intercept, then a coefficient a column; the first `signals` of these are not negative."""
    import numpy as np

    features = np.hstack([np.ones((len(targets), 1)), columns])
    ridge = np.full(features.shape[1], penalty)
    ridge[0] = 0.0
    problem = LogisticProblem(features, targets, np.ones(len(targets)), ridge)
    return fit_logistic(problem, range(1, 1 + signals))


def fit_boosted_combination(
    rows: Sequence[SignalRow],
    labels: Sequence[float],
    *,
    signals: Sequence[str],
    versions: Sequence[int] | None = None,
    trees: int = 60,
    rate: float = 0.05,
    leaves: int = 4,
    rows_a_leaf: int = 20,
) -> BoostedCombination:
    """Gradient boosting of small trees that rise with every signal.

    A missing value goes to the side that fits better. Wants about 1,000 rows. Trees take no graded
    labels: where there are any, each row stands twice, as a right answer of weight y and as a wrong
    one of weight 1 - y, which has the same log loss.

    Args:
        rows: one a label.
        labels: 1 for right, 0 for wrong, or how good the answer is, in [0, 1].
        versions: of the estimators; all 1 by default.
        trees: how many, each scaled by `rate`.
        leaves: of a tree, at most.
        rows_a_leaf: at least.

    Raises:
        UsageError: as `fit_logistic_combination`.
        MissingExtra: scikit-learn is not installed.
    """
    values, targets = _matrix(rows, labels, signals)
    is_graded = bool(((targets > 0.0) & (targets < 1.0)).any())
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtra("scikit-learn", "fit") from error
    model = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=rate,
        max_leaf_nodes=leaves,
        min_samples_leaf=rows_a_leaf * (2 if is_graded else 1),
        l2_regularization=1.0,
        monotonic_cst=[1] * len(signals),
        early_stopping=False,
        random_state=0,
    )
    # Threads that wait for each other took 40 times as long as one on some hundred rows.
    with threadpool_limits(1 if len(rows) < _ENOUGH_FOR_THREADS else None):
        if is_graded:
            model.fit(*_twice(values, targets))
        else:
            model.fit(values, targets)
    # Private, but the only way to the numbers; a test holds our sum against predict_proba.
    grown = [_tree(stage[0].nodes) for stage in model._predictors]
    return BoostedCombination(
        tuple(signals),
        _versions(signals, versions),
        len(labels),
        positives_of(labels),
        float(model._baseline_prediction.ravel()[0]),
        tuple(grown),
        tuple(any(row[j] is None for row in rows) for j in range(len(signals))),
    )


def _twice(values: Floats, targets: Floats) -> tuple[Floats, Floats, Floats]:
    """Each row as a right answer and as a wrong one: values, labels of 0 and 1, weights."""
    import numpy as np

    n = len(targets)
    both = np.concatenate([np.ones(n), np.zeros(n)])
    return np.concatenate([values, values]), both, np.concatenate([targets, 1.0 - targets])


def _tree(nodes: Any) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool).tolist()
    features = nodes["feature_idx"].tolist()
    # An endless threshold parts the missing values from all others, which 1 does as well.
    thresholds = [min(float(bound), 1.0) for bound in nodes["num_threshold"].tolist()]
    return Tree(
        tuple(-1 if leaf else int(f) for leaf, f in zip(is_leaf, features, strict=True)),
        tuple(0.0 if leaf else bound for leaf, bound in zip(is_leaf, thresholds, strict=True)),
        tuple(nodes["missing_go_to_left"].astype(bool).tolist()),
        tuple(nodes["left"].tolist()),
        tuple(nodes["right"].tolist()),
        tuple(nodes["value"].tolist()),
    )


def _matrix(
    rows: Sequence[SignalRow], labels: Sequence[float], signals: Sequence[str]
) -> tuple[Floats, Floats]:
    """(n, d) values with NaN where missing, and (n,) labels, in an order of their own."""
    import numpy as np

    if len(rows) != len(labels):
        raise UsageError(f"expected one label a row, got {len(labels)} for {len(rows)} rows")
    check_labels(labels)
    if not signals or any(len(row) != len(signals) for row in rows):
        raise UsageError(f"expected a value for each of {len(signals)} signals in every row")
    both = np.array([(*row, label) for row, label in zip(rows, labels, strict=True)], dtype=float)
    both = both[np.lexsort(both.T)]  # sums of floats depend on their order, and fits must not
    values, targets = both[:, :-1], both[:, -1]
    given = values[~np.isnan(values)]
    if given.size and not (given.min() >= 0.0 and given.max() <= 1.0):
        raise UsageError("expected values in [0, 1], or None where a signal is missing")
    for name, empty in zip(signals, np.isnan(values).all(axis=0).tolist(), strict=True):
        if empty:
            raise UsageError(f"no row has the signal '{name}'")
    return values, targets


def _versions(signals: Sequence[str], versions: Sequence[int] | None) -> tuple[int, ...]:
    return (1,) * len(signals) if versions is None else tuple(versions)
