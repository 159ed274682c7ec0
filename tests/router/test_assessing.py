"""From signals to one estimate."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from surefoot.router.assessing import (
    BareAssessor,
    CalibratedAssessor,
    RungCalibrators,
    unavailable_words,
)
from surefoot.router.decisions import Rung
from surefoot.router.signals import Estimate, Reading, Signal, Unavailable

CLOSED, OPEN = Rung(0, 0, False), Rung(0, 1, True)
BOTH: dict[str, Reading] = {"a": Signal("a", 0.25, -3.0), "b": Signal("b", 0.5, 0.5)}
ONE: dict[str, Reading] = {"a": Unavailable("no logprobs"), "b": Signal("b", 0.5, 0.5)}


@dataclass(frozen=True)
class Half:
    """Half of a signal's value."""

    fingerprint: str

    def probability(self, signal: Signal) -> float:
        """P(correct)."""
        return signal.value / 2


def test_a_bare_value_is_not_called_a_probability() -> None:
    assert BareAssessor(("a", "b")).assess(CLOSED, BOTH) == Estimate(0.25, "a", False, None)


def test_the_next_signal_stands_in() -> None:
    assert BareAssessor(("a", "b")).assess(CLOSED, ONE) == Estimate(0.5, "b")
    assert BareAssessor(("c", "b")).assess(CLOSED, ONE) == Estimate(0.5, "b")


def test_nothing_to_go_by_says_why() -> None:
    assert BareAssessor(("a", "c")).assess(CLOSED, ONE) == Unavailable(
        "a: no logprobs; c: was not read"
    )
    assert unavailable_words((), {}) == Unavailable("no signal is configured")


def test_a_calibrator_makes_a_probability_and_is_named() -> None:
    assessor = CalibratedAssessor(
        (RungCalibrators(0, False, (("a", Half("f-a")), ("b", Half("f-b")))),)
    )
    assert assessor.assess(CLOSED, BOTH) == Estimate(0.125, "a", True, "f-a")
    assert assessor.assess(CLOSED, ONE) == Estimate(0.25, "b", True, "f-b")
    assert assessor.assess(CLOSED, {}) == Unavailable("a: was not read; b: was not read")


@pytest.mark.parametrize(
    ("rung", "words"),
    [
        (OPEN, "no calibrator was fitted for tier 0 with passages"),
        (Rung(1, 0, False), "no calibrator was fitted for tier 1 without passages"),
    ],
)
def test_a_rung_that_was_never_fitted_has_no_estimate(rung: Rung, words: str) -> None:
    assessor = CalibratedAssessor((RungCalibrators(0, False, (("a", Half("f")),)),))
    assert assessor.assess(rung, BOTH) == Unavailable(words)


def test_a_rounds_own_calibrators_come_before_those_of_every_round() -> None:
    assessor = CalibratedAssessor(
        (
            RungCalibrators(0, True, (("a", Half("every")),)),
            RungCalibrators(0, True, (("b", Half("second")),), round=2),
        )
    )
    first, second = assessor.assess(OPEN, BOTH), assessor.assess(Rung(0, 2, True), BOTH)
    assert (first, second) == (
        Estimate(0.125, "a", True, "every"),
        Estimate(0.25, "b", True, "second"),
    )
