"""The calibration scores that a profile carries: of the attempts that it makes, and no others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.policies.monitor_evidence import rung_scores
from surefoot.policies.profile import FittedRung, FittedTier, Profile, load_profile, save_profile
from surefoot.policies.score_summaries import FIELD, score_summaries, scores_of_profile, with_scores
from surefoot.policies.threshold import BuyBand
from surefoot.router.decisions import Action
from surefoot.router.errors import UsageError

from .worlds import outcome, shuffled, table_of


def profile(*, gated: bool = False, buy: tuple[BuyBand, ...] = ()) -> Profile:
    """Small answers at .8 on `s`; the rest goes to large, which a gate judges by `t` or not."""
    rungs = [
        FittedRung(0, retrieved, 0.8, (Action.ESCALATE,), buy, (), score="s")
        for retrieved in (False, True)
    ]
    rungs += [
        FittedRung(1, retrieved, 0.5, (), (), (), score="t", gated=gated)
        for retrieved in (False, True)
    ]
    return Profile((FittedTier("small"), FittedTier("large")), tuple(rungs))


SCORES = (0.9, 0.8, 0.3, 0.2, None)
ROWS = [
    row
    for number, s in enumerate(SCORES)
    for row in (
        outcome(f"q{number}", signals={"s": s}),
        outcome(f"q{number}", 1, signals={"t": 0.1 * number}),
    )
]


def test_a_later_gate_is_told_by_what_earlier_ones_hand_on() -> None:
    table = table_of(ROWS)
    first, second = score_summaries(table, profile(gated=True))
    assert first == rung_scores([r for r in ROWS if r.tier == 0], 0, "s", retrieved=False)
    assert first.summary.n == 5 and first.summary.missing == 1
    handed_on = [row for row in ROWS if row.tier == 1 and row.query_id in ("q2", "q3", "q4")]
    assert second == rung_scores(handed_on, 1, "t", retrieved=False)
    assert score_summaries(shuffled(table, 3), profile(gated=True)) == (first, second)


def test_what_is_served_without_a_gate_is_not_watched() -> None:
    assert [one.tier for one in score_summaries(table_of(ROWS), profile())] == [0]


def test_a_profile_keeps_its_scores_and_its_fingerprint(tmp_path: Path) -> None:
    told = with_scores(profile(gated=True), table_of(ROWS))
    assert told.fingerprint == profile(gated=True).fingerprint
    save_profile(told, tmp_path / "p.json")
    again = load_profile(tmp_path / "p.json")
    assert scores_of_profile(again) == score_summaries(table_of(ROWS), profile(gated=True))
    assert len(json.dumps(again.fitted_on)) < 1000
    assert scores_of_profile(profile()) == ()


def test_many_questions_are_thinned_out_evenly() -> None:
    rows = [outcome(f"q{n:05}", signals={"s": 0.9 if n % 2 else 0.95}) for n in range(9_000)]
    rows += [outcome("z", 1, signals={"t": 0.5}), outcome("z", signals={"s": 0.99})]
    (one,) = score_summaries(table_of(rows), profile())
    assert 2_900 <= one.summary.n <= 3_001


@pytest.mark.parametrize(
    "change",
    [{"counts": 3}, {"counts": "a:1"}, {"counts": "1"}, {"tier": "x"}, {"tied": None}, None],
)
def test_what_is_no_summary_is_refused(change: dict[str, object] | None) -> None:
    told = with_scores(profile(), table_of(ROWS))
    (data,) = told.fitted_on[FIELD]
    broken = "text" if change is None else [{**data, **change}]
    with pytest.raises(UsageError, match="fit the profile anew"):
        scores_of_profile(replace(told, fitted_on={FIELD: broken}))
