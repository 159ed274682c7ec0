"""The ridge against arithmetic, scikit-learn and refits that leave a fold out."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot.policies.ridge_path import fit_ridge
from surefoot.router.errors import UsageError

FOLDS = np.arange(60) % 5


def drawn(rows: int = 60, inputs: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, inputs))
    noise = rng.normal(size=(rows, 2))
    return x, x[:, :2] * 0.7 + 0.3 + noise * 0.5


def test_one_input_by_hand() -> None:
    # x - mean = -1, 0, 1 and y - mean = -1, 0, 1: slope 2 / (2 + 2).
    x, y = np.array([[1.0], [2.0], [3.0]]), np.array([[4.0], [5.0], [6.0]])
    fit = fit_ridge(x, y, np.array([0, 1, 2]), penalties=(2.0,))
    assert fit.weights == pytest.approx(np.array([[0.5]]))
    # Without the first row: means 2.5 and 5.5, slope 0.5 / (0.5 + 2).
    assert fit.out_of_fold[0, 0] == pytest.approx(5.5 + 0.2 * (1.0 - 2.5))


@pytest.mark.parametrize("inputs", [6, 100])  # fewer columns than rows, and more
def test_weights_and_out_of_fold_scores_are_those_of_scikit_learn(inputs: int) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = drawn(inputs=inputs)
    fit = fit_ridge(x, y, FOLDS, penalties=(5.0,))
    assert fit.weights == pytest.approx(linear_model.Ridge(5.0).fit(x, y).coef_.T, abs=1e-9)
    for fold in range(5):
        kept = FOLDS != fold
        expected = linear_model.Ridge(5.0).fit(x[kept], y[kept]).predict(x[~kept])
        assert fit.out_of_fold[~kept] == pytest.approx(expected, abs=1e-9)


def test_the_penalty_is_the_best_out_of_fold() -> None:
    x, y = drawn(inputs=100)
    choice = (1.0, 10.0, 100.0, 1000.0)
    errors = [
        (((fit_ridge(x, y, FOLDS, (p,)).out_of_fold - y) ** 2).mean(axis=0) / y.var(axis=0)).mean()
        for p in choice
    ]
    assert fit_ridge(x, y, FOLDS, choice).penalty == choice[int(np.argmin(errors))]
    assert len(set(np.argsort(errors))) == 4 and np.argmin(errors) not in (0, 3)


def test_of_equal_penalties_the_largest_is_taken() -> None:
    x, y = np.zeros((60, 3)), drawn()[1]
    assert fit_ridge(x, y, FOLDS, (1.0, 2.0, 4.0)).penalty == 4.0


def test_unknown_outcomes_are_left_out_for_that_outcome_only() -> None:
    x, y = drawn()
    holes = y.copy()
    holes[7:31, 1] = np.nan
    whole, part = fit_ridge(x, y, FOLDS, (5.0,)), fit_ridge(x, holes, FOLDS, (5.0,))
    assert part.weights[:, 0] == pytest.approx(whole.weights[:, 0], abs=1e-12)
    seen = np.isfinite(holes[:, 1])
    alone = fit_ridge(x[seen], y[seen, 1:], FOLDS[seen], (5.0,))
    assert part.weights[:, 1] == pytest.approx(alone.weights[:, 0], abs=1e-9)
    assert np.isfinite(part.out_of_fold).all()
    assert part.out_of_fold[seen, 1] == pytest.approx(alone.out_of_fold[:, 0], abs=1e-9)


def test_outcomes_known_in_one_fold_only_are_refused() -> None:
    x, y = drawn()
    y[FOLDS != 2, 1] = np.nan
    with pytest.raises(UsageError, match="more than one group"):
        fit_ridge(x, y, FOLDS)
