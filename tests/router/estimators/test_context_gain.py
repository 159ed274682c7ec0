"""What passages did to the answer: certainty gained, agreement with the answer without them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from surefoot.router.batch import Batch
from surefoot.router.estimators.context_gain import (
    CkPlugGain,
    ContextAgreement,
    relative_top_entropy,
    word_f1,
)
from surefoot.router.evidence import Alternative, Evidence, Generation, Token, ToolCall
from surefoot.router.signals import Unavailable

from .judged_records import read, reason


def spoken(text: str, *probabilities: float) -> Generation:
    alternatives = tuple(Alternative(str(i), math.log(p)) for i, p in enumerate(probabilities))
    return Generation(text, (Token(text, math.log(probabilities[0]), alternatives),))


def test_gain_is_the_entropy_that_passages_took_away() -> None:
    sure, unsure = (0.9, 0.1), (0.5, 0.5)
    given = Evidence("q", spoken("Oslo", *sure), without_context=spoken("Rome", *unsure))
    signal = read(CkPlugGain(), given)
    gain = math.log(2) - scipy_entropy(sure)
    assert signal.raw == pytest.approx(gain)
    assert signal.value == pytest.approx(1 / (1 + math.exp(-gain)))
    assert signal.details["conflict_test"] == (math.log(2) < 2 * scipy_entropy(sure))
    swapped = Evidence("q", spoken("Rome", *unsure), without_context=spoken("Oslo", *sure))
    assert read(CkPlugGain(), swapped).raw == pytest.approx(-gain)


def test_improbable_candidates_are_left_out_but_for_the_ten_best() -> None:
    rare = np.array([[0.9, *[0.001 - 1e-5 * i for i in range(14)]]])
    kept = rare[0, :10] / rare[0, :10].sum()
    assert relative_top_entropy(np.log(rare)) == pytest.approx([scipy_entropy(kept)])
    even = np.full((1, 15), 1 / 15)
    assert relative_top_entropy(np.log(even)) == pytest.approx([math.log(15)])
    tail = np.array([[0.5, *[0.04] * 11, 0.004]])  # twelve reach a hundredth of the best
    expected = tail[0, :12] / tail[0, :12].sum()
    assert relative_top_entropy(np.log(tail)) == pytest.approx([scipy_entropy(expected)])


def test_the_conflict_test_is_a_factor_of_two() -> None:
    """The paper speaks of a negative gain; what its authors released asks for less."""
    given = Evidence("q", spoken("a", 0.5, 0.5), without_context=spoken("b", 0.6, 0.4))
    signal = read(CkPlugGain(), given)
    assert signal.raw < 0.0 and signal.value < 0.5
    assert signal.details["conflict_test"] is True
    gained = Evidence("q", spoken("a", 0.8, 0.2), without_context=spoken("b", 0.5, 0.5))
    signal = read(CkPlugGain(), gained)
    assert signal.raw > 0.0 and signal.details["conflict_test"] is True
    clear = Evidence("q", spoken("a", 0.95, 0.05), without_context=spoken("b", 0.5, 0.5))
    assert read(CkPlugGain(), clear).details["conflict_test"] is False


def test_a_record_without_its_second_answer_spoils_no_other() -> None:
    whole = Evidence("q", spoken("a", 0.9, 0.1), without_context=spoken("b", 0.5, 0.3, 0.2))
    bare = Evidence("q", spoken("a", 0.9, 0.1))
    empty = Evidence("q", Generation(""), without_context=spoken("b", 0.5, 0.5))
    readings = CkPlugGain().estimate_batch(Batch([bare, whole, empty, whole]))
    assert readings[1] == readings[3] == CkPlugGain().estimate(whole)
    assert readings[0] == Unavailable("no answer without context")
    assert readings[2] == Unavailable("empty answer")
    signal = read(CkPlugGain(), whole)
    assert (signal.details["k"], signal.details["k_without"]) == (2, 3)


def test_gain_needs_both_answers() -> None:
    alone = Evidence("q", spoken("Oslo", 0.9, 0.1))
    assert reason(CkPlugGain(), alone) == "no answer without context"
    bare = Evidence("q", spoken("Oslo", 0.9, 0.1), without_context=Generation("Oslo"))
    assert reason(CkPlugGain(), bare) == "without context: no logprobs"


def test_f1_of_words_by_hand() -> None:
    assert word_f1("the city of Oslo", "Oslo city") == pytest.approx(0.8)  # 2/3 and 2/2
    assert word_f1("Oslo", "Rome") == 0.0
    assert word_f1("red red blue", "red blue blue") == pytest.approx(2 / 3)
    assert word_f1("J.K. Rowling", "JK Rowling") == 1.0
    assert word_f1("A", "The") == 0.0  # articles that are the whole answer
    assert word_f1("Oslo", "") == 0.0


def test_agreement_with_the_answer_without_passages() -> None:
    given = Evidence("q", Generation("city of Oslo"), without_context=Generation("Oslo city"))
    signal = read(ContextAgreement(), given)
    assert signal.value == pytest.approx(0.8)
    assert signal.details["equal"] is False
    assert (
        reason(ContextAgreement(), Evidence("q", Generation("Oslo"))) == "no answer without context"
    )
    asks = Generation("", (), "tool_calls", (ToolCall("search", "{}"),))
    assert reason(ContextAgreement(), Evidence("q", asks, without_context=asks)) == "tool call"
    searched = Evidence("q", Generation("Oslo"), without_context=asks)
    assert reason(ContextAgreement(), searched) == "without context: tool call"
    refused = Evidence("q", Generation("Oslo"), without_context=Generation(""))
    assert read(ContextAgreement(), refused).value == 0.0


def test_equal_answers_agree_whole() -> None:
    given = Evidence("q", Generation("The 24,000."), without_context=Generation("24000"))
    signal = read(ContextAgreement(), given)
    assert signal.value == 1.0 and signal.details["equal"] is True
