"""A limit for a whole conversation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from surefoot.policies.conversation_limit import ConversationPolicy
from surefoot.router.budget import Budget, Forecast, Spend
from surefoot.router.conversation_confidence import AnswerConfidence, conversation_confidence
from surefoot.router.decisions import Action, Buy, Choice, Decision, Rung
from surefoot.router.errors import ConfigurationError
from surefoot.router.evidence import ToolCall
from surefoot.router.protocols import Situation
from surefoot.router.signals import Estimate, Unavailable

from ..router.plans import HIGH, attempt_with

SURE = attempt_with(estimate=Estimate(0.8, "s", True))


def situation(**changes: Any) -> Situation:
    base = Situation(
        Rung(0, 0, False), SURE, SURE.estimate, SURE, True, None, (), (), (), Spend(), Budget()
    )
    return replace(base, **changes)


class Says:
    """A policy of one mind."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice

    def decide(self, situation: Situation) -> Choice:
        """That."""
        return self.choice


ANSWERS = Decision(Action.ANSWER, "sure enough")


def decided(limit: float, *before: float, choice: Choice = ANSWERS, **changes: Any) -> Choice:
    known = conversation_confidence([AnswerConfidence(p, True) for p in before])
    return ConversationPolicy(Says(choice), known, limit).decide(situation(**changes))


def test_there_is_room_at_first() -> None:
    assert decided(0.3) is ANSWERS
    assert decided(0.3, 0.95, 0.95) is ANSWERS


def test_doubt_that_was_spent_makes_it_strict() -> None:
    choice = decided(0.3, 0.95, 0.9)  # 0.05 + 0.1 + 0.2 = 0.35
    assert isinstance(choice, Decision) and choice.action is Action.ABSTAIN
    assert choice.reason == (
        "sure enough; but 0.35 wrong answers would be expected in this conversation, 0.30 are "
        "allowed"
    )
    assert choice.compared[-1].value == pytest.approx(0.35)


def test_a_larger_tier_is_asked_where_one_is_open() -> None:
    choice = decided(0.3, 0.8, escalate=((2, Forecast(0.0, 0.0, 1, 1)),))
    assert isinstance(choice, Decision)
    assert (choice.action, choice.tier) == (Action.ESCALATE, 2)


def test_the_attempt_that_is_named_counts() -> None:
    named = Decision(Action.ANSWER, "the best", attempt=HIGH.id)
    assert decided(0.4, choice=named, best=HIGH) is named  # 1 - 0.6
    held = decided(0.3, choice=named, best=HIGH)
    assert isinstance(held, Decision) and held.action is Action.ABSTAIN


def test_what_nothing_judged_takes_a_whole_answer_s_room() -> None:
    blind = replace(SURE, estimate=Unavailable("no logprobs"))
    assert decided(1.0, attempt=blind) is ANSWERS
    held = decided(0.9, attempt=blind)
    assert isinstance(held, Decision) and held.action is Action.ABSTAIN


@pytest.mark.parametrize(
    "choice", [Decision(Action.RETRIEVE, "r"), Decision(Action.ABSTAIN, "a"), Buy("s", "b")]
)
def test_other_choices_stand(choice: Choice) -> None:
    assert decided(0.0, 0.1, choice=choice) is choice


def test_calls_of_tools_are_no_answers() -> None:
    assert decided(0.0, attempt=replace(SURE, tool_calls=(ToolCall("look"),))) is ANSWERS


@pytest.mark.parametrize("limit", [-0.1, float("nan")])
def test_a_limit_is_no_less_than_nothing(limit: float) -> None:
    with pytest.raises(ConfigurationError, match="at least 0"):
        decided(limit)
