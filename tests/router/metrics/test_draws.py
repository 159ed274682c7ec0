"""Questions drawn anew: whole questions, as many as there are, whatever order the rows are in."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from surefoot.router.errors import UsageError
from surefoot.router.metrics import auroc, draws
from surefoot.router.metrics.bootstrap import bootstrap_interval, percentile_interval
from surefoot.router.metrics.draws import every_row_once, question_draws
from surefoot.router.metrics.ranked_rows import RankedRows
from surefoot.router.signals import Unavailable


def all_draws(groups: list[str], *, seed: int = 0, reps: int = 50) -> Any:
    return np.concatenate(list(question_draws(groups, seed=seed, reps=reps)))


def test_a_draw_has_as_many_questions_as_there_are() -> None:
    groups = ["b", "a", "b", "c", "b", "a"]
    found = all_draws(groups)

    assert found.shape == (50, 6)
    one_of_each = found[:, [1, 0, 3]]
    assert (one_of_each.sum(axis=1) == 3).all()
    assert (found[:, 0] == found[:, 2]).all() and (found[:, 0] == found[:, 4]).all()
    assert (found[:, 1] == found[:, 5]).all()


def test_the_share_left_out_is_that_of_drawing_with_replacement() -> None:
    found = all_draws([f"q{i}" for i in range(100)], reps=400)

    # (1 - 1/100)^100 = .366 of the questions are in no draw; the mean weight is 1.
    assert (found == 0).mean() == pytest.approx(0.366, abs=0.01)
    assert found.mean() == 1.0


def test_draws_depend_on_names_and_seed_and_not_on_order() -> None:
    groups = [f"q{i % 7}" for i in range(20)]
    order = random.Random(0).sample(range(20), 20)

    assert (all_draws([groups[i] for i in order]) == all_draws(groups)[:, order]).all()
    assert (all_draws(groups, seed=1) != all_draws(groups)).any()


@pytest.mark.parametrize("cells", [1, 30, 47, 10**6])
def test_the_size_of_blocks_changes_nothing(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [f"q{i % 9}" for i in range(15)]
    usual = all_draws(groups)
    monkeypatch.setattr(draws, "_CELLS", cells)

    assert (all_draws(groups) == usual).all()


def test_the_fast_interval_is_the_slow_one_but_for_chance() -> None:
    rng = random.Random(5)
    labels = [int(rng.random() < 0.5) for _ in range(240)]
    scores = [round(rng.gauss(label, 1.2), 1) for label in labels]
    groups = [f"q{i // 2}" for i in range(240)]
    rows = list(zip(groups, scores, labels, strict=True))
    slow = bootstrap_interval(
        lambda drawn: auroc([row[1] for row in drawn], [row[2] for row in drawn]),
        rows,
        lambda row: row[0],
        seed=0,
        reps=1500,
    )
    ranked = RankedRows.of(scores, labels)
    blocks = question_draws(groups, seed=0, reps=4000)
    found = [one for weights in blocks for one in ranked.measures(weights)["auroc"].tolist()]
    fast = percentile_interval(found, 4000)

    assert not isinstance(slow, Unavailable) and not isinstance(fast, Unavailable)
    assert fast == pytest.approx(slow, abs=0.012)


def test_what_cannot_be_drawn_is_refused() -> None:
    assert every_row_once(3).tolist() == [[1, 1, 1]]
    for groups, reps in (([], 10), (["q"], 0)):
        with pytest.raises(UsageError, match="rows and reps of 1 or more"):
            next(iter(question_draws(groups, seed=0, reps=reps)))
