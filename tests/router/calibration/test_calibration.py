"""Calibrators against independent fits, by hand, and under every order of their rows."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from sklearn.isotonic import IsotonicRegression

from surefoot.router.calibration import (
    BetaCalibrator,
    Curve,
    FittedCurve,
    HistogramCalibrator,
    PlattCalibrator,
    TemperatureCalibrator,
    calibrated,
    calibrator_from_json,
    cross_fitted,
    fit_beta,
    fit_histogram,
    fit_isotonic,
    fit_platt,
    fit_temperature,
    pool_adjacent_violators,
)
from surefoot.router.calibration.calibrators import logit, sigmoid
from surefoot.router.errors import UsageError
from surefoot.router.signals import Estimate, Signal, Unavailable

Row = tuple[float, int]
some = settings(max_examples=60, deadline=None)

both_classes = st.lists(
    st.tuples(st.integers(0, 12).map(lambda i: i / 12), st.integers(0, 1)), min_size=2, max_size=40
).filter(lambda rows: len({label for _, label in rows}) == 2)


def split(rows: Sequence[Row]) -> tuple[list[float], list[int]]:
    return [score for score, _ in rows], [label for _, label in rows]


def history(n: int, seed: int) -> list[Row]:
    """Rows whose chance of being right rises with a coarse, tied score."""
    rng = random.Random(seed)
    scores = [rng.randrange(41) / 40 for _ in range(n)]
    return [(score, int(rng.random() < 0.1 + 0.8 * score**2)) for score in scores]


Fit = Callable[..., FittedCurve]
FITS: list[Fit] = [
    partial(fit_temperature, signal="s"),
    partial(fit_isotonic, signal="s"),
    partial(fit_platt, signal="s"),
    partial(fit_beta, signal="s"),
    partial(fit_histogram, signal="s"),
]
every_fit = pytest.mark.parametrize(
    "fit", FITS, ids=["temperature", "isotonic", "platt", "beta", "histogram"]
)


@pytest.mark.parametrize("seed", range(4))
def test_blocks_agree_with_another_isotonic_fit(seed: int) -> None:
    scores, labels = split(history(300, seed))
    rng = random.Random(seed)
    weights = [rng.uniform(0.5, 3.0) for _ in scores]
    for weighting in (None, weights):
        oracle = IsotonicRegression(out_of_bounds="clip").fit(scores, labels, weighting)
        blocks = pool_adjacent_violators(scores, labels, weighting)
        for block in blocks:
            expected = oracle.predict(np.array([block.low, block.high]))
            assert [block.mean] * 2 == pytest.approx(expected.tolist())
        means = [block.mean for block in blocks]
        assert means == sorted(set(means))


def test_the_curve_agrees_with_another_isotonic_fit_away_from_its_ends() -> None:
    scores, labels = split(history(2000, 9))
    oracle = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    blocks = pool_adjacent_violators(scores, labels)
    curve = fit_isotonic(scores, labels, signal="s")
    inner = np.linspace(blocks[2].low, blocks[-3].high, 101)  # the ends may absorb a neighbor
    assert [curve.at(float(x)) for x in inner] == pytest.approx(oracle.predict(inner).tolist())


def test_isotonic_by_hand() -> None:
    # Groups 0: 0/2, 1: 1/2, 2: 0/1 (pooled with 1 to 1/3), 3: 3/3.
    scores = [0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 3.0, 3.0]
    labels = [0, 0, 1, 0, 0, 1, 1, 1]
    curve = fit_isotonic(scores, labels, signal="s", version=3)
    assert curve.scores == (0.0, 1.0, 2.0, 3.0)
    assert curve.probabilities == pytest.approx((1 / 4, 1 / 3, 1 / 3, 4 / 5))
    assert (curve.n, curve.positives, curve.signal, curve.version) == (8, 4, "s", 3)
    assert curve.at(-100.0) == pytest.approx(1 / 4)
    assert curve.at(0.5) == pytest.approx((1 / 4 + 1 / 3) / 2)
    assert curve.at(1.5) == pytest.approx(1 / 3)
    assert curve.at(2.25) == pytest.approx(1 / 3 + (4 / 5 - 1 / 3) / 4)
    assert curve.at(math.inf) == pytest.approx(4 / 5)


def test_a_smoothed_end_absorbs_what_it_would_cross() -> None:
    # 0/1 at the low end would become 1/3, above the next block's 1/20.
    scores = [0.0] + [1.0] * 20 + [2.0] * 10
    labels = [0] + [1] + [0] * 19 + [1] * 10
    curve = fit_isotonic(scores, labels, signal="s")
    assert curve.scores == (0.0, 1.0, 2.0)
    assert curve.probabilities == pytest.approx((2 / 23, 2 / 23, 11 / 12))
    mirrored = fit_isotonic([-s for s in scores], [1 - y for y in labels], signal="s")
    assert mirrored.probabilities == pytest.approx((1 / 12, 21 / 23, 21 / 23))


def test_an_inverted_signal_gives_one_flat_probability() -> None:
    curve = fit_isotonic([0.0, 1.0, 2.0], [1, 0, 0], signal="s")
    assert curve.probabilities == pytest.approx((2 / 5, 2 / 5))


@pytest.mark.parametrize("seed", range(4))
def test_temperature_agrees_with_another_minimizer(seed: int) -> None:
    rng = random.Random(seed)
    values = [rng.uniform(0.01, 0.99) for _ in range(300)]
    labels = [int(rng.random() < sigmoid(logit(v) / 2.5)) for v in values]
    weights = [rng.uniform(0.5, 2.0) for _ in values]
    z, y, w = np.array([math.log(v / (1 - v)) for v in values]), np.array(labels), np.array(weights)

    def loss(log_tau: float) -> float:
        signed = np.where(y == 1, z, -z) / math.exp(log_tau)
        return float(np.sum(w * np.logaddexp(0.0, -signed)))

    oracle = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10})
    fitted = fit_temperature(values, labels, signal="s", weights=weights)
    assert fitted.tau == pytest.approx(math.exp(oracle.x), rel=1e-5)


def test_temperature_by_hand() -> None:
    # Of four answers at 0.9 three are right: sigma(logit(0.9) / tau) must be 0.75.
    fitted = fit_temperature([0.9] * 4, [1, 1, 1, 0], signal="s")
    assert fitted.tau == pytest.approx(math.log(9) / math.log(3))
    assert fitted.at(0.9) == pytest.approx(0.75)
    assert fitted.at(0.5) == 0.5
    assert (fitted.n, fitted.positives) == (4, 3)


def test_temperature_of_a_useless_signal_stops_at_its_bound() -> None:
    assert fit_temperature([0.9, 0.1], [0, 1], signal="s").tau == 100.0
    assert fit_temperature([0.9, 0.1], [1, 0], signal="s").tau == 0.01


def oracle_loss(features: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], float]:
    """Cross-entropy to Platt's targets, written anew."""
    right, wrong = y.sum(), len(y) - y.sum()
    target = np.where(y == 1, (right + 1) / (right + 2), 1 / (wrong + 2))

    def loss(x: np.ndarray) -> float:
        z = features @ x
        return float(np.sum(np.logaddexp(0.0, z) - target * z))

    return loss


def labelled_values(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.beta(1.3, 0.7, size=300)
    odds = 0.6 * np.log(values) - 1.7 * np.log1p(-values) - 0.8
    return values, (rng.random(300) < 1 / (1 + np.exp(-odds))).astype(int)


@pytest.mark.parametrize("seed", range(4))
def test_platt_agrees_with_another_minimizer(seed: int) -> None:
    v, y = labelled_values(seed)
    loss = oracle_loss(np.column_stack([np.log(v / (1 - v)), np.ones_like(v)]), y)
    oracle = minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-9})
    fitted = fit_platt(v.tolist(), y.tolist(), signal="s")
    assert [fitted.a, fitted.b] == pytest.approx(oracle.x.tolist(), abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("turned", [False, True])
def test_beta_agrees_with_another_minimizer(seed: int, turned: bool) -> None:
    v, y = labelled_values(seed)
    y = 1 - y if turned else y
    loss = oracle_loss(np.column_stack([np.log(v), -np.log1p(-v), np.ones_like(v)]), y)
    bounds = [(0, None), (0, None), (None, None)]
    options = {"ftol": 1e-15, "gtol": 1e-10}
    oracle = minimize(loss, [1.0, 1.0, 0.0], method="L-BFGS-B", bounds=bounds, options=options)
    fitted = fit_beta(v.tolist(), y.tolist(), signal="s")
    assert loss(np.array([fitted.a, fitted.b, fitted.c])) <= oracle.fun + 1e-7
    assert [fitted.a, fitted.b, fitted.c] == pytest.approx(oracle.x.tolist(), abs=2e-3)


def test_platt_by_hand() -> None:
    # Two values: the smoothed shares are met exactly. 0.9: 3 of 4 right; 0.5: 1 of 4.
    labels = [1, 1, 1, 0, 1, 0, 0, 0]
    fitted = fit_platt([0.9] * 4 + [0.5] * 4, labels, signal="s", version=2)
    right, wrong = 5 / 6, 1 / 6  # n+ = n- = 4
    assert fitted.at(0.9) == pytest.approx((3 * right + wrong) / 4)
    assert fitted.at(0.5) == pytest.approx((right + 3 * wrong) / 4)
    assert fitted.b == pytest.approx(math.log((right + 3 * wrong) / (3 * right + wrong)))
    assert (fitted.n, fitted.positives, fitted.version) == (8, 4, 2)


def test_platt_is_not_shrunk_towards_the_base_rate() -> None:
    """An L2 penalty of 1 on the bare value, as elsewhere, leaves ten rows at 0.35 to 0.65."""
    curve = fit_platt([0.1] * 5 + [0.9] * 5, [0] * 5 + [1] * 5, signal="s")
    assert curve.at(0.9) == pytest.approx(6 / 7)
    assert curve.at(0.1) == pytest.approx(1 / 7)


def test_platt_moves_the_base_rate_where_temperature_cannot() -> None:
    values, labels = [0.4, 0.5, 0.6] * 40, [1] * 100 + [0] * 20
    assert fit_temperature(values, labels, signal="s").at(0.5) == 0.5
    assert fit_platt(values, labels, signal="s").at(0.5) == pytest.approx(100 / 120, abs=0.01)


@pytest.mark.parametrize("fit", [fit_platt, fit_beta])
def test_an_inverted_signal_is_flattened_and_not_turned_around(fit: Fit) -> None:
    curve = fit([0.1, 0.2, 0.8, 0.9] * 5, [1, 1, 0, 0] * 5, signal="s")
    assert curve.at(0.1) == pytest.approx(curve.at(0.9)) == pytest.approx(0.5)


@pytest.mark.parametrize("fit", [fit_platt, fit_beta])
def test_a_signal_of_one_value_gives_the_base_rate(fit: Fit) -> None:
    curve = fit([0.7] * 100, [1] * 60 + [0] * 40, signal="s")
    assert curve.at(0.7) == pytest.approx((60 * 61 / 62 + 40 / 42) / 100)


@pytest.mark.parametrize("fit", [fit_platt, fit_beta])
def test_a_value_that_separates_right_from_wrong_has_a_finite_fit(fit: Fit) -> None:
    curve = fit([0.0, 0.2, 0.3, 0.7, 0.8, 1.0], [0, 0, 0, 1, 1, 1], signal="s")
    assert 0.1 < curve.at(0.0) < 0.25 and 0.75 < curve.at(1.0) < 0.9


def test_histogram_by_hand() -> None:
    # Bins close at 2, 4, 6, 8 and 10 rows or the end of a tie: 1 2 | 3 3 3 | 4 | 5 6 | 7 8.
    scores = [1.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    labels = [0, 0, 0, 1, 0, 0, 1, 1, 1, 1]
    curve = fit_histogram(scores, labels, signal="s", bins=5)
    # 1/3 is followed by 0, so 3 and 4 are pooled; the ends get one of each kind more.
    assert curve.edges == (2.5, 4.5)
    assert curve.probabilities == pytest.approx((1 / 4, 1 / 4, 5 / 6))
    assert [curve.at(x) for x in (-9.0, 2.5, 4.4, 4.5, 99.0)] == pytest.approx(
        [1 / 4, 1 / 4, 1 / 4, 5 / 6, 5 / 6]
    )


def test_histogram_pools_bins_whose_shares_fall() -> None:
    curve = fit_histogram([1.0] * 4 + [2.0] * 4, [1, 1, 1, 0, 0, 0, 0, 1], signal="s", bins=2)
    assert curve.edges == () and curve.probabilities == pytest.approx((0.5,))
    with pytest.raises(UsageError, match="one bin or more, got 0"):
        fit_histogram([1.0, 2.0], [0, 1], signal="s", bins=0)


def test_histogram_has_at_most_as_many_bins_as_asked_for() -> None:
    scores, labels = split(history(500, 3))
    curve = fit_histogram(scores, labels, signal="s")
    assert 3 < len(curve.probabilities) <= 10


@every_fit
def test_signals_of_another_k_are_refused(fit: Fit) -> None:
    curve = fit([0.2, 0.9] * 5, [0, 1] * 5, k=5)
    same = Signal("s", 0.9, 0.9, details={"k": 5})
    assert isinstance(calibrated(curve, same), Estimate)
    for details in ({"k": 20}, {}):
        refused = calibrated(curve, replace(same, details=details))
        assert isinstance(refused, Unavailable)
        assert "fitted with k = 5 alternatives" in refused.reason
    free = replace(curve, k=None)
    assert isinstance(calibrated(free, replace(same, details={"k": 20})), Estimate)
    assert free.fingerprint != curve.fingerprint
    assert calibrator_from_json(curve.to_json()).k == 5


def test_whole_weights_are_repeated_rows() -> None:
    rows = history(40, 1)
    weights = [1.0 + i % 3 for i in range(len(rows))]
    repeated = [row for row, weight in zip(rows, weights, strict=True) for _ in range(int(weight))]
    for fit in FITS:
        once, often = fit(*split(rows), weights=weights), fit(*split(repeated))
        assert once.fingerprint == often.fingerprint
        assert (once.n, often.n) == (40, len(repeated))


@every_fit
@some
@given(rows=both_classes, seed=st.integers(0, 99))
def test_no_order_of_the_rows_matters(fit: Fit, rows: list[Row], seed: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert fit(*split(rows)) == fit(*split(shuffled))
    assert fit(*split(rows)).fingerprint == fit(*split(shuffled)).fingerprint


@every_fit
@some
@given(
    rows=both_classes,
    points=st.lists(st.floats(-0.5, 1.5), min_size=2, max_size=30),
)
def test_probabilities_never_fall(fit: Fit, rows: list[Row], points: list[float]) -> None:
    curve = fit(*split(rows))
    found = [curve.at(x) for x in sorted(points)]
    assert found == sorted(found)
    assert all(0.0 <= p <= 1.0 for p in found)


def test_the_largest_and_the_smallest_scores_do_not_overflow() -> None:
    rows = [(-1.7e308, 0), (-5e-324, 0), (0.0, 1), (5e-324, 0), (1.7e308, 1)]
    curve = fit_isotonic(*split(rows), signal="s")
    points = [-1.7e308, -1e308, -1.0, -5e-324, 0.0, 5e-324, 1.0, 1e308, 1.7e308]
    found = [curve.at(x) for x in points]
    assert found == sorted(found)
    assert found[0] < found[-1]
    widest = fit_isotonic([-1.7e308, 1.7e308], [0, 1], signal="s")
    assert widest.at(0.0) == pytest.approx(0.5)


def test_negative_zero_is_zero() -> None:
    one = fit_isotonic([-0.0, 0.0, 1.0], [0, 1, 1], signal="s")
    other = fit_isotonic([0.0, -0.0, 1.0], [0, 1, 1], signal="s")
    assert one.fingerprint == other.fingerprint
    assert one.scores == (0.0, 1.0)


def test_sigmoid_and_logit_hold_at_the_edges() -> None:
    assert (sigmoid(0.0), sigmoid(1e4)) == (0.5, 1.0)
    assert 0.0 < sigmoid(-1e4) < 1e-300
    assert sigmoid(math.log(3)) == pytest.approx(0.75)
    assert logit(0.75) == pytest.approx(math.log(3))
    assert logit(0.0) == pytest.approx(math.log(1e-6), rel=1e-6)
    assert logit(1.0) == pytest.approx(-math.log(1e-6), rel=1e-6)


def test_a_calibrator_reads_its_own_number_of_the_signal() -> None:
    curve = fit_isotonic([-3.0, -1.0], [0, 1], signal="g_nll")
    unsure = Signal("g_nll", value=math.exp(-3), raw=3.0, direction="uncertainty")
    assert curve.probability(unsure) == curve.at(-3.0) == pytest.approx(1 / 3)
    tempered = TemperatureCalibrator("g_nll", 1, 2, 1, tau=2.0)
    assert tempered.probability(unsure) == tempered.at(math.exp(-3))


def test_a_signal_that_does_not_fit_is_refused() -> None:
    curve = fit_isotonic([0.0, 1.0], [0, 1], signal="perplexity")
    for wrong in (Signal("g_nll", 0.5, 0.5), Signal("perplexity", 0.5, math.nan)):
        with pytest.raises(UsageError, match="perplexity"):
            curve.probability(wrong)
        assert isinstance(calibrated(curve, wrong), Unavailable)
    assert calibrated(curve, Unavailable("no logprobs")) == Unavailable("no logprobs")


def test_an_estimate_names_its_signal_and_calibrator() -> None:
    curve = fit_isotonic([0.0, 1.0], [0, 1], signal="s")
    expected = Estimate(curve.at(1.0), "s", calibrated=True, calibrator=curve.fingerprint)
    assert calibrated(curve, Signal("s", 1.0, 1.0)) == expected


@some
@given(rows=both_classes)
def test_isotonic_never_promises_certainty(rows: list[Row]) -> None:
    n = len(rows)
    found = fit_isotonic(*split(rows), signal="s").probabilities
    assert 1 / (n + 2) <= found[0] <= found[-1] <= (n + 1) / (n + 2)


@every_fit
@some
@given(rows=both_classes)
def test_json_there_and_back_loses_nothing(fit: Fit, rows: list[Row]) -> None:
    before = fit([score / 3 for score, _ in rows], [label for _, label in rows])
    after = calibrator_from_json(before.to_json())
    assert after == before
    assert after.fingerprint == before.fingerprint
    assert "fingerprint" not in json.loads(before.to_json())


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"kind": "spline"}',
        '{"kind": "temperature", "signal": "s", "version": 1, "n": 2, "positives": 1, "tau": 0}',
        '{"kind": "temperature", "signal": "s", "version": 1, "n": 2, "positives": 1}',
        '{"kind": "isotonic", "signal": "s", "version": 1, "n": 2, "positives": 1,'
        ' "scores": [1, 0], "probabilities": [0.1, 0.2]}',
        '{"kind": "isotonic", "signal": "s", "version": 1, "n": 2, "positives": 1,'
        ' "scores": [0, 1], "probabilities": [0.3, 0.2]}',
        '{"kind": "isotonic", "signal": "s", "version": 1, "n": 2, "positives": 1,'
        ' "scores": [0, 1], "probabilities": [0.3, 1.2]}',
        '{"kind": "isotonic", "signal": "s", "version": 1, "n": 2, "positives": 1,'
        ' "scores": [], "probabilities": []}',
        '{"kind": "platt", "signal": "s", "version": 1, "n": 2, "positives": 1, "a": -1, "b": 0}',
        '{"kind": "beta", "signal": "s", "version": 1, "n": 2, "positives": 1,'
        ' "a": 1, "b": -1, "c": 0}',
        '{"kind": "histogram", "signal": "s", "version": 1, "n": 2, "positives": 1,'
        ' "edges": [0.5], "probabilities": [0.2]}',
        '{"kind": "histogram", "signal": "s", "version": 1, "n": 2, "positives": 1,'
        ' "edges": [0.5], "probabilities": [0.2, 0.1]}',
    ],
)
def test_json_that_is_no_calibrator_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        calibrator_from_json(text)


def test_the_fingerprint_follows_every_fitted_number_and_the_signal() -> None:
    first = TemperatureCalibrator("s", 1, 10, 5, 1.5)
    curve = fit_isotonic([0.0, 1.0], [0, 1], signal="s")
    others: list[FittedCurve] = [
        replace(first, tau=math.nextafter(1.5, 2.0)),
        replace(first, signal="t"),
        replace(first, version=2),
        curve,
        replace(curve, probabilities=(curve.probabilities[0], 0.9)),
        replace(curve, scores=(0.0, 2.0)),
        PlattCalibrator("s", 1, 10, 5, 1.5, 0.0),
        PlattCalibrator("s", 1, 10, 5, 1.5, 0.1),
        BetaCalibrator("s", 1, 10, 5, 1.5, 0.0, 0.0),
        BetaCalibrator("s", 1, 10, 5, 1.5, 0.1, 0.0),
        HistogramCalibrator("s", 1, 10, 5, (0.5,), (0.1, 0.9)),
        HistogramCalibrator("s", 1, 10, 5, (0.6,), (0.1, 0.9)),
    ]
    assert len({found.fingerprint for found in [first, *others]}) == 13
    assert replace(first, n=11).fingerprint == first.fingerprint
    assert len(first.fingerprint) == 64


@every_fit
def test_one_class_is_refused(fit: Fit) -> None:
    for labels in ([1, 1], [0, 0]):
        with pytest.raises(UsageError, match="right and wrong answers"):
            fit([0.1, 0.2], labels)
    with pytest.raises(UsageError, match="right and wrong answers"):
        fit([], [])


@every_fit
@pytest.mark.parametrize(
    ("scores", "labels", "weights", "named"),
    [
        ([0.1, math.nan], [0, 1], None, "finite score, got nan in row 1"),
        ([math.inf, 0.1], [0, 1], None, "finite score, got inf in row 0"),
        ([0.1, 0.2], [0, 2], None, r"label in \[0, 1\], got 2 in row 1"),
        ([0.1, 0.2], [0], None, "1 labels"),
        ([0.1, 0.2], [0, 1], [1.0, 0.0], "weight above 0"),
        ([0.1, 0.2], [0, 1], [1.0, math.nan], "weight above 0"),
        ([0.1, 0.2], [0, 1], [1.0], "1 weights"),
    ],
)
def test_rows_that_cannot_be_fitted_are_refused(
    fit: Fit, scores: list[float], labels: list[int], weights: list[float] | None, named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        fit(scores, labels, weights=weights)


@pytest.mark.parametrize("fit", [fit_temperature, fit_platt, fit_beta])
def test_some_fits_want_values_between_0_and_1(fit: Fit) -> None:
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        fit([0.5, -3.0], [1, 0], signal="s")


class Recorder:
    """A curve that gives back the share of right answers it was fitted on, and their scores."""

    def __init__(self, scores: Sequence[float], labels: Sequence[float]) -> None:
        self.seen = set(scores)
        self.share = sum(labels) / len(labels)

    def at(self, x: float) -> float:
        assert x not in self.seen
        return self.share


def test_cross_fitting_holds_out_whole_questions() -> None:
    # The score is the question, so a curve that saw a row of its question would say so.
    groups = [f"q{i // 3}" for i in range(60)]
    scores = [float(i // 3) for i in range(60)]
    labels = [int(i % 3 == 0) for i in range(60)]
    assert cross_fitted(Recorder, scores, labels, groups, folds=4) == pytest.approx([1 / 3] * 60)


def test_folds_get_their_share_of_right_answers() -> None:
    groups = [f"q{i}" for i in range(50)]
    labels = [int(i < 5) for i in range(50)]
    scores = [float(i) for i in range(50)]
    for seed in range(5):
        shares = cross_fitted(Recorder, scores, labels, groups, folds=5, seed=seed)
        assert shares == pytest.approx([0.1] * 50)


def test_cross_fitting_does_not_depend_on_the_order_of_the_rows() -> None:
    rows = history(120, 5)
    groups = [f"q{i % 40}" for i in range(120)]
    order = random.Random(0).sample(range(120), 120)
    fit: Callable[[Sequence[float], Sequence[float]], Curve] = partial(fit_isotonic, signal="s")
    straight = cross_fitted(fit, *split(rows), groups, seed=3)
    shuffled = cross_fitted(
        fit, *split([rows[i] for i in order]), [groups[i] for i in order], seed=3
    )
    assert shuffled == tuple(straight[i] for i in order)
    assert straight != cross_fitted(fit, *split(rows), groups, seed=4)


def test_cross_fitting_refuses_what_it_cannot_split() -> None:
    with pytest.raises(UsageError, match="as many questions, got 3 folds over 2"):
        cross_fitted(Recorder, [0.1, 0.2], [0, 1], ["a", "b"], folds=3)
    with pytest.raises(UsageError, match="at least two folds"):
        cross_fitted(Recorder, [0.1, 0.2], [0, 1], ["a", "b"], folds=1)
    with pytest.raises(UsageError, match="got 2, 2 and 1"):
        cross_fitted(Recorder, [0.1, 0.2], [0, 1], ["a"])
