"""ROUGE and BLEU: by hand, against a slow textbook form, and against the usual scorers' output."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.estimators.text_overlap import (
    Measure,
    bleu,
    rouge_1,
    rouge_2,
    rouge_l,
    stemmed_words,
)

Words = tuple[str, ...]

words = st.lists(st.sampled_from("abc"), min_size=1, max_size=9).map(tuple)


def between(measure: Measure, one: Words, other: Words) -> float:
    return measure([one, other])[1][0]


# F1 of rouge_score 0.1.2, use_stemmer=True: ROUGE-L, ROUGE-1, ROUGE-2.
@pytest.mark.parametrize(
    ("one", "other", "recorded"),
    [
        (
            "The cat was sitting on the mat.",
            "A cat sat on the mats",
            (0.615384615385, 0.615384615385, 0.363636363636),
        ),
        ("police killed the gunman", "police kill the gunman", (1.0, 1.0, 1.0)),
        ("police killed the gunman", "the gunman kill police", (0.5, 1.0, 0.333333333333)),
        (
            "He was dying, lying and tying knots.",
            "He died lying; they tied a knot",
            (0.714285714286, 0.714285714286, 0.166666666667),
        ),
        (
            "Emotionally, the archaeologists' theologies stayed equal",
            "an archaeologist stays emotional about theology",
            (0.333333333333, 0.666666666667, 0.0),
        ),
        (
            "New York City, 24,000 people",
            "24000 people in new york",
            (0.363636363636, 0.545454545455, 0.222222222222),
        ),
        ("a b a b a b", "b a b a", (0.8, 0.8, 0.75)),
        ("The Beatles", "Beatles", (0.666666666667, 0.666666666667, 0.0)),
        ("Rome", "Paris", (0.0, 0.0, 0.0)),
    ],
)
def test_rouge_is_what_the_usual_scorer_gives(
    one: str, other: str, recorded: tuple[float, float, float]
) -> None:
    pair = (stemmed_words(one), stemmed_words(other))
    found = tuple(between(measure, *pair) for measure in (rouge_l, rouge_1, rouge_2))
    assert found == pytest.approx(recorded, abs=1e-9)


def test_bleu_by_hand() -> None:
    long, short = tuple("the big red dog ran".split()), tuple("the big red dog".split())
    forward = (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25  # longer than its reference: no penalty
    backward = math.exp(1 - 5 / 4)  # every n-gram fits, but it is too short
    assert between(bleu, long, short) == pytest.approx((forward + backward) / 2)
    # nltk 3.9, weights (.5, .5): .6065306597126334 and .5773502691896257
    york = between(bleu, ("New", "York"), ("New", "York", "City"))
    assert york == pytest.approx((0.6065306597126334 + 0.5773502691896257) / 2)


def test_bleu_is_zero_without_a_shared_ngram_of_each_length() -> None:
    one, other = tuple("the cat is on the mat".split()), tuple("the cat sat on the mat".split())
    assert between(bleu, one, other) == 0.0
    assert between(bleu, one[3:], other[3:]) == pytest.approx(1.0)


def test_bleu_clips_what_one_text_repeats() -> None:
    # "the" once in the reference: precision 1/3, and backward 1 with penalty exp(1 - 3).
    found = between(bleu, ("the", "the", "the"), ("the",))
    assert found == pytest.approx((1 / 3 + math.exp(-2)) / 2)


def test_words_of_every_script_count_and_only_english_is_stemmed() -> None:
    assert stemmed_words("The Playings, 24,000_x!") == ("the", "play", "24", "000", "x")
    assert stemmed_words("Café \ufb01lms Ελλάδα ΣΑΣ") == ("café", "film", "ελλάδα", "σας")
    assert stemmed_words("?! ...") == ()


def longest_common_subsequence(one: Words, other: Words) -> int:
    """The textbook's table."""
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, mine in enumerate(one, 1):
        for j, theirs in enumerate(other, 1):
            table[i][j] = (
                table[i - 1][j - 1] + 1 if mine == theirs else max(table[i - 1][j], table[i][j - 1])
            )
    return table[-1][-1]


@given(one=words, other=words)
def test_rouge_l_is_the_longest_common_subsequence(one: Words, other: Words) -> None:
    expected = 2 * longest_common_subsequence(one, other) / (len(one) + len(other))
    assert between(rouge_l, one, other) == pytest.approx(expected)


def test_rouge_l_of_long_texts() -> None:
    one = tuple(str(i % 7) for i in range(300))
    other = tuple(str(i % 5) for i in range(211))
    expected = 2 * longest_common_subsequence(one, other) / 511
    assert between(rouge_l, one, other) == pytest.approx(expected)


@given(one=words, other=words)
def test_every_measure_is_symmetric_and_bounded(one: Words, other: Words) -> None:
    for measure in (rouge_l, rouge_1, rouge_2, bleu):
        found = between(measure, one, other)
        assert 0.0 <= found <= 1.0 + 1e-12
        assert found == pytest.approx(between(measure, other, one), abs=1e-15)
        if one == other and (measure is not rouge_2 or len(one) > 1):
            assert found == pytest.approx(1.0)
        if not set(one) & set(other):
            assert found == 0.0


def test_many_texts_are_compared_pair_by_pair() -> None:
    texts = [("a", "b", "c"), ("a", "b"), ("c",), ("b", "c", "d")]
    for measure in (rouge_l, rouge_1, rouge_2, bleu):
        found = measure(texts)
        assert [len(row) for row in found] == [0, 1, 2, 3]
        for i, row in enumerate(found):
            assert row == [between(measure, texts[i], texts[j]) for j in range(i)]
