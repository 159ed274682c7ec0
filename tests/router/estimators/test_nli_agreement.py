"""Non-contradiction, entailment and LUQ: by hand and written down anew."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot.router.estimators.luq import Luq
from surefoot.router.estimators.nli_agreement import Entailment, Noncontradiction
from surefoot.router.protocols import Needs

from .judged_records import ENTAILS, NEUTRAL, matrix, random_nli, read, reason, record

TEXTS = ["Rome", "Oslo", "Paris", "Bern"]


@pytest.mark.parametrize("seed", range(5))
def test_both_directions_against_the_greedy_answer_are_averaged(seed: int) -> None:
    nli = np.array(random_nli(4, seed))
    given = record(TEXTS, nli.tolist())
    peace = read(Noncontradiction(), given)
    support = read(Entailment(), given)
    assert peace.raw == peace.value
    assert peace.direction == support.direction == "confidence"
    assert peace.raw == pytest.approx(1 - np.mean([nli[0, 1:, 0], nli[1:, 0, 0]]), abs=1e-9)
    assert support.raw == pytest.approx(np.mean([nli[0, 1:, 2], nli[1:, 0, 2]]), abs=1e-9)


def test_by_hand() -> None:
    pairs = {(0, 1): (0.2, 0.3, 0.5), (1, 0): (0.4, 0.5, 0.1), (0, 2): (0.6, 0.4, 0.0)}
    given = record(TEXTS[:3], matrix(3, pairs))
    assert read(Noncontradiction(), given).raw == pytest.approx((0.7 + 0.7) / 2)
    assert read(Entailment(), given).raw == pytest.approx((0.3 + 0.0) / 2)


def test_equal_texts_count_one_whatever_the_matrix_says() -> None:
    given = record(["Rome", "Rome ", "Oslo"], [[(0.5, 0.25, 0.25)] * 3] * 3)
    assert read(Noncontradiction(), given).raw == pytest.approx((1 + 0.5) / 2)
    assert read(Entailment(), given).raw == pytest.approx((1 + 0.25) / 2)
    same = record(["Rome"] * 4, [[NEUTRAL] * 4] * 4)
    assert read(Noncontradiction(), same).raw == read(Entailment(), same).raw == 1.0


def test_luq_by_hand() -> None:
    """Ratios .5/.7, .1/.5 and four ones, over six ordered pairs of samples."""
    pairs = {(1, 2): (0.2, 0.3, 0.5), (2, 1): (0.4, 0.5, 0.1)}
    given = record(TEXTS, matrix(4, pairs, other=ENTAILS))
    signal = read(Luq(), given)
    assert signal.raw == pytest.approx(1 - (0.5 / 0.7 + 0.1 / 0.5 + 4) / 6)
    assert signal.value == pytest.approx(1 - signal.raw)
    assert signal.direction == "uncertainty"


@pytest.mark.parametrize("seed", range(5))
def test_luq_leaves_the_diagonal_and_the_greedy_answer_out(seed: int) -> None:
    nli = np.array(random_nli(4, seed))
    ratios = [
        nli[i, j, 2] / (nli[i, j, 2] + nli[i, j, 0])
        for i in range(1, 4)
        for j in range(1, 4)
        if i != j
    ]
    assert read(Luq(), record(TEXTS, nli.tolist())).raw == pytest.approx(1 - np.mean(ratios))


def test_luq_of_pairs_without_a_ratio() -> None:
    pairs = {(1, 2): (0.0, 0.5, 0.5)}
    assert read(Luq(), record(TEXTS[:3], matrix(3, pairs))).raw == 0.0  # the other way says nothing
    silent = record(TEXTS[:3], matrix(3, {}))
    assert reason(Luq(), silent) == "nli: no two samples entail or contradict each other at all"


def test_more_contradiction_never_makes_surer() -> None:
    before = random_nli(4, 3)
    c, n, e = before[1][2]
    after = [list(row) for row in before]
    after[1][2] = (c + e / 2, n, e / 2)
    assert read(Luq(), record(TEXTS, after)).value < read(Luq(), record(TEXTS, before)).value
    after[0][1] = (1.0, 0.0, 0.0)
    for found in (Noncontradiction(), Entailment()):
        assert read(found, record(TEXTS, after)).raw <= read(found, record(TEXTS, before)).raw


def test_few_samples_and_needs() -> None:
    one = record(TEXTS[:2], matrix(2, {}))
    assert read(Entailment(), one).details == {"m": 1, "one_sample": True}
    assert reason(Luq(), one) == "needs 2 samples"
    for found in (Noncontradiction(7), Entailment(7), Luq(7)):
        assert found.needs == Needs(samples=7, compare="nli")
        assert reason(found, record(TEXTS)) == "no nli"
