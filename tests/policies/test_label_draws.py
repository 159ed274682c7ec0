"""Labels that are no plain sample of the requests, and questions that come again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot.policies.fit import Prices
from surefoot.policies.fit_certified import Promise, fit_certified
from surefoot.policies.label_draws import repeats_in_words, unfair_label
from surefoot.policies.outcomes import Outcome
from surefoot.router.errors import UsageError
from surefoot.router.risk.targets import RiskTarget

from .worlds import outcome, settings_of, table_of


def drawn(n: int, easy: float, hard: float) -> list[Outcome]:
    """Every other question is hard, and wrong in the small tier; all labels have come."""
    return [
        outcome(
            f"q{i:04}",
            tier,
            loss=float(i % 2 and not tier),
            signals={"s": i / n} if not tier else {},
            audited=True,
            propensity=hard if i % 2 else easy,
        )
        for i in range(n)
        for tier in (0, 1)
    ]


def test_draws_of_one_propensity_on_each_rung_are_a_plain_sample() -> None:
    assert unfair_label(table_of(drawn(10, 0.3, 0.3))) is None
    assert unfair_label(table_of(outcome(f"q{i}") for i in range(5))) is None
    apart = [replace(r, extra={"propensity": 0.1 + 0.2 * r.tier}) for r in drawn(6, 1.0, 1.0)]
    assert unfair_label(table_of(apart)) is None


def test_unequal_odds_are_named_at_the_row_where_they_begin() -> None:
    found = unfair_label(table_of(drawn(10, 0.9, 0.09)))
    assert found is not None and (found.row.query_id, found.row.tier) == ("q0001", 0)
    assert found.field == "propensity" and "0.09 here and 0.9 for query 'q0000'" in found.why


def test_a_row_without_a_word_of_a_draw_was_surely_judged() -> None:
    rows = [outcome("a"), outcome("b", propensity=0.2)]
    found = unfair_label(table_of(rows))
    assert found is not None and found.row.query_id == "b"
    undrawn = [outcome("a", loss=None, audited=False), outcome("b", audited=True, propensity=0.2)]
    assert unfair_label(table_of(undrawn)) is None


def test_a_label_that_no_draw_asked_for() -> None:
    rows = [outcome("a", audited=True, propensity=0.2), outcome("b", audited=False, propensity=0.2)]
    found = unfair_label(table_of(rows))
    assert found is not None and (found.row.query_id, found.field) == ("b", "audited")


def test_nothing_is_certified_on_draws_at_unequal_odds() -> None:
    """Ten easy questions for each hard one, where traffic has as many: the error looks like .09."""
    promise = Promise(RiskTarget("selective", 0.2, 0.1), "last-tier")
    settings = settings_of(Prices(0.0, 1.0))
    with pytest.raises(UsageError, match=r"query 'q0001', tier 0: propensity is 0\.09 here"):
        fit_certified(table_of(drawn(200, 0.9, 0.09)), settings, promise, {})


def test_questions_that_come_again_are_told() -> None:
    asked = [
        replace(outcome(f"q{i}"), question=f"What  is {i % 5}?" if i % 2 else f"what is {i % 5}?")
        for i in range(10)
    ]
    told = repeats_in_words(table_of(asked))
    assert told is not None and told.startswith("5 of 10 questions repeat")
    assert repeats_in_words(table_of(asked[:5])) is None
    assert repeats_in_words(table_of(outcome(f"q{i}") for i in range(9))) is None
