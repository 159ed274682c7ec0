"""Features of answers, group by group, against what a reader would say."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.router.critic.accept_features import accept_features
from surefoot.router.critic.answer_form import answer_features, answer_type
from surefoot.router.critic.answer_text import answer_numbers, is_refusal, likeness, plain
from surefoot.router.critic.question_form import named_options, question_kind
from surefoot.router.critic.rationale_form import final_answer, rationale_features
from surefoot.router.critic.states import CriticState
from surefoot.router.evidence import Passage


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who wrote Hamlet?", "who"),
        ("In what year was it built?", "when"),
        ("How many people live there?", "howmany"),
        ("Is Jaws older than Alien?", "yesno"),
        ("Is Jaws or Alien older?", "yesno"),
        ("Which film is older?", "which"),
        ("Name the river.", "other"),
        ("", "other"),
    ],
)
def test_kinds_of_questions(question: str, kind: str) -> None:
    assert question_kind(question) == kind


@pytest.mark.parametrize(
    ("answer", "type_"),
    [
        ("Yes.", "yesno"),
        ("12 May 1990", "date"),
        ("1990", "date"),
        ("three", "number"),
        ("42 %", "number"),
        ("Steven Spielberg", "name"),
        ("a kind of bread", "phrase"),
        ("not mentioned in the text", "refusal"),
        ("", "refusal"),
        ("word " * 20, "sentence"),
    ],
)
def test_types_of_answers(answer: str, type_: str) -> None:
    assert answer_type(answer) == type_


def test_named_options() -> None:
    assert named_options("Which is older, Jaws or Alien?") == ("Jaws", "Alien")
    assert named_options("Who wrote Hamlet?") is None
    found = answer_features("Which is older, Jaws or Alien?", "Alien")
    assert (found["a_option_exact"], found["a_option_first"]) == (1.0, 0.0)
    assert "a_option" not in answer_features("Who wrote Hamlet?", "Alien")


def test_an_answer_of_the_kind_that_is_asked_for() -> None:
    assert answer_features("Who wrote Hamlet?", "William Shakespeare")["a_match"] == 1.0
    assert answer_features("Who wrote Hamlet?", "1603")["a_match"] == 0.0
    assert answer_features("Why is it so?", "1603")["a_match"] == 0.5


def test_forms_of_one_answer_are_alike() -> None:
    assert likeness("The Beatles", "beatles") == 1.0
    assert 0.6 < likeness("Robert E. Lee", "Robert Lee") < 1.0
    assert likeness("Paris", "unknown") == 0.0
    assert plain('"Jos\\u00e9"') == "jose"
    assert is_refusal("I am not sure")
    assert answer_numbers("two of 3,000 and 4.5") == {2.0, 3000.0, 4.5}


def test_the_reasons_and_the_answer_in_them() -> None:
    reasons = "Jaws was made in 1975. Alien was made in 1979. So the answer is: Jaws."
    assert final_answer(reasons) == ("Jaws was made in 1975. Alien was made in 1979.", "Jaws")
    found = rationale_features("Which is older, Jaws or Alien?", "Jaws", reasons)
    assert found["r_final_equal"] == 1.0
    assert found["r_year_check"] == 1.0  # 1975 before 1979: the older one was chosen
    assert found["r_sentences"] == 2.0
    other = rationale_features("Which is older, Jaws or Alien?", "Alien", reasons)
    assert other["r_year_check"] == 0.0
    assert rationale_features("q", "a", " ") == {}


def state(answer: str, *previous: str, passages: tuple[Passage, ...] = ()) -> CriticState:
    return CriticState("Who wrote Hamlet?", answer, "", passages, len(previous), previous)


def test_agreement_with_earlier_answers() -> None:
    found = accept_features(state("Shakespeare", "Kit Marlowe", "Shakespeare", "Ben Jonson"))
    assert (found["n_previous"], found["n_equal"], found["n_distinct"]) == (3.0, 1.0, 3.0)
    assert (found["cb_equal"], found["pv_equal"], found["sim_max"]) == (0.0, 0.0, 1.0)
    back = accept_features(state("Shakespeare", "Shakespeare", "Ben Jonson"))
    assert back["returned"] == 1.0
    assert "cb_equal" not in accept_features(state("Shakespeare"))
    assert "sim_mean" not in accept_features(state("Shakespeare", "Ben"))


def test_support_by_passages() -> None:
    passages = (
        Passage("1", "Hamlet", "Hamlet is a play. William Shakespeare wrote Hamlet.", 2.0),
        Passage("2", "Bread", "Bread is baked.", 1.0),
    )
    found = accept_features(state("William Shakespeare", passages=passages))
    assert (found["s_held"], found["s_share"], found["s_rank"]) == (1.0, 0.5, 0.0)
    assert found["s_beside"] == 1.0  # its sentence holds "wrote" and "Hamlet"
    other = accept_features(state("Kit Marlowe", passages=passages))
    assert (other["s_held"], other["s_words"]) == (0.0, 0.0)
    assert "s_held" not in accept_features(state("William Shakespeare"))


_texts = st.text(max_size=120)


@settings(deadline=None)
@given(_texts, _texts, _texts, st.lists(_texts, max_size=3), st.lists(_texts, max_size=2))
def test_any_state_has_finite_features(
    question: str, answer: str, reasons: str, previous: list[str], texts: list[str]
) -> None:
    passages = tuple(Passage(str(i), text[:9], text, 1.0) for i, text in enumerate(texts))
    given_state = CriticState(
        question, answer, reasons, passages, len(previous), tuple(previous), (), ()
    )
    found = accept_features(given_state)
    assert all(math.isfinite(value) for value in found.values())


@pytest.mark.parametrize("piece", ["a", "1,", "what year ", "is or ", "9" * 50, "Who, ", "n't "])
def test_long_texts_take_no_longer_than_their_beginning(piece: str) -> None:
    text = piece * (40_000 // len(piece))
    began = time.process_time()
    accept_features(CriticState(text, text, text, (Passage("1", "t", text, 1.0),), 1, (text,)))
    assert time.process_time() - began < 2.0
