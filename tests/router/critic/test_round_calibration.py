"""Curves a round: which rounds share one, what they say, and that they survive their file."""

from __future__ import annotations

import json
import math
import random
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.calibration import fit_platt
from surefoot.router.critic.round_calibration import (
    RoundCalibration,
    cross_fitted_rounds,
    fit_round_calibration,
    pooled_rounds,
)
from surefoot.router.errors import UsageError


def rows(*counts: tuple[int, int, int]) -> tuple[list[int], list[int]]:
    """Rounds and labels of (round, wrong, right)."""
    rounds = [one for one, wrong, right in counts for _ in range(wrong + right)]
    labels = [label for _, wrong, right in counts for label in [0] * wrong + [1] * right]
    return rounds, labels


def test_rounds_with_enough_of_both_classes_stay_alone() -> None:
    assert pooled_rounds(*rows((0, 60, 50), (1, 50, 90))) == ((0, 0), (1, 1))


def test_a_poor_round_joins_the_neighbor_with_the_nearest_share() -> None:
    # Shares .5, .1 and .12: round 2 has but 20 right answers and goes to round 1's neighbor 3.
    counts = ((1, 100, 100), (2, 180, 20), (3, 440, 60))
    assert pooled_rounds(*rows(*counts)) == ((1, 1), (2, 3))


def test_pools_grow_until_they_have_enough_or_are_one() -> None:
    assert pooled_rounds(*rows((0, 9, 9), (1, 9, 9), (2, 90, 3))) == ((0, 2),)
    assert pooled_rounds(*rows((0, 30, 30), (1, 30, 30), (2, 90, 70))) == ((0, 1), (2, 2))
    assert pooled_rounds([], []) == ()


def test_each_round_has_its_own_prior() -> None:
    rounds, labels = rows((0, 100, 100), (2, 300, 100))
    calibration = fit_round_calibration([0.5] * 600, labels, rounds, name="p", fit=fit_platt)
    # One score alone: the curve is the share of Platt's targets, (n+ + 1)/(n+ + 2) and 1/(n- + 2).
    assert calibration.at(0.5, 0) == pytest.approx(0.5, abs=1e-6)
    expected = (100 * 101 / 102 + 300 / 302) / 400
    assert calibration.at(0.5, 2) == pytest.approx(expected, abs=1e-6)


def test_a_round_that_was_never_seen_takes_the_one_before_it() -> None:
    rounds, labels = rows((1, 100, 100), (3, 300, 100))
    calibration = fit_round_calibration([0.5] * 600, labels, rounds, name="p")
    assert calibration.at(0.4, 0) == calibration.at(0.4, 1) == calibration.at(0.4, 2)
    assert calibration.at(0.4, 9) == calibration.at(0.4, 3) != calibration.at(0.4, 1)


def sampled(seed: int, n: int) -> tuple[list[float], list[int], list[int], list[str]]:
    """Scores whose truth is logit p = 2 logit(score) - round, three rounds a question."""
    draw = random.Random(seed)
    scores, labels, rounds, groups = [], [], [], []
    for question in range(n):
        for round_ in range(3):
            score = draw.uniform(0.05, 0.95)
            odds = 2 * math.log(score / (1 - score)) - round_
            scores.append(score)
            labels.append(int(draw.random() < 1 / (1 + math.exp(-odds))))
            rounds.append(round_)
            groups.append(f"q{question}")
    return scores, labels, rounds, groups


def test_the_truth_is_found_in_each_round() -> None:
    scores, labels, rounds, _ = sampled(1, 4000)
    calibration = fit_round_calibration(scores, labels, rounds, name="p")
    for round_ in range(3):
        for score in (0.2, 0.5, 0.8):
            odds = 2 * math.log(score / (1 - score)) - round_
            assert calibration.at(score, round_) == pytest.approx(
                1 / (1 + math.exp(-odds)), abs=0.035
            )


def test_what_is_reported_of_a_question_does_not_depend_on_its_own_labels() -> None:
    scores, labels, rounds, groups = sampled(2, 300)
    told = partial(cross_fitted_rounds, rounds=rounds, groups=groups, name="p", folds=3)
    before = told(scores, labels)
    # Turned around in one question so that its mean label stays: the deal of folds stays too.
    place = next(i for i in range(0, 900, 3) if sorted(labels[i : i + 3]) in ([0, 0, 1], [0, 1, 1]))
    turned = [*labels[:place], *_moved(labels[place : place + 3]), *labels[place + 3 :]]
    after = told(scores, turned)
    assert before[place : place + 3] == after[place : place + 3]
    assert before != after


def _moved(three: list[int]) -> list[int]:
    moved = [three[2], *three[:2]]
    return moved if moved != three else [three[1], three[2], three[0]]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.integers(0, 5))
def test_a_curve_keeps_the_order(values: list[float], round_: int) -> None:
    scores, labels, rounds, _ = sampled(3, 200)
    calibration = FITTED
    ordered = [calibration.at(value, round_) for value in sorted(values)]
    assert ordered == sorted(ordered)
    assert all(0.0 <= p <= 1.0 for p in ordered)
    assert len(scores) == len(labels) == len(rounds)


FITTED = fit_round_calibration(*sampled(3, 200)[:3], name="p_accept")


def test_it_survives_its_file_and_notices_a_changed_number() -> None:
    data = json.loads(json.dumps(FITTED.data()))
    again = RoundCalibration.from_data(data)
    assert again == FITTED
    assert again.fingerprint == FITTED.fingerprint
    data["pools"][0]["curve"]["c"] += 0.001
    with pytest.raises(UsageError, match="fingerprint"):
        RoundCalibration.from_data(data)


@pytest.mark.parametrize("data", [None, {}, {"pools": 3}, {"pools": [{}]}, {"pools": []}])
def test_what_is_no_calibration_is_refused(data: object) -> None:
    with pytest.raises(UsageError):
        RoundCalibration.from_data(data)


@pytest.mark.parametrize(
    ("scores", "labels", "rounds"),
    [
        ([0.5], [1], [0]),
        ([0.5, 0.6], [1, 0], [0]),
        ([0.5, 1.6], [1, 0], [0, 0]),
        ([0.5, math.nan], [1, 0], [0, 0]),
        ([0.5, 0.6], [1, 2], [0, 0]),
        ([], [], []),
    ],
)
def test_rows_that_make_no_calibration_are_refused(
    scores: list[float], labels: list[int], rounds: list[int]
) -> None:
    with pytest.raises(UsageError):
        fit_round_calibration(scores, labels, rounds, name="p")
