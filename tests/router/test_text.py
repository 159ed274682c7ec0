"""Cleaning and comparing texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.text import (
    clean_question,
    clean_text,
    contains_answer,
    content_words,
    normalize_answer,
    question_key,
)

any_text = st.text(st.characters())  # lone surrogates and NULs among them


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  Paris?\n", "Paris?"),
        ("a\x00b", "ab"),
        ("\x00", ""),
        ("a\ud800b", "a\ufffdb"),
        ("a\udc00", "a\ufffd"),
        ("\ud83d", "\ufffd"),
        ("\ud83d\ude00!", "\U0001f600!"),
        ("\ufeffQ", "\ufeffQ"),
        (" \x00 ", ""),
    ],
)
def test_a_question_is_cleaned(text: str, clean: str) -> None:
    assert clean_question(text) == clean


@given(any_text)
def test_a_clean_text_can_be_written_anywhere_and_is_clean_already(text: str) -> None:
    clean = clean_text(text)
    assert "\x00" not in clean
    assert clean.encode().decode() == clean
    assert clean_text(clean) == clean


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_a_text_that_is_clean_is_left_alone(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Eiffel Tower!", "eiffel tower"),
        ("json.loads", "json.loads"),
        ("__init__", "__init__"),
        ("An apple, a day", "apple day"),
        ("\uff30\uff41ris", "paris"),  # full-width letters
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("end.", "end"),
        ("...", ""),
    ],
)
def test_answers_are_normalized(text: str, normal: str) -> None:
    assert normalize_answer(text) == normal


@pytest.mark.parametrize(
    ("text", "accepted", "contained"),
    [
        ("It is Paris, France.", "paris", True),
        ("Parisian", "Paris", False),
        ("Use json.loads to parse", "loads", False),
        ("Use json.loads to parse", "json.loads", True),
        ("Paris", "Paris France", False),
        ("anything", "the", False),
    ],
)
def test_an_answer_is_contained_as_whole_words(text: str, accepted: str, contained: bool) -> None:
    assert contains_answer(text, accepted) is contained


@given(any_text, any_text, any_text)
def test_what_stands_between_other_words_is_contained(a: str, b: str, c: str) -> None:
    assert contains_answer(f"{a} {b} {c}", b) == bool(normalize_answer(b))


def test_content_words_keep_order_and_duplicates() -> None:
    assert content_words("Who is the king of the king?") == ("king", "king")


def test_the_same_question_has_the_same_key() -> None:
    key = question_key("What is  the capital of France?")
    assert key == question_key("what is the CAPITAL of france")
    assert key != question_key("What is the capital of Italy?")
    assert len(question_key("\ud800")) == 64
