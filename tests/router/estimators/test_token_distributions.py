"""Estimators over candidates: each formula by hand or by scipy, on two-token answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy

from surefoot.router.estimators.catalogue import Options, estimator
from surefoot.router.evidence import Alternative, Evidence, Generation, Token
from surefoot.router.reading import read_signals
from surefoot.router.signals import Signal, Unavailable

OFF = Options(content_filter=False)
DISTRIBUTIONS = (
    "mean_token_entropy",
    "token_negentropy_mean",
    "token_negentropy_min",
    "probability_margin",
    "self_certainty",
    "renyi_divergence",
    "fisher_rao",
    "deepconf_token_mean",
    "deepconf_group",
    "deepconf_lowest_group",
    "deepconf_bottom10",
    "deepconf_tail",
)


def answer(*rows: tuple[float, ...]) -> Evidence:
    """One word a row of probabilities, of which the first is the chosen one's."""
    tokens = tuple(
        Token(
            f" w{place}",
            math.log(row[0]),
            tuple(Alternative(f"a{i}", math.log(p)) for i, p in enumerate(row)),
        )
        for place, row in enumerate(rows)
    )
    return Evidence("q", Generation("".join(token.token for token in tokens), tokens))


def read(name: str, evidence: Evidence, options: Options = OFF) -> Signal:
    signal = estimator(name, options).estimate(evidence)
    assert isinstance(signal, Signal), signal
    return signal


ROWS = ((0.6, 0.3, 0.1), (0.5, 0.25, 0.05))


def renormalized(row: tuple[float, ...]) -> np.ndarray:
    return np.array(row) / sum(row)


def test_entropy_is_that_of_the_renormalized_candidates() -> None:
    expected = np.mean([scipy_entropy(renormalized(row)) for row in ROWS])
    signal = read("mean_token_entropy", answer(*ROWS))
    assert signal.raw == pytest.approx(expected)
    assert signal.value == pytest.approx(math.exp(-expected))
    assert signal.details["captured_mass"] == pytest.approx(0.9)
    assert (signal.details["k"], signal.details["filter"]) == (3, "off")


def test_uniform_top_five_of_half_the_mass_has_the_entropy_of_five() -> None:
    """A library that does not renormalize says 5 * .1 * ln 10 = 1.15 here."""
    assert read("mean_token_entropy", answer((0.1,) * 5)).raw == pytest.approx(math.log(5))


def test_negentropy_mean_and_least() -> None:
    each = [1 - scipy_entropy(renormalized(row)) / math.log(3) for row in ROWS]
    assert read("token_negentropy_mean", answer(*ROWS)).value == pytest.approx(np.mean(each))
    assert read("token_negentropy_min", answer(*ROWS)).value == pytest.approx(min(each))


def test_negentropy_takes_what_came_back() -> None:
    """Fewer alternatives than some setting are no reason for a NaN, nor need they be as many."""
    first, second = (0.5, 0.3, 0.1, 0.05, 0.05), (0.9, 0.1)
    signal = read("token_negentropy_mean", answer(first, second))
    expected = [1 - scipy_entropy(row) / math.log(len(row)) for row in (first, second)]
    assert signal.value == pytest.approx(np.mean(expected))
    assert (signal.details["k"], signal.details["k_max"]) == (2, 5)


def test_self_certainty_is_the_divergence_of_uniform_from_the_candidates() -> None:
    expected = np.mean([np.mean(np.log(1 / 3) - np.log(row)) for row in ROWS])
    signal = read("self_certainty", answer(*ROWS))
    assert signal.raw == pytest.approx(expected)
    assert signal.value == pytest.approx(1 - math.exp(-expected))
    assert signal.direction == "confidence"


def test_renyi_and_fisher_rao_by_their_definitions() -> None:
    renyi, fisher = [], []
    for row in ROWS:
        softened = softmax(np.log(row) / 2)
        uniform = np.full(3, 1 / 3)
        renyi.append(-2 * math.log(np.sum(softened**0.5 * uniform**0.5)))
        fisher.append(2 / math.pi * math.acos(np.sum(np.sqrt(softened / 3))))
    signal = read("renyi_divergence", answer(*ROWS))
    assert signal.raw == pytest.approx(np.mean(renyi))
    assert signal.value == pytest.approx(np.mean(renyi) / math.log(3))
    assert read("fisher_rao", answer(*ROWS)).raw == pytest.approx(np.mean(fisher))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_peaked_distribution_is_surer_than_a_flat_one(name: str) -> None:
    """A distance from uniform that is returned as an uncertainty has this the wrong way around."""
    peaked, flat = answer((0.97, 0.02, 0.01)), answer((0.34, 0.33, 0.33))
    assert read(name, peaked).value > read(name, flat).value
    assert read(name, peaked).score > read(name, flat).score


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_flattest_distribution_has_no_confidence(name: str) -> None:
    least = read(name, answer((0.25, 0.25, 0.25, 0.25))).value
    assert least == pytest.approx(1 / 4 if name == "mean_token_entropy" else 0.0, abs=1e-7)


def test_deepconf_is_the_mean_negative_logprob_of_the_alternatives() -> None:
    each = [-np.mean(np.log(row)) for row in ROWS]
    signal = read("deepconf_token_mean", answer(*ROWS))
    assert signal.raw == pytest.approx(np.mean(each))
    assert signal.value == pytest.approx(1 - math.exp(-(np.mean(each) - math.log(3))))


def test_deepconf_looks_at_the_twenty_most_probable_only() -> None:
    twenty = (0.5, *[0.02] * 19)
    more = answer((*twenty, 1e-9, 1e-9))
    assert read("deepconf_token_mean", more).raw == read("deepconf_token_mean", answer(twenty)).raw
    assert read("deepconf_token_mean", more).details["k"] == 20


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_candidates_too_improbable_for_a_float_are_no_trouble(name: str) -> None:
    tokens = (Token("x", -2000.0, (Alternative("a", -2000.0), Alternative("b", -2000.0))),)
    signal = read(name, Evidence("q", Generation("x", tokens)))
    assert 0.0 <= signal.value <= 1.0 and math.isfinite(signal.raw)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_one_alternative_is_no_distribution(name: str) -> None:
    evidence = answer((0.9,), (0.8,))
    assert estimator(name, OFF).estimate(evidence) == Unavailable("top-k < 2")


def test_the_least_of_the_tokens_needs_them_all() -> None:
    found = estimator("token_negentropy_min", OFF)
    rows: list[tuple[float, ...]] = [(0.7, 0.2)] * 19
    assert found.estimate(answer(*rows, (0.9,))) == Unavailable("missing token or top-k < 2")
    assert isinstance(found.estimate(answer(*rows)), Signal)


@pytest.mark.parametrize("name", [one for one in DISTRIBUTIONS if one != "token_negentropy_min"])
def test_a_twentieth_of_the_tokens_may_lack_candidates_and_is_reported(name: str) -> None:
    rows: list[tuple[float, ...]] = [(0.7, 0.2)] * 19
    assert read(name, answer(*rows, (0.9,))).details["coverage"] == 0.95
    assert isinstance(estimator(name, OFF).estimate(answer(*rows[:5], (0.9,))), Unavailable)


probabilities = st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=6).map(
    lambda row: tuple(sorted((p / sum(row) for p in row), reverse=True))
)


@given(rows=st.lists(probabilities, min_size=1, max_size=4), shift=st.floats(0.0, 0.9))
def test_mass_moved_to_the_top_makes_no_distribution_less_sure(
    rows: list[tuple[float, ...]], shift: float
) -> None:
    """Every candidate but the best loses the same share of its probability to the best."""
    sharper = [(row[0] + shift * sum(row[1:]), *((1 - shift) * p for p in row[1:])) for row in rows]
    for name in DISTRIBUTIONS:
        before, after = read(name, answer(*rows)), read(name, answer(*sharper))
        assert after.score >= before.score - 1e-9
        assert after.value >= before.value - 1e-9


def test_many_records_read_as_they_do_one_by_one() -> None:
    numbers = np.random.default_rng(7)
    records = [
        answer(
            *[tuple(numbers.dirichlet(np.ones(k)) + 1e-9) for _ in range(numbers.integers(1, 6))]
        )
        for k in numbers.integers(2, 8, size=40)
    ]
    estimators = [estimator(name, OFF) for name in DISTRIBUTIONS]
    together = read_signals(estimators, records)
    for record, signals in zip(records, together, strict=True):
        for name in DISTRIBUTIONS:
            alone, reading = read(name, record), signals[name]
            assert isinstance(reading, Signal)
            assert reading.raw == pytest.approx(alone.raw, rel=1e-12)
            assert reading.details.keys() == alone.details.keys()
