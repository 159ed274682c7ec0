"""Gates certified in simulated worlds keep their promise, and gates known to break it do."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from surefoot.router.risk.sample_size import critical_counts
from surefoot.router.risk.score_grid import Cut

from .simulated_worlds import (
    ADVERSARIAL,
    ALPHA,
    BINARY,
    DELTA,
    GRADED,
    Sample,
    World,
    betting_p_values_of,
    certified,
    conformal_on_correct,
    conformal_risk_control,
    exact_p_values,
    isotonic_mean,
    judge,
    naive,
    sample,
)


def allowed(trials: int) -> float:
    """Delta and two standard errors of counting how often it happened."""
    return DELTA + 2 * math.sqrt(DELTA * (1 - DELTA) / trials)


def test_a_certified_gate_keeps_its_promise_where_the_naive_one_does_not() -> None:
    drawn = sample(BINARY, trials=200, rows=500, seed=1)
    counts = critical_counts(500, ALPHA, DELTA)
    ours = judge(BINARY, certified(drawn, exact_p_values(drawn, counts), counts))
    assert ours.violation <= allowed(200)
    assert ours.coverage >= 0.17
    assert judge(BINARY, naive(drawn)).violation >= 0.4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "coverage", "nothing"), [(200, 0.10, 0.65), (500, 0.19, 0.30), (2000, 0.335, 0.02)]
)
def test_right_or_wrong(rows: int, coverage: float, nothing: float) -> None:
    drawn = sample(BINARY, trials=500, rows=rows, seed=rows)
    counts = critical_counts(rows, ALPHA, DELTA)
    found = judge(BINARY, certified(drawn, exact_p_values(drawn, counts), counts))
    assert found.violation <= allowed(500)
    assert found.coverage >= coverage
    assert found.nothing <= nothing


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "coverage", "trials"), [(200, 0.55, 300), (500, 0.67, 300), (2000, 0.73, 120)]
)
def test_graded(rows: int, coverage: float, trials: int) -> None:
    drawn = sample(GRADED, trials, rows, seed=rows)
    counts = critical_counts(rows, ALPHA, DELTA, "bounded")[:: 1 + rows // 1000]
    found = judge(GRADED, certified(drawn, betting_p_values_of(drawn, counts, seed=2), counts))
    assert found.violation <= allowed(trials)
    assert found.coverage >= coverage


@pytest.mark.slow
@pytest.mark.parametrize("world", ADVERSARIAL, ids=lambda world: world.name)
@pytest.mark.parametrize("rows", [200, 500])
def test_no_shape_of_error_breaks_the_promise(world: World, rows: int) -> None:
    trials = 2000
    drawn = sample(world, trials, rows, seed=rows + 1)
    counts = critical_counts(rows, ALPHA, DELTA)
    found = judge(world, certified(drawn, exact_p_values(drawn, counts), counts))
    assert found.violation <= allowed(trials)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("control", "violation"),
    [
        (naive, 0.4),
        (isotonic_mean, 0.4),
        (conformal_on_correct, 0.99),
        (conformal_risk_control, 0.99),
    ],
)
@pytest.mark.parametrize("rows", [200, 2000])
def test_what_promises_something_else_breaks_this_promise(
    control: Callable[[Sample], list[Cut | None]], violation: float, rows: int
) -> None:
    drawn = sample(BINARY, trials=300, rows=rows, seed=5)
    assert judge(BINARY, control(drawn)).violation >= violation
