"""Fits and measures on graded labels: how good an answer is, in [0, 1], not only right or wrong."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from surefoot.router.calibration import (
    FittedCurve,
    calibrator_from_json,
    cross_fitted,
    fit_beta,
    fit_histogram,
    fit_isotonic,
    fit_platt,
    fit_temperature,
    pool_adjacent_violators,
)
from surefoot.router.calibration.combination import (
    cross_fitted_combination,
    fit_boosted_combination,
    fit_logistic_combination,
)
from surefoot.router.calibration.cross_fitting import deal_folds
from surefoot.router.errors import UsageError
from surefoot.router.metrics import ace, brier, ece, log_loss

Fit = Callable[..., FittedCurve]

FITS: list[Fit] = [fit_temperature, fit_platt, fit_beta, fit_isotonic, fit_histogram]
every_fit = pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.__name__)


def history(n: int, seed: int = 0) -> tuple[list[float], list[float]]:
    """Values and labels in tenths, some of them 0 and 1, that rise with the value."""
    draw = random.Random(seed)
    values = [draw.randint(1, 99) / 100 for _ in range(n)]
    return values, [sum(draw.random() < v for _ in range(10)) / 10 for v in values]


def as_weights(
    values: Sequence[float], labels: Sequence[float]
) -> tuple[list[float], list[int], list[float]]:
    """Each row as a right answer of weight y and a wrong one of weight 1 - y."""
    rows = [
        (value, label, weight)
        for value, y in zip(values, labels, strict=True)
        for label, weight in ((1, y), (0, 1.0 - y))
        if weight > 0.0
    ]
    return [v for v, _, _ in rows], [y for _, y, _ in rows], [w for _, _, w in rows]


@every_fit
def test_a_label_is_the_weight_of_a_right_answer_and_the_rest_of_a_wrong_one(fit: Fit) -> None:
    values, labels = history(300)
    doubled, right, weights = as_weights(values, labels)

    graded = fit(values, labels, signal="s")
    weighted = fit(doubled, right, signal="s", weights=weights)
    grid = [i / 200 for i in range(201)]
    assert [graded.at(x) for x in grid] == pytest.approx([weighted.at(x) for x in grid], abs=1e-7)
    assert len({round(graded.at(x), 3) for x in grid}) > 5


@every_fit
def test_ten_graders_votes_are_ten_rows(fit: Fit) -> None:
    """A label of h / 10 with weight 10 is h right and 10 - h wrong answers."""
    values, labels = history(60, 1)
    votes = [
        (v, int(i < round(10 * y))) for v, y in zip(values, labels, strict=True) for i in range(10)
    ]

    graded = fit(values, labels, signal="s", weights=[10.0] * len(values))
    counted = fit([v for v, _ in votes], [y for _, y in votes], signal="s")
    for x in (0.05, 0.3, 0.5, 0.8, 0.95):
        assert graded.at(x) == pytest.approx(counted.at(x), abs=1e-7)


@every_fit
def test_whole_labels_fit_the_same_as_integers_to_the_last_bit(fit: Fit) -> None:
    values, labels = history(200, 2)
    whole = [int(y > 0.5) for y in labels]

    curve = fit(values, whole, signal="s")
    assert fit(values, [float(y) for y in whole], signal="s") == curve
    assert isinstance(curve.positives, int) and curve.positives == sum(whole)


@every_fit
def test_no_order_of_rows_matters_and_json_keeps_the_sum(fit: Fit) -> None:
    values, labels = history(120, 3)
    curve = fit(values, labels, signal="s")
    order = list(range(120))
    random.Random(0).shuffle(order)

    assert fit([values[i] for i in order], [labels[i] for i in order], signal="s") == curve
    assert curve.positives == pytest.approx(sum(labels))
    again = calibrator_from_json(curve.to_json())
    assert (again, again.positives, again.fingerprint) == (
        curve,
        curve.positives,
        curve.fingerprint,
    )


def test_blocks_have_the_mean_label() -> None:
    """.6 before .2 falls: both become .4. Then .5 rises, and .9 with .7 at one score is .8."""
    blocks = pool_adjacent_violators([1.0, 2.0, 3.0, 4.0, 4.0], [0.6, 0.2, 0.5, 0.9, 0.7])

    assert [(b.low, b.high) for b in blocks] == [(1.0, 2.0), (3.0, 3.0), (4.0, 4.0)]
    assert [b.mean for b in blocks] == pytest.approx([0.4, 0.5, 0.8])
    # The ends: (.8 + 1) / (2 + 2) = .45 and (1.6 + 1) / (2 + 2) = .65; .5 between them stays.
    curve = fit_isotonic([1.0, 2.0, 3.0, 4.0, 4.0], [0.6, 0.2, 0.5, 0.9, 0.7], signal="s")
    assert curve.scores == (1.0, 2.0, 3.0, 4.0)
    assert curve.probabilities == pytest.approx((0.45, 0.45, 0.5, 0.65))


@pytest.mark.parametrize("seed", range(5))
def test_isotonic_means_are_those_of_scikit_learn(seed: int) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.integers(0, 40, 150) / 40
    labels = np.clip(scores + draw.normal(0.0, 0.4, 150), 0.0, 1.0)
    weights = draw.uniform(0.2, 3.0, 150)

    oracle = IsotonicRegression().fit(scores, labels, sample_weight=weights)
    blocks = pool_adjacent_violators(scores.tolist(), labels.tolist(), weights.tolist())
    for block in blocks:
        for score in (block.low, block.high):
            assert block.mean == pytest.approx(float(oracle.predict([score])[0]), abs=1e-9)
    assert len(blocks) > 3


def test_two_values_have_a_platt_curve_by_hand() -> None:
    """A curve of two numbers goes through both smoothed targets.

    n+ = .8 + .3 = 1.1 and n- = .9: right is 2.1 / 3.1, wrong 1 / 2.9; a label y is at
    y right + (1 - y) wrong.
    """
    curve = fit_platt([0.9, 0.2], [0.8, 0.3], signal="s")

    right, wrong = 2.1 / 3.1, 1.0 / 2.9
    assert curve.at(0.9) == pytest.approx(0.8 * right + 0.2 * wrong, abs=1e-6)
    assert curve.at(0.2) == pytest.approx(0.3 * right + 0.7 * wrong, abs=1e-6)


def test_a_temperature_has_the_slope_of_its_labels() -> None:
    """At one distance from 1/2 on both sides, sigma(z / tau) is the label that both ask for."""
    curve = fit_temperature([0.9, 0.1], [0.75, 0.25], signal="s")

    assert curve.at(0.9) == pytest.approx(0.75, abs=1e-9)
    assert curve.tau == pytest.approx(math.log(9) / math.log(3))


@every_fit
def test_labels_that_cannot_be_fitted_on_are_refused(fit: Fit) -> None:
    with pytest.raises(UsageError, match=r"better and worse answers.*3 labels, only 0\.5"):
        fit([0.1, 0.2, 0.3], [0.5] * 3, signal="s")
    for wrong in (1.5, -0.1, math.nan):
        with pytest.raises(UsageError, match=r"label in \[0, 1\], got .* in row 1"):
            fit([0.1, 0.2], [0.5, wrong], signal="s")


# --- measures ------------------------------------------------------------------------------------


def test_measures_by_hand() -> None:
    """Rows (.8, .5), (.8, 1) and (.3, .2); tenths are bins, (.7, .8] and (.2, .3]."""
    p, y = [0.8, 0.8, 0.3], [0.5, 1.0, 0.2]

    assert brier(p, y) == pytest.approx((0.09 + 0.04 + 0.01) / 3)
    assert ece(p, y) == ace(p, y) == pytest.approx(2 / 3 * 0.05 + 1 / 3 * 0.1)
    both = -0.5 * (math.log(0.8) + math.log(0.2))
    assert log_loss(p, y) == pytest.approx(
        (both - math.log(0.8) - 0.2 * math.log(0.3) - 0.8 * math.log(0.7)) / 3
    )


def test_cross_entropy_is_least_at_the_label() -> None:
    measured = [log_loss([0.3 + d], [0.3]) for d in (-0.1, 0.0, 0.1)]
    around = [loss for loss in measured if isinstance(loss, float)]
    assert len(around) == 3
    assert min(around) == around[1] > 0.5
    for measure in (brier, log_loss, ece, ace):
        with pytest.raises(UsageError, match=r"label in \[0, 1\], got 0.5 and nan in row 0"):
            measure([0.5], [math.nan])


# --- out of fold, combined -----------------------------------------------------------------------


def test_folds_are_even_in_the_mean_label() -> None:
    _, labels = history(500, 4)
    names = [f"q{i}" for i in range(500)]
    fold_of = deal_folds(labels, names, 5, 0)

    means = [np.mean([labels[i] for i in range(500) if fold_of[names[i]] == f]) for f in range(5)]
    assert max(means) - min(means) < 0.01
    out = cross_fitted(lambda x, y: fit_isotonic(x, y, signal="s"), labels, labels, names)
    assert np.abs(np.array(out) - labels).max() < 0.1


def combined_rows(n: int) -> tuple[list[tuple[float | None, ...]], list[float]]:
    """Two signals, each with half of what the label is made of; the second is missing at times."""
    draw = np.random.default_rng(5)
    z = draw.normal(0.0, 1.2, (n, 2))
    labels = draw.binomial(10, 1.0 / (1.0 + np.exp(-z.sum(axis=1)))) / 10
    values = (1.0 / (1.0 + np.exp(-z))).tolist()
    gaps = draw.random(n) < 0.1
    return [
        (a, None if gap else b) for (a, b), gap in zip(values, gaps, strict=True)
    ], labels.tolist()


def test_a_logistic_combination_of_grades_is_that_of_ten_votes_up_to_its_penalty() -> None:
    rows, labels = combined_rows(150)
    votes = list(itertools.chain(*([int(i < round(10 * y)) for i in range(10)] for y in labels)))
    ten = [row for row in rows for _ in range(10)]

    graded = fit_logistic_combination(rows, labels, signals=("a", "b"), penalty=0.3)
    counted = fit_logistic_combination(ten, votes, signals=("a", "b"), penalty=3.0)
    found = [graded.log_odds(row) for row in rows]
    expected = [counted.log_odds(row) for row in rows]
    # Platt's targets inside the beta curves know ten times as many rows: a little less cautious.
    assert np.abs(np.array(found) - expected).max() < 0.05
    assert np.std(found) > 1.0
    assert graded.positives == pytest.approx(sum(labels))


def test_boosted_trees_of_grades_are_those_of_ten_votes() -> None:
    rows, labels = combined_rows(400)
    votes = list(itertools.chain(*([int(i < round(10 * y)) for i in range(10)] for y in labels)))
    ten = [row for row in rows for _ in range(10)]

    graded = fit_boosted_combination(rows, labels, signals=("a", "b"))
    counted = fit_boosted_combination(ten, votes, signals=("a", "b"), rows_a_leaf=200)
    found = np.array([graded.log_odds(row) for row in rows])
    expected = np.array([counted.log_odds(row) for row in rows])
    # The trees' own ridge weighs ten times as much on the fewer rows.
    assert np.abs(found - expected).mean() < 0.1 < np.std(found)
    assert graded.positives == pytest.approx(sum(labels))


@pytest.mark.parametrize("kind", ["logistic", "boosted"])
def test_a_combination_of_grades_beats_its_parts_out_of_fold(kind: str) -> None:
    rows, labels = combined_rows(600)
    groups = [f"q{i}" for i in range(600)]

    out = cross_fitted_combination(kind, rows, labels, groups, signals=("a", "b"))  # type: ignore[arg-type]  # one of the two
    alone = cross_fitted(
        lambda x, y: fit_platt(x, y, signal="a"), [row[0] or 0.0 for row in rows], labels, groups
    )
    together, single = log_loss(out, labels), log_loss(alone, labels)
    assert isinstance(together, float) and isinstance(single, float)
    assert together < single - 0.02
    error = ece(out, labels)
    assert isinstance(error, float) and error < 0.05
