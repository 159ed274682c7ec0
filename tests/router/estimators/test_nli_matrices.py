"""NLI matrices: what is refused and why, tempering, and that a bad record spoils no other."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from surefoot.router.batch import Batch
from surefoot.router.estimators.answer_texts import answer_texts
from surefoot.router.estimators.nli_agreement import Noncontradiction
from surefoot.router.estimators.nli_matrices import nli_matrices, tempered
from surefoot.router.evidence import Evidence, Generation, ToolCall
from surefoot.router.signals import Signal, Unavailable

from .judged_records import ENTAILS, NEUTRAL, matrix, random_nli, reason, record

READ = Noncontradiction()
GOOD = record(["Rome", "Oslo", "Paris"], random_nli(3, 1))


def test_matrices_of_equal_size_stand_in_one_stack_each_at_its_place() -> None:
    two, three = GOOD, record(["Rome"] * 4, random_nli(4, 2))
    found = nli_matrices(Batch([two, three, record(["Rome"]), two]))
    assert [(stack.m, stack.places, stack.values.shape) for stack in found.stacks] == [
        (2, (0, 3), (2, 3, 3, 3)),
        (3, (1,), (1, 4, 4, 3)),
    ]
    assert found.problems == (None, None, Unavailable("no samples"), None)
    assert three.nli is not None
    assert np.allclose(found.stacks[1].values[0], three.nli)


@pytest.mark.parametrize(
    ("nli", "expected"),
    [
        (None, "no nli"),
        (random_nli(2, 0), "nli: expected 3 x 3 x 3 for 2 samples and the answer, found 2 x 2 x 3"),
        (random_nli(4, 0), "nli: expected 3 x 3 x 3 for 2 samples and the answer, found 4 x 4 x 3"),
        ([], "nli: expected 3 x 3 x 3 for 2 samples and the answer, found 0 x 0 x 0"),
        (
            [[ENTAILS] * 3, [ENTAILS] * 3, [ENTAILS] * 2],
            "nli: expected 3 x 3 x 3 for 2 samples and the answer, found 3 x 2 or 3 x 3",
        ),
        (
            [[(0.5, 0.5)] * 3] * 3,
            "nli: expected 3 x 3 x 3 for 2 samples and the answer, found 3 x 3 x 2",
        ),
    ],
)
def test_a_matrix_of_another_shape_is_refused(nli: object, expected: str) -> None:
    given = replace(GOOD, nli=nli)  # type: ignore[arg-type]  # shapes that the type rules out
    assert reason(READ, given) == expected


@pytest.mark.parametrize(
    "bad",
    [
        (math.nan, 0.5, 0.5),
        (math.inf, -math.inf, 1.0),
        (0.2, 0.2, 0.2),
        (-0.5, 0.5, 1.0),
        (-2.0, 0.5, 3.0),  # logits
        ("high", 0.5, 0.5),
        (None, 0.5, 0.5),
        (10**400, 0.0, 0.0),
    ],
)
def test_numbers_that_are_no_distribution_are_refused_alone(bad: tuple[float, ...]) -> None:
    broken = [list(row) for row in random_nli(3, 1)]
    broken[2][1] = bad  # type: ignore[assignment]  # the point is that it is no such tuple
    batch = Batch([GOOD, replace(GOOD, nli=tuple(tuple(row) for row in broken)), GOOD])
    first, second, third = READ.estimate_batch(batch)
    assert isinstance(first, Signal) and first == third == READ.estimate(GOOD)
    assert second == Unavailable(
        "nli: expected probabilities in [0, 1] that sum to 1 for every pair"
    )


def test_numbers_written_with_two_decimals_pass() -> None:
    written = [[tuple(round(p, 2) for p in pair) for pair in row] for row in random_nli(3, 5)]
    assert isinstance(READ.estimate(replace(GOOD, nli=written)), Signal)  # type: ignore[arg-type]  # lists


def test_temperature_flattens_and_one_changes_nothing() -> None:
    given = np.array([[[[0.9, 0.09, 0.01]]]])
    assert np.allclose(tempered(given, 1.0), given)
    roots = np.cbrt(given)
    assert np.allclose(tempered(given, 3.0), roots / roots.sum())
    logits = np.log(given) / 3.0
    assert np.allclose(tempered(given, 3.0), np.exp(logits) / np.exp(logits).sum())
    assert tempered(np.array([1.0, 0.0, 0.0]), 3.0).tolist() == [1.0, 0.0, 0.0]
    assert np.isfinite(tempered(np.array([1e-300, 1.0 - 1e-300, 0.0]), 0.5)).all()


def test_the_temperature_is_reported_where_it_is_not_one() -> None:
    plain, warm = READ.estimate(GOOD), Noncontradiction(nli_temperature=3.0).estimate(GOOD)
    assert isinstance(plain, Signal) and isinstance(warm, Signal)
    assert plain.details == {"m": 2}
    assert warm.details == {"m": 2, "nli_temperature": 3.0}
    assert warm.raw != plain.raw


def test_texts_are_those_of_answers_never_of_tool_calls() -> None:
    call = Generation("", tool_calls=(ToolCall("find", "{}"),), finish_reason="tool_calls")
    rome = Generation(" Rome\n")
    found = answer_texts(
        Batch(
            [
                Evidence("q", rome, samples=(Generation(""), rome)),
                Evidence("q", call, samples=(rome,)),
                Evidence("q", rome, samples=(rome, call)),
                Evidence("q", Generation(" "), samples=(rome,)),
                Evidence("q", rome),
            ]
        )
    )
    assert found == [
        ("Rome", "", "Rome"),
        Unavailable("tool call"),
        Unavailable("a sample is a tool call"),
        Unavailable("empty answer"),
        Unavailable("no samples"),
    ]


def test_one_sample_is_enough_against_the_answer_and_is_flagged() -> None:
    given = record(["Rome", "Oslo"], matrix(2, {(0, 1): NEUTRAL, (1, 0): (0.5, 0.5, 0.0)}))
    signal = READ.estimate(given)
    assert isinstance(signal, Signal)
    assert signal.raw == pytest.approx(0.75)
    assert signal.details == {"m": 1, "one_sample": True}
