"""Pairs and matrices, filled in by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.comparisons import has_comparison, pairs_to_compare, with_comparison
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.requests import CompareKind


def evidence_of(*texts: str) -> Evidence:
    greedy, *samples = map(Generation, texts)
    return Evidence("q", greedy, samples=tuple(samples))


def test_each_pair_of_different_texts_once() -> None:
    evidence = evidence_of("a", "b", "a", "c")
    assert pairs_to_compare(evidence, "similarity") == (("a", "b"), ("a", "c"), ("b", "c"))
    assert pairs_to_compare(evidence, "nli") == (
        *(("a", "b"), ("a", "c")),
        *(("b", "a"), ("b", "c")),
        *(("c", "a"), ("c", "b")),
    )


def test_equal_texts_need_no_model() -> None:
    evidence = evidence_of("a", "a", "a")
    assert pairs_to_compare(evidence, "nli") == ()
    done = with_comparison(evidence, "nli", (), ())
    assert done.nli == (((0.0, 0.0, 1.0),) * 3,) * 3


def test_a_similarity_is_the_same_both_ways() -> None:
    evidence = evidence_of("a", "b", "c")
    pairs = pairs_to_compare(evidence, "similarity")
    done = with_comparison(evidence, "similarity", pairs, [(0.1,), (0.2,), (0.3,)])
    assert done.greedy_similarity == (0.1, 0.2)
    assert done.sample_similarity == ((1.0, 0.3), (0.3, 1.0))


def test_nli_reads_premise_first() -> None:
    evidence = evidence_of("a", "b")
    done = with_comparison(
        evidence, "nli", [("a", "b"), ("b", "a")], [(0.7, 0.2, 0.1), (0.1, 0.2, 0.7)]
    )
    assert done.nli is not None
    assert (done.nli[0][1], done.nli[1][0]) == ((0.7, 0.2, 0.1), (0.1, 0.2, 0.7))


def test_it_is_known_which_kind_is_there() -> None:
    evidence = evidence_of("a")
    assert not has_comparison(evidence, "nli") and not has_comparison(evidence, "similarity")
    assert has_comparison(with_comparison(evidence, "nli", (), ()), "nli")
    similar = with_comparison(evidence, "similarity", (), ())
    assert has_comparison(similar, "similarity") and not has_comparison(similar, "nli")
    assert (similar.greedy_similarity, similar.sample_similarity) == ((), ())


@pytest.mark.parametrize("values", [[], [(0.1,), (0.2,)], [(0.1, 0.2)]])
def test_values_that_do_not_fit_the_pairs_are_refused(values: list[tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match=r"zip|unpack"):
        with_comparison(evidence_of("a", "b"), "similarity", [("a", "b")], values)


@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=6),
    st.sampled_from(("nli", "similarity")),
)
def test_a_matrix_holds_what_was_said_of_its_texts(texts: list[str], kind: CompareKind) -> None:
    evidence = evidence_of(*texts)
    pairs = pairs_to_compare(evidence, kind)
    assert len(pairs) == len(set(pairs))
    value = {pair: (ord(pair[0]) / 1000, ord(pair[1]) / 1000, 0.0) for pair in pairs}
    width = 3 if kind == "nli" else 1
    done = with_comparison(evidence, kind, pairs, [value[pair][:width] for pair in pairs])
    if kind == "nli":
        assert done.nli is not None
        for i, a in enumerate(texts):
            for j, b in enumerate(texts):
                assert done.nli[i][j] == ((0.0, 0.0, 1.0) if a == b else value[a, b])
    else:
        assert done.sample_similarity is not None
        n = len(texts) - 1
        assert [len(row) for row in done.sample_similarity] == [n] * n
        for i in range(n):
            assert done.sample_similarity[i][i] == 1.0
            for j in range(n):
                assert done.sample_similarity[i][j] == done.sample_similarity[j][i]
