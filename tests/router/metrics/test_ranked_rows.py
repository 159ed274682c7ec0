"""Measures under weights equal the slow ones on rows that are there as often as they weigh."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from surefoot.router import metrics
from surefoot.router.errors import UsageError
from surefoot.router.metrics.draws import every_row_once, question_draws
from surefoot.router.metrics.ranked_rows import RANKING_MEASURES, RankedRows
from surefoot.router.metrics.stated_rows import CALIBRATION_MEASURES, StatedRows
from surefoot.router.signals import Unavailable

Row = tuple[float | None, int, int]  # score, label, weight
rows_of = st.lists(
    st.tuples(
        st.none() | st.integers(0, 4).map(lambda i: i / 4) | st.floats(0.0, 1.0),
        st.integers(0, 1),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=14,
)

Slow = Callable[[Sequence[float], Sequence[int]], float | Unavailable]


def half_prr(scores: Sequence[float], losses: Sequence[int]) -> float | Unavailable:
    return metrics.prr(scores, losses, 0.5)


LOSSY: dict[str, Slow] = {
    "aurc": metrics.aurc,
    "excess_aurc": metrics.excess_aurc,
    "prr": metrics.prr,
    "prr_half": half_prr,
}
STATED: dict[str, Slow] = {
    "brier": metrics.brier,
    "log_loss": metrics.log_loss,
    "ece": metrics.ece,
    "ace": metrics.ace,
}


def drawn(rows: Sequence[Row]) -> tuple[list[float], list[int]]:
    """Every row with a score, as often as it weighs."""
    kept = [(s, label) for s, label, weight in rows if s is not None for _ in range(weight)]
    return [score for score, _ in kept], [label for _, label in kept]


def same(fast: float, slow: float | Unavailable) -> None:
    if isinstance(slow, Unavailable):
        assert math.isnan(fast)
    else:
        assert fast == pytest.approx(slow, abs=1e-11)


def weighed(rows: Sequence[Row]) -> Any:
    """The weights as one draw among others, which must not get mixed up."""
    weights = [weight for _, _, weight in rows]
    return np.array([[1] * len(rows), weights, weights[::-1]])


@settings(max_examples=300)
@given(rows=rows_of)
def test_ranking_is_that_of_the_rows_drawn(rows: list[Row]) -> None:
    scores, labels = drawn(rows)
    if all(score is None for score, _, _ in rows):
        return
    ranked = RankedRows.of([score for score, _, _ in rows], [label for _, label, _ in rows])
    fast = {name: float(found[1]) for name, found in ranked.measures(weighed(rows)).items()}

    area = metrics.auroc(scores, labels)
    assert math.isnan(fast["auroc"]) if isinstance(area, Unavailable) else fast["auroc"] == area
    for name, slow in LOSSY.items():
        same(fast[name], slow(scores, [1 - label for label in labels]))
    assert tuple(fast) == RANKING_MEASURES


@settings(max_examples=300)
@given(rows=rows_of, bins=st.integers(1, 12))
def test_calibration_is_that_of_the_rows_drawn(rows: list[Row], bins: int) -> None:
    probabilities, labels = drawn(rows)
    if all(p is None for p, _, _ in rows):
        return
    stated = StatedRows.of([p for p, _, _ in rows], [label for _, label, _ in rows], bins)
    fast = {name: float(found[1]) for name, found in stated.measures(weighed(rows)).items()}

    for name, slow in STATED.items():
        if name in ("ece", "ace"):
            sized = metrics.ece if name == "ece" else metrics.ace
            same(fast[name], sized(probabilities, labels, bins))
        else:
            same(fast[name], slow(probabilities, labels))
    assert tuple(fast) == CALIBRATION_MEASURES


def test_auroc_of_a_big_draw_is_exact() -> None:
    rng = random.Random(0)
    labels = [int(rng.random() < 0.7) for _ in range(3000)]
    scores = [round(rng.gauss(label, 1.0), 2) for label in labels]
    groups = [f"q{i % 1100}" for i in range(3000)]
    ranked = RankedRows.of(scores, labels)
    weights = next(iter(question_draws(groups, seed=3, reps=5)))

    for draw, fast in zip(weights, ranked.measures(weights)["auroc"], strict=True):
        rows = [i for i, weight in enumerate(draw) for _ in range(weight)]
        right = [labels[i] for i in rows]
        assert float(fast) == metrics.auroc([scores[i] for i in rows], right)
        assert fast == pytest.approx(roc_auc_score(right, [scores[i] for i in rows]), abs=1e-12)


def test_rounding_stays_small_over_many_rows() -> None:
    rng = random.Random(1)
    labels = [int(rng.random() < 0.6) for _ in range(20_000)]
    scores = [rng.gauss(label, 1.0) for label in labels]
    found = RankedRows.of(scores, labels).measures(every_row_once(20_000))
    losses = [1 - label for label in labels]

    assert found["aurc"][0] == pytest.approx(metrics.aurc(scores, losses), abs=1e-12)
    assert found["prr_half"][0] == pytest.approx(metrics.prr(scores, losses, 0.5), abs=1e-10)


def test_a_thousand_draws_of_ten_thousand_rows_take_moments() -> None:
    rng = random.Random(2)
    labels = [int(rng.random() < 0.6) for _ in range(10_000)]
    ranked = RankedRows.of([rng.gauss(label, 1.0) for label in labels], labels)
    groups = [f"q{i}" for i in range(10_000)]
    began = time.process_time()
    found = [
        value
        for weights in question_draws(groups, seed=0, reps=1000)
        for value in ranked.measures(weights)["auroc"].tolist()
    ]

    assert len(found) == 1000
    # About a tenth of a second on an idle machine; sorting anew each time takes twenty.
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize("make", [RankedRows.of, StatedRows.of])
def test_rows_that_make_no_sense_are_refused(make: Callable[..., object]) -> None:
    for scores, labels, words in (
        ([], [], "a row that has a number"),
        ([None], [1], "a row that has a number"),
        ([0.5, 0.6], [1], "one label per row, got 1 for 2"),
        ([None, math.nan], [1, 0], "got nan and 0 in row 1"),
        ([math.inf], [1], "got inf and 1 in row 0"),
        ([0.5], [2], "got 0.5 and 2 in row 0"),
    ):
        with pytest.raises(UsageError, match=words):
            make(scores, labels)


def test_probabilities_and_bins_are_checked() -> None:
    with pytest.raises(UsageError, match="probabilities in"):
        StatedRows.of([0.5, 1.5], [0, 1])
    with pytest.raises(UsageError, match="one bin or more"):
        StatedRows.of([0.5], [1], 0)
