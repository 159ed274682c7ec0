"""Degree, eigenvalues and eccentricity of the samples' graph: by hand and against scipy."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.batch import Batch
from surefoot.router.estimators.catalogue import estimator
from surefoot.router.estimators.graph_measures import (
    DegMat,
    Eccentricity,
    EigvLaplacian,
    deg_mat,
    degree_confidences,
    eccentricity,
    eccentricity_confidences,
    eigv_laplacian,
)
from surefoot.router.estimators.similarity_graph import (
    GraphKind,
    jaccard_similarities,
    laplacian,
    spectrum,
)
from surefoot.router.evidence import Evidence, Nli
from surefoot.router.protocols import Estimator, Needs
from surefoot.router.signals import Signal

from .judged_records import ENTAILS, NEUTRAL, OPPOSES, matrix, random_nli, read, reason, record

KINDS: tuple[GraphKind, ...] = ("jaccard", "entail", "contra", "entail_lmp", "contra_lmp")
MEASURES = (DegMat, EigvLaplacian, Eccentricity)
WORDS = ("new york", "york", "Rome", "the city of York", "rome italy", "")


def every(kind: GraphKind) -> list[Estimator]:
    return [measure(similarity=kind) for measure in MEASURES]


def raws(kind: GraphKind, given: Evidence) -> list[float]:
    return [read(found, given).raw for found in every(kind)]


def independent(w: np.ndarray) -> list[float]:
    """The three measures of one graph with scipy, written down anew."""
    m = len(w)
    root = scipy.linalg.inv(scipy.linalg.sqrtm(np.diag(w.sum(axis=1))))
    values, vectors = scipy.linalg.eigh(np.eye(m) - root @ w @ root)
    kept = vectors[:, values < 0.9 - 1e-9]
    offsets = kept - np.ones((m, m)) @ kept / m
    return [
        np.trace(np.diag([m] * m) - np.diag(w.sum(axis=1))) / m**2,
        sum(max(0.0, 1.0 - value) for value in values),
        math.sqrt(np.trace(offsets.T @ offsets)),
    ]


def weights(kind: GraphKind, given: Evidence) -> np.ndarray:
    nli: np.ndarray = np.array(given.nli)[1:, 1:]
    w: np.ndarray
    if kind.startswith("entail"):
        w = (nli[..., 2] + nli[..., 2].T) / 2
    else:
        w = 1 - (nli[..., 0] + nli[..., 0].T) / 2
    if not kind.endswith("_lmp"):
        np.fill_diagonal(w, 1.0)
    return w


# --- by hand -------------------------------------------------------------------------------------


def test_jaccard_of_word_sets() -> None:
    texts = ["New York", "york", "Rome", "", "york new"]
    found = np.array(jaccard_similarities(texts)).reshape(5, 5)
    expected = np.eye(5)
    expected[0, 1] = expected[1, 0] = expected[1, 4] = expected[4, 1] = 0.5
    expected[0, 4] = expected[4, 0] = 1.0
    assert (found == expected).all()
    assert jaccard_similarities(["", " "]) == [1.0] * 4  # two without words are alike


def test_two_samples_by_hand() -> None:
    """W = [[1, 1/2], [1/2, 1]]: degrees 3/2, L = [[1, -1], [-1, 1]]/3, eigenvalues 0 and 2/3; both
    are below 0.9, so V is orthogonal and its centered norm is sqrt(2 - 1)."""
    given = record(["(no node)", "New York", "York"])
    assert raws("jaccard", given) == pytest.approx([0.25, 1 + 1 / 3, 1.0])
    assert [read(found, given).value for found in every("jaccard")] == pytest.approx(
        [0.75, 2 / 3, 0.0]
    )


def test_two_equal_samples_and_a_stranger_by_hand() -> None:
    """Blocks of 2 and 1: eigenvalues 0, 0, 1. V spans (1,1,0)/sqrt 2 and (0,0,1): the projection P
    has trace 2, and the centered norm squared is tr P - 1'P1/3 = 2 - 3/3 = 1."""
    given = record(["Rome", "Rome", "Oslo", "Rome"])
    assert raws("jaccard", given) == pytest.approx([1 - 5 / 9, 2.0, 1.0])
    assert read(Eccentricity(), given).value == pytest.approx(1 - 1 / math.sqrt(2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("m", [2, 3, 5, 20])
def test_identical_samples_are_sure_exactly(kind: GraphKind, m: int) -> None:
    given = record(["Rome"] * (m + 1), [[ENTAILS] * (m + 1)] * (m + 1))
    assert raws(kind, given) == [0.0, 1.0, 0.0]
    assert [read(found, given).value for found in every(kind)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("m", [2, 3, 5, 20])
def test_samples_that_share_nothing_are_unsure_in_full(m: int) -> None:
    given = record([f"w{i}" for i in range(m + 1)])
    assert raws("jaccard", given) == pytest.approx([1 - 1 / m, m, math.sqrt(m - 1)])
    found = [read(one, given).value for one in every("jaccard")]
    assert found == pytest.approx([1 / m, 0.0, 0.0], abs=1e-9)


def test_an_empty_sample_is_a_stranger_to_words_and_counted() -> None:
    given = record(["Rome", "Rome", ""])
    assert raws("jaccard", given) == pytest.approx([0.5, 2.0, 1.0])
    assert read(DegMat(), given).details == {"m": 2}


def test_an_eigenvalue_of_exactly_the_threshold_is_out() -> None:
    """Of two samples with weight w the second eigenvalue is 2w/(1 + w)."""
    w = np.array([[[1.0, 1 / 19], [1 / 19, 1.0]]])
    assert spectrum(w).values[0] == pytest.approx([0.0, 0.1])
    third = np.array([[[1.0, 9 / 11], [9 / 11, 1.0]]])
    assert spectrum(third).values[0] == pytest.approx([0.0, 0.9])
    assert eccentricity(spectrum(third))[0] == pytest.approx(0.0, abs=1e-12)
    assert eccentricity(spectrum(w))[0] == pytest.approx(1.0)


# --- against scipy -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("m", [2, 3, 5, 8])
def test_nli_graphs_equal_scipy(kind: GraphKind, m: int) -> None:
    for seed in range(10):
        given = record([f"w{i}" for i in range(m + 1)], random_nli(m + 1, seed))
        assert raws(kind, given) == pytest.approx(independent(weights(kind, given)), abs=1e-9)


@given(st.lists(st.sampled_from(WORDS), min_size=2, max_size=8))
def test_word_graphs_equal_scipy(texts: list[str]) -> None:
    sets = [set(text.lower().split()) for text in texts]
    w = np.array([[len(a & b) / len(a | b) if a | b else 1.0 for b in sets] for a in sets])
    assert raws("jaccard", record(["Rome", *texts])) == pytest.approx(independent(w), abs=1e-8)


def test_the_lmp_kind_keeps_the_diagonal_of_the_model() -> None:
    own = (0.01, 0.03, 0.96)
    nli = matrix(4, {(i, i): own for i in range(4)}, other=(0.1, 0.2, 0.7))
    given = record(["a1", "b1", "c1", "d1"], nli)
    assert read(DegMat(similarity="entail"), given).raw == pytest.approx(1 - (3 + 6 * 0.7) / 9)
    lmp = read(DegMat(similarity="entail_lmp"), given)
    assert lmp.name == "deg_entail_lmp"
    assert lmp.raw == pytest.approx(1 - (3 * 0.96 + 6 * 0.7) / 9)
    contra = read(DegMat(similarity="contra_lmp"), given)
    assert contra.raw == pytest.approx(1 - (3 * 0.99 + 6 * 0.9) / 9)


# --- per response (defect: LM-Polygraph's is per eigenvector) ------------------------------------


@given(st.lists(st.sampled_from(WORDS), min_size=3, max_size=7), st.randoms())
def test_confidences_are_one_a_response_and_follow_it(texts: list[str], random: object) -> None:
    m = len(texts)
    order = list(range(m))
    random.shuffle(order)  # type: ignore[attr-defined]  # hypothesis' own random.Random
    w = np.array(jaccard_similarities(texts)).reshape(1, m, m)
    moved = w[:, order][:, :, order]
    for plain, other in (
        (degree_confidences(w), degree_confidences(moved)),
        (eccentricity_confidences(spectrum(w)), eccentricity_confidences(spectrum(moved))),
    ):
        assert plain.shape == (1, m)
        assert other[0] == pytest.approx(plain[0][order], abs=1e-9)
    whole = np.sqrt((eccentricity_confidences(spectrum(w)) ** 2).sum())
    assert whole == pytest.approx(eccentricity(spectrum(w))[0], abs=1e-12)
    assert degree_confidences(w).mean() == pytest.approx(1 - deg_mat(w)[0])


def test_the_odd_one_out_is_the_least_confident_response() -> None:
    w = np.array(jaccard_similarities(["Rome", "Rome", "Rome", "Oslo"])).reshape(1, 4, 4)
    assert degree_confidences(w)[0].tolist() == [0.75, 0.75, 0.75, 0.25]
    assert eccentricity_confidences(spectrum(w))[0].argmin() == 3


def test_eccentricity_depends_on_the_space_alone() -> None:
    """Three pairs: the eigenvalue 0 is threefold, any basis of its space will do."""
    w = np.kron(np.eye(3), np.ones((2, 2))).astype(np.float64)[None]
    found = spectrum(w)
    turn = np.eye(6)
    turn[:3, :3] = scipy.linalg.expm(np.array([[0, 1, 2], [-1, 0, 3], [-2, -3, 0]]))
    turned = found._replace(vectors=found.vectors @ turn)
    assert eccentricity(turned) == pytest.approx(eccentricity(found))
    assert eccentricity_confidences(turned) == pytest.approx(eccentricity_confidences(found))
    assert eccentricity(found)[0] == pytest.approx(math.sqrt(2))


# --- order, ties, monotony, company ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_samples_changes_nothing(kind: GraphKind) -> None:
    texts, nli = ["x", *WORDS[:4]], np.array(random_nli(5, 3))
    expected = raws(kind, record(texts, nli.tolist()))
    for order in itertools.permutations(range(1, 5)):
        index = [0, *order]
        moved = nli[index][:, index]
        other = record([texts[i] for i in index], moved.tolist())
        assert raws(kind, other) == pytest.approx(expected, abs=1e-9)


def test_equal_patterns_of_answers_tie_exactly() -> None:
    """Without rounding, the solver's last digits would rank these."""
    groups: dict[str, set[tuple[float, ...]]] = {}
    for pattern in itertools.product("abc", repeat=5):
        sizes = "".join(map(str, sorted(map(pattern.count, set(pattern)))))
        groups.setdefault(sizes, set()).add(tuple(raws("jaccard", record(["x", *pattern]))))
    assert {sizes: len(found) for sizes, found in groups.items()} == dict.fromkeys(
        ("5", "14", "23", "113", "122"), 1
    )


@given(st.integers(2, 6), st.integers(0, 99), st.floats(0.0, 1.0))
def test_degree_never_rises_as_two_samples_become_more_alike(
    m: int, seed: int, share: float
) -> None:
    nli = random_nli(m + 1, seed)
    before = read(DegMat(similarity="entail"), record(["x"] * (m + 1), nli))
    c, n, e = nli[1][2]
    nli[1][2] = (c * (1 - share), n * (1 - share), e + (c + n) * share)
    after = read(DegMat(similarity="entail"), record(["x"] * (m + 1), nli))
    assert after.raw <= before.raw + 1e-12
    assert after.value >= before.value - 1e-12


def test_a_batch_reads_as_one_by_one() -> None:
    records = [record([f"w{i % 3}" for i in range(m + 1)], random_nli(m + 1, m)) for m in range(9)]
    for kind in KINDS:
        for found in every(kind):
            assert isinstance(found, (DegMat, EigvLaplacian, Eccentricity))
            together = found.estimate_batch(Batch(records))
            assert together == [found.estimate(one) for one in records]
            assert [isinstance(one, Signal) for one in together] == [False] * 2 + [True] * 7


def test_too_few_samples_and_missing_matrices() -> None:
    assert reason(DegMat(), record(["Rome"])) == "no samples"
    assert reason(DegMat(), record(["Rome", "Rome"])) == "needs 2 samples"
    one = record(["Rome", "Rome"], matrix(2, {}))
    assert reason(Eccentricity(similarity="entail"), one) == "needs 2 samples"
    bare = record(["Rome", "Rome", "Oslo"])
    assert reason(EigvLaplacian(similarity="contra"), bare) == "no nli"
    assert reason(DegMat(), replace(bare, greedy=replace(bare.greedy, text=""))) == "empty answer"


def test_a_graph_without_any_weight_is_refused_not_divided_by() -> None:
    nothing = record(["a1", "b1", "c1"], [[NEUTRAL] * 3] * 3)
    expected = "nli: a sample is like none, not even like itself"
    assert {reason(found, nothing) for found in every("entail_lmp")} == {expected}
    assert read(DegMat(similarity="entail"), nothing).raw == pytest.approx(0.5)
    opposed = record(["a1", "b1", "c1"], [[OPPOSES] * 3] * 3)
    assert {reason(found, opposed) for found in every("contra_lmp")} == {expected}


def test_laplacian_of_strangers_is_zero_and_of_twins_is_not() -> None:
    assert laplacian(np.eye(3)[None]).tolist() == np.zeros((1, 3, 3)).tolist()
    assert laplacian(np.ones((1, 2, 2)))[0] == pytest.approx(np.array([[0.5, -0.5], [-0.5, 0.5]]))
    assert eigv_laplacian(spectrum(np.eye(3)[None])).tolist() == [3.0]


def test_what_is_needed() -> None:
    assert DegMat(7).needs == Needs(samples=7)
    assert Eccentricity(7, "contra").needs == Needs(samples=7, compare="nli")
    assert [found.name for found in every("entail")] == ["deg_entail", "eigv_entail", "ecc_entail"]


def test_temperature_is_that_of_the_distributions() -> None:
    nli = random_nli(4, 8)
    given = record(["a1", "b1", "c1", "d1"], nli)
    roots = np.cbrt(np.array(nli))
    flat = record(["a1", "b1", "c1", "d1"], (roots / roots.sum(-1, keepdims=True)).tolist())
    for measure in MEASURES:
        warm = read(measure(similarity="entail", nli_temperature=3.0), given)
        assert warm.raw == pytest.approx(read(measure(similarity="entail"), flat).raw)
        assert warm.details == {"m": 3, "nli_temperature": 3.0}


@pytest.mark.parametrize("name", ["deg_entail", "eigv_entail", "ecc_entail", "deg_contra"])
def test_samples_of_one_text_agree_whatever_the_nli_model_says(name: str) -> None:
    """At e = .6 between equal texts an eccentricity would jump to its largest value."""
    unsure: Nli = (0.2, 0.2, 0.6)
    given = record(["x1", *["a1"] * 4], [[unsure] * 5] * 5)
    assert read(estimator(name), given).value == 1.0
