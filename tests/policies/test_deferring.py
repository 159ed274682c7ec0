"""Meeting a share of deferred requests, however many scores are equal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.policies.deferring import Deferral, DeferralWays, cut_at, reach_deferral
from surefoot.policies.outcomes import OutcomeTable
from surefoot.policies.paths import Stage, Stages, stages_of, walk
from surefoot.policies.targets import ShareDeferred

from .pairs import SIGNALS, Questions, pair_table, questions, rounded, stored_table
from .worlds import outcome, table_of

PATH = (Stage(0, 0), Stage(1, 0))


def stages(asked: Questions) -> Stages:
    return stages_of(asked.ladders, asked.scores, PATH, asked.u, last_is_gated=False)


def deferred_on(asked: Questions, found: Deferral) -> float:
    """The share that the setting defers on other questions, in the mean over the entry's lot."""
    setting = found.setting
    if setting.family == "one tier":
        return 1.0 - setting.share
    assert setting.cuts is not None
    return float((walk(stages(asked), setting.cuts).reached[0] > 0).mean())


def test_cutting_a_block_of_ties_by_hand() -> None:
    score = np.array([0.9, 0.8, 0.8, 0.8, 0.8, 0.1, np.nan, np.nan, np.nan, np.nan])
    u = np.linspace(0.0, 0.9, 10)
    assert cut_at(score, u, 0.1) == (0.9, 0.0)
    t, tie = cut_at(score, u, 0.3)  # all of .9 and half of the four at .8
    assert t == 0.8
    assert tie == pytest.approx(0.5)
    assert cut_at(score, u, 0.5) == (0.8, 0.0)
    assert cut_at(score, u, 0.9) == (0.1, 0.0)  # no more can pass than have a score
    t, tie = cut_at(score, u, 0.0)
    assert tie == 1.0 and t == 1.0


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_share_that_passes_is_the_one_asked_for(data: st.DataObject) -> None:
    values = data.draw(
        st.lists(st.sampled_from((0.0, 0.2, 0.5, 1.0, None)), min_size=1, max_size=30)
    )
    keep = data.draw(st.floats(0.0, 1.0))
    score = np.array([np.nan if value is None else value for value in values])
    t, tie = cut_at(score, np.zeros(len(score)), keep)
    known = float((~np.isnan(score)).mean())
    # In the mean over draws: above the threshold all, at it a share of 1 - tie.
    share = float((score > t).mean() + (1.0 - tie) * (score == t).mean())
    assert share == pytest.approx(min(keep, known), abs=1e-9)


@pytest.mark.parametrize("decimals", [None, 0, 1, 2, 9])
@pytest.mark.parametrize("share", [0.3, 0.5])
def test_a_share_is_met_on_test_rows_however_many_scores_tie(
    decimals: int | None, share: float
) -> None:
    """Chosen on train rows, attained within five points on test rows; scores rounded alike."""
    for name, signal in SIGNALS.items():
        for small in (1, 3):
            tables = [
                rounded(pair_table(stored_table(name, split), small, 4), decimals)
                for split in ("train", "test")
            ]
            train, test = (questions(table, signal) for table in tables)
            found = reach_deferral(ShareDeferred(share), DeferralWays(stages(train)))
            assert deferred_on(test, found) == pytest.approx(share, abs=0.05)
            for _, deferred, _, _ in found.ways:
                assert deferred == pytest.approx(share, abs=0.06)  # 300 draws among ties


@pytest.mark.parametrize("decimals", [0, 1, 2, 9])
def test_unlabeled_traffic_sets_it_within_two_points(decimals: int) -> None:
    for name, signal in SIGNALS.items():
        tables = [
            rounded(pair_table(stored_table(name, split), 1, 4), decimals)
            for split in ("train", "test")
        ]
        train, test = (questions(table, signal) for table in tables)
        half = np.arange(0, len(test.u), 2)
        traffic = test.scores.paid[half, 0]
        for share in (0.1, 0.2, 0.7):
            ways = DeferralWays(stages(train), traffic=traffic)
            found = reach_deferral(ShareDeferred(share), ways)
            if found.setting.family == "gate":
                assert deferred_on(test, found) == pytest.approx(share, abs=0.02)
                assert f"{len(half)} requests of traffic" in found.report.rows


def test_a_cut_without_ties_would_miss_it() -> None:
    """Negative control: the plain quantile of a rounded score."""
    for decimals, share in ((0, 0.2), (None, 0.3)):
        table = rounded(pair_table(stored_table("mmlu", "test"), 1, 4), decimals)
        score = questions(table, "answer_prob").scores.paid[:, 0]
        plain = float((score <= np.quantile(score, share)).mean())
        assert abs(plain - share) > 0.05


def telling(n: int, *, price: float = 0.0, missing: int = 0) -> Questions:
    """The small tier is right where its score is high."""
    rows = []
    for number in range(n):
        score = (number * 37 % n) / n
        for tier in range(2):
            rows.append(
                outcome(
                    f"q{number:03}",
                    tier,
                    loss=float(tier == 0 and score < 0.4),
                    cost=1.0 + 9.0 * tier,
                    signals={"s": None if number < missing else score},
                    signal_costs={"s": price} if price else None,
                )
            )
    return questions(table_of(rows), "s")


def test_a_telling_gate_is_taken_and_its_quality_reported() -> None:
    asked = telling(200)
    found = reach_deferral(ShareDeferred(0.4), DeferralWays(stages(asked)))
    assert found.setting.family == "gate"
    assert found.quality == pytest.approx(1.0, abs=0.02)
    assert found.cost == pytest.approx(5.0, abs=0.2)
    low, high = found.report.interval or (0.0, 0.0)
    assert low < 0.4 < high
    names = [name for name, *_ in found.ways]
    assert names == ["lot", "gate"]


def test_a_useless_score_loses_to_a_lot_which_drafts_once() -> None:
    asked = questions(
        table_of(
            outcome(f"q{n:03}", t, loss=float(t == 0 and n % 3 == 0), cost=1.0 + 9.0 * t)
            for n in range(240)
            for t in range(2)
        ),
        "s",
    )
    found = reach_deferral(ShareDeferred(0.25), DeferralWays(stages(asked)))
    assert (found.setting.family, found.setting.share) == ("one tier", 0.75)
    assert found.report.achieved == pytest.approx(0.25)
    assert found.cost == pytest.approx(0.75 * 1.0 + 0.25 * 10.0)


def test_a_bought_score_is_paid_for_on_every_request() -> None:
    found = reach_deferral(ShareDeferred(0.4), DeferralWays(stages(telling(200, price=0.5))))
    assert found.setting.family == "gate" and found.setting.cuts is not None
    assert found.setting.cuts.low[0, 0] == 0.0
    assert found.cost == pytest.approx(5.5, abs=0.2)


def test_where_too_many_scores_are_missing_the_lot_meets_it() -> None:
    found = reach_deferral(ShareDeferred(0.2), DeferralWays(stages(telling(200, missing=100))))
    assert found.setting.family == "one tier"
    assert found.report.achieved == pytest.approx(0.2)


def test_a_prior_defers_by_what_it_knows_of_the_question() -> None:
    asked = telling(200)
    blind = stages(questions(without_a_telling_score(asked), "s"))
    gain = (asked.ladders.loss[:, 0] - 0.5) / 9.0 + np.linspace(0.0, 0.001, 200)
    found = reach_deferral(ShareDeferred(0.4), DeferralWays(blind, prior_gain=gain + 0.06))
    assert found.setting.family == "prior" and found.setting.among == (0, 1)
    assert found.quality == pytest.approx(1.0, abs=0.02)


def without_a_telling_score(asked: Questions) -> OutcomeTable:
    return table_of(
        outcome(query, tier, loss=float(asked.ladders.loss[at, tier]), cost=1.0 + 9.0 * tier)
        for at, query in enumerate(asked.ladders.queries)
        for tier in range(2)
    )
