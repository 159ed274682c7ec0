"""Bets on losses: by hand, against a direct computation, and with unequal propensities."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.errors import UsageError
from surefoot.router.risk.e_process import BETS, EProcess, audit_gain, per_answer_gain
from surefoot.router.risk.restarts import share_left, share_of
from surefoot.router.wire import decode_json, encode_json


def mixture(losses: list[float], alpha: float, start: float, every: int) -> float:
    """E by its definition: every bet and every beginning on its own, restarts to come in cash."""
    total = 0.0
    begun = max(0, len(losses) - 1) // every
    for j in range(begun + 1):
        weight = start if j == 0 else (1 - start) * 20 / ((j + 19) * (j + 20))
        for bet in BETS:
            factors = [1 + bet / alpha * (loss - alpha) for loss in losses[j * every :]]
            total += weight / len(BETS) * math.prod(factors)
    return total + (1 - start) * (1 - sum(20 / ((j + 19) * (j + 20)) for j in range(1, begun + 1)))


def coins(n: int, p: float, seed: int) -> list[float]:
    rng = random.Random(seed)
    return [float(rng.random() < p) for _ in range(n)]


def gains(losses: list[float], alpha: float = 0.1) -> list[float]:
    return [loss - alpha for loss in losses]


def test_one_wrong_and_one_right_answer_by_hand() -> None:
    process = EProcess(0.1, bets=(0.1, 0.4), start=1.0).after([0.9, -0.1])
    # lambda = 1 and 4: (1 + .9)(1 - .1) = 1.71 and (1 + 3.6)(1 - .4) = 2.76
    assert process.log_e == pytest.approx(math.log((1.71 + 2.76) / 2))
    assert process.steps == 2


def test_before_any_label_there_is_no_evidence() -> None:
    assert EProcess(0.1).log_e == pytest.approx(0.0)
    assert EProcess(0.1).alarm is None


@pytest.mark.parametrize("n", [1, 99, 100, 101, 350])
def test_pooled_restarts_equal_the_whole_mixture(n: int) -> None:
    losses = coins(n, 0.2, n)
    found = EProcess(0.1, start=0.7, every=50).after(gains(losses))
    assert found.log_e == pytest.approx(math.log(mixture(losses, 0.1, 0.7, 50)), abs=1e-9)


def test_the_shares_of_all_restarts_sum_to_one() -> None:
    assert sum(share_of(j) for j in range(1, 50_001)) == pytest.approx(1 - share_left(50_000))
    assert share_left(50_000) < 5e-4
    assert share_left(0) == 1.0


def test_the_alarm_is_the_first_label_that_reaches_the_level() -> None:
    losses = coins(300, 0.4, 5)
    process = EProcess(0.1).after(gains(losses))
    assert process.alarm is not None
    before = EProcess(0.1).after(gains(losses[: process.alarm - 1]))
    at = EProcess(0.1).after(gains(losses[: process.alarm]))
    assert before.log_e < math.log(20) <= at.log_e
    assert before.alarm is None and at.alarm == process.alarm


def test_an_alarm_stays() -> None:
    alarmed = EProcess(0.1).after(gains([1.0] * 20))
    assert alarmed.alarm is not None
    later = alarmed.after(gains([0.0] * 2000))
    assert later.alarm == alarmed.alarm
    assert later.log_e < math.log(20)


@pytest.mark.parametrize(("level", "start"), [(0.5, 0.01), (0.9, 0.8), (0.05, 0.8)])
def test_no_alarm_is_missed_by_the_short_cut(level: float, start: float) -> None:
    process = EProcess(0.1, level, start=start)
    seen = None
    for number, gain in enumerate(gains(coins(400, 0.15, 3)), start=1):
        process = process.after([gain])
        if seen is None and process.log_e >= -math.log(level) - 1e-12:
            seen = number
    assert process.alarm == seen
    assert seen is not None


@given(st.lists(st.floats(0, 1), max_size=60), st.integers(0, 60))
def test_going_on_from_a_stored_state_is_going_on(losses: list[float], cut: int) -> None:
    whole = EProcess(0.1, every=7).after(gains(losses))
    first = EProcess(0.1, every=7).after(gains(losses[:cut]))
    stored = decode_json(EProcess, encode_json(first))
    assert stored == first
    resumed = stored.after(gains(losses[cut:]))
    assert resumed == whole
    assert all(math.isfinite(value) for value in resumed.log_wealth)


def test_the_state_does_not_grow() -> None:
    short, long = (EProcess(0.1).after(gains(coins(n, 0.1, 1))) for n in (1, 20_000))
    assert len(short.log_wealth) == len(long.log_wealth) == len(BETS)
    assert len(encode_json(long)) < len(encode_json(short)) + 100


def test_a_very_long_healthy_past_breaks_nothing() -> None:
    quiet = EProcess(0.1).after([-0.1] * 50_000)
    assert math.isfinite(quiet.log_e)
    assert quiet.after(gains([1.0] * 60)).alarm is not None


def test_a_wrong_answer_more_only_raises_the_evidence() -> None:
    base = coins(200, 0.1, 9)
    for place in range(0, 200, 20):
        worse = [*base[:place], 1.0, *base[place + 1 :]]
        assert EProcess(0.1).after(gains(worse)).log_e >= EProcess(0.1).after(gains(base)).log_e


@pytest.mark.parametrize(
    "change",
    [
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"alpha": math.nan},
        {"level": 0.0},
        {"level": 1.0},
        {"bets": ()},
        {"bets": (1.0,)},
        {"start": 0.0},
        {"start": 1.1},
        {"every": 0},
        {"log_wealth": (0.0,)},
    ],
)
def test_impossible_parameters_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        EProcess(**{**asdict(EProcess(0.1)), **change})


@pytest.mark.parametrize("gain", [-0.11, math.nan, math.inf])
def test_a_gain_that_cannot_be_is_refused(gain: float) -> None:
    with pytest.raises(UsageError, match="gain of at least"):
        EProcess(0.1).after([gain])


def test_with_one_propensity_weights_change_nothing() -> None:
    assert audit_gain(1.0, 0.1, 0.05, 0.05) == pytest.approx(0.9)
    assert audit_gain(0.0, 0.1, 0.05, 0.05) == pytest.approx(-0.1)


@pytest.mark.parametrize("risk", [0.1, 0.3])
@pytest.mark.parametrize("pi", [0.05, 0.2, 1.0])
def test_both_weighted_steps_expect_the_excess_of_all_answers(risk: float, pi: float) -> None:
    least = 0.05
    audited = pi * (
        risk * audit_gain(1.0, 0.1, pi, least) + (1 - risk) * audit_gain(0.0, 0.1, pi, least)
    )
    assert audited == pytest.approx(least * (risk - 0.1))
    answered = pi * (
        risk * per_answer_gain(1.0, 0.1, pi, least)
        + (1 - risk) * per_answer_gain(0.0, 0.1, pi, least)
    ) + (1 - pi) * per_answer_gain(None, 0.1, pi, least)
    assert answered == pytest.approx(least * (risk - 0.1))


@pytest.mark.parametrize(
    ("loss", "pi", "least"),
    [(1.5, 0.5, 0.1), (-0.1, 0.5, 0.1), (0.0, 0.05, 0.1), (0.0, 0.0, 0.0), (0.0, 1.1, 0.1)],
)
def test_audits_that_cannot_be_are_refused(loss: float, pi: float, least: float) -> None:
    with pytest.raises(UsageError):
        audit_gain(loss, 0.1, pi, least)


def test_replacing_a_field_keeps_the_checks() -> None:
    with pytest.raises(UsageError):
        replace(EProcess(0.1), alpha=2.0)
