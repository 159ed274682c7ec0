"""The vectorized walk of a path is the loop's walk of the same rules."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.policies.entry import FixedEntry
from surefoot.policies.ladders import Ladders, ladders_of
from surefoot.policies.outcomes import Outcome, OutcomeTable
from surefoot.policies.paths import Cuts, Path, RungScores, Stage, path_rules, stages_of, walk
from surefoot.policies.recorded import Replayer
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.decisions import Action
from surefoot.router.errors import UsageError
from surefoot.router.risk.tie_break import tie_break

from .worlds import outcome, table_of

LEVELS = (0.0, 0.2, 0.4, 0.4, 0.6, 0.8, 1.0, None)
PATHS: tuple[Path, ...] = (
    (Stage(0, 0),),
    (Stage(0, 0), Stage(1, 0), Stage(2, 0)),
    (Stage(0, 0), Stage(2, 0)),
    (Stage(1, 0),),
    (Stage(0, 0), Stage(0, 1), Stage(1, 1)),
    (Stage(0, 0), Stage(1, 0), Stage(1, 1), Stage(2, 1)),
    (Stage(0, 0), Stage(0, 1), Stage(0, 2), Stage(2, 2)),
)


def random_table(seed: int, questions: int = 12) -> OutcomeTable:
    """Three tiers, up to two searches of which some find nothing; ties, gaps and empty answers."""
    rng = random.Random(seed)
    rows: list[Outcome] = []
    for number in range(questions):
        rounds = rng.choice((0, 1, 2, 2))
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
                        signal_costs={"paid": rng.choice((0.25, 2.0))},
                    )
                )
    rows.append(outcome("all", 0, 2, signals={"free": 0.1, "paid": 0.1}, signal_costs={"paid": 1}))
    rows += [
        outcome("all", t, r, signals={"free": 0.3, "paid": None}, signal_costs={"paid": 1})
        for t in range(3)
        for r in range(3)
        if (t, r) != (0, 2)
    ]
    return table_of(rows)


def scores_of(ladders: Ladders) -> RungScores:
    free, paid = ladders.signals["free"], ladders.signals["paid"]
    r = len(ladders.rungs)
    return RungScores(
        free,
        np.where(np.isnan(paid), free, paid),
        ladders.prices["paid"],
        ("paid",) * r,
        (None,) * r,
    )


def rest(rules: tuple[RungRule, ...], tiers: int) -> tuple[RungRule, ...]:
    """Rules for the rungs that a path does not visit: never reached, but a policy must have one."""
    known = {(rule.tier, rule.retrieved) for rule in rules if rule.round is None}
    return tuple(
        RungRule(tier, 1.0, seen, (), tie=1.0)
        for tier in range(tiers)
        for seen in (False, True)
        if (tier, seen) not in known
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_walk_is_the_walk_of_the_loop(data: st.DataObject) -> None:
    table = random_table(data.draw(st.integers(0, 10_000)))
    path = data.draw(st.sampled_from(PATHS))
    share = st.sampled_from((0.0, 0.2, 0.4, 0.5, 0.8, 1.0))
    width, last_is_gated = len(path), data.draw(st.booleans())

    def numbers(values: st.SearchStrategy[float]) -> list[float]:
        return data.draw(st.lists(values, min_size=width, max_size=width))

    low = [np.nan if data.draw(st.booleans()) else value for value in numbers(share)]
    high = [value + 0.3 for value in low]
    cuts = Cuts(*(np.array([row]) for row in (numbers(share), numbers(share), low, high)))
    kinds = {(tier, seen): "paid" for tier in range(3) for seen in (False, True)}
    ladders = ladders_of(table)
    u = np.array([tie_break(3, query) for query in ladders.queries])
    stages = stages_of(ladders, scores_of(ladders), path, u, last_is_gated=last_is_gated)
    floor = data.draw(st.sampled_from((None, 0.4)))
    walked = walk(stages, cuts, floor=floor)

    rules = path_rules(path, cuts, signals=kinds, last_is_gated=last_is_gated)
    names = ("a", "b", "c")
    policy = ThresholdPolicy(rules + rest(rules, 3), names, floor, tie_seed=3)
    replayer = Replayer(table, names, policy, BareAssessor(("paid", "free")))
    replayer.plan = replace(replayer.plan, entry=FixedEntry(path[0].tier, "first"))
    for at, query in enumerate(ladders.queries):
        result = replayer.replay(query)
        stage = int(walked.stage[0, at])
        if result.action is Action.ABSTAIN:
            assert stage == -1
        else:
            assert result.best is not None and stage >= 0
            assert result.best.tier == path[stage].tier
            assert result.best.round == min(
                path[stage].round, max(r.round for r in table.queries[query])
            )
            assert bool(walked.gated[0, at]) == result.gated
            row = table.row(query, result.best.rung)
            assert row is not None and row.loss == walked.loss[0, at]
        assert walked.cost[0, at] == pytest.approx(result.cost)
        assert path[int(walked.reached[0, at])].tier == max(a.tier for a in result.attempts)


def test_many_configurations_are_each_walked_as_if_alone() -> None:
    ladders = ladders_of(random_table(1, 40))
    u = np.linspace(0.0, 0.99, len(ladders.queries))
    stages = stages_of(ladders, scores_of(ladders), PATHS[4], u)
    rng = np.random.default_rng(0)
    threshold = rng.choice((0.2, 0.4, 0.8), (9, 3))
    low = np.where(rng.random((9, 3)) < 0.5, np.nan, 0.2)
    cuts = Cuts(threshold, rng.choice((0.0, 0.5), (9, 3)), low, low + 0.4)
    together = walk(stages, cuts)
    for at in range(9):
        alone = walk(stages, cuts.some(np.array([at])))
        assert (alone.stage[0] == together.stage[at]).all()
        assert (alone.cost[0] == together.cost[at]).all()


def test_a_missing_row_that_would_be_reached_is_named() -> None:
    table = table_of([outcome("q1"), outcome("q1", 1), outcome("q2")])
    ladders = ladders_of(table)
    r = len(ladders.rungs)
    scores = RungScores(
        ladders.signals["s"], ladders.signals["s"], ladders.cost, (None,) * r, (None,) * r
    )
    with pytest.raises(UsageError, match="'q2' has no row for tier 1, round 0"):
        stages_of(ladders, scores, (Stage(0, 0), Stage(1, 0)), np.zeros(2))


@pytest.mark.parametrize(
    "path", [(), (Stage(0, 1),), (Stage(0, 0), Stage(1, 1)), (Stage(1, 0), Stage(0, 0))]
)
def test_a_path_that_the_loop_cannot_walk_is_refused(path: Path) -> None:
    ladders = ladders_of(random_table(0, 2))
    with pytest.raises(UsageError, match="a path"):
        stages_of(ladders, scores_of(ladders), path, np.zeros(3))


def test_where_each_question_enters() -> None:
    table = table_of([outcome(f"q{i}", t, cost=10.0**t) for i in range(3) for t in range(2)])
    ladders = ladders_of(table)
    scores = RungScores(
        ladders.signals["s"], ladders.signals["s"], ladders.cost * 0, (None,) * 2, (None,) * 2
    )
    stages = stages_of(ladders, scores, (Stage(0, 0), Stage(1, 0)), np.zeros(3))
    cuts = Cuts.of(np.array([[0.5, 0.5], [0.6, 0.5]]))
    walked = walk(stages, cuts, np.array([0, 1, 1]))
    assert walked.cost.tolist() == [[1, 10, 10], [11, 10, 10]]
    assert walked.stage.tolist() == [[0, 1, 1], [1, 1, 1]]
