"""The Simple Jumper with restarts, by hand and against a direct computation."""

from __future__ import annotations

import random

import pytest

from surefoot.router.risk.jumper import Jumper
from surefoot.router.wire import decode_json, encode_json


def one_beginning(p_values: list[float]) -> float:
    """The published martingale from 1: three bets, a hundredth of the wealth jumps."""
    wealth = [1 / 3] * 3
    for p in p_values:
        total = sum(wealth)
        wealth = [
            (0.99 * w + 0.01 * total / 3) * (1 + e * (p - 0.5))
            for w, e in zip(wealth, (-1, 0, 1), strict=True)
        ]
    return sum(wealth)


def test_one_p_value_by_hand() -> None:
    # (0.75 + 1 + 1.25) / 3 = 1: three bets that lean both ways win nothing at once.
    _, path = Jumper(start=1.0).after([0.75])
    assert path == [pytest.approx(1.0)]
    _, path = Jumper(start=1.0).after([1.0, 1.0])
    # after the first: .5/3, 1/3, 1.5/3; a hundredth jumps; then times .5, 1, 1.5
    second = sum((0.99 * w + 0.01 / 3) * f for w, f in ((0.5 / 3, 0.5), (1 / 3, 1), (0.5, 1.5)))
    assert path == [pytest.approx(1.0), pytest.approx(second)]


@pytest.mark.parametrize("n", [1, 100, 101, 250])
def test_restarts_equal_the_mixture_of_all_beginnings(n: int) -> None:
    rng = random.Random(n)
    p_values = [rng.random() ** 0.5 for _ in range(n)]
    begun = (n - 1) // 100
    expected = 0.8 * one_beginning(p_values) + 0.2 * 20 / (begun + 20)
    for j in range(1, begun + 1):
        expected += 0.2 * 20 / ((j + 19) * (j + 20)) * one_beginning(p_values[100 * j :])
    found, path = Jumper().after(p_values)
    assert found.value == pytest.approx(expected)
    assert path[-1] == pytest.approx(found.value)


def test_it_begins_at_one_and_goes_on_from_a_stored_state() -> None:
    assert Jumper().value == pytest.approx(1.0)
    p_values = [random.Random(1).random() for _ in range(300)]
    first, start = Jumper().after(p_values[:130])
    stored = decode_json(Jumper, encode_json(first))
    whole, path = Jumper().after(p_values)
    assert stored.after(p_values[130:])[0] == whole
    assert start == path[:130]


def test_it_wins_on_either_lean_and_stays_finite() -> None:
    for p in (0.1, 0.9):
        assert Jumper().after([p] * 60)[0].value > 1e4
        assert Jumper().after([p] * 100_000)[0].value < 1e302


def test_uniform_p_values_win_nothing() -> None:
    rng = random.Random(4)
    peaks = [max(Jumper().after([rng.random() for _ in range(2000)])[1]) for _ in range(200)]
    assert sum(peak >= 10 for peak in peaks) / 200 <= 0.1 + 2 * (0.1 * 0.9 / 200) ** 0.5
