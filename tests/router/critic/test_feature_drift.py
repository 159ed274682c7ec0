"""Drift of a critic's features: the numbers by hand, the promises by simulation."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.critic.drift_tally import LEAST_QUESTIONS, FeatureTally, drift_of
from surefoot.router.critic.drift_watch import DriftWatch
from surefoot.router.critic.feature_drift import distance, distance_p_value, stability_index
from surefoot.router.critic.feature_reference import (
    FeatureReference,
    Histogram,
    SeenState,
    histogram_of,
    round_reference,
)
from surefoot.router.errors import UsageError
from surefoot.router.evidence import CriticVerdict

Draw = Callable[[random.Random], float]
FEATURES = ("a", "b", "c")


def test_the_stability_index_by_hand() -> None:
    # Shares with half a count a bin: 9.5/20, 10.5/20 against 4.5/20, 15.5/20.
    p, q = (9.5 / 20, 10.5 / 20), (4.5 / 20, 15.5 / 20)
    by_hand = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert by_hand == pytest.approx(0.25 * (0.747214 + 0.389465), abs=1e-6)
    assert stability_index([9, 10], [4, 15]) == pytest.approx(by_hand)
    assert stability_index([3, 4, 5], [3, 4, 5]) == 0.0
    assert math.isfinite(stability_index([10, 0], [0, 10]))


def test_the_distance_by_hand() -> None:
    assert distance([1, 1, 2], [2, 2, 0]) == pytest.approx(0.5)  # .25, .5, 1 against .5, 1, 1
    assert distance([5, 5], [10, 10]) == 0.0
    assert distance([4, 0], [0, 4]) == 1.0
    with pytest.raises(UsageError, match="one is empty"):
        distance([0, 0], [1, 2])


def test_the_p_value_by_hand_and_against_the_exact_distribution() -> None:
    # n = m = 100, D = .3: 2.17 exp(-2 * .09 * 50) = 2.17 exp(-9).
    assert distance_p_value(0.3, 100, 100) == pytest.approx(2.17 * math.exp(-9.0))
    assert distance_p_value(0.0, 5, 5) == 1.0
    stats = pytest.importorskip("scipy.stats")
    for n, m, found in ((50, 50, 0.2), (250, 80, 0.16), (30, 200, 0.4)):
        exact = stats.ks_2samp(*_samples_at(n, m, found), method="exact").pvalue
        assert distance_p_value(found, n, m) >= exact - 1e-12


def _samples_at(n: int, m: int, found: float) -> tuple[list[float], list[float]]:
    """Two samples whose distance is `found`: so many of the first lie below all others."""
    below = round(found * n)
    assert below / n == pytest.approx(found)
    middle = [float(k) for k in range(1, n - below + 1)]
    return [0.0] * below + middle, [1.0 + (n - below) * (k + 0.5) / m for k in range(m)]


@given(
    values=st.lists(
        st.none() | st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False), max_size=60
    )
)
def test_a_histogram_counts_every_value_once(values: list[float | None]) -> None:
    found = histogram_of(values)
    assert sum(found.counts) == len(values)
    assert found.counts[0] == values.count(None)
    for value in values:
        assert 0 <= found.place(value) < len(found.counts)
        assert found.counts[found.place(value)] > 0
    # Beyond the sample's range there are bins of their own, at both ends.
    if any(value is not None for value in values):
        assert found.counts[found.place(-1e9)] == found.counts[found.place(1e9)] == 0


def test_a_histogram_refuses_what_makes_none() -> None:
    with pytest.raises(UsageError, match="a count"):
        Histogram((1.0,), (1, 2))
    with pytest.raises(UsageError, match="rise"):
        Histogram((1.0, 1.0), (0, 1, 2, 3))


def states(
    rng: random.Random, n: int, draws: Mapping[str, Draw], round_: int = 0
) -> list[SeenState]:
    return [
        SeenState(
            f"q{rng.random()}",
            f"t{number}",
            round_,
            {name: draw(rng) for name, draw in draws.items()},
        )
        for number in range(n)
    ]


SAME: dict[str, Draw] = {
    "a": lambda rng: rng.gauss(0.0, 1.0),
    "b": lambda rng: float(rng.random() < 0.3),
    "c": lambda rng: rng.expovariate(1.0),
}


def reference(rng: random.Random, n: int = 250) -> FeatureReference:
    of = round_reference(states(rng, n, SAME), 0, FEATURES)
    return FeatureReference({"accept": (of,)})


def fed(tally: FeatureTally | DriftWatch, live: Sequence[SeenState]) -> None:
    see = tally.add if isinstance(tally, FeatureTally) else tally.see
    for state in live:
        verdict = CriticVerdict(0.5, 0.5)
        see(state.group, state.round, verdict, lambda state=state: state.values)  # type: ignore[misc]  # bound now


def test_a_false_alarm_is_as_rare_as_the_level_says() -> None:
    rng, level, alarms, careless, runs = random.Random(1), 0.05, 0, 0, 400
    for _ in range(runs):
        tally = FeatureTally(reference(rng))
        fed(tally, states(rng, 120, SAME))
        found = tally.check(level)
        alarms += found.status == "drifted"
        # The customary rule, an index above .1 in any feature, promises nothing.
        careless += any(shift.index >= 0.1 for shift in found.shifts)
    assert alarms <= 0.05 * runs + 3.0 * math.sqrt(0.05 * 0.95 * runs)
    assert careless > 0.5 * runs


def test_a_watch_that_looks_again_and_again_keeps_its_level() -> None:
    rng, runs, alarms = random.Random(2), 120, 0
    for _ in range(runs):
        watch = DriftWatch(reference(rng, 400), 0.1, first=25, most=50)
        fed(watch, states(rng, 600, SAME))
        assert watch.latest is not None
        alarms += watch.alarm is not None
    assert alarms <= 0.1 * runs + 3.0 * math.sqrt(0.09 * runs)


@pytest.mark.parametrize(
    "change",
    [
        {"a": lambda rng: rng.gauss(1.0, 1.0)},
        {"b": lambda rng: float(rng.random() < 0.75)},
        {"c": lambda rng: 50.0},  # beyond the range of all that was known
    ],
)
def test_a_change_is_seen_and_named(change: dict[str, Draw]) -> None:
    rng = random.Random(3)
    for _ in range(20):
        watch = DriftWatch(reference(rng), 0.01, first=100)
        fed(watch, states(rng, 100, SAME | change))
        assert watch.alarm is not None
        (named,) = {shift.feature for shift in watch.alarm.drifted}
        assert [named] == list(change)
        assert named in watch.alarm.words


def test_a_feature_that_goes_missing_is_a_change() -> None:
    rng = random.Random(4)
    tally = FeatureTally(reference(rng))
    fed(tally, states(rng, 100, {name: SAME[name] for name in ("a", "b")}))
    (shift,) = tally.check(0.01).drifted
    assert (shift.feature, shift.missing) == ("c", (0.0, 1.0))


def test_after_an_alarm_a_watch_rests() -> None:
    rng = random.Random(5)
    watch = DriftWatch(reference(rng), first=50)
    fed(watch, states(rng, 50, SAME | {"a": lambda rng: 9.0}))
    alarm = watch.alarm
    assert alarm is not None

    def never() -> Mapping[str, float]:
        raise AssertionError("features are not asked for anymore")

    watch.see("another", 0, CriticVerdict(0.5, 0.5), never)
    assert watch.alarm is alarm


def test_a_question_counts_once_and_too_few_say_nothing() -> None:
    rng = random.Random(6)
    tally = FeatureTally(reference(rng))
    one = states(rng, 1, SAME)[0]
    fed(tally, [one] * 500)
    assert tally.questions == 1
    fed(tally, states(rng, LEAST_QUESTIONS - 2, SAME))
    found = tally.check(0.01)
    assert (found.status, found.shifts) == ("unknown", ())
    assert f"takes {LEAST_QUESTIONS} questions" in found.words


def test_rounds_that_there_were_none_of_are_counted_apart() -> None:
    rng = random.Random(7)
    tally = FeatureTally(reference(rng))
    fed(tally, states(rng, 30, SAME, round_=2))
    assert tally.check(0.01).foreign == {("accept", 2): 30}
    assert tally.check(0.01).status == "unknown"


def test_a_critic_without_a_reference_says_so() -> None:
    assert "train or recalibrate" in drift_of(None, (), ()).words
    for level in (0.0, 1.0, math.nan):
        with pytest.raises(UsageError, match="level"):
            FeatureTally(reference(random.Random(8))).check(level)
        with pytest.raises(UsageError, match="level"):
            DriftWatch(reference(random.Random(8)), level)


def test_a_reference_is_read_back_and_edits_are_found() -> None:
    made = reference(random.Random(9))
    data = json.loads(json.dumps(made.data()))
    assert FeatureReference.from_data(data) == made
    data["accept"][0]["features"]["a"][1][1] += 1
    with pytest.raises(UsageError, match="histograms of features"):
        FeatureReference.from_data(data)
    data["accept"][0]["features"]["a"][1][2] -= 1
    with pytest.raises(UsageError, match="fingerprint"):
        FeatureReference.from_data(data)
    shapes: tuple[object, ...] = (None, [], {}, {"accept": [{}]}, {"accept": 3, "fingerprint": ""})
    for broken in shapes:
        with pytest.raises(UsageError):
            FeatureReference.from_data(broken)
