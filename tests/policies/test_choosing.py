"""When a richer fit is worth it, and what comes first."""

from __future__ import annotations

import math

import pytest

from surefoot.policies.choosing import (
    Calibrating,
    Judged,
    Key,
    is_clearly_better,
    preferred_first,
)
from surefoot.policies.fitted import FittedCalibrator
from surefoot.router.calibration.combining import LogisticCombination, combined_name
from surefoot.router.calibration.smooth_calibrators import PlattCalibrator
from surefoot.router.errors import UsageError


def told(*probabilities: float) -> dict[Key, float]:
    return {(f"q{i}", 0): p for i, p in enumerate(probabilities)}


RIGHT = dict.fromkeys(told(*range(9)), 1)


def test_better_on_every_question_is_clear() -> None:
    assert is_clearly_better(told(0.8, 0.8, 0.8), told(0.5, 0.5, 0.5), RIGHT)
    assert not is_clearly_better(told(0.5, 0.5, 0.5), told(0.8, 0.8, 0.8), RIGHT)


def test_equal_is_not_better() -> None:
    assert not is_clearly_better(told(0.5, 0.9), told(0.5, 0.9), RIGHT)


def test_a_gain_below_one_standard_error_is_not_clear() -> None:
    # Log losses fall by ln 2, ln 2 and -x: mean (2 ln 2 - x) / 3, error (ln 2 + x) / 3.
    # They are equal at x = (ln 2) / 2.
    for x, clear in ((0.5 * math.log(2) - 0.01, True), (0.5 * math.log(2) + 0.01, False)):
        one = told(0.8, 0.8, 0.5 * math.exp(-x))
        assert is_clearly_better(one, told(0.4, 0.4, 0.5), RIGHT) is clear


def test_rows_of_one_question_count_as_one() -> None:
    one = {("q0", 0): 0.8, ("q0", 1): 0.8, ("q0", 2): 0.8}
    other = dict.fromkeys(one, 0.5)
    assert not is_clearly_better(one, other, dict.fromkeys(one, 1))


def test_only_common_rows_are_compared() -> None:
    one = {**told(0.8, 0.8), ("else", 0): 0.001}
    assert is_clearly_better(one, told(0.5, 0.5, 0.999), {**RIGHT, ("else", 0): 1})
    assert not is_clearly_better({("else", 0): 0.9}, told(0.5), {**RIGHT, ("else", 0): 1})


def single(name: str, log_loss: float) -> Judged:
    return Judged(FittedCalibrator(PlattCalibrator(name, 1, 9, 5, 1.0, 0.0), log_loss), {})


def combined(names: tuple[str, ...], log_loss: float) -> Judged:
    n = len(names)
    both = LogisticCombination(names, (1,) * n, 9, 5, 0.0, (1.0,) * n, (1.0,) * n, (None,) * n, 3.0)
    curve = PlattCalibrator(combined_name(names), 1, 9, 5, 1.0, 0.0)
    return Judged(FittedCalibrator(curve, log_loss, None, both), {})


def test_the_least_loss_comes_first_and_a_combination_before_its_parts() -> None:
    found = [
        single("a", 0.5),
        single("b", 0.4),
        single("bought", 0.3),
        combined(("a", "b"), 0.45),  # on other rows than b alone
        combined(("a", "b", "bought"), 0.46),
    ]
    names = [one.fitted.name for one in preferred_first(found)]
    assert names == ["combined(a, b, bought)", "bought", "combined(a, b)", "b", "a"]
    names = [one.fitted.name for one in preferred_first(found[:4])]
    assert names == ["bought", "combined(a, b)", "b", "a"]


def test_kinds_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UsageError, match="spline"):
        Calibrating(("spline",))  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(UsageError, match="expected calibrators of kind"):
        Calibrating(())
