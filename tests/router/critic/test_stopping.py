"""Stopping by p(accept): hand-made threads, and the promise of a certified threshold."""

from __future__ import annotations

import math
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
    assert point.stopped == pytest.approx(2 / 3)
    assert point.precision == 1.0


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
    assert best.quality == 1.0
    assert best.calls == pytest.approx((1 + 2 + 1) / 3)


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


def careless_threshold(threads: list[Thread], target: float) -> float:
    """The lowest whose precision on these very threads is high enough; 1 where none is."""
    grid = [step / 20 for step in range(1, 20)]
    points = [stop_at(threads, one) for one in grid]
    return min(
        (t for t, one in zip(grid, points, strict=True) if (one.precision or 0.0) >= target),
        default=1.0,
    )


def binomial_bound(trials: int, share: float) -> float:
    """What a count of that share stays below, but for one time in about 300."""
    return trials * share + 2.7 * math.sqrt(trials * share * (1.0 - share))


def test_a_certified_precision_is_missed_no_more_often_than_promised() -> None:
    rng, target, delta, trials = random.Random(5), 0.75, 0.1, 150
    missed = careless = 0
    for _ in range(trials):
        threads = worlds(rng, 200)
        found = certify_stop(threads, target, delta)
        missed += found is not None and precision_at(found.threshold) < target
        careless += precision_at(careless_threshold(threads, target)) < target
    assert missed <= binomial_bound(trials, delta)
    assert careless > binomial_bound(trials, delta)  # what looked precise on the same threads
    assert careless > 3 * missed


@pytest.mark.slow
def test_at_the_limit_a_certificate_is_as_rare_as_promised() -> None:
    # Every answer is right in 3 of 4 cases whatever its p: no threshold has more than the limit,
    # so whatever certifies .751 is wrong.
    rng, delta, trials = random.Random(8), 0.1, 500
    missed = careless = 0
    for _ in range(trials):
        threads = [
            thread(*((rng.random(), rng.random() < 0.75) for _ in range(3))) for _ in range(200)
        ]
        missed += certify_stop(threads, 0.751, delta) is not None
        careless += careless_threshold(threads, 0.751) < 1.0
    assert missed <= binomial_bound(trials, delta)
    assert missed > 0.3 * delta * trials  # and it is no test that never says yes
    assert careless > 0.8 * trials


def test_what_is_tested_is_the_first_crossing() -> None:
    # Of all states above .5 nine in ten are right, of those that cross first half: the wrong ones
    # come first, and the right ones behind them never count.
    threads = [thread((0.9, place % 2 == 0), *(((0.9, True),) * 4)) for place in range(400)]
    states = [one for rounds in threads for one in rounds]
    assert sum(one.right for one in states) / len(states) == pytest.approx(0.9)
    assert certify_stop(threads, 0.8, 0.1) is None
    assert certify_stop(threads, 0.4, 0.1) is not None


def test_what_is_certified_says_its_numbers() -> None:
    found = certify_stop(worlds(random.Random(2), 1000), 0.7, 0.1)
    assert found is not None
    assert found.lower_limit >= 0.7
    assert found.right / found.accepted > 0.7
    assert certify_stop(worlds(random.Random(2), 1000), 0.95, 0.1) is None
    assert certify_stop([], 0.5, 0.1) is None
    assert certify_stop(worlds(random.Random(2), 20), 0.5, 0.1) is None
