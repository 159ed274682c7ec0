"""Answers by two models."""

from __future__ import annotations

import math

import pytest

from surefoot.router.estimators.min_token_prob import MinTokenProb
from surefoot.router.estimators.perplexity import Perplexity
from surefoot.router.estimators.weakest_step import WeakestStep
from surefoot.router.evidence import Evidence, Generation, Token
from surefoot.router.signals import Signal
from surefoot.router.steps.joining import finished, joined

from .spoken import spoken, spoken_text


@pytest.mark.parametrize(
    ("begun", "rest", "wanted"),
    [
        ("One.", "Two.", "One. Two."),
        ("One.", " Two.", "One. Two."),
        ("One.\n", "Two.", "One.\nTwo."),
        ("", "Two.", "Two."),
        ("One.", "", "One."),
    ],
)
def test_joined(begun: str, rest: str, wanted: str) -> None:
    assert joined(begun, rest) == wanted


@pytest.mark.parametrize("first", ["It", " It"])
@pytest.mark.parametrize("begun", ["Two and two.", "Two and two. ", "Two and two.\n"])
def test_estimators_judge_what_the_second_model_wrote(begun: str, first: str) -> None:
    tokens = spoken((f"{first} is four.", 0.8), (" Sure.", 0.5))
    rest = Generation(spoken_text(tokens).strip(), tokens)
    gone_on_from, whole = finished(begun, rest)
    assert gone_on_from == begun
    assert " ".join(whole.text.split()) == "Two and two. It is four. Sure."
    assert spoken_text(whole.tokens).strip() == whole.text.strip()
    for estimator, value in (
        (MinTokenProb(), 0.5),
        (Perplexity(), math.exp((3 * math.log(0.8) + math.log(0.5)) / 4)),
    ):
        read = estimator.estimate(Evidence("q", whole))
        assert isinstance(read, Signal) and math.isclose(read.value, value), read
    weakest = WeakestStep(of_step=Perplexity()).estimate(Evidence("q", whole))
    assert isinstance(weakest, Signal)
    assert (round(weakest.value, 6), weakest.details["steps"]) == (0.5, 2)


def test_a_model_that_repeats_the_beginning_wrote_it_all() -> None:
    rest = Generation("Two and\ntwo. It is four.")
    assert finished("Two and two. ", rest) == ("", rest)


def test_without_tokens_the_text_is_joined() -> None:
    assert finished("One.", Generation("Two.")) == ("One.", Generation("One. Two."))


def test_marks_of_the_second_model_stay() -> None:
    tokens = (Token("Two.", -0.1), Token("<|im_end|>", -0.1))
    _, whole = finished("One.", Generation("Two.", tokens))
    assert [token.special for token in whole.tokens] == [True, False, True]
