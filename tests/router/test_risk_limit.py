"""A request's own limit of risk, over the policy's gate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.budget import Budget
from surefoot.router.decisions import Action, Result
from surefoot.router.evidence import Generation, ToolCall
from surefoot.router.loop import open_run
from surefoot.router.plan import Plan
from surefoot.router.requests import Drafted, Recall, Recalled, Record, Recorded, Repeat, Reply
from surefoot.router.signals import Estimate, Unavailable
from surefoot.router.testing import FixedEstimator

from .plans import FRANCE, attempt_with, drafted, plan_of


class Calibrated:
    """Estimates by tier, as calibrators give them."""

    def __init__(self, *ps: float, calibrated: bool = True) -> None:
        self.ps = ps
        self.calibrated = calibrated

    def assess(self, rung: Any, signals: object) -> Estimate:
        """That tier's."""
        return Estimate(self.ps[rung.tier], "sure", self.calibrated)


def plan_with(*ps: float, calibrated: bool = True, **changes: Any) -> Plan:
    assessor = Calibrated(*ps, calibrated=calibrated)
    return replace(plan_of(retrieval=None, certificate="c", assessor=assessor), **changes)


def played(plan: Plan, risk: float | None, *replies: Reply) -> Result:
    run = open_run(plan, FRANCE, run_id="r", budget=Budget(max_risk=risk))
    for reply in replies:
        run.advance(reply)
    assert run.result is not None
    return run.result


def test_without_a_limit_the_policy_alone_decides() -> None:
    found = played(plan_with(0.8, 0.9), None, drafted())
    assert (found.answer, found.tier, found.certificate) == ("Paris", 0, "c")


def test_within_the_limit_it_is_served_without_the_certificate() -> None:
    found = played(plan_with(0.95, 0.9), 0.05, drafted())  # 1 - 0.95 is 0.05 but for rounding
    assert (found.answer, found.tier, found.certificate) == ("Paris", 0, None)


def test_above_it_a_larger_tier_is_asked() -> None:
    found = played(plan_with(0.8, 0.96), 0.05, drafted("Lyon"), drafted())
    assert (found.answer, found.tier) == ("Paris", 1)
    step = found.trail[0]
    assert step.reason is not None and step.reason.endswith(
        "but its risk is 0.200, and this request allows 0.050"
    )
    assert step.compared[-1].name == "risk of this answer"


def test_where_none_is_sure_enough_it_abstains() -> None:
    found = played(plan_with(0.8, 0.9), 0.05, drafted("Lyon"), drafted())
    assert (found.action, found.answer) == (Action.ABSTAIN, None)
    assert found.best is not None and found.best.text == "Paris"


def test_what_is_not_calibrated_has_no_known_risk() -> None:
    found = played(plan_with(0.99, 0.99, calibrated=False), 0.5, drafted(), drafted())
    assert found.action is Action.ABSTAIN
    assert "nothing calibrated says" in found.reason


def test_an_ungated_answer_has_none_either() -> None:
    rules = tuple(RungRule(i, 0.7, gated=False) for i in range(2))
    policy = ThresholdPolicy(rules, ("small", "large"))
    plan = plan_with(0.99, 0.5, policy=policy)
    assert played(plan, 0.05, drafted()).answer == "Paris"
    assert played(plan_with(0.9, 0.5, policy=policy), 0.05, drafted(), drafted()).answer is None


def test_calls_of_tools_are_no_answers() -> None:
    called = Reply(Drafted(Generation("", (), "tool_calls", (ToolCall("look"),))))
    assert played(plan_with(0.75, 0.75), 0.05, called).action is Action.ANSWER


@pytest.mark.parametrize(
    ("estimate", "is_served"),
    [
        (Estimate(0.97, "s", True), True),
        (Estimate(0.9, "s", True), False),
        (Estimate(0.97, "s", False), False),
        (Unavailable("unknown"), False),
    ],
)
def test_what_was_answered_before_keeps_the_limit_too(estimate: Any, is_served: bool) -> None:
    plan = plan_with(0.99, 0.99, remember=True, free=(FixedEstimator("sure", 0.9),))
    run = open_run(plan, FRANCE, run_id="r", budget=Budget(max_risk=0.05))
    assert isinstance(run.request, Recall)
    repeat = Repeat("earlier", "2026-01-01", attempt_with(text="Lyon", estimate=estimate))
    run.advance(Reply(Recalled((), repeat)))
    assert isinstance(run.request, Record) is is_served
    if is_served:
        run.advance(Reply(Recorded()))
        assert run.result is not None and run.result.answer == "Lyon"


@pytest.mark.parametrize("p", [0.95, 0.96, 1.0])
def test_allowed(p: float) -> None:
    assert Budget(max_risk=0.05).allows(p) and Budget().allows(0.0)
    assert not Budget(max_risk=0.05).allows(0.94)
