"""The walk by values is the loop's walk of the same policy, with its entry and its prior."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.policies.cascade_routing import CascadeRoutingEntry, CascadeRoutingPolicy
from surefoot.policies.fit_values import cross_fit_values, fit_values
from surefoot.policies.ladders import Ladders, ladders_of
from surefoot.policies.outcomes import Outcome, OutcomeTable
from surefoot.policies.paths import RungScores
from surefoot.policies.prices import Prices
from surefoot.policies.recorded import Replayer
from surefoot.policies.utility import UtilityPolicy
from surefoot.policies.value_models import RungCosts, RungModel, ValueModels
from surefoot.policies.value_trades import spread_trades, walk_values_out_of_fold
from surefoot.policies.value_walk import ValueWalk, walk_values
from surefoot.router.assessing import BareAssessor
from surefoot.router.decisions import Action, Rung
from surefoot.router.errors import UsageError
from surefoot.router.protocols import Policy

from .worlds import outcome, table_of

NAMES = ("a", "b", "c")
LEVELS = (0.0, 0.2, 0.4, 0.4, 0.6, 0.8, 1.0, None)


def random_table(seed: int, questions: int = 10) -> OutcomeTable:
    """Three tiers, up to two searches of which some find nothing; ties, gaps and empty answers."""
    rng = random.Random(seed)
    rows: list[Outcome] = []
    for number in range(questions):
        rounds = 2 if number == 0 else rng.choice((0, 1, 2))
        for tier in range(3):
            for round in range(rounds + 1):
                rows.append(
                    outcome(
                        f"q{number}",
                        tier,
                        round,
                        loss=rng.choice((0.0, 1.0, 0.5)),
                        cost=rng.choice((0.5, 1.0, 4.0)),
                        answer=rng.choice((None, "yes", "yes", " ")),
                        signals={"free": rng.choice(LEVELS), "paid": rng.choice(LEVELS)},
                        signal_costs={"paid": rng.choice((0.05, 0.5))},
                    )
                )
    return table_of(rows)


def scores_of(ladders: Ladders, blind: Sequence[bool]) -> RungScores:
    """On rungs that are blind nothing is free."""
    paid, free = ladders.signals["paid"], ladders.signals["free"].copy()
    free[:, list(blind)] = np.nan
    r = len(ladders.rungs)
    paid = np.where(np.isnan(paid), free, paid)
    return RungScores(free, paid, ladders.prices["paid"], ("paid",) * r, (None,) * r)


def random_models(seed: int, rungs: Sequence[Rung], blind: Sequence[bool]) -> ValueModels:
    rng = random.Random(seed)
    costs = tuple(
        RungCosts(
            rung, rng.uniform(0.1, 4.0), "paid", rng.uniform(0.0, 0.4), is_blind, rng.random() * 2
        )
        for rung, is_blind in zip(rungs, blind, strict=True)
    )

    def models(informed: bool) -> tuple[RungModel, ...]:
        found = []
        for target in rungs:
            found.append(_model(rng, None, target, informed))
            for source in rungs:
                later = target.tier >= source.tier and target.round >= source.round
                if later and source != target and rng.random() < 0.9:  # some are not known
                    found.append(_model(rng, source, target, informed))
        return tuple(found)

    return ValueModels(costs, models(False), models(True) if rng.random() < 0.7 else ())


def _model(rng: random.Random, source: Rung | None, target: Rung, informed: bool) -> RungModel:
    slope = 0.0 if source is None else rng.uniform(0.0, 1.5)
    own = rng.uniform(-1.0, 1.0) if informed and source is not None else 0.0
    other = rng.uniform(-0.5, 1.5) if informed else 0.0
    return RungModel(source, target, rng.gauss(0.5, 1.0), slope, own, other, rng.random() * 2.5)


class Known:
    """A prior by query id."""

    def __init__(self, queries: Sequence[str], prior: np.ndarray) -> None:
        self._rows = dict(zip(queries, map(tuple, prior.tolist()), strict=True))

    def probabilities(self, question: str) -> tuple[float, ...]:
        return self._rows[question]


def assert_walked(
    table: OutcomeTable, ladders: Ladders, walked: ValueWalk, row: int, replayer: Replayer
) -> None:
    for at, query in enumerate(ladders.queries):
        result = replayer.replay(query)
        assert result.degraded == ()
        served = int(walked.served[row, at])
        if result.action is Action.ABSTAIN:
            assert served == -1 and not walked.gated[row, at]
        else:
            assert result.best is not None and result.best.rung == ladders.rungs[served]
            assert result.gated == bool(walked.gated[row, at])
            found = table.row(query, result.best.rung)
            assert found is not None and found.loss == walked.loss[row, at]
        assert walked.cost[row, at] == pytest.approx(result.cost)
        assert walked.tier[row, at] == max(one.tier for one in result.attempts)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_walk_is_the_walk_of_the_loop(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 100_000))
    table = random_table(seed)
    ladders = ladders_of(table)
    blind = [data.draw(st.booleans()) for _ in ladders.rungs]
    # What is free on a blind rung is hidden from the loop, too.
    hidden = {rung for rung, is_blind in zip(ladders.rungs, blind, strict=True) if is_blind}
    table = table_of(
        outcome(
            row.query_id,
            row.tier,
            row.round,
            loss=row.loss,
            cost=row.cost,
            answer=row.answer,
            signals={**row.signals, "free": None} if row.rung in hidden else row.signals,
            signal_costs=row.signal_costs,
        )
        for row in table.rows()
    )
    models = random_models(seed, ladders.rungs, blind)
    error = data.draw(st.sampled_from((1.0, 5.0)))
    abstain = data.draw(st.sampled_from((0.3, 2.0, float("inf"))))
    prices = Prices(error, abstain)
    trades = [0.0, data.draw(st.sampled_from((0.02, 0.1, 0.3))), 1.0]
    rng = np.random.default_rng(seed)
    prior = rng.uniform(0.0, 1.0, (len(ladders.queries), 3))
    has_prior, enters = data.draw(st.booleans()), data.draw(st.booleans())
    known = prior if has_prior else None
    walked = walk_values(
        ladders, scores_of(ladders, blind), models, prices, trades, known, enters=enters
    )
    for row, trade in enumerate(trades):
        policy = UtilityPolicy(models, prices, NAMES, trade)
        entry = CascadeRoutingEntry(models, NAMES, trade, prices) if enters else None
        replayer = Replayer(
            table,
            NAMES,
            policy,
            BareAssessor(("paid", "free")),
            prior=Known(ladders.queries, prior) if has_prior else None,
            entry=entry,
        )
        assert_walked(table, ladders, walked, row, replayer)


def test_the_worlds_above_take_every_way() -> None:
    """Else their equality would say little."""
    taken: set[str] = set()
    for seed in range(30):
        ladders = ladders_of(random_table(seed))
        blind = [seed % 2 == 0] * len(ladders.rungs)
        models = random_models(seed, ladders.rungs, blind)
        prices = Prices(1.0, (0.3, float("inf"))[seed % 3 > 0])
        scores = scores_of(ladders, blind)
        walked = walk_values(ladders, scores, models, prices, [0.02, 0.3])
        drafts = walk_values(ladders, _without_prices(scores), models, prices, [0.02, 0.3])
        rounds = np.array([rung.round for rung in ladders.rungs])
        taken |= {"abstains"} if (walked.served < 0).any() else set()
        taken |= {"searches"} if (rounds[walked.served] > 0).any() else set()
        taken |= {"ungated"} if ((walked.served >= 0) & ~walked.gated).any() else set()
        taken |= {"skips"} if (walked.tier == 2).any() else set()
        taken |= {"buys"} if (walked.cost > drafts.cost + 1e-9).any() else set()
    assert taken == {"abstains", "searches", "ungated", "skips", "buys"}


def _without_prices(scores: RungScores) -> RungScores:
    """The same, at what the drafts alone cost: models still say what a purchase costs."""
    return RungScores(scores.free, scores.paid, scores.price * 0.0, scores.signal, scores.score)


def test_cascade_routing_is_the_utility_policy_in_units_of_quality() -> None:
    table = random_table(3)
    ladders = ladders_of(table)
    blind = [False] * len(ladders.rungs)
    models = random_models(3, ladders.rungs, blind)
    scores = scores_of(ladders, blind)
    walked = walk_values(ladders, scores, models, Prices(1.0, float("inf")), [0.05])
    policy: Policy = CascadeRoutingPolicy(models, NAMES, 0.05)
    entry = CascadeRoutingEntry(models, NAMES, 0.05)
    replayer = Replayer(table, NAMES, policy, BareAssessor(("paid", "free")), entry=entry)
    assert_walked(table, ladders, walked, 0, replayer)


def test_a_missing_row_that_would_be_reached_is_named() -> None:
    table = table_of([outcome("q1"), outcome("q1", 1), outcome("q2")])
    ladders = ladders_of(table)
    s = ladders.signals["s"]
    scores = RungScores(s, s, np.zeros_like(s), (None, None), (None, None))
    large = Rung(1, 0, False)
    models = ValueModels(
        (RungCosts(Rung(0, 0, False), 1.0), RungCosts(large, 1.0)),
        (RungModel(None, large, 5.0), RungModel(None, Rung(0, 0, False), 0.0)),
    )
    with pytest.raises(UsageError, match="'q2' has no row for tier 1, round 0"):
        walk_values(ladders, scores, models, Prices(1.0, 1.0), [0.0])


def test_questions_are_walked_by_models_that_have_not_seen_them() -> None:
    rng = np.random.default_rng(0)
    table = table_of(
        outcome(f"q{i:03}", t, loss=float(rng.random() < 0.4), signals={"s": float(rng.random())})
        for i in range(60)
        for t in range(2)
    )
    ladders = ladders_of(table)
    s = ladders.signals["s"]
    scores = RungScores(s, s, np.zeros_like(s), (None, None), (None, None))
    fitted = cross_fit_values(ladders, scores, seed=1)
    prices, trades = Prices(1.0, 0.4), (0.0, 0.05, 0.2)
    whole = walk_values_out_of_fold(ladders, scores, fitted, prices, trades)
    for held, models in enumerate(fitted.by_fold):
        alone = walk_values(ladders, scores, models, prices, trades)
        rows = fitted.fold == held
        for name in ("served", "gated", "loss", "cost", "tier"):
            assert (getattr(whole, name)[:, rows] == getattr(alone, name)[:, rows]).all()


def test_trades_spread_over_the_costs_without_a_look_at_losses() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for i in range(200):
        p = float(rng.random())
        rows.append(outcome(f"q{i:03}", 0, loss=float(rng.random() > p), signals={"s": p}))
        right = float(rng.random() < 0.9)
        rows.append(outcome(f"q{i:03}", 1, loss=1.0 - right, cost=9.0, signals={"s": 0.9}))
    ladders = ladders_of(table_of(rows))
    s = ladders.signals["s"]
    scores = RungScores(s, s, np.zeros_like(s), (None, None), (None, None))
    prices, models = Prices(1.0, float("inf")), fit_values(ladders, scores)
    trades = spread_trades(ladders, scores, models, prices, count=64)
    assert len(trades) == 64 and trades[0] == 0.0 and sorted(set(trades)) == list(trades)
    costs = walk_values(ladders, scores, models, prices, trades).cost.mean(axis=1)
    assert (costs.min(), costs.max()) == (1.0, pytest.approx(10.0, abs=1.01))
    # Everybody enters at one tier here, so the step from the gate to always-large stays.
    steps = np.sort(np.abs(np.diff(np.sort(costs))))
    assert steps[-3] < 0.5
