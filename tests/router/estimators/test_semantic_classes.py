"""Classes of meaning: the partition by hand, and the variants that other libraries use."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.batch import Batch
from surefoot.router.estimators.semantic_classes import (
    Classes,
    agree,
    either_entails,
    mutual_entailment,
    nli_labels,
    nonstrict_equivalence,
    overlapping_classes,
    partition,
    semantic_classes,
)
from surefoot.router.evidence import Generation, ToolCall
from surefoot.router.signals import Unavailable

from .judged_records import ENTAILS, NEUTRAL, OPPOSES, matrix, random_nli, record

NAMES = ("a1", "b1", "c1", "d1")


def related(size: int, *pairs: tuple[int, int]) -> list[list[bool]]:
    return [
        [i == j or (i, j) in pairs or (j, i) in pairs for j in range(size)] for i in range(size)
    ]


def test_who_means_the_same_shares_a_class() -> None:
    assert partition(NAMES, related(4, (0, 2), (1, 3))) == Classes((0, 1, 0, 1))
    assert partition(NAMES, related(4)) == Classes((0, 1, 2, 3))
    assert partition(NAMES, related(4)).sizes == [1, 1, 1, 1]


def test_ours_is_a_partition_where_uqlm_counts_twice() -> None:
    """A and B unrelated, C like both."""
    rows = related(3, (0, 2), (1, 2))
    assert partition(NAMES[:3], rows) == Classes((0, 1, 0), order_matters=True)
    assert overlapping_classes(NAMES[:3], rows) == [[0, 2], [1, 2]]


def test_classes_are_first_come_first_served_and_say_so_where_it_decides() -> None:
    """The same with C first: now all three share its class. The spec's order is the samples'."""
    rows = related(3, (0, 1), (0, 2))
    assert partition(NAMES[:3], rows) == Classes((0, 0, 0), order_matters=True)


def test_equal_normalized_answers_join_whatever_nli_says() -> None:
    assert partition(("rome", "oslo", "rome"), related(3)) == Classes((0, 1, 0))
    # The equal one joins its like, not the class that NLI would put it in first.
    assert partition(("rome", "oslo", "oslo"), related(3, (0, 2))).ids == (0, 1, 1)


def test_the_empty_answer_is_a_class_of_its_own() -> None:
    assert partition(("", "rome", ""), related(3, (0, 1), (1, 2))) == Classes((0, 1, 0))
    assert partition(("rome", "", "oslo"), related(3, (0, 1), (1, 2))).ids == (0, 1, 2)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=7), st.randoms())
def test_a_transitive_relation_gives_its_classes_in_any_order(
    groups: list[int], random: object
) -> None:
    random.shuffle(groups)  # type: ignore[attr-defined]  # hypothesis' own random.Random
    rows = [[one == other for other in groups] for one in groups]
    found = partition([f"n{i}" for i in range(len(groups))], rows)
    assert not found.order_matters
    assert sorted(found.sizes) == sorted(map(groups.count, set(groups)))


@given(st.integers(2, 5), st.integers(0, 10_000))
def test_the_flag_is_up_exactly_where_some_order_gives_other_sizes_or_classes(
    size: int, seed: int
) -> None:
    drawn = np.random.default_rng(seed).random((size, size)) < 0.4
    rows = (drawn | drawn.T | np.eye(size, dtype=bool)).tolist()
    names = [f"n{i}" for i in range(size)]
    found = set()
    for order in itertools.permutations(range(size)):
        moved = [[rows[i][j] for j in order] for i in order]
        ids = partition([names[i] for i in order], moved).ids
        groups: dict[int, set[int]] = {}
        for number, i in zip(ids, order, strict=True):
            groups.setdefault(number, set()).add(i)
        found.add(frozenset(map(frozenset, groups.values())))
    assert partition(names, rows).order_matters == (len(found) > 1)


def test_agree_tells_a_contradiction() -> None:
    assert agree((0, 1), ("a1", "b1"), related(2))
    assert not agree((0, 1), ("a1", "b1"), related(2, (0, 1)))


# --- relations -----------------------------------------------------------------------------------


def test_relations_of_labels_by_hand() -> None:
    c, n, e = OPPOSES, NEUTRAL, ENTAILS
    judgements = {"ee": (e, e), "en": (e, n), "ec": (e, c), "nn": (n, n), "nc": (n, c)}
    found = {}
    for name, (there, back) in judgements.items():
        labels = nli_labels(np.array([matrix(2, {(0, 1): there, (1, 0): back})]))
        found[name] = tuple(
            bool(relation(labels)[0, 0, 1])
            for relation in (mutual_entailment, either_entails, nonstrict_equivalence)
        )
    assert found == {
        "ee": (True, True, True),
        "en": (False, True, True),
        "ec": (False, True, False),
        "nn": (False, False, False),
        "nc": (False, False, False),
    }


def test_a_tie_is_no_entailment() -> None:
    labels = nli_labels(np.array([(0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.2, 0.3, 0.5)]))
    assert labels.tolist() == [1, 0, 2]


# --- from records --------------------------------------------------------------------------------


def test_classes_of_a_record_leave_the_greedy_answer_out() -> None:
    nli = matrix(4, {(1, 3): ENTAILS, (3, 1): ENTAILS, (0, 2): ENTAILS, (2, 0): ENTAILS})
    found = semantic_classes(Batch([record(["Oslo", "Rome", "Paris", "In Rome"], nli)]))
    assert found == [Classes((0, 1, 0))]


def test_one_way_is_not_enough() -> None:
    nli = matrix(3, {(1, 2): ENTAILS})
    assert semantic_classes(Batch([record(["x1", "Rome", "Rome, Italy"], nli)])) == [
        Classes((0, 1))
    ]


@pytest.mark.parametrize("seed", range(20))
def test_classes_equal_the_definition_written_down_anew(seed: int) -> None:
    nli = np.array(random_nli(6, seed)) + np.array([0.0, 0.0, 0.4])
    nli /= nli.sum(axis=-1, keepdims=True)
    expected: list[list[int]] = []
    for i in range(1, 6):
        for members in expected:
            first = members[0]
            if nli[first, i].argmax() == 2 and nli[i, first].argmax() == 2:
                members.append(i)
                break
        else:
            expected.append([i])
    (found,) = semantic_classes(Batch([record([f"w{i}" for i in range(6)], nli.tolist())]))
    assert isinstance(found, Classes)
    numbers = {i: number for number, members in enumerate(expected) for i in members}
    assert found.ids == tuple(numbers[i] for i in range(1, 6))


def test_why_there_are_none() -> None:
    call = Generation("", tool_calls=(ToolCall("find", "{}"),))
    whole = record(["Rome", "Rome", "Oslo"], matrix(3, {}))
    reasons = [
        (record(["Rome", "Rome"], matrix(2, {})), "needs 2 samples"),
        (record(["Rome", "Rome", "Oslo"]), "no nli"),
        (record(["", "Rome", "Oslo"], matrix(3, {})), "empty answer"),
    ]
    for given_record, expected in reasons:
        assert semantic_classes(Batch([given_record])) == [Unavailable(expected)]
    batch = Batch([type(whole)("q", call, samples=whole.samples, nli=whole.nli), whole])
    assert semantic_classes(batch) == [Unavailable("tool call"), Classes((0, 1))]
