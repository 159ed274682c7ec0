"""How a run ended, made from its state."""

from __future__ import annotations

from surefoot.router.budget import Budget
from surefoot.router.decisions import Action, Decision, Result, TrailStep
from surefoot.router.results import make_result
from surefoot.router.signals import Unavailable
from surefoot.router.state import RunState

from .plans import FOUND, FRANCE, HIGH, LOW, attempt_with, ended, plan_of


def test_an_answer() -> None:
    result = ended(Decision(Action.ANSWER, "sure", attempt="1"))
    assert result == Result(
        run_id="r",
        question=FRANCE,
        action=Action.ANSWER,
        answer="Paris",
        confidence=0.3,
        reason="sure",
        tier=0,
        model="m-small",
        rounds=1,
        cost=1.5,
        latency_s=2.5,
        calls=3,
        tokens=4,
        best=LOW,
        attempts=(LOW, HIGH),
        passages=FOUND,
        degraded=("history: late",),
        trail=(TrailStep(1, "draft", 0, "Paris"),),
        certificate="c1",
        gated=True,
    )


def test_an_answer_that_nothing_vouches_for_carries_no_certificate() -> None:
    result = ended(Decision(Action.ANSWER, "handed over", attempt="1", gated=False))
    assert (result.answer, result.gated, result.certificate) == ("Paris", False, None)


def test_an_abstention_shows_the_best_and_carries_no_certificate() -> None:
    result = ended(Decision(Action.ABSTAIN, "unsure"))
    assert (result.answer, result.confidence, result.tier, result.model) == (None,) * 4
    assert (result.best, result.certificate) == (HIGH, None)


def test_an_answer_without_an_estimate_has_no_confidence() -> None:
    state = RunState("r", FRANCE, Budget(), attempts=[attempt_with(estimate=Unavailable("x"))])
    state.decision = Decision(Action.ANSWER, "forced", attempt="1")
    result = make_result(plan_of(), state)
    assert (result.answer, result.confidence) == ("Paris", None)
