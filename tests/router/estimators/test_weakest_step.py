"""Confidence of single steps, by hand."""

from __future__ import annotations

import math

import pytest

from surefoot.router.estimators.mmboundary import MMBoundary
from surefoot.router.estimators.perplexity import Perplexity
from surefoot.router.estimators.weakest_step import WeakestStep
from surefoot.router.evidence import Evidence, Generation, Token
from surefoot.router.signals import Signal, Unavailable
from surefoot.router.testing import says

from ..steps.spoken import spoken, spoken_text


def evidence(*steps: tuple[str, float]) -> Evidence:
    tokens = spoken(*steps)
    return Evidence("q", Generation(spoken_text(tokens), tokens))


def peakedness(p: float) -> float:
    return math.exp(p * math.log(p) + (1 - p) * math.log(1 - p))


def test_mmboundary_is_the_mean_of_its_two_parts() -> None:
    read = MMBoundary().estimate(evidence(("Two and two.", 0.8)))
    assert isinstance(read, Signal)
    assert read.value == pytest.approx((0.8 + peakedness(0.8)) / 2)
    assert read.details["probability"] == pytest.approx(0.8)
    assert read.details["peakedness"] == pytest.approx(peakedness(0.8))


def test_mmboundary_needs_candidates() -> None:
    bare = Evidence("q", Generation("Paris", (Token("Paris", -0.1),)))
    assert MMBoundary().estimate(bare) == Unavailable("top-k < 2")
    assert isinstance(MMBoundary().estimate(Evidence("q", Generation("Paris"))), Unavailable)


def test_the_weakest_step_counts() -> None:
    answer = evidence(("Two and two.", 0.9), (" That is five.", 0.6), (" So five.", 0.8))
    read = WeakestStep(of_step=Perplexity()).estimate(answer)
    assert isinstance(read, Signal)
    assert read.value == pytest.approx(0.6)
    assert read.details == {"steps": 3, "weakest": 2, "position": 3}
    default = WeakestStep().estimate(answer)
    assert isinstance(default, Signal)
    assert default.value == pytest.approx((0.6 + peakedness(0.6)) / 2)


def test_one_sentence_is_one_step() -> None:
    one = Evidence("q", says("in Paris", 0.7))
    read = WeakestStep(of_step=Perplexity()).estimate(one)
    assert isinstance(read, Signal) and read.value == pytest.approx(0.7)


@pytest.mark.parametrize(
    "generation",
    [
        Generation(""),
        Generation("Paris. Sure."),
        Generation("Paris. Sure.", (Token("Paris.", -0.1), Token(" Sure."))),
    ],
)
def test_what_was_not_read_may_have_been_the_weakest(generation: Generation) -> None:
    assert isinstance(WeakestStep().estimate(Evidence("q", generation)), Unavailable)
