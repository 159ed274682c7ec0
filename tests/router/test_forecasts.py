"""What calls would use, and what a tier can be shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot.router.budget import Budget, Forecast
from surefoot.router.evidence import Passage
from surefoot.router.forecasts import Fit, Outlook, call_forecast, draft_fit, retrieval_forecast
from surefoot.router.plan import RetrievalPlan
from surefoot.router.state import RunState

from .plans import FOUND, FRANCE, SMALL, FlatSizer, plan_of

SLOW = replace(SMALL, latency_s=1.5)


def test_calls_are_counted_with_the_longest_answer() -> None:
    assert call_forecast(SLOW, 10) == Forecast(1.0 * 10 + 2.0 * 20, 1.5, 1, 30)
    assert call_forecast(SLOW, 10, 3) == Forecast(150.0, 4.5, 3, 90)
    assert call_forecast(replace(SLOW, price=None), 10).cost is None


def test_a_retrieval_is_counted_with_its_draft() -> None:
    search = RetrievalPlan(k=2, latency_s=0.5, passage_tokens=7)
    assert retrieval_forecast(search, SLOW, 10) == Forecast(24 + 40, 2.0, 1, 44, 1)
    # However much is found, no more is shown than fits: 100 tokens less 20 for the answer.
    huge = replace(search, passage_tokens=1000)
    assert retrieval_forecast(huge, SLOW, 10) == Forecast(80 + 40, 2.0, 1, 100, 1)
    assert retrieval_forecast(huge, replace(SLOW, price=None), 10).cost is None


@pytest.mark.parametrize(
    ("context", "shown"), [(41, 2), (40, 2), (39, 1), (35, 1), (34, 0), (30, 0)]
)
def test_passages_are_dropped_from_the_worst_end(context: int, shown: int) -> None:
    plan = plan_of(tiers=(replace(SMALL, context=context),))
    state = RunState("r", FRANCE, Budget(), passages=FOUND)
    fit = draft_fit(plan, state, 0)
    assert isinstance(fit, Fit)
    assert fit.passages == FOUND[:shown]
    assert fit.tokens_in == 10 + 5 * shown
    assert fit.forecast == call_forecast(plan.tiers[0], fit.tokens_in)


def test_a_question_that_does_not_fit_says_by_how_much() -> None:
    plan = plan_of(tiers=(replace(SMALL, context=29),))
    state = RunState("r", FRANCE, Budget(), passages=FOUND)
    assert draft_fit(plan, state, 0) == "its context takes 29 tokens, the question needs 30"


def test_prompts_are_sized_again_only_for_other_passages() -> None:
    sizer = FlatSizer()
    plan = plan_of(sizer=sizer)
    state = RunState("r", FRANCE, Budget())
    outlook = Outlook(plan, state)
    assert outlook.fit(0) is outlook.fit(0)
    assert (outlook.tokens(0, ()), sizer.asked) == (10, 1)
    assert outlook.tokens(0, FOUND) == 20  # not what the fit is about
    state.passages = FOUND
    fit = outlook.fit(0)
    assert isinstance(fit, Fit) and fit.passages == FOUND
    assert outlook.tokens(0, (Passage("p9", "", "", 1.0),)) == 15
