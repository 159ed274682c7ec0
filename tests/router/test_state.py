"""What goes into a checkpoint and comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from surefoot.router.budget import Budget, Forecast, Spend
from surefoot.router.decisions import Action, Alternative, Comparison, Decision, TrailStep
from surefoot.router.errors import UsageError
from surefoot.router.evidence import Passage, Turn
from surefoot.router.loop import open_run
from surefoot.router.requests import (
    Ask,
    Compare,
    Critique,
    Draft,
    Drafted,
    Recall,
    Record,
    Reply,
    Request,
    Retrieve,
    Sample,
)
from surefoot.router.results import make_result
from surefoot.router.signals import Estimate, Reading, Signal, Unavailable
from surefoot.router.state import RunState, freeze, thaw
from surefoot.router.testing import says

from .plans import FOUND, FRANCE, attempt_with, plan_of


def full() -> RunState:
    signals: dict[str, Reading] = {
        "a": Signal("a", 0.5, -1.25, "uncertainty", {"k": 3}),
        "b": Unavailable("none"),
    }
    attempt = attempt_with(
        signals=signals,
        signal_costs={"a": None, "b": 0.5},
        estimate=Estimate(0.5, "a", True, "f"),
        passage_ids=("p1",),
    )
    step = TrailStep(
        1,
        "draft",
        0,
        "Paris",
        signals,
        Unavailable("x"),
        (Comparison("a", 0.5, "<", 0.7),),
        (Alternative(Action.RETRIEVE, None, None, 0.0, "closed"),),
        "buy",
        "near",
        None,
        0.5,
    )
    return RunState(
        "r\ud800",
        FRANCE,
        Budget(max_cost=1.0, deadline_s=None, max_calls=3),
        Spend(0.5, 1.5, 2, 3, 1),
        "assess",
        (Turn("q", "a"),),
        1,
        1,
        FOUND,
        [attempt],
        0,
        "b",
        ["a"],
        {0: "failed", 2: "failed too"},
        "nothing new",
        ["history: late"],
        [step],
        7,
        Decision(Action.ANSWER, "sure", (), None, "1"),
        True,
    )


def through_json(frozen: dict[str, Any]) -> dict[str, Any]:
    thawed: dict[str, Any] = json.loads(json.dumps(frozen, allow_nan=False))
    return thawed


def test_every_field_comes_back() -> None:
    state, pending, record = thaw(through_json(freeze(full(), None)))
    assert (state, pending, record) == (full(), None, False)
    assert repr(state) == repr(full())


@pytest.mark.parametrize(
    "request_",
    [
        Recall("q", timeout_s=1.0),
        Draft(1, FOUND, Forecast(None, 1.0, 1, 30), 2.0),
        Draft(1),
        Sample(0, 3, FOUND[:1]),
        Ask("judge", 1, "Paris", FOUND),
        Compare((("a", "b"), ("b", "a")), "nli"),
        Retrieve("q", 3, Forecast(rounds=1)),
        Critique("Paris", FOUND),
    ],
)
def test_every_pending_request_comes_back(request_: Request) -> None:
    _, pending, record = thaw(through_json(freeze(full(), request_)))
    assert (pending, record) == (request_, False)


def test_passages_are_written_once() -> None:
    assert freeze(full(), Draft(0, FOUND[:1]))["pending"]["passages"] == 1


def test_passages_that_are_no_longer_the_best_are_written_out() -> None:
    old = (Passage("p0", "", "older", 0.5),)
    frozen = freeze(full(), Sample(0, 1, old))
    assert frozen["pending"]["passages"] == [
        {"id": "p0", "title": "", "text": "older", "score": 0.5}
    ]
    assert thaw(through_json(frozen))[1] == Sample(0, 1, old)


def test_a_pending_record_is_a_mark_alone() -> None:
    request = Record(make_result(plan_of(), full()))
    frozen = freeze(full(), request)
    assert frozen["pending"] == {"request": "Record"}
    assert thaw(through_json(frozen))[1:] == (None, True)


def test_tokens_stay_out_of_it() -> None:
    """200 tokens with 20 candidates each would be 150 kB in every checkpoint."""
    plan = plan_of()
    run = open_run(plan, FRANCE, run_id="r")
    long = says("word " * 200, k=20)
    run.advance(Reply(Drafted(long)))
    assert len(run.evidence["1"].greedy.tokens) == 201
    assert len(json.dumps(run.freeze())) < 4000


def test_what_was_not_frozen_here_is_refused_by_name() -> None:
    frozen = through_json(freeze(full(), None))
    frozen["state"]["steps"] = "many"
    with pytest.raises(UsageError, match="RunState: field 'steps'"):
        thaw(frozen)
