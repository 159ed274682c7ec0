"""Passages, earlier rounds and other models' answers as grounds for confidence."""

from __future__ import annotations

import math

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from surefoot.router.estimators.answer_stability import AnswerStability
from surefoot.router.estimators.cross_model_agreement import CrossModelAgreement
from surefoot.router.estimators.verbatim_support import VerbatimSupport, verbatim_share
from surefoot.router.evidence import Alternative, Evidence, Generation, Passage, Token, ToolCall

from .judged_records import read, reason

# --- passages ------------------------------------------------------------------------------------


def supported(answer: str, *texts: str) -> Evidence:
    passages = tuple(Passage(str(i), "", text, 1.0) for i, text in enumerate(texts))
    return Evidence("q", Generation(answer), passages=passages)


def test_verbatim_support_is_the_share_of_words_in_one_passage() -> None:
    given = supported("Douglas Adams wrote Mostly Harmless", "by Douglas Adams", "Mostly harmless")
    signal = read(VerbatimSupport(), given)  # four words with "wrote" dropped by neither list: 5
    assert signal.value == pytest.approx(2 / 5)
    assert (signal.details["passage"], signal.details["longest"]) == ("0", 2)


def test_words_spread_over_passages_do_not_add_up() -> None:
    assert read(VerbatimSupport(), supported("red green blue", "red", "green", "blue")).value == (
        pytest.approx(1 / 3)
    )


def test_the_longest_run_is_matched_first_and_breaks_ties() -> None:
    assert verbatim_share("a b c d e".split(), "x b c d e y".split()) == (0.8, 4)
    assert verbatim_share("a b".split(), "b a".split()) == (1.0, 1)
    tied = supported("green blue", "blue green", "green blue")
    assert read(VerbatimSupport(), tied).details["passage"] == "1"


def test_passages_with_one_id_are_all_looked_at() -> None:
    passages = (Passage("same", "", "Oslo", 1.0), Passage("same", "", "Rome", 0.5))
    given = Evidence("q", Generation("Oslo"), passages=passages)
    assert read(VerbatimSupport(), given).value == 1.0


@given_any(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=6),
    st.lists(st.sampled_from("abc"), max_size=8),
)
def test_the_verbatim_share_is_that_of_the_words_that_occur(
    words: list[str], passage: list[str]
) -> None:
    """A word that occurs is covered at the latest by itself; the longest run is found by trying."""
    share, longest = verbatim_share(words, passage)
    assert share == pytest.approx(sum(word in passage for word in words) / len(words))
    joined = f" {' '.join(passage)} "
    runs = [
        n
        for n in range(1, 5)
        for i in range(len(words) - n + 1)
        if f" {' '.join(words[i : i + n])} " in joined
    ]
    assert longest == max(runs, default=0)


def test_no_passages_no_words_no_support() -> None:
    assert reason(VerbatimSupport(), Evidence("q", Generation("x"))) == "no passages"
    assert reason(VerbatimSupport(), supported("the", "the")) == "no content words"
    assert read(VerbatimSupport(), supported("Oslo", "Rome")).value == 0.0


# --- rounds --------------------------------------------------------------------------------------


def rounds(answer: str, *earlier: str) -> Evidence:
    return Evidence("q", Generation(answer), previous_answers=earlier)


def test_stability_counts_the_last_rounds() -> None:
    assert read(AnswerStability(), rounds("Oslo", "Rome", "oslo.")).value == 1.0
    assert read(AnswerStability(), rounds("Oslo", "oslo", "Rome")).value == 0.5
    three = AnswerStability(rounds=3)
    assert read(three, rounds("Oslo", "oslo", "Rome")).value == pytest.approx(2 / 3)
    assert read(three, rounds("Oslo", "oslo", "Rome", "Oslo")).value == pytest.approx(2 / 3)
    assert reason(AnswerStability(), rounds("Oslo")) == "no earlier answer"
    assert reason(three, rounds("Oslo", "Oslo")) == "needs 3 rounds, there were 2"
    assert reason(AnswerStability(), rounds(" ", "Oslo")) == "empty answer"
    assert read(AnswerStability(), rounds("Oslo", "")).value == 0.5


def test_stability_reports_the_lead_of_the_first_token() -> None:
    token = Token(
        "Oslo", math.log(0.7), (Alternative("R", math.log(0.2)), Alternative("Oslo", math.log(0.7)))
    )
    given = Evidence("q", Generation("Oslo", (token,)), previous_answers=("Oslo",))
    assert read(AnswerStability(), given).details["first_margin"] == pytest.approx(0.5)
    led = (
        Token("<s>", -0.1, (Alternative("<s>", -0.1), Alternative("x", -9.0))),
        Token("\n", -0.2),
    )
    later = Evidence("q", Generation("Oslo", (*led, token)), previous_answers=("Oslo",))
    assert read(AnswerStability(), later).details["first_margin"] == pytest.approx(0.5)


def test_a_fault_in_the_logprobs_costs_the_margin_only() -> None:
    broken = Token("Oslo", 0.5, (Alternative("R", -1.0), Alternative("Oslo", -1.0)))
    given = Evidence("q", Generation("Oslo", (broken,)), previous_answers=("Oslo",))
    signal = read(AnswerStability(), given)
    assert signal.value == 1.0
    assert "first_margin" not in signal.details


# --- other models --------------------------------------------------------------------------------


def test_agreement_is_the_share_of_peers_with_the_same_answer() -> None:
    peers = {name: Generation(text) for name, text in (("a", "The Oslo"), ("b", "Rome"), ("c", ""))}
    signal = read(CrossModelAgreement(), Evidence("q", Generation("oslo"), peers=peers))
    assert signal.value == pytest.approx(1 / 3)
    assert (signal.details["agree"], signal.details["peers"]) == ("a", 3)
    assert reason(CrossModelAgreement(), Evidence("q", Generation("oslo"))) == "no peers"


def test_peers_agree_on_tool_calls_by_meaning() -> None:
    def call(arguments: str) -> Generation:
        return Generation("", (), "tool_calls", (ToolCall("f", arguments),))

    peers = {"same": call('{"n": 1.0}'), "other": call('{"n": 2}'), "cut": call('{"n": ')}
    signal = read(CrossModelAgreement(), Evidence("q", call('{"n":1}'), peers=peers))
    assert signal.value == 0.5
    assert signal.details["left_out"] == 1
