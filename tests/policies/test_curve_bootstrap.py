"""Intervals of curves: draws by hand, ends that move along, what does not exist."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from surefoot.policies.curve_bootstrap import (
    CurveArrays,
    CurveNumber,
    cascade_numbers,
    curve_numbers,
    curve_points,
)
from surefoot.policies.question_counts import count_blocks
from surefoot.router.errors import UsageError
from surefoot.router.metrics import aiq, apgr, deferral_curve, ibc_lift, nauc
from surefoot.router.signals import Unavailable


def cascade(n: int = 300, seed: int = 0, gap: float = 0.4) -> dict[str, Any]:
    """A confidence that means something before two tiers with prices 1 (+ .1) and 10."""
    rng = np.random.default_rng(seed)
    ease = rng.random(n)
    scores = np.round(np.clip(ease + rng.normal(0.0, 0.2, n), 0.0, 1.0), 2)
    weak = np.column_stack([np.full(n, 1.0), rng.random(n) < ease])
    strong = np.column_stack([rng.uniform(8, 12, n), rng.random(n) < ease + gap])
    return {
        "query_ids": [f"q{i:04}" for i in range(n)],
        "scores": scores.tolist(),
        "weak": [tuple(one) for one in weak.tolist()],
        "signal_costs": [0.1] * n,
        "strong": [tuple(one) for one in strong.tolist()],
    }


def at_thresholds(world: dict[str, Any], thresholds: list[float], **more: Any) -> CurveArrays:
    """The points of the cascade that answers from a score of the threshold on."""
    scores = np.array(world["scores"])[:, None]
    weak, strong = np.array(world["weak"]), np.array(world["strong"])
    deferred = (scores < np.array(thresholds)[None, :]).astype(float)
    return CurveArrays.of(
        world["query_ids"],
        cost=weak[:, :1] + 0.1 + deferred * strong[:, :1],
        quality=np.where(deferred > 0, strong[:, 1:], weak[:, 1:]),
        deferred=deferred,
        weak=weak,
        strong=strong,
        **more,
    )


def told(found: Any) -> CurveNumber:
    assert isinstance(found, CurveNumber), found
    return found


def test_a_curve_has_the_numbers_of_its_means() -> None:
    curve = at_thresholds(cascade(), [0.0, 0.3, 0.5, 0.8, 1.1], chosen=2)
    found = curve_numbers(curve, seed=0, reps=50)
    points = list(zip(curve.cost.mean(axis=0), curve.quality.mean(axis=0), strict=True))
    weak, strong = tuple(curve.weak.mean(axis=0)), tuple(curve.strong.mean(axis=0))
    shares = curve.deferred.mean(axis=0)

    assert told(found["nauc"]).value == pytest.approx(nauc(points, weak, strong))
    assert told(found["apgr"]).value == pytest.approx(
        apgr([(s, q) for s, (_, q) in zip(shares, points, strict=True)], weak[1], strong[1])
    )
    assert told(found["aiq"]).value == pytest.approx(
        aiq([weak, *points, strong], weak[0], strong[0])
    )
    assert told(found["ibc_lift"]).value == pytest.approx(ibc_lift(points[2], weak, strong))


def test_all_thresholds_together_are_the_cascade() -> None:
    world = cascade()
    thresholds = [*sorted(set(world["scores"])), 1.1]
    points = curve_numbers(at_thresholds(world, thresholds), seed=0, reps=300)
    whole = cascade_numbers(**world, seed=0, reps=300)

    assert whole.keys() == {"nauc", "apgr"}
    for name, one in whole.items():
        assert told(points[name]).value == pytest.approx(told(one).value)
        assert told(points[name]).interval == pytest.approx(told(one).interval)


def test_each_draw_is_a_curve_of_copies() -> None:
    world = cascade(60)
    counts = next(count_blocks(60, seed=2, reps=8))
    areas = []
    for draw in counts:
        rows = np.repeat(np.arange(60), draw.astype(int))
        weak = [world["weak"][i] for i in rows]
        strong = [world["strong"][i] for i in rows]
        paid = [(cost + 0.1, quality) for cost, quality in weak]
        curve = deferral_curve([world["scores"][i] for i in rows], paid, strong)
        ends = (tuple(np.mean(side, axis=0)) for side in (weak, strong))
        area = nauc([one.point for one in curve], *ends)
        assert isinstance(area, float)
        areas.append(area)

    found = told(cascade_numbers(**world, seed=2, reps=8)["nauc"])
    assert found.interval == pytest.approx(tuple(np.quantile(areas, [0.025, 0.975])))


def test_the_interval_covers_what_many_questions_show() -> None:
    truth = told(cascade_numbers(**cascade(100_000), seed=0, reps=1)["nauc"]).value
    covered = 0
    for seed in range(1, 101):
        interval = told(cascade_numbers(**cascade(250, seed), seed=seed, reps=200)["nauc"]).interval
        assert interval is not None
        covered += interval[0] <= truth <= interval[1]

    assert 87 <= covered <= 100  # 95 give or take 3 x 2.2, and a ratio of small samples
    assert truth == pytest.approx(0.6, abs=0.15)  # a confidence worth having


def test_noise_in_place_of_a_confidence_is_below_the_random_mix() -> None:
    world = cascade(2000)
    world["scores"] = np.random.default_rng(9).random(2000).tolist()
    found = cascade_numbers(**world, seed=0, reps=200)

    low, high = told(found["apgr"]).interval or (0, 0)
    assert low < 0.5 < high
    # It pays 1.1 for nothing, of a span of 9.
    assert (told(found["nauc"]).interval or (0, 1))[1] < 0.5


def test_points_have_intervals_of_both_axes() -> None:
    curve = at_thresholds(cascade(2000), [0.0, 0.5, 1.1])
    found = curve_points(curve, seed=0)

    assert [one.cost for one in found] == pytest.approx(list(curve.cost.mean(axis=0)))
    assert found[0].cost_interval == pytest.approx((1.1, 1.1))  # nobody is deferred
    for i, one in enumerate(found):
        error = 1.96 * curve.quality[:, i].std() / 2000**0.5
        assert one.quality_interval == pytest.approx(
            (one.quality - error, one.quality + error), abs=error / 5
        )


def test_the_order_of_the_rows_does_not_matter() -> None:
    world = cascade(80)
    order = np.random.default_rng(0).permutation(80)
    moved: dict[str, Any] = {n: [column[i] for i in order] for n, column in world.items()}

    assert cascade_numbers(**world, seed=0, reps=20) == cascade_numbers(**moved, seed=0, reps=20)
    one, other = (at_thresholds(rows, [0.4]) for rows in (world, moved))
    assert curve_numbers(one, seed=0, reps=20) == curve_numbers(other, seed=0, reps=20)


def test_without_a_gap_there_are_no_ratios() -> None:
    world = cascade(50)
    world["strong"] = [(10.0, quality) for _, quality in world["weak"]]
    found = curve_numbers(at_thresholds(world, [0.5], chosen=0), seed=0, reps=10)

    for name in ("nauc", "apgr", "ibc_lift"):
        assert isinstance(found[name], Unavailable)
    assert told(found["aiq"]).value > 0.0
    assert isinstance(cascade_numbers(**world, seed=0, reps=10)["nauc"], Unavailable)
    assert isinstance(
        curve_numbers(at_thresholds(cascade(), [0.5]), seed=0, reps=5)["ibc_lift"], Unavailable
    )


def test_one_question_is_enough() -> None:
    world = {name: column[:1] for name, column in cascade().items()}
    world["weak"], world["strong"] = [(1.0, 0.0)], [(10.0, 1.0)]

    found = told(cascade_numbers(**world, seed=0, reps=5)["nauc"])
    # From (1.1, 0) to (11.1, 1), cut at cost 10.
    assert found.value == pytest.approx(8.9**2 / 10 / 2 / 9)
    assert found.interval == pytest.approx((found.value, found.value))


def test_bad_calls() -> None:
    world = cascade(10)
    curve = at_thresholds(world, [0.5])
    with pytest.raises(UsageError, match="shapes"):
        CurveArrays.of(
            world["query_ids"][:9],
            cost=curve.cost,
            quality=curve.quality,
            deferred=curve.deferred,
            weak=curve.weak,
            strong=curve.strong,
        )
    with pytest.raises(UsageError, match="1 points"):
        at_thresholds(world, [0.5], chosen=1)
    with pytest.raises(UsageError, match="level"):
        curve_numbers(curve, seed=0, level=0.0)
    with pytest.raises(UsageError, match="reps"):
        cascade_numbers(**world, seed=0, reps=0)
    world["weak"][3] = (float("nan"), 1.0)
    with pytest.raises(UsageError, match="finite"):
        at_thresholds(world, [0.5])
