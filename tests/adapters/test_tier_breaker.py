from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from surefoot.adapters.tier_breaker import BreakerSettings, Permit, TierBreaker

from .fake_time import FakeTime

EXACT = BreakerSettings(jitter=0.0)


def breaker(time: FakeTime, given: BreakerSettings = EXACT) -> TierBreaker:
    return TierBreaker(given, time.clock, random.Random(7))


def granted(breaker: TierBreaker) -> Permit:
    permit = breaker.admit()
    assert permit is not None
    return permit


def fail(breaker: TierBreaker, times: int = 1, retry_after_s: float | None = None) -> list[bool]:
    return [breaker.failure(granted(breaker), retry_after_s) for _ in range(times)]


def test_ten_failures_in_a_row_open_it_and_nine_do_not() -> None:
    one = breaker(FakeTime(), BreakerSettings(ratio=1.0, jitter=0.0))
    assert fail(one, 9) == [False] * 9
    one.success(granted(one))
    assert fail(one, 9) == [False] * 9
    assert not one.is_open
    assert fail(one) == [True]
    assert one.is_open and one.admit() is None


def test_half_of_the_calls_failing_in_the_window_open_it() -> None:
    time = FakeTime()
    one = breaker(time)
    for _ in range(6):
        one.success(granted(one))
    assert fail(one, 5) == [False] * 5  # 5 of 11
    assert fail(one) == [True]  # 6 of 12


def test_too_few_calls_say_nothing_by_their_ratio() -> None:
    one = breaker(FakeTime())
    one.success(granted(one))
    assert fail(one, 8) == [False] * 8  # 8 of 9 calls
    assert fail(one) == [True]  # 9 of 10


def test_what_left_the_window_does_not_count() -> None:
    time = FakeTime()
    one = breaker(time)
    one.success(granted(one))
    fail(one, 8)
    time.now += 31.0
    one.success(granted(one))
    assert fail(one, 8) == [False] * 8


def test_a_warm_window_does_not_delay_the_trip() -> None:
    time = FakeTime()
    one = breaker(time)
    for _ in range(1500):
        one.success(granted(one))
        time.now += 0.02
    assert fail(one, 10)[-1]


def test_one_probe_at_a_time_and_its_success_closes() -> None:
    time = FakeTime()
    one = breaker(time)
    fail(one, 10)
    time.now += 4.99
    assert one.admit() is None and one.retry_in_s == pytest.approx(0.01)
    time.now += 0.01
    probe = granted(one)
    assert probe.is_probe and one.admit() is None
    one.success(probe)
    assert not one.is_open and one.retry_in_s == 0.0
    assert fail(one, 9) == [False] * 9  # what was before is forgotten


def test_each_failed_probe_doubles_the_rest_up_to_a_minute() -> None:
    time = FakeTime()
    one = breaker(time)
    fail(one, 10)
    rests = []
    for _ in range(6):
        rests.append(one.retry_in_s)
        time.now += one.retry_in_s
        assert fail(one) == [True]
    assert rests == pytest.approx([5.0, 10.0, 20.0, 40.0, 60.0, 60.0])
    time.now += one.retry_in_s
    one.success(granted(one))
    fail(one, 10)
    assert one.retry_in_s == pytest.approx(5.0)


def test_thousands_of_failed_probes_stay_finite() -> None:
    time = FakeTime()
    one = breaker(time)
    fail(one, 10)
    for _ in range(3000):
        time.now += one.retry_in_s
        fail(one)
    assert one.retry_in_s == pytest.approx(60.0)


@pytest.mark.parametrize(("asked", "rest"), [(2.0, 5.0), (30.0, 30.0), (1e9, 600.0)])
def test_what_the_tier_asks_for_wins_when_longer(asked: float, rest: float) -> None:
    one = breaker(FakeTime())
    fail(one, 10, retry_after_s=asked)
    assert one.retry_in_s == pytest.approx(rest)


def test_jitter_only_lengthens_and_spreads() -> None:
    rests = set()
    for seed in range(50):
        one = TierBreaker(BreakerSettings(), FakeTime().clock, random.Random(seed))
        fail(one, 10)
        rests.add(round(one.retry_in_s, 6))
    assert min(rests) >= 5.0 and max(rests) <= 5.5 and len(rests) > 40


def test_late_words_of_calls_from_before_count_for_nothing() -> None:
    time = FakeTime()
    one = breaker(time)
    early = granted(one)
    fail(one, 10)
    one.success(early)
    assert one.is_open
    time.now += 5.0
    probe = granted(one)
    assert one.failure(early) is False
    one.abandon(early)
    assert one.admit() is None  # the probe is still out
    one.success(probe)
    one.failure(early)
    assert fail(one, 9) == [False] * 9


def test_a_probe_that_was_given_up_lets_the_next_call_be_one() -> None:
    time = FakeTime()
    one = breaker(time)
    fail(one, 10)
    time.now += 5.0
    one.abandon(granted(one))
    assert granted(one).is_probe


def test_tripping_opens_at_once() -> None:
    one = breaker(FakeTime())
    first, second = granted(one), granted(one)
    assert one.trip(first) is True and one.admit() is None
    assert one.trip(second) is False  # it is open already


class AgainstAModel(RuleBasedStateMachine):
    """Calls that end in any order while time passes, against what the promise says."""

    def __init__(self) -> None:
        super().__init__()
        self.time = FakeTime()
        self.breaker = breaker(self.time)
        self.out: list[Permit] = []
        self.in_a_row = 0

    @rule()
    def ask(self) -> None:
        was_open, wait = self.breaker.is_open, self.breaker.retry_in_s
        probing = any(self._is_current_probe(permit) for permit in self.out)
        permit = self.breaker.admit()
        if not was_open:
            assert permit is not None and not permit.is_probe
        elif wait > 0.0 or probing:
            assert permit is None
        else:
            assert permit is not None and permit.is_probe
        if permit is not None:
            self.out.append(permit)

    @precondition(lambda self: self.out)
    @rule(pick=st.randoms(use_true_random=False), how=st.sampled_from(["ok", "bad", "left", "401"]))
    def end(self, pick: random.Random, how: str) -> None:
        permit = self.out.pop(pick.randrange(len(self.out)))
        is_of_now = permit.epoch == self.breaker._epoch
        if how == "ok":
            self.breaker.success(permit)
            self.in_a_row = 0 if is_of_now else self.in_a_row
            assert not (is_of_now and permit.is_probe and self.breaker.is_open)
        elif how == "bad":
            opened = self.breaker.failure(permit)
            self.in_a_row += is_of_now
            assert opened <= is_of_now
            if is_of_now and (permit.is_probe or self.in_a_row >= 10):
                assert opened
        elif how == "401":
            assert self.breaker.trip(permit) is is_of_now
        else:
            self.breaker.abandon(permit)
        if self.breaker.is_open:
            self.in_a_row = 0

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 31.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.time.now += seconds

    @invariant()
    def at_most_one_probe_is_out(self) -> None:
        assert sum(self._is_current_probe(permit) for permit in self.out) <= 1

    @invariant()
    def it_never_rests_for_longer_than_the_bound(self) -> None:
        assert 0.0 <= self.breaker.retry_in_s <= 60.0

    def _is_current_probe(self, permit: Permit) -> bool:
        return permit.is_probe and permit.epoch == self.breaker._epoch


TestAgainstAModel = AgainstAModel.TestCase
TestAgainstAModel.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)


def state(one: TierBreaker) -> str:
    return one.state


def test_a_hint_makes_the_next_call_a_probe_which_decides() -> None:
    well, ill = breaker(FakeTime()), breaker(FakeTime())
    for one in (well, ill):
        assert state(one) == "closed" and one.hint()
        assert state(one) == "half_open"
        assert not one.hint(), "it is followed once"
    permit = granted(well)
    assert permit.is_probe and well.admit() is None, "one probe at a time"
    well.success(permit)
    assert state(well) == "closed" and well.openings == 0
    assert fail(ill) == [True]
    assert state(ill) == "open" and ill.openings == 1
    assert ill.retry_in_s == EXACT.open_s, "the first rest, as if nobody had said anything"


def test_a_hint_changes_nothing_of_an_open_breaker() -> None:
    one = breaker(FakeTime())
    fail(one, 10)
    rest = one.retry_in_s
    assert not one.hint()
    assert (one.state, one.retry_in_s) == ("open", rest)


def test_a_hinted_probe_that_is_given_up_lets_another_one_through() -> None:
    one = breaker(FakeTime())
    one.hint()
    one.abandon(granted(one))
    assert granted(one).is_probe
