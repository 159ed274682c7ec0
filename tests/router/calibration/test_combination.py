"""Combining signals: the fits agree with others', and what is reported is honest."""

from __future__ import annotations

import json
import math
import random
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from surefoot.router.calibration import fit_beta, fit_platt
from surefoot.router.calibration.boosted_trees import Tree
from surefoot.router.calibration.combination import (
    CombinationKind,
    SignalRow,
    cross_fitted_combination,
    fit_boosted_combination,
    fit_combined,
    fit_logistic_combination,
)
from surefoot.router.calibration.combination_report import evaluate_combination
from surefoot.router.calibration.combining import (
    BoostedCombination,
    FittedCombination,
    LogisticCombination,
    combination_from_data,
    combined_name,
)
from surefoot.router.calibration.cross_fitting import deal_folds
from surefoot.router.calibration.curves import sigmoid
from surefoot.router.calibration.logistic import LogisticProblem, fit_logistic
from surefoot.router.errors import MissingExtra, UsageError
from surefoot.router.metrics import auroc, ece, log_loss
from surefoot.router.wire import encode

NAMES = ("a", "b", "c")
KINDS: list[CombinationKind] = ["logistic", "boosted"]
every_kind = pytest.mark.parametrize("kind", KINDS)


def world(
    n: int,
    seed: int,
    gaps: float = 0.0,
    noise: int = 0,
    spreads: tuple[float, ...] = (1.0, 1.5, 2.0),
) -> tuple[list[SignalRow], list[int], list[str]]:
    """Three views of one ease, each with its own noise, and more that are noise alone.

    `b` is more often missing where the answer is wrong.
    """
    rng = random.Random(seed)
    rows, labels = [], []
    for _ in range(n):
        ease = rng.gauss(0.0, 1.5)
        label = int(rng.random() < sigmoid(ease))
        told: list[float | None] = [sigmoid(ease + rng.gauss(0.0, s)) for s in spreads]
        if rng.random() < gaps * (0.3 if label else 1.0):
            told[1] = None
        rows.append((*told, *(rng.random() for _ in range(noise))))
        labels.append(label)
    return rows, labels, [f"q{i}" for i in range(n)]


def fitted(kind: CombinationKind, rows: list[SignalRow], labels: list[int]) -> FittedCombination:
    names = NAMES[: len(rows[0])]
    if kind == "logistic":
        return fit_logistic_combination(rows, labels, signals=names, versions=[1, 2, 3])
    return fit_boosted_combination(rows, labels, signals=names, versions=[1, 2, 3])


def known(number: object) -> float:
    assert isinstance(number, float)
    return number


# --- the logistic solver -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_newton_agrees_with_another_minimizer_under_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(200), rng.normal(size=(200, 4))])
    truth = np.array([0.3, 1.0, -0.8, 0.1, -0.1])
    y = (rng.random(200) < 1 / (1 + np.exp(-x @ truth))).astype(float)
    weights, penalty = rng.uniform(0.5, 2.0, 200), np.array([0.0, 1.0, 2.0, 3.0, 0.5])

    def loss(w: np.ndarray) -> float:
        z = x @ w
        return float(np.sum(weights * (np.logaddexp(0, z) - y * z)) + 0.5 * np.sum(penalty * w**2))

    bounds = [(None, None), *[(0, None)] * 4]
    options = {"ftol": 1e-15, "gtol": 1e-10}
    oracle = minimize(loss, np.zeros(5), method="L-BFGS-B", bounds=bounds, options=options)
    found = fit_logistic(LogisticProblem(x, y, weights, penalty), range(1, 5))
    assert found.tolist() == pytest.approx(oracle.x.tolist(), abs=1e-4)
    assert found[2] == 0.0


def test_two_equal_columns_are_no_obstacle() -> None:
    x = np.column_stack([np.ones(6), [0, 1, 2, 3, 4, 5.0], [0, 1, 2, 3, 4, 5.0]])
    y, one = np.array([0, 0, 1, 0, 1, 1.0]), np.ones(6)
    twice = fit_logistic(LogisticProblem(x, y, one, np.zeros(3)))
    once = fit_logistic(LogisticProblem(x[:, :2], y, one, np.zeros(2)))
    assert twice[1] + twice[2] == pytest.approx(once[1])


def test_numbers_that_are_not_finite_are_refused() -> None:
    x = np.array([[1.0, math.nan], [1.0, 0.0]])
    with pytest.raises(UsageError, match="finite"):
        fit_logistic(LogisticProblem(x, np.array([0.0, 1.0]), np.ones(2), np.zeros(2)))


# --- the logistic combination --------------------------------------------------------------------


def test_the_logistic_combination_agrees_with_another_minimizer() -> None:
    rows, labels, _ = world(300, 0, gaps=0.4)
    found = fit_logistic_combination(rows, labels, signals=NAMES, penalty=3.0)
    y = np.array(labels)
    columns, gaps = [], np.array([row[1] is None for row in rows])
    for j in range(3):
        has = [i for i, row in enumerate(rows) if row[j] is not None]
        curve = fit_beta([rows[i][j] or 0.0 for i in has], [labels[i] for i in has], signal="s")
        term = np.full(len(rows), np.nan)
        for i in has:
            v = rows[i][j] or 0.0
            term[i] = curve.a * math.log(v) - curve.b * math.log(1 - v)
        standard = (term - np.nanmean(term)) / np.nanstd(term)
        columns.append(np.nan_to_num(standard, nan=0.0))
    columns.append((gaps - gaps.mean()) / gaps.std())
    x = np.column_stack(columns)

    def loss(w: np.ndarray) -> float:
        z = w[0] + x @ w[1:]
        return float(np.sum(np.logaddexp(0, z) - y * z) + 1.5 * np.sum(w[1:] ** 2))

    bounds = [(None, None), *[(0, None)] * 3, (None, None)]
    oracle = minimize(loss, np.zeros(5), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15})
    expected = oracle.x[0] + x @ oracle.x[1:]
    assert [found.log_odds(row) for row in rows] == pytest.approx(expected.tolist(), abs=1e-3)
    assert found.saw_missing == (False, True, False)
    step = (found.missing[1] or 0.0) - np.mean(
        [
            found.a[1] * math.log(row[1]) - found.b[1] * math.log(1 - row[1])
            for row in rows
            if row[1] is not None
        ]
    )
    assert step < 0.0  # what is more often missing where it is wrong counts against the answer


def test_of_a_signal_and_its_copy_both_get_the_same_weight() -> None:
    rows, labels, _ = world(200, 1)
    both = fit_logistic_combination(
        [(row[0], row[0]) for row in rows], labels, signals=("a", "copy")
    )
    assert both.a[0] == pytest.approx(both.a[1]) and both.b[0] == pytest.approx(both.b[1])
    assert both.a[0] + both.b[0] > 0.0


def test_a_signal_that_is_turned_around_has_no_weight() -> None:
    rows, labels, _ = world(400, 2)
    turned = [(row[0], 1.0 - (row[1] or 0.0)) for row in rows]
    found = fit_logistic_combination(turned, labels, signals=("a", "b"))
    assert (found.a[1], found.b[1]) == (0.0, 0.0) and found.a[0] + found.b[0] > 0.0


def test_log_odds_by_hand() -> None:
    one = LogisticCombination(
        ("a", "b"), (1, 1), 10, 5, 0.25, (1.0, 0.0), (1.0, 2.0), (None, -0.5), 3.0
    )
    assert one.log_odds([0.8, 0.5]) == pytest.approx(0.25 + math.log(4) + 2 * math.log(2))
    assert one.log_odds([0.5, None]) == pytest.approx(-0.25)
    assert math.isfinite(one.log_odds([0.0, 1.0]))
    with pytest.raises(UsageError, match="no fitted row lacked"):
        one.log_odds([None, 0.5])


# --- the boosted combination ---------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gaps", [0.0, 0.4])
def test_the_trees_say_what_scikit_learn_says(seed: int, gaps: float) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows, labels, _ = world(400, seed, gaps)
    found = fit_boosted_combination(rows, labels, signals=NAMES)
    order = sorted(range(400), key=lambda i: (labels[i], *map(repr, reversed(rows[i]))))
    matrix = np.array([rows[i] for i in order], dtype=float)
    model = HistGradientBoostingClassifier(
        max_iter=60,
        learning_rate=0.05,
        max_leaf_nodes=4,
        min_samples_leaf=20,
        l2_regularization=1.0,
        monotonic_cst=[1, 1, 1],
        early_stopping=False,
        random_state=0,
    ).fit(matrix, [labels[i] for i in order])
    fresh, _, _ = world(500, seed + 100, gaps)
    edges: list[SignalRow] = [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.5)]
    points = [*fresh, *rows, *edges]
    expected = model.predict_proba(np.array(points, dtype=float))[:, 1]
    ours = [sigmoid(found.log_odds(row)) for row in points]
    assert ours == pytest.approx(expected.tolist(), abs=1e-9)


def test_without_scikit_learn_the_line_to_install_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, labels, _ = world(100, 0)
    ready = fit_boosted_combination(rows, labels, signals=NAMES)
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(MissingExtra, match=r"surefoot\[fit\]"):
        fit_boosted_combination(rows, labels, signals=NAMES)
    again = combination_from_data(encode(ready))
    assert again.log_odds(rows[0]) == ready.log_odds(rows[0])


@pytest.mark.parametrize(
    "change",
    [
        {"left": (0, -1, -1)},
        {"right": (9, -1, -1)},
        {"features": (-2, -1, -1)},
        {"leaves": (0.0, 1.0)},
        {"leaves": (0.0, 1.0, math.nan)},
        {"thresholds": (math.inf, 0.0, 0.0)},
    ],
)
def test_a_tree_that_leads_nowhere_is_refused(change: dict[str, tuple[float, ...]]) -> None:
    tree = Tree((0, -1, -1), (0.5, 0.0, 0.0), (True,) * 3, (1, 0, 0), (2, 0, 0), (0.0, -1.0, 1.0))
    assert [tree.at([v]) for v in (0.5, 0.6, None)] == [-1.0, 1.0, -1.0]
    with pytest.raises(UsageError):
        replace(tree, **change)  # type: ignore[arg-type]  # wrong on purpose


# --- both ----------------------------------------------------------------------------------------


@every_kind
def test_no_order_of_the_rows_matters(kind: CombinationKind) -> None:
    rows, labels, _ = world(150, 3, gaps=0.3)
    first = fitted(kind, rows, labels)
    for seed in range(3):
        order = random.Random(seed).sample(range(150), 150)
        assert fitted(kind, [rows[i] for i in order], [labels[i] for i in order]) == first


@every_kind
def test_a_combination_falls_with_no_signal(kind: CombinationKind) -> None:
    rows, labels, _ = world(300, 4)
    found = fitted(kind, rows, labels)

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.integers(0, 2), st.floats(0, 1))
    def rises(values: list[float], which: int, higher: float) -> None:
        raised = [*values]
        raised[which] = max(values[which], higher)
        assert found.log_odds(raised) >= found.log_odds(values) - 1e-12

    rises()


@every_kind
def test_json_there_and_back_loses_nothing(kind: CombinationKind) -> None:
    rows, labels, _ = world(200, 5, gaps=0.3)
    before = fitted(kind, rows, labels)
    data = json.loads(json.dumps(encode(before)))
    assert "fingerprint" not in data
    after = combination_from_data(data)
    assert after == before and after.fingerprint == before.fingerprint
    assert (after.n, after.positives, after.versions) == (200, sum(labels), (1, 2, 3))
    assert replace(after, versions=(1, 2, 4)).fingerprint != before.fingerprint


def test_the_fingerprint_follows_every_fitted_number() -> None:
    rows, labels, _ = world(200, 5, gaps=0.3)
    boosted, logistic = fitted("boosted", rows, labels), fitted("logistic", rows, labels)
    assert isinstance(boosted, BoostedCombination) and isinstance(logistic, LogisticCombination)
    tree = boosted.trees[0]
    other = replace(tree, leaves=(*tree.leaves[:-1], tree.leaves[-1] + 1e-9))
    others: list[FittedCombination] = [
        replace(boosted, baseline=boosted.baseline + 1e-9),
        replace(boosted, trees=(other, *boosted.trees[1:])),
        replace(boosted, saw_missing=(True, True, True)),
        replace(logistic, intercept=logistic.intercept + 1e-9),
        replace(logistic, a=(0.1, 0.2, 0.3)),
        replace(logistic, b=(0.1, 0.2, 0.3)),
        replace(logistic, missing=(None, None, None)),
    ]
    records = [boosted, logistic, *others]
    assert len({one.fingerprint for one in records}) == 9


@pytest.mark.parametrize("data", [None, [], {}, {"kind": "forest"}, {"kind": "logistic"}])
def test_data_that_is_no_combination_is_refused(data: object) -> None:
    with pytest.raises(UsageError):
        combination_from_data(data)


@every_kind
@pytest.mark.parametrize(
    ("rows", "labels", "words"),
    [
        ([(0.1, 0.2), (0.3, 0.4)], [1, 1], "right and wrong answers"),
        ([(0.1, 0.2)], [1, 0], "one label a row"),
        ([(0.1,), (0.2, 0.3)], [1, 0], "a value for each of 2 signals"),
        ([(0.1, 1.2), (0.3, 0.4)], [1, 0], r"values in \[0, 1\]"),
        ([(0.1, None), (0.3, None)], [1, 0], "no row has the signal 'b'"),
    ],
)
def test_rows_that_cannot_be_fitted_are_refused(
    kind: CombinationKind, rows: list[SignalRow], labels: list[int], words: str
) -> None:
    fit = fit_logistic_combination if kind == "logistic" else fit_boosted_combination
    with pytest.raises(UsageError, match=words):
        fit(rows, labels, signals=("a", "b"))


@pytest.mark.parametrize("penalty", [0.0, -1.0, math.inf, math.nan])
def test_a_penalty_that_is_none_is_refused(penalty: float) -> None:
    rows, labels, _ = world(20, 0)
    with pytest.raises(UsageError, match="a penalty above 0"):
        fit_logistic_combination(rows, labels, signals=NAMES, penalty=penalty)


# --- honesty -------------------------------------------------------------------------------------


def test_no_question_is_judged_by_what_saw_one_of_its_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from surefoot.router.calibration import combination

    rows, labels, _ = world(60, 6)
    groups = [f"q{i // 2}" for i in range(60)]
    rows = [(int(groups[i][1:]) / 100, *row[1:]) for i, row in enumerate(rows)]

    class Spy:
        def __init__(self, seen: set[float], inner: FittedCombination) -> None:
            self.seen, self.inner = seen, inner

        def log_odds(self, row: SignalRow) -> float:
            assert row[0] not in self.seen
            return self.inner.log_odds(row)

    def fit(rows: list[SignalRow], labels: list[int], **named: object) -> Spy:
        inner = fit_logistic_combination(rows, labels, signals=NAMES)
        return Spy({row[0] or 0.0 for row in rows}, inner)

    monkeypatch.setitem(combination.COMBINATIONS, "logistic", fit)
    out = cross_fitted_combination("logistic", rows, labels, groups, signals=NAMES)
    assert len(out) == 60 and all(0.0 < p < 1.0 for p in out)


def test_calibrating_on_the_fitted_rows_is_too_hopeful_and_cross_fitting_is_not() -> None:
    """Thirty signals of noise beside three of substance, few rows, hardly any penalty: the
    in-sample log odds look far better than they are, and a curve fitted on them believes them."""
    names = tuple(f"s{j}" for j in range(33))
    claimed, nested, naive_truth, nested_truth, gaps = [], [], [], [], []
    for seed in range(4):
        rows, labels, groups = world(120, seed, noise=30)
        fresh, truth, _ = world(1500, seed + 50, noise=30)
        one = fit_logistic_combination(rows, labels, signals=names, penalty=0.01)
        scores = [sigmoid(one.log_odds(row)) for row in rows]
        curve = fit_platt(scores, labels, signal="s")
        claimed.append(known(log_loss([curve.at(x) for x in scores], labels)))
        told = [curve.at(sigmoid(one.log_odds(row))) for row in fresh]
        naive_truth.append(known(log_loss(told, truth)))
        nested_out = cross_fitted_combination("logistic", rows, labels, groups, signals=names)
        nested.append(known(log_loss(nested_out, labels)))
        honest = fit_combined("logistic", rows, labels, groups, signals=names)
        honestly = [honest.at(row) for row in fresh]
        nested_truth.append(known(log_loss(honestly, truth)))
        gaps.append((known(ece(told, truth)), known(ece(honestly, truth))))
    # The negative control: what it says of itself is far from what comes.
    assert np.mean(naive_truth) - np.mean(claimed) > 0.2
    assert abs(np.mean(nested_truth) - np.mean(nested)) < 0.05
    assert np.mean(nested_truth) < np.mean(naive_truth)
    naive_gap, honest_gap = np.mean(gaps, axis=0)
    assert naive_gap > 1.5 * honest_gap


def test_the_fitted_whole_is_combination_and_curve() -> None:
    rows, labels, groups = world(200, 8)
    fit = fit_combined("logistic", rows, labels, groups, signals=NAMES, versions=[4, 5, 6])
    assert fit.curve.signal == combined_name(NAMES) == "combined(a, b, c)"
    assert fit.combination.versions == (4, 5, 6)
    assert fit.at(rows[0]) == fit.curve.at(sigmoid(fit.combination.log_odds(rows[0])))


def test_groups_must_be_as_many_as_rows() -> None:
    rows, labels, groups = world(50, 8)
    with pytest.raises(UsageError, match="got 50, 50 and 49"):
        cross_fitted_combination("logistic", rows, labels, groups[1:], signals=NAMES)


# --- the report ----------------------------------------------------------------------------------


def test_three_views_together_rank_better_than_the_best_of_them() -> None:
    rows, labels, groups = world(800, 9, spreads=(1.5, 1.6, 1.7))
    report = evaluate_combination(rows, labels, groups, signals=NAMES, reps=300)
    assert (report.n, report.positives) == (800, sum(labels))
    assert report.over_best.over == report.over_chosen.over == "a"
    for gain in (report.over_best, report.over_chosen):
        assert gain.interval is not None and gain.interval[0] > 0.0
        assert gain.interval[0] < gain.difference < gain.interval[1]
        assert report.auroc == pytest.approx(gain.auroc + gain.difference)
    assert report.over_best.difference > 0.02
    column = [row[0] or 0.0 for row in rows]
    out = cross_fitted_combination("logistic", rows, labels, groups, signals=NAMES)
    assert report.pooled_auroc == pytest.approx(known(auroc(out, labels)))
    assert report.log_loss == pytest.approx(known(log_loss(out, labels)))
    assert report.singles["a"] == pytest.approx(known(auroc(column, labels)))
    assert report.ece < 0.05 and report.ace < 0.06


def test_copies_of_one_signal_gain_nothing() -> None:
    rows, labels, groups = world(400, 10)
    copies: list[SignalRow] = [(row[0], row[0]) for row in rows]
    report = evaluate_combination(copies, labels, groups, signals=("a", "copy"), reps=200)
    assert abs(report.over_best.difference) < 0.01


def test_rows_are_compared_within_folds_only() -> None:
    """By hand: the mean of the folds' AUROC, weighted by their pairs of right and wrong."""
    rows, labels, groups = world(100, 12)
    report = evaluate_combination(rows, labels, groups, signals=NAMES, reps=10, deals=2, seed=5)
    wins, pairs = [0.0, 0.0], 0
    for seed in (5, 6):
        out = cross_fitted_combination("logistic", rows, labels, groups, signals=NAMES, seed=seed)
        single = [row[NAMES.index(report.over_best.over)] or 0.0 for row in rows]
        fold_of = deal_folds(labels, groups, 5, seed)
        for i, j in combinations(range(100), 2):
            if labels[i] == labels[j] or fold_of[groups[i]] != fold_of[groups[j]]:
                continue
            pairs += 1
            right, wrong = (i, j) if labels[i] else (j, i)
            for which, scores in enumerate((out, single)):
                wins[which] += (scores[right] > scores[wrong]) + (
                    scores[right] == scores[wrong]
                ) / 2
    assert report.auroc == pytest.approx(wins[0] / pairs)
    assert report.over_best.auroc == pytest.approx(wins[1] / pairs)
    assert report.over_best.difference == pytest.approx((wins[0] - wins[1]) / pairs)


def test_the_report_depends_on_its_seed_alone() -> None:
    rows, labels, groups = world(120, 11, gaps=0.3)
    one = evaluate_combination(rows, labels, groups, signals=NAMES, reps=50)
    again = evaluate_combination(rows, labels, groups, signals=NAMES, reps=50)
    other = evaluate_combination(rows, labels, groups, signals=NAMES, reps=50, seed=1)
    assert one == again != other
    with pytest.raises(UsageError, match="one deal or more"):
        evaluate_combination(rows, labels, groups, signals=NAMES, deals=0)
