"""Labels of answers, against values worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.critic.labels import (
    answer_f1,
    answer_words,
    exact_match,
    is_contained,
    label_answer,
)
from surefoot.router.critic.states import Labels


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Beatles!", ("beatles",)),
        ("Sir Henry Campbell-Bannerman", ("sir", "henry", "campbellbannerman")),
        ("Sir Henry Campbell\u2013Bannerman", ("sir", "henry", "campbellbannerman")),
        ("  an   apple, a day ", ("apple", "day")),
        ("\u201cYes\u201d", ("yes",)),
        ("", ()),
    ],
)
def test_words_are_compared_without_case_punctuation_and_articles(
    text: str, words: tuple[str, ...]
) -> None:
    assert answer_words(text) == words


def test_f1_counts_each_word_as_often_as_it_stands() -> None:
    # 2 shared of 3 and 2 words: P = 2/3, R = 1.
    assert answer_f1("John Quincy Adams", "John Adams") == pytest.approx(0.8)
    # One "new" is shared, not two: P = 1/2, R = 1/2.
    assert answer_f1("new new", "New York") == pytest.approx(0.5)
    assert answer_f1("Paris", "London") == 0.0
    assert answer_f1("", "London") == 0.0


def test_yes_and_no_match_as_a_whole_or_not_at_all() -> None:
    assert answer_f1("yes they are", "yes") == 0.0
    assert answer_f1("Yes.", "yes") == 1.0
    assert not is_contained("no, they are not", "no")
    assert is_contained("No", "no")


def test_containment_is_of_whole_words_and_one_way() -> None:
    assert is_contained("It was John Adams of Boston", "John Adams")
    assert not is_contained("John", "John Adams")
    assert not is_contained("Johnson", "John")


def test_another_wording_of_the_right_answer_is_accepted() -> None:
    labels = label_answer("the Frenchman Louis Pasteur", ["Pasteur", "Louis Pasteur"])
    assert labels.f1 == pytest.approx(0.8)
    assert labels == Labels(em=False, f1=labels.f1, contains=True)
    assert labels.accept


@pytest.mark.parametrize(
    ("labels", "accept"),
    [
        (Labels(), None),
        (Labels(sufficient=True), None),
        (Labels(em=False), False),
        (Labels(em=False, f1=0.79, contains=False), False),
        (Labels(em=False, f1=0.8, contains=False), True),
        (Labels(em=False, contains=True), True),
    ],
)
def test_what_is_accepted(labels: Labels, accept: bool | None) -> None:
    assert labels.accept is accept


def test_nothing_is_said_of_an_answer_that_nobody_wrote_or_can_judge() -> None:
    assert label_answer("  ", ["x"], True) == Labels(sufficient=True)
    assert label_answer("x", []) == Labels()


@given(st.text(max_size=40), st.text(max_size=40))
def test_f1_is_a_share_and_the_same_both_ways(a: str, b: str) -> None:
    assert 0.0 <= answer_f1(a, b) <= 1.0
    assert answer_f1(a, b) == answer_f1(b, a)
    if exact_match(a, [b]):
        assert answer_f1(a, b) == 1.0
        assert is_contained(a, b)
