"""SentSAR and SAR: by hand, written down anew, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.estimators.sent_sar import Sar, SentSar, shared_surprise
from surefoot.router.estimators.soft_sums import falling_sigmoid, log_sum_exp
from surefoot.router.evidence import Evidence, Generation, Token
from surefoot.router.protocols import Needs

from .judged_records import read, reason, record

TEXTS = ["Rome", "Oslo", "Paris", "Bern"]


def test_two_samples_by_hand() -> None:
    """p = .5, .25, g = .1: -ln(.5 + 1000 x .25 x .1) and -ln(.25 + 1000 x .5 x .1)."""
    given = record(TEXTS[:3], None, [0.9, 0.5, 0.25], alike=[[1.0, 0.1], [0.1, 1.0]])
    signal = read(SentSar(), given)
    assert signal.raw == pytest.approx(-(math.log(25.5) + math.log(50.25)) / 2)
    assert signal.raw < 0.0  # which is normal
    assert signal.value == pytest.approx(1 / (1 + math.exp(signal.raw)))
    assert signal.direction == "uncertainty"
    assert signal.details == {"m": 2}


@pytest.mark.parametrize("seed", range(10))
def test_equals_the_formula_written_down_anew(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    p, g = drawn.uniform(0.01, 0.9, 4), drawn.random((3, 3))
    off = g * (1 - np.eye(3))
    expected = -np.log(p[1:] + off @ p[1:] / 0.001).mean()
    assert read(SentSar(), record(TEXTS, None, p.tolist(), alike=g.tolist())).raw == pytest.approx(
        expected
    )


def test_without_likeness_it_is_the_mean_surprise() -> None:
    given = record(TEXTS[:3], None, [0.9, 0.5, 0.125], alike=[[1.0, 0.0], [0.0, 1.0]])
    assert read(SentSar(), given).raw == pytest.approx((math.log(2) + math.log(8)) / 2)


def test_probabilities_below_the_floats_still_count() -> None:
    assert shared_surprise([-5000.0, -5001.0], [[1.0, 0.0], [0.0, 1.0]]) == pytest.approx(5000.5)
    lent = shared_surprise([-5000.0, -9000.0], [[1.0, 0.5], [0.5, 1.0]])
    assert lent == pytest.approx((5000.0 + 5000.0 - math.log(500)) / 2)
    assert math.isfinite(shared_surprise([-1.0, -1.0], [[1.0, 5e-324], [1e-310, 1.0]]))


@given(st.integers(0, 999), st.floats(0.0, 1.0))
def test_more_likeness_never_makes_less_sure(seed: int, share: float) -> None:
    drawn = np.random.default_rng(seed)
    logs, g = drawn.uniform(-9, 0, 3).tolist(), drawn.random((3, 3)).tolist()
    before = shared_surprise(logs, g)
    g[0][1] += (1 - g[0][1]) * share
    assert shared_surprise(logs, g) <= before + 1e-12


@pytest.mark.parametrize(
    ("alike", "expected"),
    [
        (None, "no sample_similarity"),
        ([[1.0, 0.5]], "sample_similarity: expected 2 x 2 numbers for 2 samples"),
        ([[1.0, 0.5], [0.5]], "sample_similarity: expected 2 x 2 numbers for 2 samples"),
        ([[1.0, 0.5], [math.nan, 1.0]], "sample_similarity: expected numbers in [-1, 1]"),
        ([[1.0, -1.5], [0.5, 1.0]], "sample_similarity: expected numbers in [-1, 1]"),
    ],
)
def test_similarities_that_are_none(alike: list[list[float]] | None, expected: str) -> None:
    assert reason(SentSar(), record(TEXTS[:3], None, [0.5] * 3, alike=alike)) == expected


def test_needs_and_reasons() -> None:
    assert SentSar(7).needs == Needs(logprobs=True, samples=7, compare="similarity")
    one = record(TEXTS[:2], None, [0.5] * 2, alike=[[1.0]])
    assert reason(SentSar(), one) == "needs 2 samples"
    whole = record(TEXTS[:3], None, [0.5] * 3, alike=[[1.0, 0.5], [0.5, 1.0]])
    assert reason(SentSar(), replace(whole, samples=())) == "no samples"
    bare = record(TEXTS[:3], alike=[[1.0, 0.5], [0.5, 1.0]])
    assert reason(SentSar(), bare) == "a sample: no logprobs"


def test_sums_of_exponentials_and_the_sigmoid() -> None:
    assert log_sum_exp([math.log(1), math.log(3)]) == pytest.approx(math.log(4))
    assert log_sum_exp([-1e6, -1e6]) == pytest.approx(-1e6 + math.log(2))
    assert falling_sigmoid(0.0) == 0.5
    assert falling_sigmoid(math.log(3)) == pytest.approx(0.25)
    assert 0.0 <= falling_sigmoid(1e9) < falling_sigmoid(-1e9) <= 1.0


# --- SAR -----------------------------------------------------------------------------------------

SPELLED = (
    Generation("in Rome", (Token("in", math.log(0.5)), Token(" Rome", math.log(0.25)))),
    Generation("Oslo", (Token("Oslo", math.log(0.2)),)),
)
RELEVANT = Evidence(
    "Which city?",
    Generation("Rome"),
    samples=SPELLED,
    sample_similarity=((1.0, 0.1), (0.1, 1.0)),
    sample_token_similarity=((0.9, 0.7), (0.4,)),
)


def test_sar_by_hand() -> None:
    """Relevance .1 and .3: weights 1/4 and 3/4; a single token has all the weight."""
    first, second = 0.5**0.25 * 0.25**0.75, 0.2
    signal = read(Sar(), RELEVANT)
    expected = -(math.log(first + 100 * second) + math.log(second + 100 * first)) / 2
    assert signal.raw == pytest.approx(expected)
    assert signal.value == pytest.approx(1 / (1 + math.exp(expected)))
    assert signal.details == {"m": 2}
    assert Sar(7).needs == replace(SentSar(7).needs, given="sample_token_similarity")


def test_sar_equals_sent_sar_where_every_answer_is_one_token() -> None:
    given = record(TEXTS[:3], None, [0.5, 0.4, 0.3], alike=[[1.0, 0.2], [0.2, 1.0]])
    given = replace(given, sample_token_similarity=((0.1,), (0.9,)))
    assert read(Sar(), given).raw == pytest.approx(read(SentSar(), given).raw)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "no sample_token_similarity"),
        (((0.9, 0.7),), "sample_token_similarity: 1 rows for 2 samples"),
        (((0.9, 0.7), (math.nan,)), "a sample: expected token similarities in [0, 1]"),
        (((0.9,), (0.5,)), "a sample: expected one similarity per token, got 1 for 2"),
    ],
)
def test_token_similarities_that_are_none(
    given: tuple[tuple[float, ...], ...] | None, expected: str
) -> None:
    assert reason(Sar(), replace(RELEVANT, sample_token_similarity=given)) == expected
