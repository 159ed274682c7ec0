"""Fitting a head: boosted trees and a ridge line over features with gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..calibration.boosted_trees import Tree
from ..calibration.logistic import LogisticProblem, fit_logistic
from ..errors import MissingExtra, UsageError
from .heads import Head, Line, feature_row

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

__all__ = ["HeadRecipe", "fit_head"]

_ENDLESS = 1e300
_DIGITS = 6
_FURTHEST = 4.0


@dataclass(frozen=True, slots=True)
class HeadRecipe:
    """How a head is fitted.

    Attributes:
        trees: of one bag; `bags` of them that see other features are averaged.
        rate: by which each tree is scaled.
        leaves: of a tree, at most; each from at least `rows_a_leaf` rows.
        features_share: of the features that are looked at for a split.
        l2: penalty on a leaf.
        line_weight: of the line in the sum; 0 leaves it out.
        gate: a feature; where it is 0 or missing, the line has `gated_weight` instead.
        line_penalty: ridge on the line's standardized weights.
        line_names: the features that the line may use; None stands for all.
        signs: 1 for features that may only raise the odds, -1 for those that may only lower them,
            in trees and line.
        seed: of the draws of features.
    """

    trees: int = 150
    rate: float = 0.08
    leaves: int = 8
    rows_a_leaf: int = 25
    features_share: float = 0.3
    l2: float = 1.0
    bags: int = 2
    line_weight: float = 1.0
    gate: str | None = None
    gated_weight: float = 0.0
    line_penalty: float = 50.0
    line_names: tuple[str, ...] | None = None
    signs: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0


def fit_head(
    rows: Sequence[Mapping[str, float]],
    labels: Sequence[int],
    weights: Sequence[float],
    recipe: HeadRecipe,
) -> Head:
    """A head over all features that vary.

    Args:
        rows: features by name, one mapping a state; what a state lacks is absent.
        labels: 1 or 0.
        weights: above 0, one a state.

    Raises:
        UsageError: no rows, labels of one class only, or no feature that varies.
        MissingExtra: scikit-learn is not installed.
    """
    import numpy as np

    if not rows or not len(rows) == len(labels) == len(weights):
        raise UsageError("expected one label and one weight a state, and at least one state")
    if len(set(labels)) < 2:
        raise UsageError("expected states of both classes: there is nothing to tell apart")
    names = tuple(sorted({name for row in rows for name in row}))
    values = np.array([feature_row(row, names) for row in rows], dtype=float)
    varies = [j for j in range(len(names)) if _varies(values[:, j])]
    if not varies:
        raise UsageError("no feature varies over the states: nothing tells them apart")
    names, values = tuple(names[j] for j in varies), values[:, varies]
    targets, weight = np.array(labels, dtype=float), np.array(weights, dtype=float)
    baseline, trees = _grow(values, targets, weight, names, recipe)
    line = _fit_line(values, targets, weight, names, recipe)
    return Head(names, baseline, trees, line, recipe.line_weight, recipe.gate, recipe.gated_weight)


def _varies(column: Floats) -> bool:
    given = column[column == column]  # NaN is unlike itself
    return given.size > 0 and (given.size < column.size or bool((given != given[0]).any()))


def _grow(
    values: Floats, targets: Floats, weights: Floats, names: Sequence[str], recipe: HeadRecipe
) -> tuple[float, tuple[Tree, ...]]:
    if not recipe.trees:
        return 0.0, ()
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtra("scikit-learn", "fit") from error
    baseline, grown = 0.0, []
    for bag in range(recipe.bags):
        model = HistGradientBoostingClassifier(
            max_iter=recipe.trees,
            learning_rate=recipe.rate,
            max_leaf_nodes=recipe.leaves,
            min_samples_leaf=recipe.rows_a_leaf,
            l2_regularization=recipe.l2,
            max_features=recipe.features_share,
            monotonic_cst=[recipe.signs.get(name, 0) for name in names],
            early_stopping=False,
            random_state=recipe.seed + bag,
        )
        with threadpool_limits(1):  # threads that wait for each other cost more than they give
            model.fit(values, targets, sample_weight=weights)
        # Private, but the only way to the numbers; a test holds our sum against predict_proba.
        grown += [_tree(stage[0].nodes, 1.0 / recipe.bags) for stage in model._predictors]
        baseline += float(model._baseline_prediction.ravel()[0]) / recipe.bags
    return baseline, tuple(grown)


def _tree(nodes: Any, factor: float) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool).tolist()
    features = nodes["feature_idx"].tolist()
    # An endless threshold parts the missing values from all others.
    thresholds = [min(float(bound), _ENDLESS) for bound in nodes["num_threshold"].tolist()]
    leaves = [round(float(value) * factor, _DIGITS) for value in nodes["value"].tolist()]
    return Tree(
        tuple(-1 if leaf else int(f) for leaf, f in zip(is_leaf, features, strict=True)),
        tuple(0.0 if leaf else bound for leaf, bound in zip(is_leaf, thresholds, strict=True)),
        tuple(nodes["missing_go_to_left"].astype(bool).tolist()),
        tuple(nodes["left"].tolist()),
        tuple(nodes["right"].tolist()),
        tuple(value if leaf else 0.0 for leaf, value in zip(is_leaf, leaves, strict=True)),
    )


def _fit_line(
    values: Floats, targets: Floats, weights: Floats, names: Sequence[str], recipe: HeadRecipe
) -> Line:
    """Ridge logistic regression on standardized, clipped columns; gaps stand at the center."""
    import numpy as np

    size = len(names)
    used = [
        j for j, name in enumerate(names) if recipe.line_names is None or name in recipe.line_names
    ]
    centers, scales, found = np.zeros(size), np.ones(size), np.zeros(size)
    intercept = 0.0
    if recipe.line_weight > 0.0 or recipe.gated_weight > 0.0:
        centers = np.nanmean(values, axis=0)
        scales = np.nanstd(values, axis=0)
        scales[~(scales > 1e-9)] = 1.0
        columns = np.clip((values - centers) / scales, -_FURTHEST, _FURTHEST)
        columns = np.where(np.isnan(columns), 0.0, columns)[:, used]
        signs = np.array([recipe.signs.get(names[j], 0) for j in used])
        # A weight that may not be positive is one that may not be negative on the other side.
        flips = np.where(signs < 0, -1.0, 1.0)
        features = np.hstack([np.ones((len(targets), 1)), columns * flips])
        ridge = np.full(features.shape[1], recipe.line_penalty)
        ridge[0] = 0.0
        problem = LogisticProblem(features, targets, weights, ridge)
        bound = [1 + place for place, sign in enumerate(signs) if sign]
        solved = fit_logistic(problem, bound)
        intercept = float(solved[0])
        found[used] = solved[1:] * flips
    return Line(
        round(intercept, _DIGITS),
        tuple(_rounded(centers)),
        tuple(_rounded(scales)),
        tuple(_rounded(found)),
    )


def _rounded(numbers: Floats) -> list[float]:
    # Nine digits that count: a scale must not become 0.
    return [float(f"{number:.9g}") for number in numbers.tolist()]
