"""Confidence over several answers: by hand, and its bounds over every dependence."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.conversation_confidence import (
    AnswerConfidence,
    ConversationConfidence,
    conversation_confidence,
)


def of(*ps: float | None, calibrated: bool = True) -> ConversationConfidence:
    return conversation_confidence([AnswerConfidence(p, calibrated) for p in ps])


def test_by_hand() -> None:
    found = of(0.9, 0.8, 0.95)
    assert (found.answers, found.unjudged, found.weakest, found.calibrated) == (3, 0, 1, True)
    assert found.expected_wrong == pytest.approx(0.35)
    assert found.all_right == pytest.approx((0.65, 0.8))
    assert found.and_then(AnswerConfidence(0.5)) == pytest.approx(0.85)


def test_what_nobody_judged_may_be_wrong() -> None:
    found = of(0.9, None)
    assert (found.unjudged, found.weakest) == (1, 1)
    assert found.expected_wrong == pytest.approx(1.1)
    assert found.all_right == (0.0, 0.9)
    assert found.and_then(AnswerConfidence(None)) == pytest.approx(2.1)
    assert of(None).all_right == (0.0, 1.0)


def test_an_empty_conversation_holds_nothing_wrong() -> None:
    assert of() == ConversationConfidence(0, 0, 0.0, (1.0, 1.0), None, True)
    assert not of(0.5, calibrated=False).calibrated


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=60))
def test_the_bounds_hold_for_every_way_answers_hang_together(worlds: list[list[bool]]) -> None:
    """Each world says which of three answers is right; all worlds are equally likely."""
    n = len(worlds)
    found = of(*(sum(world[i] for world in worlds) / n for i in range(3)))
    all_right = sum(all(world) for world in worlds) / n
    assert found.all_right[0] - 1e-9 <= all_right <= found.all_right[1] + 1e-9
    wrong = sum(3 - sum(world) for world in worlds) / n
    assert found.expected_wrong == pytest.approx(wrong)


def test_a_product_would_not_hold() -> None:
    """The negative control: answers that are right together break the rule of independence."""
    draw = random.Random(1)
    worlds = [draw.random() < 0.8 for _ in range(4000)]  # all three right, or none
    share = sum(worlds) / len(worlds)
    found = of(share, share, share)
    assert found.all_right[0] <= share <= found.all_right[1] + 1e-9
    assert share - share**3 > 0.2
