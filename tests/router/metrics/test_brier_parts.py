"""The parts of the Brier score: by hand, adding up exactly, whatever the order of the rows."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.errors import UsageError
from surefoot.router.metrics.brier_parts import BrierParts, brier_parts
from surefoot.router.metrics.reliability import brier, wilson_interval
from surefoot.router.signals import Unavailable

rows_of = st.lists(
    st.tuples(st.floats(0.0, 1.0) | st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.integers(0, 1)),
    min_size=1,
    max_size=30,
)


def parts_of(rows: list[tuple[float, int]], bins: int | None = None) -> BrierParts:
    found = brier_parts([p for p, _ in rows], [y for _, y in rows], bins)
    assert isinstance(found, BrierParts)
    return found


def test_two_forecasts_by_hand() -> None:
    # .2 came true in 1 of 4, .9 in 3 of 4; half of all came true.
    found = parts_of([(0.2, 1), *[(0.2, 0)] * 3, *[(0.9, 1)] * 3, (0.9, 0)])

    assert found.reliability == pytest.approx((0.05**2 + 0.15**2) / 2)
    assert found.resolution == pytest.approx(0.25**2)
    assert found.uncertainty == pytest.approx(0.25)
    assert found.within_variance == found.within_covariance == 0.0
    assert found.non_empty == 2
    assert found.brier == pytest.approx((0.8**2 + 3 * 0.2**2 + 3 * 0.1**2 + 0.9**2) / 8)


def test_inside_a_bin_by_hand() -> None:
    # One bin: mean probability .45 and half right.
    found = parts_of([(0.41, 0), (0.49, 1)], bins=2)

    assert found.non_empty == 1
    assert found.reliability == pytest.approx(0.05**2)
    assert found.resolution == 0.0
    assert found.within_variance == pytest.approx(0.04**2)
    assert found.within_covariance == pytest.approx(2 * 0.04 * 0.5)
    # Without the terms inside the bin the sum would be .2525, and the score is .2141.
    assert found.brier == pytest.approx((0.41**2 + 0.51**2) / 2)


@given(rows=rows_of, bins=st.none() | st.integers(1, 12))
def test_the_parts_add_up_to_the_score(rows: list[tuple[float, int]], bins: int | None) -> None:
    found = parts_of(rows, bins)

    score = brier([p for p, _ in rows], [y for _, y in rows])
    assert found.brier == pytest.approx(score, abs=1e-12)
    for part in (found.reliability, found.resolution, found.uncertainty, found.within_variance):
        assert 0.0 <= part <= 1.0


@given(rows=rows_of, bins=st.none() | st.integers(1, 12), seed=st.integers(0, 9))
def test_the_parts_do_not_depend_on_the_order(
    rows: list[tuple[float, int]], bins: int | None, seed: int
) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))

    assert parts_of(shuffled, bins) == parts_of(rows, bins)


def test_a_perfect_and_an_empty_forecast() -> None:
    perfect = parts_of([(1.0, 1), (0.0, 0)])

    assert (perfect.reliability, perfect.resolution, perfect.uncertainty) == (0.0, 0.25, 0.25)
    assert brier_parts([], []) == brier_parts([], [], 10) == Unavailable("no rows")
    with pytest.raises(UsageError, match="one bin or more"):
        brier_parts([0.5], [1], 0)
    with pytest.raises(UsageError, match="a probability in"):
        brier_parts([1.5], [1])


def test_the_wilson_interval_by_hand() -> None:
    # z = 1.959964, z^2 = 3.841459: (.5 + .192073 -+ 1.959964 sqrt(.025 + .009604)) / 1.384146
    assert wilson_interval(5, 10) == pytest.approx((0.236593, 0.763407), abs=1e-6)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 3.841459 / 13.841459), abs=1e-6)
    assert wilson_interval(10, 10) == pytest.approx((10 / 13.841459, 1.0), abs=1e-6)
    assert wilson_interval(0, 10)[0] == 0.0 and wilson_interval(10, 10)[1] == 1.0


@pytest.mark.parametrize(("right", "n", "level"), [(1, 0, 0.95), (3, 2, 0.95), (1, 2, 1.0)])
def test_the_wilson_interval_refuses_what_is_no_share(right: int, n: int, level: float) -> None:
    with pytest.raises(UsageError, match="0 <= right <= n"):
        wilson_interval(right, n, level)


@given(n=st.integers(1, 200), data=st.data())
def test_the_wilson_interval_holds_the_share(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    low, high = wilson_interval(right, n)

    assert 0.0 <= low <= right / n <= high <= 1.0
    assert low < high
