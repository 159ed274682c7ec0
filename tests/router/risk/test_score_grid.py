"""Thresholds from scores alone: ties, missing scores, and what is really accepted."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.errors import UsageError
from surefoot.router.risk.score_grid import (
    COVERAGES,
    Cut,
    accepted,
    count_grid,
    coverage_cut,
    coverage_grid,
    grid_hash,
    largest_block,
)
from surefoot.router.risk.tie_break import tie_break

NAN = math.nan
# Few distinct scores, so that ties and missing ones are common.
ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0, NAN]), st.floats(0, 0.999)),
    min_size=1,
    max_size=40,
)


def test_a_cut_compares_score_and_draw_in_this_order() -> None:
    cut = Cut(0.5, 0.3)
    assert cut.passes(0.6, 0.0) and cut.passes(0.5, 0.3)
    assert not cut.passes(0.5, 0.29) and not cut.passes(0.4, 0.9)
    assert not cut.passes(NAN, 0.9) and Cut(0.5).passes(0.5)
    scores, draws = [0.6, 0.5, 0.5, 0.4, NAN], [0.0, 0.3, 0.29, 0.9, 0.9]
    assert accepted(cut, scores, draws).tolist() == [True, True, False, False, False]
    assert accepted(Cut(0.5), scores).tolist() == [True, True, True, False, False]


def test_distinct_scores_are_cut_where_asked() -> None:
    scores = np.arange(100) / 100
    assert COVERAGES[0] == 0.04 and COVERAGES[-1] == 1.0 and len(COVERAGES) == 49
    grid = coverage_grid(scores)
    assert [point.count for point in grid] == list(range(4, 101, 2))
    assert grid[0].cut == Cut(0.96) and grid[-1].cut == Cut(0.0)
    assert all(point.coverage == pytest.approx(point.requested) for point in grid)


def test_a_block_of_ties_is_one_point_without_draws() -> None:
    scores = [1.0] * 70 + [0.5] * 10 + [0.1] * 20
    grid = coverage_grid(scores)
    assert [(point.cut, point.count) for point in grid] == [
        (Cut(1.0), 70),
        (Cut(0.5), 80),
        (Cut(0.1), 100),
    ]
    asked = coverage_cut(scores, 0.3)
    assert asked.coverage == 0.7
    assert "30.0%" in str(asked.warning()) and "70.0%" in str(asked.warning())
    assert coverage_cut(scores, 0.8).warning() is None
    # .72 lies nearer to .70 than to .80; .76 nearer to .80
    assert coverage_cut(scores, 0.72).coverage == 0.7
    assert coverage_cut(scores, 0.76).coverage == 0.8
    assert coverage_cut(scores, 0.0).count == 0


def test_draws_split_a_large_block_and_leave_small_ones_whole() -> None:
    scores = [1.0] * 70 + [0.5] * 4 + [0.1] * 26
    draws = [tie_break(5, f"q{row}") for row in range(100)]
    point = coverage_cut(scores, 0.3, draws)
    assert point.coverage == 0.3 and point.cut.score == 1.0 and 0.0 < point.cut.tie < 1.0
    assert int(accepted(point.cut, scores, draws).sum()) == 30
    assert coverage_cut(scores, 0.7, draws).cut == Cut(1.0)
    assert coverage_cut(scores, 0.73, draws).cut == Cut(0.5)
    # the cut carries over to other rows of the same kind: draws are uniform
    others = [tie_break(5, f"other {row}") for row in range(4000)]
    assert np.mean(accepted(point.cut, np.ones(4000), others)) == pytest.approx(30 / 70, abs=0.12)


def test_missing_scores_are_never_accepted_and_count_as_rows() -> None:
    scores = [NAN, 0.9, NAN, 0.8]
    assert coverage_cut(scores, 0.25).cut == Cut(0.9)
    everything = coverage_cut(scores, 1.0)
    assert everything.count == 2 and everything.coverage == 0.5 and everything.warning() is not None
    assert coverage_cut([NAN, NAN], 0.5).count == 0
    assert coverage_grid([NAN, NAN]) == count_grid([NAN, NAN], [1, 2]) == ()
    assert largest_block([0.5, 0.5, NAN, NAN, NAN]) == 0.4 and largest_block([NAN]) == 0.0


@given(ROWS, st.booleans())
def test_grids_are_nested_and_say_what_they_accept(
    rows: list[tuple[float, float]], tied: bool
) -> None:
    scores = [score for score, _ in rows]
    draws = None if tied else [draw for _, draw in rows]
    for grid in (
        coverage_grid(scores, draws),
        count_grid(scores, range(1, len(rows) + 1), draws),
    ):
        before = np.zeros(len(rows), np.bool_)
        for point in grid:
            now = accepted(point.cut, scores, draws)
            if draws is None or len(set(rows)) == len(rows):
                assert int(now.sum()) == point.count
            assert bool((now | ~before).all())
            assert point.coverage == point.count / len(rows)
            before = now
        assert len({point.count for point in grid}) == len(grid)


def test_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    scores, draws = np.round(rng.random(60), 1), rng.random(60)
    order = rng.permutation(60)
    for counts in ([10, 20], range(1, 61)):
        assert count_grid(scores, counts, draws) == count_grid(scores[order], counts, draws[order])
    assert coverage_grid(scores, draws) == coverage_grid(scores[order], draws[order])


def test_a_count_is_met_to_a_row_and_the_cut_lies_just_above_the_next() -> None:
    scores = np.array([0.9, 0.7, 0.5, 0.3])
    first, second, last = count_grid(scores, [1, 2, 4])
    assert [first.count, second.count, last.count] == [1, 2, 4]
    assert first.cut.score == math.nextafter(0.7, 1.0) and not first.cut.passes(0.7)
    assert last.cut == Cut(0.0)
    drawn = count_grid(scores, [1, 2, 4], np.array([0.1, 0.2, 0.3, 0.4]))
    assert drawn[0].cut == Cut(0.7, math.nextafter(0.2, 1.0))
    assert not drawn[0].cut.passes(0.7, 0.2) and drawn[0].cut.passes(0.7, 0.3)


def test_a_count_inside_a_block_takes_the_block_or_splits_it() -> None:
    scores, draws = np.array([1.0, 1.0, 1.0, 0.5]), np.array([0.1, 0.8, 0.4, 0.9])
    (whole,) = count_grid(scores, [1, 2])
    assert whole.count == 3 and accepted(whole.cut, scores).tolist() == [True, True, True, False]
    one, two = count_grid(scores, [1, 2], draws)
    assert accepted(one.cut, scores, draws).tolist() == [False, True, False, False]
    assert accepted(two.cut, scores, draws).tolist() == [False, True, True, False]
    assert count_grid(scores, [0, 5], draws) == ()


def test_hash_depends_on_every_bit_and_on_the_order() -> None:
    cuts = [Cut(0.5, 0.25), Cut(0.1)]
    written = "0x1.0000000000000p-1 0x1.0000000000000p-2\n0x1.999999999999ap-4 0x0.0p+0\n"
    assert grid_hash(cuts) == hashlib.sha256(written.encode()).hexdigest()
    assert grid_hash(cuts[::-1]) != grid_hash(cuts)
    assert grid_hash([Cut(math.nextafter(0.5, 1.0), 0.25), Cut(0.1)]) != grid_hash(cuts)


def test_what_is_no_list_of_rows_is_refused() -> None:
    for call in (
        lambda: coverage_cut([], 0.5),
        lambda: coverage_cut([0.5], 1.5),
        lambda: coverage_cut([0.5], 0.5, [0.1, 0.2]),
        lambda: coverage_grid([[0.5]]),
    ):
        with pytest.raises(UsageError):
            call()
