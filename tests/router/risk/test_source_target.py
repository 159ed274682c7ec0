"""A lower limit of the live risk that holds at every look, against an upper one of the old."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from surefoot.router.errors import UsageError
from surefoot.router.risk.source_target import SourceTarget, lower_limit
from surefoot.router.wire import decode_json, encode_json

BETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)


def labels(n: int, p: float, seed: int) -> list[tuple[float, float]]:
    wrong = np.random.default_rng(seed).random(n) < p
    return [(float(one), 1.0) for one in wrong.tolist()]


def wealth(losses: list[tuple[float, float]], c: float) -> float:
    """Of the bets against "the mean is at most c", factor by factor."""
    return sum(
        math.prod(1 + bet / c * weight * (loss - c) for loss, weight in losses) for bet in BETS
    ) / len(BETS)


def test_the_limit_is_where_the_wealth_falls_to_the_goal() -> None:
    found = labels(200, 0.3, 1)
    total = sum(loss for loss, _ in found)
    limit = lower_limit(200, total, 0.05)
    assert 0.15 < limit < total / 200
    assert wealth(found, limit) == pytest.approx(20.0, rel=1e-6)


def test_for_fractions_and_weights_the_limit_is_below_that_of_the_true_wealth() -> None:
    rng = np.random.default_rng(2)
    pairs = [
        (float(loss), float(weight))
        for loss, weight in zip(rng.beta(2, 3, 150), rng.uniform(0.1, 1.0, 150), strict=True)
    ]
    n, total = sum(w for _, w in pairs), sum(loss * w for loss, w in pairs)
    limit = lower_limit(n, total, 0.05)
    assert limit > 0.1
    assert wealth(pairs, limit) >= 20.0


def test_nothing_can_be_said_of_nothing_and_of_right_answers() -> None:
    assert lower_limit(0, 0.0, 0.05) == 0.0
    assert lower_limit(500, 0.0, 0.05) == 0.0


def test_the_limit_holds_at_all_looks_together() -> None:
    misses = [SourceTarget(1.0, 0.1).after(labels(1500, 0.2, s)).lower > 0.2 for s in range(300)]
    assert np.mean(misses) <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / 300)


def test_a_limit_made_for_one_look_would_not_hold() -> None:
    """The harness sees a limit that is too bold: Hoeffding's for one look, taken at each."""

    def bold(seed: int) -> bool:
        losses = np.array([loss for loss, _ in labels(1500, 0.2, seed)])
        n = np.arange(1, 1501)
        sigma = math.sqrt(0.2 * 0.8)
        return bool((np.cumsum(losses) / n - 1.282 * sigma / np.sqrt(n) > 0.2)[20:].any())

    assert np.mean([bold(seed) for seed in range(300)]) >= 0.2


def test_an_alarm_comes_once_the_live_risk_is_surely_above_the_bound() -> None:
    harmless = SourceTarget(0.15).after(labels(4000, 0.12, 3))
    assert harmless.alarm is None
    worse = SourceTarget(0.15).after(labels(4000, 0.25, 3))
    assert worse.alarm is not None and 20 < worse.alarm < 1500
    assert SourceTarget(0.15).after(labels(worse.alarm - 1, 0.25, 3)).alarm is None
    assert SourceTarget(0.15, tolerance=0.1).after(labels(4000, 0.25, 3)).alarm is None
    assert worse.mean == pytest.approx(0.25, abs=0.03)
    assert SourceTarget(0.15).mean is None


def test_the_limit_never_falls_and_survives_storing() -> None:
    told, lowest = SourceTarget(0.15), 0.0
    for pair in labels(400, 0.3, 6):
        told = told.after([pair])
        assert told.lower >= lowest
        lowest = told.lower
    assert decode_json(SourceTarget, encode_json(told)) == told
    assert told == SourceTarget(0.15).after(labels(400, 0.3, 6))


def test_impossible_numbers_are_refused() -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: SourceTarget(1.1),
        lambda: SourceTarget(0.1, 0.0),
        lambda: SourceTarget(0.1, tolerance=-1.0),
        lambda: SourceTarget(0.1).after([(1.5, 1.0)]),
        lambda: SourceTarget(0.1).after([(1.0, 0.0)]),
    )
    for make in calls:
        with pytest.raises(UsageError):
            make()
