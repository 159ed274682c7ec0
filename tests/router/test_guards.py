"""Code that users bring may fail without harm, and is never silent about it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from surefoot.router.budget import Budget, Spend
from surefoot.router.decisions import Action, Buy, Decision, Rung
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.guards import assess_safely, decide_safely, judge_safely, read_safely
from surefoot.router.protocols import Situation
from surefoot.router.requests import Continue, Stop
from surefoot.router.signals import Estimate, Signal, Unavailable
from surefoot.router.testing import FixedEstimator

EVIDENCE = Evidence("q", Generation("a"))
RUNG = Rung(0, 0, False)
SITUATION = Situation(
    RUNG, None, Unavailable("x"), None, False, None, (), (), (), Spend(), Budget()
)


class Saying:
    """Every seam at once: gives back what it was made with, or raises it."""

    def __init__(self, what: object) -> None:
        self.what = what

    def _say(self, *_: object) -> Any:
        if isinstance(self.what, BaseException):
            raise self.what
        return self.what

    assess = decide = judge = _say


def read(what: object) -> object:
    return read_safely(FixedEstimator("e", Saying(what)._say), EVIDENCE)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_good_readings_pass(value: float) -> None:
    assert read(Signal("e", value, -7.0)) == Signal("e", value, -7.0)
    assert read(Unavailable("no logprobs")) == Unavailable("no logprobs")


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (Signal("e", math.nan, 0.0), "the estimator returned value nan, raw 0.0"),
        (Signal("e", 1.1, 0.0), "the estimator returned value 1.1, raw 0.0"),
        (Signal("e", -0.1, 0.0), "the estimator returned value -0.1, raw 0.0"),
        (Signal("e", 0.5, -math.inf), "the estimator returned value 0.5, raw -inf"),
        (None, "the estimator returned NoneType, not a signal"),
        (0.5, "the estimator returned float, not a signal"),
        (ZeroDivisionError("by 0"), "the estimator failed: ZeroDivisionError: by 0"),
    ],
)
def test_bad_readings_say_what_happened(what: object, why: str) -> None:
    assert read(what) == Unavailable(why)


def test_a_value_that_is_no_number_is_a_failure() -> None:
    reading = read(Signal("e", "high", 0.0))  # type: ignore[arg-type]  # what must not harm
    assert isinstance(reading, Unavailable)
    assert reading.reason.startswith("the estimator failed: TypeError")


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (Estimate(0.5, "s"), Estimate(0.5, "s")),
        (Unavailable("x"), Unavailable("x")),
        (Estimate(1.5, "s"), Unavailable("the calibrator returned 1.5")),
        (Estimate(math.nan, "s"), Unavailable("the calibrator returned nan")),
        (None, Unavailable("the calibrator returned NoneType, not an estimate")),
        (KeyError("k"), Unavailable("the calibrator failed: KeyError: 'k'")),
    ],
)
def test_estimates(what: object, expected: object) -> None:
    assert assess_safely(Saying(what), RUNG, {}) == expected


@pytest.mark.parametrize(
    "choice", [Decision(Action.RETRIEVE, "why"), Buy("votes", "near"), Decision(Action.ANSWER, "a")]
)
def test_choices_pass(choice: object) -> None:
    assert decide_safely(Saying(choice), SITUATION) is choice


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (RuntimeError("boom"), "the policy failed: RuntimeError: boom"),
        (None, "the policy returned NoneType, not a choice with its reason"),
        (Decision(Action.ANSWER, ""), "the policy returned Decision, not a choice with its reason"),
        (Buy("votes", ""), "the policy returned Buy, not a choice with its reason"),
        (
            Decision("answer", "why"),  # type: ignore[arg-type]  # a word is no action
            "the policy returned Decision, not a choice with its reason",
        ),
    ],
)
def test_a_policy_that_fails_abstains_and_says_why(what: object, why: str) -> None:
    assert decide_safely(Saying(what), SITUATION) == Decision(Action.ABSTAIN, why)


def test_verdicts() -> None:
    assert judge_safely(Saying(Stop("x")), RUNG, (), 0) == Stop("x")
    assert judge_safely(Saying(Continue(True)), RUNG, (), 0) == Continue(True)
    assert judge_safely(Saying(OSError("x")), RUNG, (), 0) == "the prefix gate failed: OSError: x"
    assert judge_safely(Saying(3), RUNG, (), 0) == "the prefix gate returned int, not a verdict"


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit()])
def test_a_wish_to_stop_is_not_caught(stop: BaseException) -> None:
    with pytest.raises(type(stop)):
        decide_safely(Saying(stop), SITUATION)
