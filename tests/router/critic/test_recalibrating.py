"""Bending a critic's probabilities: exact in form, near the truth in simulated worlds."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.calibration.calibrators import BetaCalibrator, PlattCalibrator
from surefoot.router.calibration.curves import logit, sigmoid
from surefoot.router.calibration.fit_steps import fit_isotonic
from surefoot.router.critic.recalibrating import (
    OFFSET_SPREAD,
    SLOPE_SPREAD,
    Bend,
    bent_calibration,
    cross_bent,
    fit_bends,
)
from surefoot.router.critic.round_calibration import RoundCalibration, RoundPool
from surefoot.router.errors import UsageError
from surefoot.router.metrics.reliability import ece

BETA = BetaCalibrator("p", 0, 10, 5, 1.5, 0.5, 0.25)
PLATT = PlattCalibrator("p", 0, 10, 5, 0.75, -1.0)
OLD = RoundCalibration((RoundPool(0, 1, BETA), RoundPool(3, 5, PLATT)))


@given(
    st.floats(0.0, 1.0),
    st.integers(0, 9),
    st.floats(0.1, 5.0),
    st.floats(-4.0, 4.0),
    st.floats(0.1, 5.0),
)
def test_the_bent_calibration_states_the_bent_probabilities(
    score: float, round_: int, slope: float, offset: float, later: float
) -> None:
    bends = (Bend(0, 2, slope, offset), Bend(4, 7, later, -offset))
    new = bent_calibration(OLD, bends)
    bend = bends[1] if round_ >= 4 else bends[0]
    old = OLD.at(score, round_)
    if 1e-6 < old < 1 - 1e-6:  # a logit is clipped there
        assert new.at(score, round_) == pytest.approx(bend.at(old), abs=1e-9)


def test_one_bend_leaves_the_pools_as_they_were() -> None:
    new = bent_calibration(OLD, (Bend(0, 5, 1.0, 0.0),))
    assert [(pool.first, pool.last) for pool in new.pools] == [(0, 2), (3, 5)]
    for score in (0.1, 0.5, 0.9):
        for round_ in range(7):
            assert new.at(score, round_) == pytest.approx(OLD.at(score, round_), abs=1e-12)


def test_steps_cannot_be_bent() -> None:
    steps = fit_isotonic([0.1, 0.4, 0.6, 0.9] * 5, [0, 0, 1, 1] * 5, signal="p")
    with pytest.raises(UsageError, match="isotonic cannot be bent"):
        bent_calibration(RoundCalibration((RoundPool(0, 0, steps),)), (Bend(0, 0),))


def test_the_fit_is_where_the_posterior_is_flat() -> None:
    rng = random.Random(3)
    stated = [rng.random() for _ in range(80)]
    labels = [int(rng.random() < sigmoid(0.5 * logit(p) + 1.0)) for p in stated]
    (bend,) = fit_bends(stated, labels, [1] * 80)
    t, b = math.log(bend.slope), bend.offset

    def loss(t: float, b: float) -> float:
        total = t * t / (2 * SLOPE_SPREAD**2) + b * b / (2 * OFFSET_SPREAD**2)
        for p, label in zip(stated, labels, strict=True):
            q = sigmoid(math.exp(t) * logit(p) + b)
            total -= math.log(q if label else 1 - q)
        return total

    least = loss(t, b)
    for dt, db in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01), (0.01, 0.01), (-0.01, 0.01)):
        assert loss(t + dt, b + db) > least


def world(rng: random.Random, n: int, slope: float, offset: float) -> tuple[list[float], list[int]]:
    stated = [rng.betavariate(0.8, 1.2) for _ in range(n)]
    return stated, [int(rng.random() < sigmoid(slope * logit(p) + offset)) for p in stated]


@pytest.mark.parametrize(("slope", "offset"), [(1.0, -1.5), (0.6, 1.0), (1.6, 1.2)])
def test_a_hundred_labels_mend_what_is_off(slope: float, offset: float) -> None:
    rng, after = random.Random(11), []
    stated, labels = world(rng, 20_000, slope, offset)
    before = ece(stated, labels)
    assert isinstance(before, float) and before > 0.1
    for _ in range(20):
        few, marks = world(rng, 100, slope, offset)
        (bend,) = fit_bends(few, marks, [0] * 100)
        found = ece([bend.at(p) for p in stated], labels)
        assert isinstance(found, float)
        after.append(found)
    assert sorted(after)[10] < 0.05 and max(after) < 0.12


def test_what_is_right_is_left_nearly_as_it_is() -> None:
    rng, moved = random.Random(5), []
    for _ in range(20):
        few, marks = world(rng, 100, 1.0, 0.0)
        (bend,) = fit_bends(few, marks, [0] * 100)
        moved.append(max(abs(bend.at(p) - p) for p in (0.1, 0.3, 0.5, 0.7, 0.9)))
    assert sorted(moved)[10] < 0.07


def test_rounds_with_labels_enough_are_bent_for_themselves() -> None:
    rng = random.Random(1)
    first, marks = world(rng, 400, 1.0, -1.0)
    second, others = world(rng, 400, 1.0, 1.0)
    rounds = [0] * 400 + [1] * 400
    low, high = fit_bends([*first, *second], [*marks, *others], rounds)
    assert (low.first, low.last, high.first, high.last) == (0, 0, 1, 1)
    assert low.offset < -0.5 < 0.5 < high.offset
    (both,) = fit_bends(first[:40] + second[:40], marks[:40] + others[:40], [0] * 40 + [1] * 40)
    assert (both.first, both.last) == (0, 1)


@pytest.mark.parametrize("labels", [[], [1, 1, 1], [0]])
def test_labels_of_one_kind_say_nothing(labels: list[int]) -> None:
    with pytest.raises(UsageError, match="label some of both kinds"):
        fit_bends([0.5] * len(labels), labels, [0] * len(labels))


def test_what_is_reported_is_out_of_fold() -> None:
    rng = random.Random(2)
    stated, labels = world(rng, 60, 1.0, -1.0)
    groups = [str(n // 2) for n in range(60)]
    found = cross_bent(stated, labels, [0] * 60, groups)
    (bend,) = fit_bends(stated, labels, [0] * 60)
    assert len(found) == 60
    assert any(abs(p - bend.at(q)) > 1e-6 for p, q in zip(found, stated, strict=True))
