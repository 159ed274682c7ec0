"""Fitting value models: known worlds are found again, few rows give the base rate."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from surefoot.policies.fit_values import cross_fit_values, fit_values
from surefoot.policies.ladders import Ladders, ladders_of
from surefoot.policies.outcomes import OutcomeTable
from surefoot.policies.paths import RungScores
from surefoot.policies.value_models import RungModel, ValueModels
from surefoot.router.decisions import Rung
from surefoot.router.errors import UsageError

from .value_situations import LARGE, SMALL, logit
from .worlds import outcome, shuffled, sigmoid, table_of


def world(n: int, seed: int = 0, *, graded: bool = False) -> OutcomeTable:
    """P(large right) = sigmoid(1 + .5 logit p), p = P(small right) = the small tier's signal."""
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        p = rng.random()
        chances = p, sigmoid(1.0 + 0.5 * logit(min(max(p, 0.005), 0.995)))
        for tier, chance in enumerate(chances):
            loss = 1.0 - chance if graded else float(rng.random() >= chance)
            rows.append(
                outcome(
                    f"q{number:05}",
                    tier,
                    loss=loss,
                    cost=(1.0, 10.0)[tier] * rng.choice((0.5, 1.5)),
                    signals={"s": chance},
                )
            )
    return table_of(rows)


def scores_of(ladders: Ladders) -> RungScores:
    s = ladders.signals["s"]
    r = len(ladders.rungs)
    return RungScores(s, s, np.zeros_like(s), (None,) * r, (None,) * r)


def model(models: ValueModels, source: Rung | None, target: Rung) -> RungModel:
    (found,) = [one for one in models.bare if (one.source, one.target) == (source, target)]
    return found


@pytest.mark.parametrize("graded", [False, True])
def test_a_known_world_is_found_again(graded: bool) -> None:
    ladders = ladders_of(world(3000, graded=graded))
    found = fit_values(ladders, scores_of(ladders))
    step = model(found, SMALL, LARGE)
    close = 0.02 if graded else 0.12
    assert (step.intercept, step.slope) == pytest.approx((1.0, 0.5), abs=close)
    start = model(found, None, LARGE)
    assert start.at() == pytest.approx(1.0 - ladders.loss[:, 1].mean(), abs=0.001)
    assert [one.answer for one in found.costs] == pytest.approx(ladders.cost.mean(axis=0))
    # Nothing is said of the small tier by the large one: runs only rise.
    assert [(one.source, one.target) for one in found.bare] == [
        (None, SMALL),
        (None, LARGE),
        (SMALL, LARGE),
    ]


def test_the_spread_is_how_far_estimates_lie_from_what_was_expected() -> None:
    ladders = ladders_of(world(3000))
    found = fit_values(ladders, scores_of(ladders))
    # The large tier's estimate is a function of the small one's: after that there is no news.
    assert model(found, SMALL, LARGE).spread < 0.2


@pytest.mark.parametrize("spread", [0.6, 1.2, 2.0])
def test_a_known_spread_is_found_again(spread: float) -> None:
    rng = np.random.default_rng(0)
    right = rng.random(4000) < 0.5
    weight = np.where(right, 1.0, -1.0) * spread**2 / 2 + spread * rng.standard_normal(4000)
    estimates = 1.0 / (1.0 + np.exp(-weight))  # at a rate of one half
    pairs = zip(right.tolist(), estimates.tolist(), strict=True)
    ladders = ladders_of(
        table_of(
            outcome(f"q{i:04}", loss=1.0 - is_right, signals={"s": p})
            for i, (is_right, p) in enumerate(pairs)
        )
    )
    found = model(fit_values(ladders, scores_of(ladders)), None, SMALL).spread
    # Four quantiles have lighter tails than the normal that they stand for.
    assert found == pytest.approx(spread, rel=0.1)


def test_few_rows_give_the_base_rate() -> None:
    ladders = ladders_of(table_of(outcome(f"q{i}", t) for i in range(3) for t in range(2)))
    step = model(fit_values(ladders, scores_of(ladders)), SMALL, LARGE)
    assert step.slope == pytest.approx(0.0, abs=1e-6)
    assert step.at(0.5) == pytest.approx(3.5 / 4.0)  # half a right and half a wrong one added


def test_whoever_looks_surer_never_looks_worse_after() -> None:
    rng = random.Random(0)
    rows = []
    for number in range(300):  # the large tier is right where the small one is unsure
        s = rng.random()
        rows.append(outcome(f"q{number}", signals={"s": s}))
        rows.append(outcome(f"q{number}", 1, loss=float(rng.random() < s), signals={"s": 0.5}))
    ladders = ladders_of(table_of(rows))
    assert model(fit_values(ladders, scores_of(ladders)), SMALL, LARGE).slope == 0.0


def test_the_prior_counts_as_much_as_it_is_trusted() -> None:
    ladders = ladders_of(world(400))
    prior = np.random.default_rng(0).uniform(0.2, 0.9, (400, 2))
    scores = scores_of(ladders)
    full = fit_values(ladders, scores, prior, trust=1.0)
    half = fit_values(ladders, scores, prior)
    none = fit_values(ladders, scores, prior, trust=0.0)
    for one, mixed, other, bare in zip(
        full.informed, half.informed, none.informed, half.bare, strict=True
    ):
        assert other.intercept == bare.intercept and other.target_prior == 0.0
        for name in ("intercept", "slope", "source_prior", "target_prior"):
            mean = (getattr(one, name) + getattr(bare, name)) / 2
            assert getattr(mixed, name) == pytest.approx(mean, abs=2e-6)
    assert full.informed[0].at(None, (0.3, 0.4)) == pytest.approx(0.3)  # it is to scale already
    assert fit_values(ladders, scores).informed == ()


def test_the_order_of_the_rows_has_no_influence() -> None:
    table = world(200)
    prints = []
    for one in (table, shuffled(table, 1)):
        ladders = ladders_of(one)
        prints.append(fit_values(ladders, scores_of(ladders)).fingerprint)
    assert prints[0] == prints[1]


def test_answers_that_cannot_be_served_are_wrong_ones() -> None:
    rows = [outcome(f"q{i}", t, answer=" " if i < 50 else "x") for i in range(100) for t in (0, 1)]
    ladders = ladders_of(table_of(rows))
    assert model(fit_values(ladders, scores_of(ladders)), None, LARGE).at() == pytest.approx(0.5)


def test_bought_signals_and_blind_rungs_are_priced() -> None:
    ladders = ladders_of(world(500))
    s = ladders.signals["s"]
    free = np.column_stack([np.full(500, np.nan), np.full(500, 0.8)])
    price = np.column_stack([np.full(500, 0.25), np.full(500, 0.5)])
    scores = RungScores(free, s, price, ("s", "s"), (None, None))
    small, large = fit_values(ladders, scores).costs
    assert (small.signal, small.price, small.is_blind, small.reading) == ("s", 0.25, True, 0.25)
    assert (large.signal, large.price, large.is_blind, large.reading) == ("s", 0.5, False, 0.0)
    assert small.spread == 0.0 and large.spread > 0.3


def test_models_of_a_fold_know_nothing_of_it() -> None:
    ladders = ladders_of(world(100))
    scores = scores_of(ladders)
    before = cross_fit_values(ladders, scores, seed=3)
    assert sorted(set(before.fold.tolist())) == [0, 1, 2, 3, 4] and len(before.by_fold) == 5
    loss = ladders.loss.copy()
    loss[before.fold == 2] = 1.0 - loss[before.fold == 2]
    after = cross_fit_values(replace(ladders, loss=loss), scores, seed=3)
    same = [one == other for one, other in zip(before.by_fold, after.by_fold, strict=True)]
    assert same == [False, False, True, False, False]
    assert before.models != after.models


@pytest.mark.parametrize(
    ("prior", "trust", "words"),
    [
        (np.full((10, 3), 0.5), 0.5, "shape"),
        (np.full((10, 2), np.nan), 0.5, "finite"),
        (np.full((10, 2), 1.5), 0.5, r"\[0, 1\]"),
        (None, 1.5, "trust"),
    ],
)
def test_what_cannot_be_fitted_on_is_refused(
    prior: np.ndarray | None,
    trust: float,
    words: str,
) -> None:
    ladders = ladders_of(world(10))
    with pytest.raises(UsageError, match=words):
        fit_values(ladders, scores_of(ladders), prior, trust=trust)


def test_a_rung_that_nobody_judged_is_refused() -> None:
    rows = [outcome(f"q{i}", t, loss=None if t else 0.0) for i in range(5) for t in (0, 1)]
    ladders = ladders_of(table_of(rows))
    with pytest.raises(UsageError, match="judged"):
        fit_values(ladders, scores_of(ladders))
