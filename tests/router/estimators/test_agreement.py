"""Counts of answers: shares, entropy and number of classes, by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.estimators.agreement import (
    AnswerEntropy,
    ExactMatch,
    ExactMatchUqlm,
    NumDistinct,
)
from surefoot.router.estimators.self_consistency import SelfConsistency
from surefoot.router.evidence import Evidence, Generation, ToolCall
from surefoot.router.protocols import Estimator, Needs
from surefoot.router.signals import Signal, Unavailable


def sampled(greedy: str, *texts: str) -> Evidence:
    return Evidence("Which city?", Generation(greedy), samples=tuple(map(Generation, texts)))


def calling(*arguments: str) -> tuple[Generation, ...]:
    return tuple(
        Generation("", finish_reason="tool_calls", tool_calls=(ToolCall("find", one),))
        for one in arguments
    )


def read(found: Estimator, given: Evidence) -> Signal:
    signal = found.estimate(given)
    assert isinstance(signal, Signal), signal
    return signal


def test_exact_match_compares_answers_not_spellings() -> None:
    given = sampled("The Paris", "paris.", "Paris", "Rome", " PARIS ", "")
    signal = read(ExactMatch(), given)
    assert (signal.raw, signal.value, signal.direction) == (3 / 5, 3 / 5, "confidence")
    assert signal.details == {"m": 5}


def test_exact_match_uqlm_compares_raw_strings() -> None:
    given = sampled("Paris", "paris.", "Paris", "Rome", " PARIS ", "Paris")
    assert read(ExactMatchUqlm(), given).value == 2 / 5
    assert read(ExactMatch(), given).value == 4 / 5


def test_one_sample_is_enough_for_a_match_and_flagged() -> None:
    for found in (ExactMatch(), ExactMatchUqlm()):
        signal = read(found, sampled("Rome", "Rome"))
        assert signal.value == 1.0
        assert signal.details == {"m": 1, "one_sample": True}


def test_answer_entropy_by_hand() -> None:
    given = sampled("Rome", "Rome", "rome", "The Rome", "Oslo", "Paris")
    signal = read(AnswerEntropy(), given)
    expected = -(0.6 * math.log(0.6) + 2 * 0.2 * math.log(0.2))  # classes {3, 1, 1}: 0.950
    assert signal.raw == pytest.approx(expected)
    assert signal.raw == pytest.approx(0.950, abs=5e-4)
    assert signal.value == pytest.approx(1 - expected / math.log(5))
    assert signal.direction == "uncertainty"
    assert signal.details == {"m": 5, "classes": 3}


def test_num_distinct_by_hand() -> None:
    signal = read(NumDistinct(), sampled("Rome", "Rome", "rome", "The Rome", "Oslo", "Paris"))
    assert (signal.raw, signal.value, signal.direction) == (3.0, 0.5, "uncertainty")


@pytest.mark.parametrize("m", [2, 3, 5, 7, 20])
def test_the_ends_of_the_scales_are_exact(m: int) -> None:
    same, different = ["Rome"] * m, [f"city {i}" for i in range(m)]
    for found in (AnswerEntropy(), NumDistinct()):
        assert read(found, sampled("Rome", *same)).value == 1.0
        assert read(found, sampled("Rome", *different)).value == pytest.approx(0.0, abs=1e-15)
    assert read(AnswerEntropy(), sampled("Rome", *same)).raw == 0.0
    assert read(AnswerEntropy(), sampled("Rome", *different)).raw == math.log(m)


def test_an_empty_sample_is_an_answer_of_its_own() -> None:
    given = sampled("Rome", "", "  ", "Rome", "Rome")
    assert read(NumDistinct(), given).raw == 2.0
    assert read(AnswerEntropy(), given).raw == pytest.approx(math.log(2))
    assert read(ExactMatch(), given).value == 0.5


def test_the_letter_a_is_an_answer_although_it_is_an_article() -> None:
    assert read(ExactMatch(), sampled("A", "a", "B", "")).value == pytest.approx(1 / 3)
    assert read(NumDistinct(), sampled("A", "a", "B", "")).raw == 3.0


@pytest.mark.parametrize("found", [AnswerEntropy(), NumDistinct(), SelfConsistency()])
def test_counts_need_two_samples(found: Estimator) -> None:
    assert found.estimate(sampled("Rome")) == Unavailable("no samples")
    assert found.estimate(sampled("Rome", "Rome")) == Unavailable("needs 2 samples")


@pytest.mark.parametrize(
    "found", [AnswerEntropy(), NumDistinct(), ExactMatch(), ExactMatchUqlm(), SelfConsistency()]
)
def test_what_none_can_judge(found: Estimator) -> None:
    assert found.estimate(sampled(" ", "Rome", "Rome")) == Unavailable("empty answer")
    assert found.estimate(sampled("Rome")) == Unavailable("no samples")
    assert found.needs == Needs(samples=5)


def test_tool_calls_agree_by_name_and_arguments() -> None:
    greedy, *samples = calling('{"city": "Rome", "n": 2}', '{"n":2.0,"city":"Rome"}', '{"n": 3}')
    given = Evidence("q", greedy, samples=tuple(samples))
    assert read(ExactMatch(), given).value == 0.5
    assert read(NumDistinct(), given).raw == 2.0
    assert ExactMatchUqlm().estimate(given) == Unavailable("tool call")
    cut = Evidence("q", greedy, samples=calling('{"n": 2', "{}"))
    assert ExactMatch().estimate(cut) == Unavailable("a sample is a truncated tool call")


def test_self_consistency_names_the_call_that_most_samples_make() -> None:
    greedy, *samples = calling("{}", '{"n": 2}', '{"n":2.0}', "{}")
    signal = read(SelfConsistency(), Evidence("q", greedy, samples=tuple(samples)))
    assert signal.value == pytest.approx(2 / 3)
    assert signal.details["majority"] == '[["find",{"n":2}]]'
    assert signal.details["greedy_agrees"] is False


def test_a_majority_of_empty_samples_is_reported_as_such() -> None:
    signal = read(SelfConsistency(), sampled("Rome", "", " ", "Rome"))
    assert signal.details["majority"] == ""
    assert signal.details["greedy_agrees"] is False


@given(st.lists(st.integers(0, 4), min_size=2, max_size=12))
def test_the_counts_belong_together(picked: list[int]) -> None:
    """Entropy lies between 0 and ln of the number of classes; the largest share bounds it below."""
    given = sampled("0", *[f"answer {i}" for i in picked])
    entropy, distinct = read(AnswerEntropy(), given), read(NumDistinct(), given)
    share = read(SelfConsistency(), given)
    assert distinct.raw == len(set(picked)) == share.details["classes"]
    assert 0.0 <= entropy.raw <= math.log(distinct.raw) + 1e-12
    assert entropy.raw >= -math.log(share.raw) - 1e-12
    assert 0.0 <= entropy.value <= 1.0


def test_one_more_sample_for_the_majority_never_makes_less_sure() -> None:
    for others in range(1, 5):
        rest = [f"city {i}" for i in range(others)]
        for votes in range(1, 6):
            fewer = sampled("Rome", *["Rome"] * votes, *rest)
            more = sampled("Rome", *["Rome"] * (votes + 1), *rest)
            for found in (AnswerEntropy(), NumDistinct(), ExactMatch(), SelfConsistency()):
                assert read(found, more).value >= read(found, fewer).value
