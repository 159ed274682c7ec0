"""Which draft of a question might be labeled, how near to its gate it is, and how it was drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from surefoot.policies.fit import Prices, fit_uncertified
from surefoot.policies.label_candidates import LabelDraft, draw_number, label_drafts
from surefoot.policies.outcomes import Outcome
from surefoot.policies.profile import FittedRung, Profile
from surefoot.router.decisions import Action, Rung
from surefoot.router.errors import UsageError
from surefoot.router.risk.tie_break import tie_break

from .worlds import drawn_table, outcome, settings_of, sigmoid, table_of


def fitted() -> Profile:
    """Calibrators of a formula; thresholds of .8 and .5 on the raw signal `s`, set by hand."""
    costs = {Rung(0, 0, False): 1.0, Rung(1, 0, False): 10.0}
    table = drawn_table(
        300,
        lambda rng, z: {rung: (sigmoid(z + rung.tier), sigmoid(z)) for rung in costs},
        costs,
    )
    found = fit_uncertified(table, settings_of(Prices(20.0, 10.0)), {})
    calibrators = next(r.calibrators for r in found.rungs if r.tier == 0 and not r.retrieved)
    rungs = [
        FittedRung(tier, retrieved, threshold, then, (), calibrators, score="s", tie=0.5)
        for tier, threshold, then in ((0, 0.8, (Action.ESCALATE,)), (1, 0.5, ()))
        for retrieved in (False, True)
    ]
    return replace(found, rungs=tuple(rungs), floor=None)


PROFILE = fitted()


def drafts(*rows: Outcome) -> list[LabelDraft]:
    found, _ = label_drafts(table_of(rows), PROFILE)
    return found


def one(s: float | None, tier: int = 0, loss: float | None = None, **extra: Any) -> Outcome:
    return outcome("q", tier, loss=loss, signals={"s": s}, **extra)


def test_the_draft_that_a_gate_lets_through_is_the_candidate() -> None:
    (small,) = drafts(one(0.9), one(0.95, 1))
    assert small.row.tier == small.candidate.tier == 0
    assert small.candidate.margin == pytest.approx(0.1)
    (large,) = drafts(one(0.7), one(0.6, 1))
    assert large.row.tier == 1 and large.candidate.margin == pytest.approx(0.1)


def test_where_no_gate_does_it_is_the_nearest_one() -> None:
    (near,) = drafts(one(0.7), one(0.2, 1))
    assert near.row.tier == 0 and near.candidate.margin == pytest.approx(-0.1)
    (alone,) = drafts(one(0.2))  # the large draft was never made
    assert alone.candidate.margin == pytest.approx(-0.6)


def test_a_draft_without_an_estimate_is_left_out_and_counted() -> None:
    found, blind = label_drafts(
        table_of([one(None), one(None, 1), outcome("r", loss=None, signals={"s": 0.9})]), PROFILE
    )
    assert [d.row.query_id for d in found] == ["r"] and blind == 1


def test_the_estimate_is_the_calibrated_one() -> None:
    (low,), (high,) = drafts(one(0.82)), drafts(one(0.97))
    assert low.candidate.p != 0.82 and low.candidate.p < high.candidate.p


def test_a_tie_that_its_draw_does_not_pass_lies_below() -> None:
    names = [f"q{n}" for n in range(40)]
    rows = [outcome(name, loss=None, signals={"s": 0.8}) for name in names]
    rows += [outcome(name, 1, loss=None, signals={"s": 0.1}) for name in names]
    for draft in drafts(*rows):
        assert draft.candidate.margin is not None
        passed = tie_break(PROFILE.tie_seed, draft.row.query_id) >= 0.5
        assert (draft.candidate.margin >= 0.0) == passed
        assert draft.candidate.margin == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("loss", "extra", "drawn"),
    [
        (None, {}, (False, 0.0)),
        (0.0, {}, (True, 1.0)),  # a table of labeled answers
        (1.0, {"audited": True, "propensity": 0.2}, (True, 0.2)),
        (None, {"audited": True, "propensity": 0.2}, (True, 0.2)),  # its label is on its way
        (None, {"audited": False, "propensity": 0.2}, (False, 0.2)),
        (1.0, {"audited": False}, (False, 0.0)),  # somebody complained
    ],
)
def test_what_was_drawn_before(
    loss: float | None, extra: dict[str, Any], drawn: tuple[bool, float]
) -> None:
    (draft,) = drafts(one(0.9, loss=loss, **extra))
    assert (draft.candidate.labelled, draft.candidate.drawn_with) == drawn


def test_a_draw_without_its_propensity_is_refused() -> None:
    with pytest.raises(UsageError, match="propensity"):
        drafts(one(0.9, audited=True))


def test_draws_follow_what_was_drawn_before() -> None:
    first = drafts(one(0.9))
    assert draw_number(first) == draw_number(drafts(one(0.9)))
    assert draw_number(first) != draw_number(drafts(one(0.9, audited=False, propensity=0.1)))
