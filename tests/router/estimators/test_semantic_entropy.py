"""Semantic entropies: by hand, against the variants of other libraries, and their defects."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.batch import Batch
from surefoot.router.estimators.semantic_entropy import (
    NumSemanticSets,
    SemanticEntropy,
    SemanticEntropyRao,
    count_entropy,
    weight_entropy,
)
from surefoot.router.estimators.semantic_entropy_variants import (
    SemanticEntropyLmp,
    SemanticEntropyUqlm,
)
from surefoot.router.evidence import Evidence, Nli
from surefoot.router.protocols import Estimator, Needs

from .judged_records import ENTAILS, matrix, random_nli, read, reason, record

EVERY: tuple[Estimator, ...] = (
    NumSemanticSets(),
    SemanticEntropy(),
    SemanticEntropyRao(),
    SemanticEntropyUqlm(),
    SemanticEntropyLmp(),
)


def grouped(groups: str, probabilities: list[float] | None = None) -> Evidence:
    """Answers of which equal letters entail each other; the first is the greedy one."""
    pairs: dict[tuple[int, int], Nli] = {
        (i, j): ENTAILS
        for i, one in enumerate(groups)
        for j, other in enumerate(groups)
        if one == other
    }
    texts = [f"{letter}{i}" for i, letter in enumerate(groups)]
    return record(texts, matrix(len(groups), pairs), probabilities)


# --- ours ----------------------------------------------------------------------------------------


def test_classes_of_three_one_one_have_entropy_0_950() -> None:
    """LM-Polygraph's `direct` form sums over samples and gives 1.563 (its defect 1)."""
    signal = read(SemanticEntropy(), grouped("xaaabc"))
    assert signal.raw == pytest.approx(0.9502705, abs=1e-6)
    assert signal.value == pytest.approx(1 - 0.9502705 / math.log(5), abs=1e-6)
    assert signal.direction == "uncertainty"
    assert signal.details == {"m": 5, "classes": 3}
    over_samples = -sum(n / 5 * math.log(n / 5) for n in (3, 3, 3, 1, 1))
    assert over_samples == pytest.approx(1.563, abs=1e-3)


def test_five_equal_samples_have_none_where_lm_polygraph_goes_below() -> None:
    """Its class mass is 5 x .9 > 1 (defect 2): -ln 4.5."""
    given = grouped("aaaaaa", [0.9] * 6)
    for found in (SemanticEntropy(), SemanticEntropyRao(), SemanticEntropyUqlm()):
        signal = read(found, given)
        assert (signal.raw, signal.value) == (0.0, 1.0)
    lmp = read(SemanticEntropyLmp(), given)
    assert lmp.raw == pytest.approx(-math.log(4.5))
    assert lmp.value == pytest.approx(4.5 / 5.5)


def test_all_different_is_the_most_there_is() -> None:
    given = grouped("xabcd", [0.5] * 5)
    assert read(SemanticEntropy(), given).raw == pytest.approx(math.log(4))
    assert read(SemanticEntropy(), given).value == pytest.approx(0.0, abs=1e-12)
    assert read(SemanticEntropyRao(), given).raw == pytest.approx(math.log(4))
    assert read(NumSemanticSets(), given).value == 0.0


def test_number_of_meanings_and_its_map() -> None:
    signal = read(NumSemanticSets(), grouped("xaabb"))
    assert (signal.name, signal.raw) == ("num_semantic_sets", 2.0)
    assert signal.value == pytest.approx(2 / 3)
    assert read(NumSemanticSets(), grouped("xaaaa")).value == 1.0


def test_likelihoods_weigh_the_classes() -> None:
    """Classes {.5, .25} and {.25}: shares 3/4 and 1/4; the greedy answer's .9 is not read."""
    signal = read(SemanticEntropyRao(), grouped("xaab", [0.9, 0.5, 0.25, 0.25]))
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert signal.raw == pytest.approx(expected)
    assert signal.value == pytest.approx(1 - expected / math.log(3))
    assert signal.details == {"m": 3, "classes": 2, "filter": "on"}


def test_likelihoods_too_small_for_a_float_still_weigh() -> None:
    tiny = grouped("xab", [1e-300, 1e-300, 1e-300])
    assert read(SemanticEntropyRao(), tiny).raw == pytest.approx(math.log(2))


def test_an_empty_sample_counts_as_a_meaning() -> None:
    given = record(["x1", "Rome", "", "Rome"], matrix(4, {}, other=ENTAILS))
    assert read(NumSemanticSets(), given).raw == 2.0
    assert read(SemanticEntropy(), given).raw == pytest.approx(count_entropy((1, 2)))


def test_judgments_that_contradict_each_other_are_reported() -> None:
    pairs = {(1, 3): ENTAILS, (3, 1): ENTAILS, (2, 3): ENTAILS, (3, 2): ENTAILS}
    given = record(["x1", "a1", "b1", "c1"], matrix(4, pairs), [0.5] * 4)
    for found in EVERY:
        assert read(found, given).details["order_matters"] is True
    assert "order_matters" not in read(SemanticEntropy(), grouped("xabc")).details


# --- other libraries' ----------------------------------------------------------------------------


def test_uqlm_counts_the_greedy_answer_and_overlaps() -> None:
    """A and B unrelated, C entailed by both, one way: [0, 2] and [1, 2], shares .75/1.25, .5/1.25
    (defect 8). Ours are three meanings."""
    pairs = {(0, 2): ENTAILS, (1, 2): ENTAILS}
    given = record(["a1", "b1", "c1"], matrix(3, pairs), [0.5, 0.25, 0.25])
    signal = read(SemanticEntropyUqlm(), given)
    shares = (0.75 / 1.25, 0.5 / 1.25)
    assert signal.raw == pytest.approx(-sum(p * math.log(p) for p in shares))
    assert signal.value == pytest.approx(1 - signal.raw / math.log(3))
    assert signal.details == {"m": 2, "classes": 2, "order_matters": True}
    assert read(NumSemanticSets(), given).raw == 2.0


def test_uqlm_joins_only_texts_that_are_equal_letter_by_letter() -> None:
    given = record(["Rome", "Rome", "rome"], matrix(3, {}), [0.5] * 3)
    expected = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert read(SemanticEntropyUqlm(), given).raw == pytest.approx(expected)
    assert read(SemanticEntropy(), given).raw == 0.0


def test_lmp_by_hand() -> None:
    """-(2 ln(.5 + .25) + ln .125)/3; nothing but NLI joins, not even equal texts."""
    signal = read(SemanticEntropyLmp(), grouped("xaab", [0.9, 0.5, 0.25, 0.125]))
    assert signal.raw == pytest.approx(-(2 * math.log(0.75) + math.log(0.125)) / 3)
    assert signal.value == pytest.approx(1 / (1 + math.exp(signal.raw)))
    apart = record(["x1", "Rome", "Rome"], matrix(3, {}), [0.5] * 3)
    assert read(SemanticEntropyLmp(), apart).raw == pytest.approx(math.log(2))
    assert read(SemanticEntropyLmp(), apart).details["classes"] == 2


@pytest.mark.parametrize("seed", range(20))
def test_variants_equal_their_definitions_written_down_anew(seed: int) -> None:
    nli = np.array(random_nli(6, seed)) + np.array([0.0, 0.0, 0.3])
    nli /= nli.sum(axis=-1, keepdims=True)
    p = np.random.default_rng(seed).uniform(0.05, 0.95, 6)
    texts = ["Rome", "Oslo", "Rome", "Paris", "in Rome", "Oslo."]
    given = record(texts, nli.tolist(), p.tolist())
    label = nli.argmax(axis=-1)

    clusters = [[0]]
    for i in range(1, 6):
        new = True
        for members in clusters:
            j = members[0]
            if texts[i] == texts[j] or label[i, j] == 2 or label[j, i] == 2:
                members.append(i)
                new = False
        if new:
            clusters.append([i])
    mass = np.array([p[members].sum() for members in clusters])
    mass /= mass.sum()
    uqlm = abs((mass * np.log(mass)).sum())
    assert read(SemanticEntropyUqlm(), given).raw == pytest.approx(uqlm, abs=1e-9)

    strict: list[list[int]] = []
    for i in range(1, 6):
        for members in strict:
            if label[i, members[0]] == 2 and label[members[0], i] == 2:
                members.append(i)
                break
        else:
            strict.append([i])
    lmp = -np.mean([math.log(p[members].sum()) for members in strict for _ in members])
    assert read(SemanticEntropyLmp(), given).raw == pytest.approx(lmp, abs=1e-9)


# --- what all share ------------------------------------------------------------------------------


def test_why_there_is_none() -> None:
    bare = grouped("xab")
    for found in EVERY[2:]:
        assert "no logprobs" in reason(found, bare)
    for found in EVERY:
        one = grouped("xa", [0.5, 0.5])
        assert reason(found, one) == "needs 2 samples"
        assert reason(found, record(["x1"])) == "no samples"
        assert reason(found, record(["x1", "a1", "b1"], None, [0.5] * 3)) == "no nli"


def test_an_answer_without_logprobs_spoils_its_record_alone() -> None:
    """UQLM's batch turns NaN (its issue 463)."""
    good = grouped("xaab", [0.5] * 4)
    bad = record(["x0", "a1", "a2", "b3"], good.nli)
    for found in EVERY[2:]:
        assert isinstance(found, SemanticEntropyRao | SemanticEntropyUqlm | SemanticEntropyLmp)
        first, second, third = found.estimate_batch(Batch([good, bad, good]))
        assert first == third == read(found, good)
        assert reason(found, bad) == second.reason  # type: ignore[union-attr]  # it is Unavailable


@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=8))
def test_entropy_of_weights_is_between_none_and_even(weights: list[float]) -> None:
    found = weight_entropy(weights)
    shares = np.array(weights) / np.sum(weights)
    assert found == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-12)
    assert -1e-12 <= found <= math.log(len(weights)) + 1e-12


def test_what_is_needed() -> None:
    assert SemanticEntropy(7).needs == Needs(samples=7, compare="nli")
    assert SemanticEntropyRao(7).needs == Needs(logprobs=True, samples=7, compare="nli")
    assert (
        SemanticEntropyUqlm(7).needs == SemanticEntropyLmp(7).needs == SemanticEntropyRao(7).needs
    )
