"""Pairs and matrices, filled in by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.comparisons import (
    checked_values,
    filled,
    has_comparison,
    pairs_to_compare,
    posed,
    settled,
    with_comparison,
)
from surefoot.router.errors import UpstreamMalformed, UpstreamUnavailable
from surefoot.router.evidence import Evidence, Generation, ToolCall
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


def test_texts_are_compared_without_outer_space() -> None:
    evidence = evidence_of(" a", "a\n", "b ")
    assert pairs_to_compare(evidence, "similarity") == (("a", "b"),)
    done = with_comparison(evidence, "similarity", [("a", "b")], [(0.25,)])
    assert done.greedy_similarity == (1.0, 0.25)


def test_an_empty_answer_is_like_no_other_and_needs_no_model() -> None:
    evidence = evidence_of("a", "", "  ")
    assert pairs_to_compare(evidence, "nli") == pairs_to_compare(evidence, "similarity") == ()
    done = with_comparison(evidence, "nli", (), ())
    neutral, same = (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    assert done.nli == (
        (same, neutral, neutral),
        (neutral, same, same),
        (neutral, same, same),
    )
    done = with_comparison(evidence, "similarity", (), ())
    assert done.greedy_similarity == (0.0, 0.0)
    assert done.sample_similarity == ((1.0, 1.0), (1.0, 1.0))


def test_tool_calls_are_compared_by_what_they_call() -> None:
    def call(name: str, arguments: str) -> Generation:
        return Generation("", (), "tool_calls", (ToolCall(name, arguments),))

    samples = (call("find", '{"b": 1, "a": 2}'), call("find", '{"a": 3}'))
    evidence = Evidence("q", call("find", '{"a": 2, "b": 1.0}'), samples=samples)
    ((first, second),) = pairs_to_compare(evidence, "similarity")
    assert "find" in first and "find" in second and first != second


def test_what_needs_no_model() -> None:
    assert settled("nli", "a", "a") == settled("nli", "", "") == (0.0, 0.0, 1.0)
    assert settled("similarity", "a", "a") == (1.0,)
    assert settled("nli", "a", "") == settled("nli", "", "a") == (0.0, 1.0, 0.0)
    assert settled("similarity", "", "a") == (0.0,)
    assert settled("nli", "a", "b") is None


def test_the_question_stands_before_both_texts() -> None:
    assert posed("Which?", [("a", "b")]) == (("Which? a", "Which? b"),)


def test_rounding_is_taken_off() -> None:
    found = checked_values("nli", [("a", "b")], [(-1e-6, 1e-6, 1.0 + 1e-6)])
    assert found == ((0.0, 1e-6, 1.0),)
    assert checked_values("similarity", [("a", "b")], [(1.00005,)]) == ((1.0,),)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("similarity", one) for one in [(1.1,), (-0.1,), (math.nan,), (math.inf,), (), (0, 0)]),
        *(("nli", one) for one in [(0.5, 0.5, 0.5), (1.0,), (0.2, 0.2, math.nan), (-0.5, 0.5, 1)]),
    ],
)
def test_what_is_no_comparison_is_refused(kind: CompareKind, value: tuple[float, ...]) -> None:
    with pytest.raises(UpstreamMalformed, match=f"of kind {kind} returned"):
        checked_values(kind, [("a", "b")], [value])


class Comparing:
    """Says of a pair by how much its first text is the longer one; keeps what it was asked."""

    name = "by-length"

    def __init__(self, kind: CompareKind) -> None:
        self.kind: CompareKind = kind
        self.calls: list[Sequence[tuple[str, str]]] = []

    def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
        self.calls.append(pairs)
        if self.kind == "similarity":
            return [(abs(len(a) - len(b)) / 10,) for a, b in pairs]
        shares = [0.5 + (len(a) - len(b)) / 10 for a, b in pairs]
        return [(share, 0.0, 1.0 - share) for share in shares]


def test_many_records_are_one_call_in_which_each_pair_stands_once() -> None:
    comparer = Comparing("nli")
    records = [evidence_of("a", "bb"), evidence_of("bb", "a"), evidence_of("a", "ccc", "ccc")]
    done = filled([*records, replace(records[0], question="r")], comparer)
    (sent,) = comparer.calls
    assert len(sent) == len(set(sent)) == 6
    assert set(sent[:4]) == {(f"q {a}", f"q {b}") for a in "a" for b in ("bb", "ccc")} | {
        (f"q {b}", f"q {a}") for a in "a" for b in ("bb", "ccc")
    }
    assert set(sent[4:]) == {("r a", "r bb"), ("r bb", "r a")}
    longer = [[[round(one[0], 6) for one in row] for row in each.nli or ()] for each in done]
    assert longer[0] == longer[3] == [[0.0, 0.4], [0.6, 0.0]]
    assert longer[1] == [[0.0, 0.6], [0.4, 0.0]]
    assert longer[2] == [[0.0, 0.3, 0.3], [0.7, 0.0, 0.0], [0.7, 0.0, 0.0]]
    assert records[0].nli is None  # what was given is left as it was


def test_answers_alone_where_that_is_wanted_and_for_similarities_always() -> None:
    comparer = Comparing("nli")
    filled([evidence_of("a", "bb")], comparer, question_in=False)
    assert list(comparer.calls[0]) == [("a", "bb"), ("bb", "a")]
    comparer = Comparing("similarity")
    done = filled([evidence_of("bb", "a"), evidence_of("a", "bb", "dddd")], comparer)
    assert list(comparer.calls[0]) == [("a", "bb"), ("a", "dddd"), ("bb", "dddd")]
    assert done[0].greedy_similarity == (0.1,)
    assert done[1].greedy_similarity == (0.1, 0.3)
    assert done[1].sample_similarity == ((1.0, 0.2), (0.2, 1.0))


def test_what_is_there_stays_and_what_cannot_be_compared_is_left() -> None:
    comparer = Comparing("nli")
    given = replace(evidence_of("a", "b"), nli=(((0.0, 0.0, 1.0),) * 2,) * 2)
    bare = evidence_of("a")
    assert filled([given, bare], comparer) == [given, bare]
    assert filled([], comparer) == []
    (same,) = filled([evidence_of("a", "a")], comparer)
    assert same.nli == (((0.0, 0.0, 1.0),) * 2,) * 2
    assert comparer.calls == []


def test_a_comparer_that_fails_or_talks_nonsense_is_told() -> None:
    class Broken(Comparing):
        def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
            raise UpstreamUnavailable("no memory")

    class Odd(Comparing):
        def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
            return [(2.0,)] * len(pairs)

    with pytest.raises(UpstreamUnavailable, match="no memory"):
        filled([evidence_of("a", "b")], Broken("nli"))
    with pytest.raises(UpstreamMalformed, match="expected one number"):
        filled([evidence_of("a", "b")], Odd("similarity"))


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
