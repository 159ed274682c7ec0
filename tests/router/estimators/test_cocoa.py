"""CoCoA in its kinds, and what is refused among similarities."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from surefoot.router.batch import Batch
from surefoot.router.estimators.cocoa import Cocoa, CocoaEntropy, CocoaGNll, CocoaUqlm
from surefoot.router.evidence import Alternative, Evidence, Generation, Token
from surefoot.router.protocols import Needs
from surefoot.router.signals import Signal, Unavailable

from .judged_records import read, reason, record

ANSWER = Generation(
    "New York.",
    (
        Token("New", math.log(0.5), (Alternative("New", math.log(0.5)), Alternative("Old", -1.0))),
        Token(
            " York",
            math.log(0.25),
            (Alternative(" York", math.log(0.25)), Alternative(" Rome", math.log(0.25))),
        ),
        Token(".", math.log(0.5), (Alternative(".", math.log(0.5)), Alternative("!", -2.0))),
    ),
)
GIVEN = Evidence(
    "Which city?",
    ANSWER,
    samples=(Generation("Rome"), Generation("York")),
    greedy_similarity=(0.2, 0.6),
)
EVERY = (Cocoa(), CocoaGNll(), CocoaEntropy(), CocoaUqlm())


def test_log_perplexity_of_content_tokens_times_dissimilarity() -> None:
    signal = read(Cocoa(), GIVEN)
    log_perplexity = (math.log(2) + math.log(4)) / 2
    assert signal.raw == pytest.approx(log_perplexity * 0.6)
    assert signal.value == pytest.approx(math.exp(-signal.raw))
    assert signal.direction == "uncertainty"
    assert signal.details["m"] == 2
    assert signal.details["uncertainty"] == pytest.approx(log_perplexity)
    assert signal.details["dissimilarity"] == pytest.approx(0.6)
    every_token = read(Cocoa(content_filter=False), GIVEN)
    assert every_token.raw == pytest.approx((2 * math.log(2) + math.log(4)) / 3 * 0.6)


def test_whole_likelihood_and_entropy() -> None:
    assert read(CocoaGNll(), GIVEN).raw == pytest.approx(math.log(16) * 0.6)
    p = 0.5 / (0.5 + math.exp(-1))
    first = -(p * math.log(p) + (1 - p) * math.log(1 - p))
    assert read(CocoaEntropy(), GIVEN).raw == pytest.approx((first + math.log(2)) / 2 * 0.6)


def test_what_uqlm_calls_so_is_another_function() -> None:
    signal = read(CocoaUqlm(), replace(GIVEN, greedy_similarity=(-1.0, 0.5)))
    inverse_perplexity = math.exp(-(2 * math.log(2) + math.log(4)) / 3)
    assert signal.raw == signal.value == pytest.approx(inverse_perplexity * (0.0 + 0.75) / 2)
    assert signal.direction == "confidence"


def test_full_agreement_is_sure_and_none_leaves_the_uncertainty() -> None:
    same = replace(GIVEN, greedy_similarity=(1.0, 1.0))
    assert (read(Cocoa(), same).raw, read(Cocoa(), same).value) == (0.0, 1.0)
    apart = read(Cocoa(), replace(GIVEN, greedy_similarity=(0.0, 0.0)))
    assert apart.raw == pytest.approx(math.log(8) / 2)


def test_nearer_samples_never_make_less_sure() -> None:
    for found in EVERY:
        before = read(found, GIVEN)
        after = read(found, replace(GIVEN, greedy_similarity=(0.3, 0.6)))
        assert after.value > before.value and after.score > before.score


def test_long_answers_do_not_underflow() -> None:
    tokens = tuple(Token("a ", -9000.0) for _ in range(5))
    long = replace(GIVEN, greedy=Generation("a " * 5, tokens))
    signal = read(CocoaGNll(), long)
    assert signal.raw == pytest.approx(45_000 * 0.6)
    assert 0.0 < signal.value < 1e-300


@pytest.mark.parametrize(
    ("similar", "expected"),
    [
        (None, "no greedy_similarity"),
        ((0.5,), "greedy_similarity has 1 numbers for 2 samples"),
        ((0.5, math.nan), "greedy_similarity: expected numbers in [-1, 1]"),
        ((math.nan, 0.5), "greedy_similarity: expected numbers in [-1, 1]"),
        ((0.5, math.inf), "greedy_similarity: expected numbers in [-1, 1]"),
        ((0.5, 1.1), "greedy_similarity: expected numbers in [-1, 1]"),
        ((0.5, -1.1), "greedy_similarity: expected numbers in [-1, 1]"),
    ],
)
def test_similarities_that_are_none(similar: tuple[float, ...] | None, expected: str) -> None:
    given = replace(GIVEN, greedy_similarity=similar)
    first, second, third = Cocoa().estimate_batch(Batch([GIVEN, given, GIVEN]))
    assert isinstance(first, Signal) and first == third
    assert second == Unavailable(expected)


def test_rounding_beyond_the_range_is_taken_off() -> None:
    signal = read(Cocoa(), replace(GIVEN, greedy_similarity=(1.00001, -1e-6)))
    assert signal.raw == pytest.approx(math.log(8) / 2 * 0.5)


def test_needs_and_reasons() -> None:
    assert Cocoa(7).needs == Needs(logprobs=True, samples=7, compare="similarity")
    assert CocoaEntropy(7).needs == replace(Cocoa(7).needs, top_logprobs=2)
    bare = record(["Rome", "Oslo", "Bern"], similar=(0.1, 0.2))
    for found in EVERY:
        assert reason(found, bare) == "no logprobs"
        assert reason(found, replace(GIVEN, samples=(), greedy_similarity=())) == "no samples"
        assert reason(found, replace(GIVEN, greedy=Generation(" "))) == "empty answer"
        one = replace(GIVEN, samples=GIVEN.samples[:1], greedy_similarity=(0.2,))
        assert read(found, one).details["one_sample"] is True
    single = tuple(replace(token, top_logprobs=token.top_logprobs[:1]) for token in ANSWER.tokens)
    assert reason(CocoaEntropy(), replace(GIVEN, greedy=replace(ANSWER, tokens=single)))


def test_a_cosine_below_zero_is_no_similarity_rather_than_no_number() -> None:
    """Texts cannot be less than unlike: -0.2 counts as 0 here, and as itself for the cosine."""
    cosines = record(["x", "a", "b"], None, [0.5] * 3, similar=(-0.2, 0.6))
    clipped = record(["x", "a", "b"], None, [0.5] * 3, similar=(0.0, 0.6))
    assert read(Cocoa(), cosines).raw == read(Cocoa(), clipped).raw
