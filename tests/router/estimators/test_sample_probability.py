"""Monte Carlo estimates over samples, by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.batch import Batch
from surefoot.router.estimators.sample_probability import McProbability, McSequenceEntropy
from surefoot.router.evidence import Evidence, Generation, Token
from surefoot.router.protocols import Estimator, Needs
from surefoot.router.signals import Signal, Unavailable

NORMALIZED = McSequenceEntropy()
TOTAL = McSequenceEntropy(normalized=False)


def spelled(*pieces: tuple[str, float | None]) -> Generation:
    tokens = tuple(Token(piece, None if p is None else math.log(p)) for piece, p in pieces)
    return Generation("".join(piece for piece, _ in pieces).strip(), tokens)


def read(found: Estimator, given: Evidence) -> Signal:
    signal = found.estimate(given)
    assert isinstance(signal, Signal), signal
    return signal


GREEDY = spelled(("New", 0.5), (" York", 0.5))
SAMPLES = (
    spelled(("New", 0.5), (" York", 0.125), (".", 0.25)),  # l = -ln 4, L = -ln 64
    spelled(("Rome", 0.5)),  # l = L = -ln 2
)
GIVEN = Evidence("Which city?", GREEDY, samples=SAMPLES)


def test_entropy_is_the_mean_over_samples_without_the_greedy_answer() -> None:
    signal = read(NORMALIZED, GIVEN)
    assert signal.name == "mc_sequence_entropy"
    assert signal.raw == pytest.approx((math.log(4) + math.log(2)) / 2)
    assert signal.value == pytest.approx(1 / math.sqrt(8))
    assert signal.direction == "uncertainty"
    assert signal.details == {"m": 2, "filter": "on"}


def test_the_total_form_sums_all_tokens() -> None:
    signal = read(TOTAL, GIVEN)
    assert signal.name == "mc_sequence_entropy_total"
    assert signal.raw == pytest.approx((math.log(64) + math.log(2)) / 2)
    assert signal.value == pytest.approx(1 / math.sqrt(128))
    assert signal.details == {"m": 2, "filter": "off"}


def test_without_the_content_filter_every_token_has_its_share() -> None:
    signal = read(McSequenceEntropy(content_filter=False), GIVEN)
    assert signal.raw == pytest.approx((math.log(64) / 3 + math.log(2)) / 2)
    assert signal.details["filter"] == "off"


def test_mc_probability_counts_the_greedy_answer() -> None:
    signal = read(McProbability(), GIVEN)
    assert signal.raw == signal.value == pytest.approx((1 / 2 + 1 / 4 + 1 / 2) / 3)
    assert signal.direction == "confidence"
    assert signal.details == {"m": 2, "filter": "on"}


def test_one_sample_is_enough_for_a_mean_but_not_for_an_entropy() -> None:
    one = Evidence("q", GREEDY, samples=SAMPLES[:1])
    signal = read(McProbability(), one)
    assert signal.value == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert signal.details["one_sample"] is True
    assert NORMALIZED.estimate(one) == Unavailable("needs 2 samples")
    assert TOTAL.estimate(one) == Unavailable("needs 2 samples")


@pytest.mark.parametrize("found", [NORMALIZED, TOTAL, McProbability()])
def test_one_sample_without_logprobs_makes_that_record_unavailable_and_no_other(
    found: Estimator,
) -> None:
    bare = Evidence("q", GREEDY, samples=(*SAMPLES, Generation("Oslo")))
    empty = Evidence("q", GREEDY, samples=(*SAMPLES, Generation(" ")))
    both = Evidence("q", GREEDY, samples=(Generation("Oslo"), Generation(" "), *SAMPLES))
    assert isinstance(found, McSequenceEntropy | McProbability)
    readings = found.estimate_batch(Batch([bare, GIVEN, empty, both]))
    assert readings[0] == Unavailable("a sample: no logprobs")
    assert readings[1] == found.estimate(GIVEN)
    assert readings[2] == readings[3] == Unavailable("a sample: empty answer")


def test_entropy_does_not_need_the_greedy_logprobs_and_the_probability_does() -> None:
    given = Evidence("q", Generation("Rome"), samples=SAMPLES)
    assert read(NORMALIZED, given).raw == read(NORMALIZED, GIVEN).raw
    assert McProbability().estimate(given) == Unavailable("no logprobs")
    silent = Evidence("q", Generation(""), samples=SAMPLES)
    for found in (NORMALIZED, TOTAL, McProbability()):
        assert found.estimate(silent) == Unavailable("empty answer")
        assert found.estimate(Evidence("q", GREEDY)) == Unavailable("no samples")
        assert found.needs == Needs(logprobs=True, samples=5)


def test_hopeless_samples_keep_their_order_and_stay_finite() -> None:
    def hopeless(logprob: float) -> Evidence:
        sample = Generation("x", (Token("x", logprob),))
        return Evidence("q", GREEDY, samples=(sample, sample))

    for found in (NORMALIZED, TOTAL):
        one, other = read(found, hopeless(-9000.0)), read(found, hopeless(-9998.0))
        assert one.value == other.value == math.exp(-700)
        assert one.score > other.score
    assert read(McProbability(), hopeless(-9998.0)).value == pytest.approx(0.5 / 3)


@given(st.lists(st.floats(-20.0, -0.01), min_size=2, max_size=6), st.integers(0, 5))
def test_surer_samples_never_make_less_sure(logprobs: list[float], which: int) -> None:
    def drawn(numbers: list[float]) -> Evidence:
        samples = tuple(Generation("x", (Token("x", number),)) for number in numbers)
        return Evidence("q", GREEDY, samples=samples)

    raised = list(logprobs)
    raised[which % len(raised)] /= 2
    for found in (NORMALIZED, TOTAL, McProbability()):
        before, after = read(found, drawn(logprobs)), read(found, drawn(raised))
        assert after.score >= before.score
        assert after.value >= before.value
        assert read(found, drawn(logprobs[::-1])) == before


def test_a_missing_mark_costs_the_sum_and_not_the_mean() -> None:
    """Means need nine in ten of the content tokens, and a full stop is none; a sum needs all."""
    holed = spelled(("York", 0.5), (".", None))
    given = Evidence("q", holed, samples=(holed, holed))
    assert read(NORMALIZED, given).value == pytest.approx(0.5)
    assert read(McProbability(), given).value == pytest.approx(0.5)
    assert TOTAL.estimate(given) == Unavailable("a sample: missing token")
    long = spelled(*[(f" w{i}", 0.5) for i in range(19)], (" w19", None))
    covered = read(McProbability(), Evidence("q", long, samples=(long, long)))
    assert covered.details["coverage"] == pytest.approx(0.95)
