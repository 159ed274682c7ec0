"""False alarms and delays of the shipped monitors, beside monitors that must fail.

The bars are those of the specification: at most .05 false alarms over 10,000 labels at the limit,
medians of 80 labels from the start and 230 after 2,000 healthy ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from surefoot.router.risk.e_detector import EDetector
from surefoot.router.risk.e_process import EProcess, audit_gain, per_answer_gain

ALPHA = 0.1
Coins = NDArray[np.bool_]


def coins(trials: int, labels: int, p: float, seed: int) -> Coins:
    return np.random.default_rng(seed).random((trials, labels)) < p


def gains(row: Coins) -> list[float]:
    return [1.0 - ALPHA if wrong else -ALPHA for wrong in row.tolist()]


def alarms(paths: Coins, start: EProcess | EDetector) -> NDArray[np.float64]:
    """Number of the label at the first alarm of each path; infinite without one."""
    found = [start.after(gains(row)).alarm for row in paths]
    return np.array([np.inf if alarm is None else alarm for alarm in found])


def delays_after(healthy: int, p: float, trials: int, labels: int, start: EProcess) -> float:
    before = coins(trials, healthy, 0.08, 21)
    after = coins(trials, labels, p, 22)
    found = []
    for past, future in zip(before, after, strict=True):
        process = start.after(gains(past))
        if process.alarm is None:
            alarm = process.after(gains(future)).alarm
            found.append(np.inf if alarm is None else alarm - healthy)
    assert len(found) > 0.95 * trials
    return float(np.median(found))


@pytest.mark.slow
def test_false_alarms_over_ten_thousand_labels_at_the_limit() -> None:
    rate = float(np.isfinite(alarms(coins(1000, 10_000, ALPHA, 1), EProcess(ALPHA))).mean())
    assert rate <= 0.05  # .036 measured; a share of 0 would mean that nothing is bet
    assert rate >= 0.01


def uncorrected_binomial(paths: Coins) -> float:
    """An exact test every 50 labels, at the full level each time."""
    at = np.arange(50, paths.shape[1] + 1, 50)
    wrong = np.cumsum(paths, axis=1)[:, at - 1]
    return float((binom.sf(wrong - 1, at, ALPHA) <= 0.05).any(axis=1).mean())


def sliding_z(paths: Coins) -> float:
    """A z test of the latest 500 labels, at each label."""
    sums = np.cumsum(np.pad(paths, ((0, 0), (1, 0))).astype(np.int32), axis=1)
    share = (sums[:, 500:] - sums[:, :-500]) / 500
    z = (share - ALPHA) / np.sqrt(ALPHA * (1 - ALPHA) / 500)
    return float((z >= 1.645).any(axis=1).mean())


@pytest.mark.parametrize(("control", "least"), [(uncorrected_binomial, 0.20), (sliding_z, 0.80)])
def test_monitors_that_look_too_often_fail_the_same_test(
    control: Callable[[Coins], float], least: float
) -> None:
    assert control(coins(500, 10_000, ALPHA, 1)) >= least


@pytest.mark.parametrize(("p", "most"), [(0.20, 80.0), (0.15, 330.0), (0.30, 27.0)])
def test_delay_from_the_first_label(p: float, most: float) -> None:
    assert np.median(alarms(coins(2000, 600, p, 11), EProcess(ALPHA))) <= most


def test_delay_after_two_thousand_healthy_labels() -> None:
    assert delays_after(2000, 0.20, 600, 700, EProcess(ALPHA)) <= 230.0


@pytest.mark.slow
def test_a_slight_rise_after_two_thousand_healthy_labels() -> None:
    assert delays_after(2000, 0.15, 300, 2500, EProcess(ALPHA)) <= 900.0


@pytest.mark.slow
def test_without_restarts_the_healthy_past_delays() -> None:
    """The harness sees what the restarts are for."""
    assert delays_after(2000, 0.20, 200, 2500, EProcess(ALPHA, start=1.0)) >= 600.0


def unequal_draws(seed: int, risk: float, answers: int = 4000) -> list[tuple[float, float, bool]]:
    """(loss, propensity, drawn): unsure answers are wrong more often and drawn more often."""
    rng = np.random.default_rng(seed)
    score = rng.random(answers)
    wrong = rng.random(answers) < 2 * risk * (1 - score)
    pi = np.where(score < 0.3, 0.3, 0.05)
    drawn = rng.random(answers) < pi
    return list(zip(wrong.astype(float).tolist(), pi.tolist(), drawn.tolist(), strict=True))


def audit_steps(rows: list[tuple[float, float, bool]]) -> list[float]:
    return [audit_gain(loss, ALPHA, pi, 0.05) for loss, pi, drawn in rows if drawn]


def answer_steps(rows: list[tuple[float, float, bool]]) -> list[float]:
    return [per_answer_gain(loss if drawn else None, ALPHA, pi, 0.05) for loss, pi, drawn in rows]


def unweighted_steps(rows: list[tuple[float, float, bool]]) -> list[float]:
    return [loss - ALPHA for loss, _, drawn in rows if drawn]


Steps = Callable[[list[tuple[float, float, bool]]], list[float]]


def alarm_rate(steps: Steps, risk: float, trials: int, level: float = 0.05) -> float:
    found: list[Any] = [
        EProcess(ALPHA, level).after(steps(unequal_draws(seed, risk))).alarm
        for seed in range(trials)
    ]
    return sum(alarm is not None for alarm in found) / trials


@pytest.mark.parametrize("steps", [audit_steps, answer_steps])
def test_weights_keep_the_level_where_unsure_answers_are_drawn_more_often(steps: Steps) -> None:
    assert alarm_rate(steps, ALPHA, 150) <= 0.05 + 2 * (0.05 * 0.95 / 150) ** 0.5
    assert alarm_rate(steps, 2.5 * ALPHA, 30) == 1.0


def test_without_weights_the_draws_look_like_a_broken_promise() -> None:
    assert alarm_rate(unweighted_steps, ALPHA, 40) >= 0.5


def test_processes_per_stratum_do_not_test_the_promise_of_the_whole() -> None:
    """Why there is no such option: averaged e-values of strata alarm where the promise holds."""
    alarmed = 0
    for seed in range(40):
        strata: dict[float, list[float]] = {0.3: [], 0.05: []}
        for loss, pi, drawn in unequal_draws(seed, ALPHA):
            if drawn:
                strata[pi].append(loss - ALPHA)
        e_values = [np.exp(EProcess(ALPHA, start=1.0).after(s).log_e) for s in strata.values()]
        alarmed += np.mean(e_values) >= 20
    assert alarmed >= 20
