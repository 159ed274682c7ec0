"""The e-detector, by hand and by the promise that it makes: the mean time between false alarms."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from surefoot.router.errors import UsageError
from surefoot.router.risk.e_detector import EDetector
from surefoot.router.wire import decode_json, encode_json


def gains(n: int, p: float, seed: int) -> list[float]:
    wrong = np.random.default_rng(seed).random(n) < p
    return [0.9 if one else -0.1 for one in wrong.tolist()]


def test_two_labels_by_hand() -> None:
    found = EDetector(0.1, bets=(0.1,)).after([0.9, -0.1])
    # lambda = 1: M = (0 + 1) 1.9 = 1.9, then 2.9 * .9 = 2.61
    assert found.statistic == pytest.approx(2.61)
    assert EDetector(0.1).statistic == 0.0


def test_it_begins_anew_after_an_alarm() -> None:
    found = EDetector(0.1, 50.0, bets=(0.4,)).after([0.9] * 6)
    # M = 4.6, 25.76, 123.1 >= 50; then the same again
    assert (found.alarm, found.alarms, found.since) == (3, 2, 0)


@pytest.mark.parametrize("between", [50.0, 300.0])
def test_the_mean_time_between_false_alarms_is_what_is_promised(between: float) -> None:
    n = 400_000
    found = EDetector(0.1, between).after(gains(n, 0.1, 3))
    assert found.alarms > 0
    mean = n / found.alarms
    # Times between alarms are about exponential: their mean has a relative error of 1/sqrt(alarms).
    assert mean >= between * (1 - 2 / math.sqrt(found.alarms))
    assert mean <= 20 * between  # not merely silent


def test_a_risk_above_the_promise_breaks_that_mean() -> None:
    """The harness sees a broken promise."""
    found = EDetector(0.1, 300.0).after(gains(50_000, 0.15, 4))
    assert 50_000 / found.alarms < 300.0 * (1 - 2 / math.sqrt(found.alarms))


@pytest.mark.parametrize("healthy", [0, 2000, 20_000])
def test_a_healthy_past_delays_nothing(healthy: int) -> None:
    delays = []
    for seed in range(60):
        start = EDetector(0.1, 1e5).after(gains(healthy, 0.08, seed))
        alarm = start.after(gains(1500, 0.2, 1000 + seed)).alarm
        if start.alarm is None:
            assert alarm is not None
            delays.append(alarm - healthy)
    assert len(delays) >= 55
    assert np.median(delays) <= 215.0


def test_going_on_from_a_stored_state_is_going_on() -> None:
    steps = gains(500, 0.3, 5)
    first = decode_json(EDetector, encode_json(EDetector(0.1, 100.0).after(steps[:200])))
    assert first.after(steps[200:]) == EDetector(0.1, 100.0).after(steps)


def test_impossible_parameters_are_refused() -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: EDetector(0.0),
        lambda: EDetector(0.1, 1.0),
        lambda: EDetector(0.1, bets=(2.0,)),
        lambda: EDetector(0.1, sums=(1.0,)),
        lambda: EDetector(0.1).after([-0.2]),
        lambda: EDetector(0.1).after([math.nan]),
    )
    for make in calls:
        with pytest.raises(UsageError):
            make()
