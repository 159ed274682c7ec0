"""ACI for a gate: its long-run bound against any sequence, and what it does not promise."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.errors import UsageError
from surefoot.router.risk.adaptive_threshold import (
    AdaptiveState,
    AdaptiveThreshold,
    gate_threshold,
    long_run_bound,
)


def run_all_audited(
    rule: AdaptiveThreshold, first: float, losses: Sequence[float]
) -> AdaptiveState:
    state = rule.start(first)
    for loss in losses:
        gated = state.level > 0.0
        state = rule.step(state, gated=gated, audited=gated, loss=loss)
    return state


def test_three_steps_by_hand() -> None:
    rule = AdaptiveThreshold(0.1, 0.5, pi_min=0.25)
    state = rule.start(0.2)
    state = rule.step(state, gated=True, audited=False, propensity=0.25)
    assert state.level == pytest.approx(0.25)
    assert (state.steps, state.weighted_errors) == (1, 0.0)
    state = rule.step(state, gated=True, audited=True, propensity=0.5, loss=0.5)
    assert state.level == pytest.approx(0.25 + 0.5 * (0.1 - 1.0))
    assert (state.steps, state.weighted_errors) == (2, 1.0)
    state = rule.step(state, gated=False)
    assert state.level == pytest.approx(-0.15)
    assert (state.steps, state.weighted_errors) == (3, 1.0)


def test_the_level_is_clipped_from_above_only() -> None:
    rule = AdaptiveThreshold(0.9, 1.0)

    assert rule.step(rule.start(0.9), gated=True).level == 1.0
    assert rule.step(rule.start(0.05), gated=True, audited=True, loss=1.0).level < 0.0


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=300),
    st.floats(0.01, 0.9),
    st.floats(0.001, 0.9),
    st.floats(0, 1),
)
def test_no_sequence_of_losses_beats_the_bound(
    losses: list[float], alpha: float, gamma: float, first: float
) -> None:
    rule = AdaptiveThreshold(alpha, gamma)
    state = run_all_audited(rule, first, losses)

    bound = rule.joint_risk_bound(first, len(losses), 0.1)
    assert state.weighted_errors / state.steps <= bound + 1e-9
    assert state.weighted_errors / state.steps <= alpha + (first + gamma) / (gamma * state.steps)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.floats(0.1, 1)), min_size=1),
    st.floats(0.01, 0.5),
    st.floats(0.001, 0.5),
)
def test_weighted_errors_keep_their_bound_for_any_luck(
    steps: list[tuple[float, bool, float]], alpha: float, gamma: float
) -> None:
    rule = AdaptiveThreshold(alpha, gamma, pi_min=0.1)
    state = rule.start(0.5)
    for loss, drawn, propensity in steps:
        gated = state.level > 0.0
        state = rule.step(
            state, gated=gated, audited=gated and drawn, propensity=propensity, loss=loss
        )
        assert state.level > -gamma / rule.pi_min
    most = alpha + (0.5 + gamma / rule.pi_min) / (gamma * state.steps)
    assert state.weighted_errors / state.steps <= most + 1e-9


def test_an_adversary_that_errs_whenever_the_gate_is_open_gets_alpha() -> None:
    state = run_all_audited(AdaptiveThreshold(0.1, 0.01), 0.5, [1.0] * 20_000)

    assert state.weighted_errors / state.steps == pytest.approx(0.1, abs=0.004)


def test_clipping_from_below_would_let_it_err_half_the_time() -> None:
    """The control: debt that is forgiven at 0 is never worked off."""
    rule = AdaptiveThreshold(0.1, 0.5)
    state, errors = rule.start(0.05), 0
    for _ in range(2000):
        gated = state.level > 0.0
        errors += gated
        state = rule.step(state, gated=gated, audited=gated, loss=1.0)
        state = AdaptiveState(max(0.0, state.level), state.steps, state.weighted_errors)

    assert errors / 2000 == pytest.approx(0.5, abs=0.01)
    assert errors / 2000 > rule.joint_risk_bound(0.05, 2000, 0.1)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=200),
    st.floats(0.05, 0.5),
    st.floats(0.01, 0.5),
    st.floats(0, 1),
)
def test_the_two_sided_bound_where_closed_never_and_open_always_errs(
    draws: list[float], alpha: float, gamma: float, first: float
) -> None:
    level, errors = first, 0.0
    for u in draws:
        error = 0.0 if level <= 0.0 else 1.0 if level >= 1.0 else float(u < 0.5)
        errors += error
        level += gamma * (alpha - error)
    n = len(draws)

    assert abs(errors / n - alpha) <= long_run_bound(first, gamma, n) + 1e-9


def test_random_audits_hold_the_true_joint_risk_in_all_but_a_delta_of_the_runs() -> None:
    rule = AdaptiveThreshold(0.1, 0.02, pi_min=0.2)
    rng = random.Random(4)
    runs, steps, over, errors_all = 60, 3000, 0, 0.0
    for _ in range(runs):
        state, errors = rule.start(0.5), 0.0
        for t in range(steps):
            gated = rng.random() < state.level
            loss = float(rng.random() < (0.2 if t < 1000 else 0.6))
            errors += loss * gated
            drawn = gated and rng.random() < 0.2
            state = rule.step(state, gated=gated, audited=drawn, propensity=0.2, loss=loss)
        over += errors / steps > rule.joint_risk_bound(0.5, steps, 0.1)
        errors_all += errors / steps / runs
    assert over / runs <= 0.1
    assert errors_all == pytest.approx(0.1, abs=0.02)


def test_labels_that_come_late_are_in_the_bound() -> None:
    rule, late = AdaptiveThreshold(0.1, 0.05), 20
    state, waiting, errors = rule.start(0.5), 0, 0.0
    for _ in range(2000):
        if state.level > 0.0 and waiting < late:
            waiting += (
                1  # its label, a loss of 1, comes when the gate has shut or the queue is full
            )
            errors += 1.0
            continue
        gated = waiting > 0
        waiting -= gated
        state = rule.step(state, gated=gated, audited=gated, loss=1.0)
    errors -= waiting

    told = errors / state.steps
    assert told <= rule.joint_risk_bound(0.5, state.steps, 0.1, outstanding=late)


def test_the_bound_by_hand_and_that_it_tends_to_alpha() -> None:
    rule = AdaptiveThreshold(0.1, 0.01, pi_min=0.25)
    luck = math.log(10)
    by_hand = 0.1 + (0.5 + 0.04) / 100 + math.sqrt(6 * luck / 10_000) + 2 * luck / 30_000

    assert rule.joint_risk_bound(0.5, 10_000, 0.1) == pytest.approx(by_hand)
    assert rule.joint_risk_bound(0.5, 10**9, 0.1) == pytest.approx(0.1, abs=2e-3)
    assert rule.joint_risk_bound(0.5, 1, 0.1) == 1.0
    assert long_run_bound(0.3, 0.1, 100) == pytest.approx((0.7 + 0.1) / 10)


def test_the_promise_says_what_it_is_not() -> None:
    promise = AdaptiveThreshold(0.05, 0.01).promise

    assert "long run only" in promise and "0.05" in promise
    assert "nothing is promised for any one request" in promise
    assert "guarantee" not in promise


def test_a_state_goes_through_json() -> None:
    state = AdaptiveState(-0.25, 7, 3.5)

    assert AdaptiveState.from_json(json.loads(json.dumps(state.to_json()))) == state


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"level": "x", "steps": 1, "weighted_errors": 0.0},
        {"level": float("nan"), "steps": 1, "weighted_errors": 0.0},
        {"level": 0.5, "steps": -1, "weighted_errors": 0.0},
        {"level": None, "steps": 1, "weighted_errors": 0.0},
    ],
)
def test_what_is_no_state_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="not the state"):
        AdaptiveState.from_json(data)


def test_arguments_that_cannot_be() -> None:
    for alpha, gamma, pi_min in ((0.0, 0.1, 1.0), (0.1, 0.0, 1.0), (0.1, 0.1, 0.0)):
        with pytest.raises(UsageError):
            AdaptiveThreshold(alpha, gamma, pi_min)
    rule = AdaptiveThreshold(0.1, 0.1, pi_min=0.2)
    with pytest.raises(UsageError, match="first level"):
        rule.start(1.2)
    with pytest.raises(UsageError, match="propensity"):
        rule.step(rule.start(0.5), gated=True, audited=True, propensity=0.1, loss=0.0)
    with pytest.raises(UsageError, match="loss"):
        rule.step(rule.start(0.5), gated=True, audited=True, propensity=0.5)
    with pytest.raises(UsageError, match="steps"):
        rule.joint_risk_bound(0.5, 0, 0.1)
    with pytest.raises(UsageError, match="first level"):
        long_run_bound(2.0, 0.1, 10)


def test_a_level_becomes_the_threshold_of_that_share() -> None:
    scores = [0.1, 0.4, 0.4, 0.4, 0.9]

    assert gate_threshold(0.2, scores) == 0.9
    assert gate_threshold(0.6, scores) == 0.9  # the tie would let 4 of 5 through
    assert gate_threshold(0.8, scores) == 0.4
    assert gate_threshold(1.0, scores) == 0.1
    assert gate_threshold(3.0, scores) == 0.1
    assert gate_threshold(0.19, scores) is None
    assert gate_threshold(0.0, scores) is None
    assert gate_threshold(-1.0, scores) is None
    assert gate_threshold(0.5, [1.0, 1.0]) is None
    assert gate_threshold(0.5, []) is None


@given(st.lists(st.floats(0, 1), max_size=40), st.floats(-0.5, 1.5))
def test_a_gate_never_lets_more_through_than_its_level(scores: list[float], level: float) -> None:
    threshold = gate_threshold(level, scores)
    passed = 0 if threshold is None else sum(score >= threshold for score in scores)

    assert passed <= max(0.0, min(1.0, level)) * len(scores) + 1e-6
