"""Cost against quality: hand-computed areas, invariances, and published figures."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.errors import UsageError
from surefoot.router.metrics import aiq, ibc_lift, nauc, pgr, router_arena_score, save_at
from surefoot.router.metrics.cost_quality import Point
from surefoot.router.signals import Unavailable

WEAK, STRONG = (1.0, 0.4), (5.0, 0.8)


def number(found: float | Unavailable) -> float:
    assert not isinstance(found, Unavailable), found
    return found


def test_the_straight_line_between_both_tiers_is_one_half() -> None:
    assert number(nauc([WEAK, STRONG], WEAK, STRONG)) == pytest.approx(0.5)
    assert number(nauc([WEAK, (2.0, 0.5), (4.0, 0.7), STRONG], WEAK, STRONG)) == pytest.approx(0.5)


def test_a_late_start_is_filled_with_the_weak_tier() -> None:
    # 0.4 over costs 1 to 3, then 0.8 over 3 to 5.
    assert number(nauc([(3.0, 0.8)], WEAK, STRONG)) == pytest.approx(0.5)
    # 0.4 over 1 to 2, rising to 0.8 over 2 to 4, then held: (1 x 0 + 2 x .5 + 1 x 1) / 4.
    assert number(nauc([(2.0, 0.4), (4.0, 0.8)], WEAK, STRONG)) == pytest.approx(0.5)
    assert number(nauc([(2.0, 0.6), (4.0, 0.8)], WEAK, STRONG)) == pytest.approx(2.5 / 4)


def test_what_lies_beyond_the_ends_does_not_count() -> None:
    # Cut at cost 5 half-way up, at .6: a triangle of width 2 and height .5 of the gap.
    assert number(nauc([(3.0, 0.4), (7.0, 0.8)], WEAK, STRONG)) == pytest.approx(0.5 / 4)
    assert number(nauc([(9.0, 0.9)], WEAK, STRONG)) == 0.0
    # From below c_w: it enters at half of its rise.
    assert number(nauc([(-1.0, 0.4), (3.0, 0.8)], WEAK, STRONG)) == pytest.approx(3.5 / 4)
    assert number(nauc([(0.5, 0.8)], WEAK, STRONG)) == 1.0


def test_a_dent_is_not_bridged_by_a_hull() -> None:
    dented = [WEAK, (2.0, 0.8), (3.0, 0.4), (4.0, 0.8), STRONG]

    assert number(nauc(dented, WEAK, STRONG)) == pytest.approx(2.5 / 4)
    assert number(aiq(dented, 1.0, 5.0)) == pytest.approx(0.4 + 0.4 * 3.5 / 4)


def test_points_of_equal_cost_are_a_step_in_the_order_given() -> None:
    up = [(1.0, 0.4), (3.0, 0.4), (3.0, 0.8), (5.0, 0.8)]
    assert number(nauc(up, WEAK, STRONG)) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.floats(0.0, 9.0), st.floats(0.0, 1.0)), min_size=1, max_size=8))
def test_the_area_is_the_mean_over_many_costs(points: list[Point]) -> None:
    curve = sorted({round(cost, 1): (round(cost, 1), quality) for cost, quality in points}.values())

    def height(cost: float) -> float:
        if cost < curve[0][0]:
            return WEAK[1]
        for (x, y), (x_next, y_next) in pairwise(curve):
            if x <= cost < x_next:
                return y + (y_next - y) * (cost - x) / (x_next - x)
        return curve[-1][1]

    steps = 4000
    heights = [height(1.0 + 4.0 * (i + 0.5) / steps) for i in range(steps)]
    expected = (math.fsum(heights) / steps - 0.4) / 0.4

    assert number(nauc(curve, WEAK, STRONG)) == pytest.approx(expected, abs=2e-3)
    shuffled = random.Random(0).sample(curve, len(curve))
    assert nauc(shuffled, WEAK, STRONG) == nauc(curve, WEAK, STRONG)


def test_the_currency_does_not_matter() -> None:
    curve = [(1.5, 0.4), (2.0, 0.7), (4.9, 0.8)]
    cents = [(cost / 1e7, quality) for cost, quality in curve]
    ends = (1.0 / 1e7, 0.4), (5.0 / 1e7, 0.8)

    assert number(nauc(cents, *ends)) == pytest.approx(number(nauc(curve, WEAK, STRONG)))
    assert number(ibc_lift(cents[1], *ends)) == pytest.approx(
        number(ibc_lift(curve[1], WEAK, STRONG))
    )


def test_the_hull_takes_any_two_points_and_never_falls() -> None:
    points = [(1.0, 0.2), (2.0, 0.3), (3.0, 0.8), (4.0, 0.1), (9.0, 0.7)]
    # The line from (1, .2) to (3, .8) passes over (2, .3); then .8 is held to 5.
    assert number(aiq(points, 1.0, 5.0)) == pytest.approx((2 * 0.5 + 2 * 0.8) / 4)
    assert number(aiq(points, 2.0, 3.0)) == pytest.approx((0.5 + 0.8) / 2)
    assert number(aiq([(1.0, 0.2)], 1.0, 2.0)) == pytest.approx(0.2)
    assert number(aiq([*points, (1.0, 0.1), (3.0, 0.8)], 1.0, 5.0)) == number(aiq(points, 1.0, 5.0))


def test_a_hull_needs_a_point_at_the_least_cost() -> None:
    assert isinstance(aiq([(2.0, 0.5)], 1.0, 3.0), Unavailable)
    assert isinstance(aiq([(1.0, 0.5)], 1.0, 1.0), Unavailable)


def test_benefit_per_cost_beside_that_of_the_strong_tier() -> None:
    # .2 for 1 against .4 for 4.
    assert number(ibc_lift((2.0, 0.6), WEAK, STRONG)) == pytest.approx(1.0)
    assert number(ibc_lift((3.0, 0.6), WEAK, STRONG)) == pytest.approx(0.0)
    assert number(ibc_lift(STRONG, WEAK, STRONG)) == pytest.approx(0.0)
    assert number(ibc_lift((3.0, 0.3), WEAK, STRONG)) == pytest.approx(-1.5)
    assert isinstance(ibc_lift((1.0, 0.6), WEAK, STRONG), Unavailable)


def test_the_gap_recovered() -> None:
    assert number(pgr(0.5, 0.4, 0.8)) == pytest.approx(0.25)
    assert number(pgr(0.9, 0.4, 0.8)) == pytest.approx(1.25)


def test_savings_are_read_off_the_line() -> None:
    curve = [(1.5, 0.4), (3.5, 0.8), (5.5, 0.8)]
    # 90 % of .8 is .72: at 1.5 + 2 x .8 = 3.1 of 5.
    assert number(save_at(curve, STRONG, 0.9)) == pytest.approx(1 - 3.1 / 5)
    assert number(save_at(curve, STRONG, 1.0)) == pytest.approx(1 - 3.5 / 5)
    assert number(save_at(curve, STRONG, 0.4)) == pytest.approx(1 - 1.5 / 5)
    assert number(save_at([(6.0, 0.8)], STRONG)) == pytest.approx(-0.2)
    assert isinstance(save_at(curve, STRONG, 1.01), Unavailable)
    assert isinstance(save_at(curve, (0.0, 0.8)), Unavailable)


@pytest.mark.parametrize(("weak", "strong"), [((1, 0.8), (5, 0.8)), ((1, 0.8), (5, 0.7))])
def test_without_a_better_strong_tier_there_is_no_gap(weak: Point, strong: Point) -> None:
    assert isinstance(nauc([weak, strong], weak, strong), Unavailable)
    assert isinstance(ibc_lift((3.0, 0.8), weak, strong), Unavailable)
    assert isinstance(pgr(0.8, weak[1], strong[1]), Unavailable)


@pytest.mark.parametrize("price", [1.0, 0.5])
def test_without_a_dearer_strong_tier_there_is_nothing_to_save(price: float) -> None:
    assert isinstance(nauc([WEAK], WEAK, (price, 0.8)), Unavailable)
    assert isinstance(ibc_lift((3.0, 0.8), WEAK, (price, 0.8)), Unavailable)


@pytest.mark.parametrize("curve", [[], [(1.0, math.nan)], [(math.inf, 0.5)]])
def test_points_that_are_none(curve: list[Point]) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: nauc(curve, WEAK, STRONG),
        lambda: aiq(curve, 1.0, 5.0),
        lambda: save_at(curve, STRONG),
    )
    for refused in calls:
        with pytest.raises(UsageError):
            refused()


def test_the_arena_score_weighs_accuracy_more() -> None:
    # At .0044 US$ cheapness is 1: 1.1 A / (.1 A + 1); at 200 it is 0.
    assert number(router_arena_score(0.5, 0.0044)) == pytest.approx(0.55 / 1.05)
    assert number(router_arena_score(0.5, 200.0)) == 0.0
    # Half-way between both on the log scale.
    middle = math.sqrt(200.0 * 0.0044)
    assert number(router_arena_score(0.8, middle)) == pytest.approx(1.1 * 0.4 / 0.58)
    assert number(router_arena_score(0.0, 200.0)) == 0.0
    assert isinstance(router_arena_score(0.5, 0.0), Unavailable)
