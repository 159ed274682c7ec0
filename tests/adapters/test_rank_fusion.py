"""Reciprocal rank fusion against numbers worked out by hand."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.rank_fusion import RANK_OFFSET, fused_scores


def test_two_rankings_by_hand() -> None:
    scores = fused_scores([["a", "b", "c"], ["c", "d"]])
    assert list(scores) == ["a", "b", "c", "d"]
    assert scores["a"] == pytest.approx(1 / 61)
    assert scores["b"] == pytest.approx(1 / 62)
    assert scores["c"] == pytest.approx(0.03226646)  # 1/63 + 1/61 = 124/3843
    assert scores["d"] == pytest.approx(1 / 62)
    assert max(scores, key=scores.__getitem__) == "c"


def test_the_offset_is_that_of_the_paper_and_can_be_chosen() -> None:
    assert RANK_OFFSET == 60
    assert fused_scores([["a"], ["b", "a"]], offset=1) == {"a": 1 / 2 + 1 / 3, "b": 1 / 2}


def test_of_an_id_that_comes_twice_the_first_place_counts() -> None:
    assert fused_scores([["a", "a", "b"]]) == {"a": 1 / 61, "b": 1 / 62}


@pytest.mark.parametrize("rankings", [[], [[]], [[], []]])
def test_nothing_merges_to_nothing(rankings: Sequence[Sequence[str]]) -> None:
    assert fused_scores(rankings) == {}


RANKING = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(st.lists(RANKING, max_size=4))
def test_scores_are_bounded_and_do_not_depend_on_the_order_of_rankings(
    rankings: list[list[str]],
) -> None:
    scores = fused_scores(rankings)
    assert set(scores) == {identity for ranking in rankings for identity in ranking}
    assert all(0 < score <= len(rankings) / 61 + 1e-12 for score in scores.values())
    assert fused_scores(rankings[::-1]) == pytest.approx(scores)


@given(RANKING)
def test_rankings_that_agree_keep_their_order(ranking: list[str]) -> None:
    scores = fused_scores([ranking, ranking])
    assert sorted(scores, key=lambda identity: -scores[identity]) == ranking
