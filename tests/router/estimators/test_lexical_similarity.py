"""Word overlap of samples: means by hand, words that are none, tool calls, and the order."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.batch import Batch, BatchEstimator
from surefoot.router.estimators.lexical_similarity import (
    LexicalSimilarity,
    LexicalSimilarityBleu,
    LexicalSimilarityRouge1,
    LexicalSimilarityRouge2,
)
from surefoot.router.evidence import Evidence, Generation, ToolCall
from surefoot.router.protocols import Estimator
from surefoot.router.signals import Signal, Unavailable

EVERY: tuple[Estimator, ...] = (
    LexicalSimilarity(),
    LexicalSimilarityRouge1(),
    LexicalSimilarityRouge2(),
    LexicalSimilarityBleu(),
)


def sampled(*texts: str, greedy: str = "Rome") -> Evidence:
    return Evidence("Which city?", Generation(greedy), samples=tuple(map(Generation, texts)))


def read(found: Estimator, given: Evidence) -> Signal:
    signal = found.estimate(given)
    assert isinstance(signal, Signal), signal
    return signal


def test_rouge_l_is_averaged_over_pairs() -> None:
    # New York - New York City: 2*2/5; New York - York: 2*1/3; New York City - York: 2*1/4.
    signal = read(LexicalSimilarity(), sampled("New York", "New York City", "York"))
    assert signal.value == pytest.approx((4 / 5 + 2 / 3 + 1 / 2) / 3)
    assert signal.raw == -signal.value
    assert signal.direction == "uncertainty"
    assert signal.details == {"m": 3}


def test_the_variants_count_words_pairs_of_words_and_ngrams() -> None:
    given = sampled("red big dog", "big red dog")
    assert read(LexicalSimilarity(), given).value == pytest.approx(2 / 3)
    assert read(LexicalSimilarityRouge1(), given).value == pytest.approx(1.0)
    assert read(LexicalSimilarityRouge2(), given).value == 0.0
    assert read(LexicalSimilarityBleu(), given).value == 0.0
    longer = sampled("the big red dog ran", "the big red dog")
    assert read(LexicalSimilarityRouge2(), longer).value == pytest.approx(2 * 3 / 7)
    expected = (0.2**0.25 + math.exp(-0.25)) / 2
    assert read(LexicalSimilarityBleu(), longer).value == pytest.approx(expected)


def test_repeated_samples_weigh_as_often_as_they_come() -> None:
    # Pairs: 3 of (Rome, Rome), 3 of (Rome, Rome Italy) at 2/3.
    signal = read(LexicalSimilarity(), sampled("Rome", "Rome", "rome!", "Rome, Italy"))
    assert signal.value == pytest.approx((3 + 3 * 2 / 3) / 6)


@pytest.mark.parametrize("found", EVERY, ids=lambda found: found.name)
def test_equal_samples_are_alike_even_with_one_word_or_none(found: Estimator) -> None:
    """ROUGE-2 of "Paris" and "Paris" is 0 in other libraries: there is no pair of words."""
    for text in ("Paris", "24", "東京", "?!", " "):
        assert read(found, sampled(*[text] * 5)).value == 1.0


@pytest.mark.parametrize("found", EVERY, ids=lambda found: found.name)
def test_a_sample_without_words_is_like_nothing_else(found: Estimator) -> None:
    assert read(found, sampled("", "Paris")).value == 0.0
    assert read(found, sampled("", " ", "Paris")).value == pytest.approx(1 / 3)


def test_answers_in_other_scripts_are_compared() -> None:
    signal = read(LexicalSimilarity(), sampled("Αθήνα Ελλάδα", "αθήνα", "Ρώμη"))
    assert signal.value == pytest.approx((2 / 3 + 0 + 0) / 3)


@pytest.mark.parametrize("found", EVERY, ids=lambda found: found.name)
def test_what_it_cannot_judge(found: Estimator) -> None:
    assert found.estimate(sampled()) == Unavailable("no samples")
    assert found.estimate(sampled("Rome")) == Unavailable("needs 2 samples")
    assert found.estimate(sampled("Rome", "Rome", greedy=" ")) == Unavailable("empty answer")
    call = Generation("", tool_calls=(ToolCall("find", '{"x": 1}'),))
    asked = Evidence("q", call, samples=(Generation("Rome"),) * 2)
    assert found.estimate(asked) == Unavailable("tool call")


def test_a_sample_that_calls_a_tool_is_like_the_same_call_alone() -> None:
    calls = [
        Generation("", tool_calls=(ToolCall("f", text),)) for text in ('{"x":1}', '{"x": 1.0}')
    ]
    given = Evidence("q", Generation("Rome"), samples=(*calls, Generation("f x 1")))
    assert read(LexicalSimilarity(), given).value == pytest.approx(1 / 3)
    cut = Generation("", tool_calls=(ToolCall("f", '{"x":'),))
    broken = Evidence("q", Generation("Rome"), samples=(Generation("Rome"), cut))
    reading = LexicalSimilarity().estimate(broken)
    assert reading == Unavailable("a sample is a truncated tool call")


texts = st.lists(
    st.sampled_from(
        ["", "Rome", "rome.", "the city of Rome", "Rome, the city", "a b c d e", "東京"]
    ),
    min_size=2,
    max_size=7,
)


@given(samples=texts, seed=st.integers(0, 99))
def test_order_and_company_change_nothing(samples: list[str], seed: int) -> None:
    shuffled = list(samples)
    random.Random(seed).shuffle(shuffled)
    batch = Batch([sampled("x", "y z"), sampled(*shuffled), sampled()])
    for found in EVERY:
        alone = read(found, sampled(*samples))
        assert isinstance(found, BatchEstimator)
        assert found.estimate_batch(batch)[1] == alone
        assert 0.0 <= alone.value <= 1.0
