"""The order in which questions are deferred: hand-computed areas, ties, draws."""

from __future__ import annotations

import random

import numpy as np
import pytest

from surefoot.router.errors import UsageError
from surefoot.router.metrics import apgr, cpt, deferral_curve
from surefoot.router.metrics.routing_order import DeferralRows
from surefoot.router.signals import Unavailable


def number(found: float | Unavailable) -> float:
    assert not isinstance(found, Unavailable), found
    return found


# Drafts cost 1 and are right on the third question only; the strong tier costs 10, and 20 on the
# first, and fails the second.
SCORES = [0.2, 0.9, 0.5, 0.7]
DRAFTS = [(1.0, 0.0), (1.0, 0.0), (1.0, 1.0), (1.0, 0.0)]
STRONG = [(20.0, 1.0), (10.0, 0.0), (10.0, 1.0), (10.0, 1.0)]


def test_the_least_sure_is_deferred_first() -> None:
    found = deferral_curve(SCORES, DRAFTS, STRONG)

    assert [one.share for one in found] == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])
    assert [one.cost for one in found] == pytest.approx([1.0, 6.0, 8.5, 11.0, 13.5])
    assert [one.quality for one in found] == pytest.approx([0.25, 0.5, 0.5, 0.75, 0.75])
    assert found[1].point == (found[1].cost, found[1].quality)


def test_equal_scores_are_one_step() -> None:
    found = deferral_curve([0.2, 0.5, 0.2, 0.5], DRAFTS, STRONG)

    assert [one.share for one in found] == pytest.approx([0.0, 0.5, 1.0])
    assert [one.quality for one in found] == pytest.approx([0.25, 0.5, 0.75])


def test_a_missing_score_is_below_zero_and_all_others() -> None:
    found = deferral_curve([-5.0, None, None, 0.0], DRAFTS, STRONG)

    assert [one.share for one in found] == pytest.approx([0.0, 0.5, 0.75, 1.0])
    assert [one.cost for one in found] == pytest.approx([1.0, 6.0, 11.0, 13.5])


def test_any_order_of_the_rows_gives_the_same_curve() -> None:
    rng = random.Random(0)
    rows = [
        (round(rng.random(), 1), (rng.random(), float(rng.random() < 0.5)), (3.0, 1.0))
        for _ in range(200)
    ]
    curve = deferral_curve(*zip(*rows, strict=True))
    rng.shuffle(rows)

    assert len(curve) == 12
    for one, other in zip(curve, deferral_curve(*zip(*rows, strict=True)), strict=True):
        assert one == pytest.approx(other, rel=1e-12)


def test_the_weights_of_a_draw_are_copies_of_rows() -> None:
    rng = np.random.default_rng(0)
    n = 60
    scores = [round(float(score), 1) for score in rng.random(n)]
    drafts = [(float(cost), float(q)) for cost, q in rng.random((n, 2))]
    strong = [(float(cost), float(q)) for cost, q in rng.random((n, 2)) + 1.0]
    weights = rng.multinomial(n, [1 / n] * n, 5)
    share, cost, quality = DeferralRows.of(scores, drafts, strong).curves(weights)

    for draw in range(5):
        rows = [i for i in range(n) for _ in range(weights[draw][i])]
        copied = deferral_curve(
            [scores[i] for i in rows], [drafts[i] for i in rows], [strong[i] for i in rows]
        )
        for one in copied:
            (place,) = np.flatnonzero(np.isclose(share[draw], one.share))[-1:]
            assert cost[draw][place] == pytest.approx(one.cost)
            assert quality[draw][place] == pytest.approx(one.quality)


def test_the_area_under_the_gap_recovered() -> None:
    assert number(apgr([(0.0, 0.4), (1.0, 0.8)], 0.4, 0.8)) == pytest.approx(0.5)
    # All of the gap with the first quarter: a triangle of .125, then 1 over .75.
    assert number(apgr([(0.0, 0.4), (0.25, 0.8), (1.0, 0.8)], 0.4, 0.8)) == pytest.approx(0.875)
    # What is not said about no and full deferral is known: q_w and q_s.
    assert number(apgr([(0.25, 0.8)], 0.4, 0.8)) == pytest.approx(0.875)
    assert number(apgr([], 0.4, 0.8)) == pytest.approx(0.5)
    assert number(apgr([(1.0, 0.8), (0.25, 0.8)], 0.4, 0.8)) == pytest.approx(0.875)


def test_the_least_share_that_recovers_enough() -> None:
    curve = [(0.0, 0.4), (0.2, 0.6), (0.6, 0.6), (1.0, 0.8)]

    assert number(cpt(curve, 0.25, 0.4, 0.8)) == pytest.approx(0.1)
    assert number(cpt(curve, 0.5, 0.4, 0.8)) == pytest.approx(0.2)
    assert number(cpt(curve, 0.75, 0.4, 0.8)) == pytest.approx(0.8)
    assert number(cpt(curve, 1.0, 0.4, 0.8)) == pytest.approx(1.0)
    assert number(cpt(curve, 0.0, 0.4, 0.8)) == 0.0
    assert isinstance(cpt(curve, 1.1, 0.4, 0.8), Unavailable)


def test_without_a_gap_there_is_nothing_to_recover() -> None:
    assert isinstance(apgr([(0.5, 0.9)], 0.8, 0.8), Unavailable)
    assert isinstance(apgr([(0.5, 0.9)], 0.8, 0.7), Unavailable)
    assert isinstance(cpt([(0.5, 0.9)], 0.5, 0.8, 0.8), Unavailable)


def test_numbers_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="share in"):
        apgr([(1.5, 0.8)], 0.4, 0.8)
    with pytest.raises(UsageError, match="finite quality"):
        cpt([(0.5, float("nan"))], 0.5, 0.4, 0.8)
    with pytest.raises(UsageError, match="at least one"):
        deferral_curve([], [], [])
    with pytest.raises(UsageError, match="as many"):
        deferral_curve([0.5], DRAFTS, STRONG)
    with pytest.raises(UsageError, match="row 1"):
        deferral_curve([0.5, float("nan")], DRAFTS[:2], STRONG[:2])
    with pytest.raises(UsageError, match="finite costs"):
        deferral_curve([0.5], [(float("inf"), 1.0)], [(1.0, 1.0)])
