"""Which questions lean on earlier turns."""

from __future__ import annotations

import pytest

from surefoot.router.conversation import is_follow_up, search_query
from surefoot.router.evidence import Turn


@pytest.mark.parametrize(
    "question",
    [
        "Why?",
        "And its population?",
        "Is that the largest one?",
        "When did he die?",
        "And Italy?",
        "WHO WROTE IT",
        "Who else signed the treaty, then?",
        "",
    ],
)
def test_questions_that_point_back_or_are_too_short(question: str) -> None:
    assert is_follow_up(question)


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of France?",
        "Which function of json parses a string?",
        "Who wrote Hamlet, the tragedy?",
        "Wie heißt die Hauptstadt von Frankreich?",
    ],
)
def test_questions_that_stand_alone(question: str) -> None:
    assert not is_follow_up(question)


def test_a_search_takes_the_question_before_along() -> None:
    turns = (Turn("Who was Caesar?", "A Roman."), Turn("Who wrote Hamlet?", "Shakespeare."))
    assert search_query("When?", turns) == "Who wrote Hamlet? When?"
    assert search_query("When?", ()) == "When?"
