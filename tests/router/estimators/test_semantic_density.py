"""Semantic density, ours and LM-Polygraph's: by hand and written down anew."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surefoot.router.estimators.semantic_density import SemanticDensity, SemanticDensityLmp
from surefoot.router.protocols import Needs

from .judged_records import NEUTRAL, OPPOSES, matrix, random_nli, read, reason, record

TEXTS = ["Rome", "Oslo", "Paris", "Bern"]


def test_by_hand() -> None:
    """K: neutral 1 - 1/2, (.2, .4, .4) 1 - .4; weights .5 and .25."""
    pairs = {(0, 1): NEUTRAL, (0, 2): (0.2, 0.4, 0.4), (1, 0): OPPOSES}
    given = record(TEXTS[:3], matrix(3, pairs), [0.9, 0.5, 0.25])
    signal = read(SemanticDensity(), given)
    assert signal.raw == signal.value == pytest.approx((0.5 * 0.5 + 0.25 * 0.6) / 0.75)
    assert signal.direction == "confidence"
    assert signal.details == {"m": 2, "filter": "on"}


@pytest.mark.parametrize("seed", range(5))
def test_ours_equals_the_formula_written_down_anew(seed: int) -> None:
    nli = np.array(random_nli(4, seed))
    q = np.random.default_rng(seed).uniform(0.1, 0.9, 4)
    c, n = nli[0, 1:, 0], nli[0, 1:, 1]
    kernel = (1 - (c + n / 2)) * (c + n * np.sqrt(2) / 2 <= 1)
    given = record(TEXTS, nli.tolist(), q.tolist())
    expected = np.average(kernel, weights=q[1:])
    assert read(SemanticDensity(), given).raw == pytest.approx(expected)


def test_identical_samples_are_sure_and_opposed_ones_are_not() -> None:
    same = record(["Rome"] * 4, matrix(4, {}, other=(0.0, 0.0, 1.0)), [0.3] * 4)
    assert read(SemanticDensity(), same).raw == 1.0
    opposed = record(TEXTS, matrix(4, {}, other=OPPOSES), [0.3] * 4)
    assert read(SemanticDensity(), opposed).raw == 0.0


def test_likelihoods_too_small_for_a_float_still_weigh() -> None:
    pairs = {(0, 1): NEUTRAL, (0, 2): OPPOSES}
    given = record(TEXTS[:3], matrix(3, pairs), [0.9, 1e-300, 1e-300])
    assert read(SemanticDensity(), given).raw == pytest.approx(0.25)


def test_lmp_adds_the_greedy_answer_and_leaves_repetitions_out() -> None:
    pairs = {(0, 1): NEUTRAL, (0, 2): OPPOSES, (0, 3): NEUTRAL}
    texts = ["Rome", "Oslo", "Paris", "Oslo"]
    given = record(texts, matrix(4, pairs), [0.8, 0.4, 0.2, 0.4])
    signal = read(SemanticDensityLmp(), given)
    assert signal.raw == pytest.approx(-(0.8 + 0.4 * 0.5) / (0.8 + 0.4 + 0.2))
    assert signal.value == pytest.approx(-signal.raw)
    assert signal.direction == "uncertainty"
    assert signal.details == {"m": 3, "unique": 2}


def test_lmp_reads_the_first_of_equal_texts_and_says_so() -> None:
    texts, nli = ["Rome", "Oslo", "Oslo"], matrix(3, {})
    first = read(SemanticDensityLmp(), record(texts, nli, [0.5, 0.4, 0.1]))
    second = read(SemanticDensityLmp(), record(texts, nli, [0.5, 0.1, 0.4]))
    assert first.raw == pytest.approx(-(0.5 + 0.4 / 2) / 0.9)
    assert second.raw == pytest.approx(-(0.5 + 0.1 / 2) / 0.6)
    assert first.details == {"m": 2, "unique": 1, "order_matters": True}


@pytest.mark.parametrize("seed", range(5))
def test_lmp_equals_its_definition_written_down_anew(seed: int) -> None:
    nli = np.array(random_nli(6, seed))
    q = np.random.default_rng(seed).uniform(0.1, 0.9, 6)
    texts = ["Rome", "Oslo", "Rome", "Oslo", "Paris", "oslo"]
    _, firsts = np.unique(texts[1:], return_index=True)
    top, bottom = [q[0]], [q[0]]
    for i in firsts + 1:
        top.append(q[i] * (1 - nli[0, i, 0] - nli[0, i, 1] / 2))
        bottom.append(q[i])
    given = record(texts, nli.tolist(), q.tolist())
    assert read(SemanticDensityLmp(), given).raw == pytest.approx(-np.sum(top) / np.sum(bottom))


def test_one_sample_works_and_is_flagged() -> None:
    given = record(TEXTS[:2], matrix(2, {}), [0.5, 0.5])
    assert read(SemanticDensity(), given).raw == pytest.approx(0.5)
    assert read(SemanticDensity(), given).details["one_sample"] is True
    assert read(SemanticDensityLmp(), given).details["one_sample"] is True


def test_why_there_is_none() -> None:
    for found in (SemanticDensity(7), SemanticDensityLmp(7)):
        assert found.needs == Needs(logprobs=True, samples=7, compare="nli")
        assert reason(found, record(TEXTS, matrix(4, {}))) == "a sample: no logprobs"
        assert reason(found, record(TEXTS, None, [0.5] * 4)) == "no nli"
        assert reason(found, record(TEXTS[:1])) == "no samples"


def test_a_warmer_matrix_is_a_flatter_one() -> None:
    pairs = {(0, 1): (0.001, 0.001, 0.998)}
    given = record(TEXTS[:2], matrix(2, pairs), [0.5, 0.5])
    cold, warm = SemanticDensity(), SemanticDensity(nli_temperature=3.0)
    assert read(warm, given).raw < read(cold, given).raw
    assert read(warm, given).details["nli_temperature"] == 3.0
    assert math.isclose(read(cold, given).raw, 1 - 0.001 - 0.0005)
