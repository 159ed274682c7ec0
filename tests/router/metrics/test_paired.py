"""Two signals compared on the same draws."""

from __future__ import annotations

import random

import pytest

from surefoot.router.errors import UsageError
from surefoot.router.metrics import aurc, auroc, prr
from surefoot.router.metrics.paired import Difference, paired_difference
from surefoot.router.signals import Unavailable


def world(n: int = 300) -> tuple[list[float], list[float], list[int], list[str]]:
    """A signal, the same with a little noise, labels and questions of three rows."""
    rng = random.Random(0)
    labels = [int(rng.random() < 0.6) for _ in range(n)]
    first = [rng.gauss(label, 1.0) for label in labels]
    second = [score + rng.gauss(0.0, 0.3) for score in first]
    return first, second, labels, [f"q{i // 3}" for i in range(n)]


def difference(*args: object, **kwargs: object) -> Difference:
    found = paired_difference(*args, **kwargs)  # type: ignore[arg-type]  # passed through
    assert isinstance(found, Difference)
    return found


def test_a_signal_does_not_differ_from_itself() -> None:
    first, _, labels, groups = world()
    found = difference(first, first, labels, groups, seed=0)

    assert found.value == 0.0 and found.interval == (0.0, 0.0)


def test_a_monotone_map_changes_no_rank() -> None:
    first, _, labels, groups = world()
    cubes = [score**3 + 5.0 for score in first]

    assert difference(first, cubes, labels, groups, seed=1).interval == (0.0, 0.0)


@pytest.mark.parametrize(("measure", "slow"), [("auroc", auroc), ("aurc", aurc), ("prr", prr)])
def test_both_are_measured_on_the_rows_that_have_both(measure: str, slow: object) -> None:
    first, second, labels, groups = world()
    some = [None if i % 10 == 0 else score for i, score in enumerate(first)]
    others = [None if i % 15 == 1 else score for i, score in enumerate(second)]
    found = difference(some, others, labels, groups, seed=0, measure=measure, reps=200)

    rows = [i for i in range(300) if i % 10 and i % 15 != 1]
    right = [labels[i] for i in rows]
    against = right if measure == "auroc" else [1 - label for label in right]
    assert found.n == len(rows)
    assert found.first == pytest.approx(slow([first[i] for i in rows], against))  # type: ignore[operator]  # a measure
    assert found.second == pytest.approx(slow([second[i] for i in rows], against))  # type: ignore[operator]  # a measure
    assert found.value == found.first - found.second


def test_the_pair_is_told_apart_where_two_intervals_overlap() -> None:
    first, second, labels, groups = world(900)
    found = difference(first, second, labels, groups, seed=0)
    rng = random.Random(1)
    noise = [rng.random() for _ in labels]
    wide = difference(first, noise, labels, groups, seed=0)

    assert found.interval is not None and wide.interval is not None
    assert 0.0 < found.interval[0] < found.value < found.interval[1]
    assert found.interval[1] - found.interval[0] < 0.5 * (wide.interval[1] - wide.interval[0])
    back = difference(second, first, labels, groups, seed=0)
    assert back.interval == pytest.approx((-found.interval[1], -found.interval[0]))


def test_the_difference_does_not_depend_on_the_order_of_rows() -> None:
    first, second, labels, groups = world()
    order = random.Random(2).sample(range(300), 300)
    shuffled = [[column[i] for i in order] for column in (first, second, labels, groups)]

    assert difference(*shuffled, seed=4) == difference(first, second, labels, groups, seed=4)


def test_what_cannot_be_compared() -> None:
    assert paired_difference([1.0, None], [None, 1.0], [0, 1], ["a", "b"], seed=0) == Unavailable(
        "no row has both signals"
    )
    assert paired_difference([1.0, 2.0], [2.0, 1.0], [1, 1], ["a", "b"], seed=0) == Unavailable(
        "only one class"
    )
    few = paired_difference([1.0, 2.0], [2.0, 1.0], [0, 1], ["a", "b"], seed=0, measure="prr_half")
    assert few == Unavailable("too few rows")
    with pytest.raises(UsageError, match="expected one of auroc"):
        paired_difference([1.0], [1.0], [1], ["a"], seed=0, measure="accuracy")
    with pytest.raises(UsageError, match="as many scores of both signals"):
        paired_difference([1.0], [1.0, 2.0], [1], ["a"], seed=0)
