"""Stopping by p(accept): hand-made threads, and the promise of a certified threshold."""

from __future__ import annotations

import random

import pytest

from surefoot.router.critic.stopping import (
    Thread,
    ThreadRound,
    always_stop_at,
    certify_stop,
    oracle,
    stop_at,
    stop_curve,
)


def thread(*rounds: tuple[float | None, bool]) -> Thread:
    return tuple(
        ThreadRound(p, right, float(place + 1), 2 * place)
        for place, (p, right) in enumerate(rounds)
    )


EARLY = thread((0.9, True), (0.2, False))  # right at once, wrong later
LATE = thread((0.3, False), (0.8, True))
LOST = thread((0.6, True), (0.1, False))  # its best answer is the first


def test_the_first_round_that_is_sure_enough_is_served() -> None:
    point = stop_at([EARLY, LATE, LOST], 0.7)
    assert point.quality == 1.0  # of LOST the best so far
    assert point.calls == pytest.approx((1 + 2 + 2) / 3)
    assert point.passages == pytest.approx((0 + 2 + 2) / 3)
    assert (point.stopped, point.precision) == (pytest.approx(2 / 3), 1.0)


def test_without_the_best_so_far_the_last_answer_is_served() -> None:
    assert stop_at([EARLY, LATE, LOST], 0.7, best_so_far=False).quality == pytest.approx(2 / 3)


def test_a_round_without_an_answer_never_stops() -> None:
    point = stop_at([thread((None, False), (None, True))], 0.0)
    assert (point.stopped, point.precision, point.quality) == (0.0, None, 1.0)


def test_fixed_rounds_and_hindsight() -> None:
    threads = [EARLY, LATE, LOST]
    assert always_stop_at(threads, 0).quality == pytest.approx(2 / 3)
    assert always_stop_at(threads, 9).calls == 2.0
    best = oracle(threads)
    assert (best.quality, best.calls) == (1.0, pytest.approx((1 + 2 + 1) / 3))


def test_the_curve_runs_from_at_once_to_never() -> None:
    curve = stop_curve([EARLY, LATE, LOST])
    assert (curve[0].calls, curve[0].stopped) == (1.0, 1.0)
    assert (curve[-1].calls, curve[-1].stopped) == (2.0, 0.0)
    assert [one.calls for one in curve] == sorted(one.calls for one in curve)
    assert stop_curve([thread((None, True))]) == ()


def worlds(rng: random.Random, n: int) -> list[Thread]:
    """Threads of three rounds whose p(accept) is too sure: an answer at p is right at p - .1."""
    found = []
    for _ in range(n):
        rounds = []
        for _ in range(3):
            p = rng.random()
            rounds.append((p, rng.random() < max(0.0, p - 0.1)))
        found.append(thread(*rounds))
    return found


def precision_at(threshold: float) -> float:
    """Of the first crossing, whose p is uniform above the threshold: its mean less .1."""
    return (1.0 + threshold) / 2.0 - 0.1


def test_a_certified_precision_is_missed_no_more_often_than_promised() -> None:
    rng, target, delta, trials = random.Random(5), 0.75, 0.1, 300
    missed = careless = 0
    for _ in range(trials):
        threads = worlds(rng, 200)
        found = certify_stop(threads, target, delta)
        missed += found is not None and precision_at(found.threshold) < target
        grid = [step / 100 for step in range(1, 100)]
        seen = [stop_at(threads, one) for one in grid]
        precise = [t for t, one in zip(grid, seen, strict=True) if (one.precision or 0) >= target]
        low = min(precise, default=1.0)
        careless += precision_at(low) < target
    assert missed <= delta * trials + 2.5 * (delta * (1 - delta) * trials) ** 0.5
    assert careless > 0.3 * trials  # what looked precise enough on the same threads


def test_what_is_certified_says_its_numbers() -> None:
    found = certify_stop(worlds(random.Random(2), 1000), 0.7, 0.1)
    assert found is not None
    assert found.lower_limit >= 0.7
    assert found.right / found.accepted > 0.7
    assert certify_stop(worlds(random.Random(2), 1000), 0.95, 0.1) is None
    assert certify_stop([], 0.5, 0.1) is None
    assert certify_stop(worlds(random.Random(2), 20), 0.5, 0.1) is None
