"""From signals to one estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from surefoot.router.assessing import (
    BareAssessor,
    CalibratedAssessor,
    RungCalibrators,
    unavailable_words,
)
from surefoot.router.calibration.combining import CombinedCalibrator, LogisticCombination
from surefoot.router.calibration.smooth_calibrators import PlattCalibrator
from surefoot.router.decisions import Rung
from surefoot.router.errors import UsageError
from surefoot.router.signals import Estimate, Reading, Signal, Unavailable

CLOSED, OPEN = Rung(0, 0, False), Rung(0, 1, True)
BOTH: dict[str, Reading] = {"a": Signal("a", 0.25, -3.0), "b": Signal("b", 0.5, 0.5)}
ONE: dict[str, Reading] = {"a": Unavailable("no logprobs"), "b": Signal("b", 0.5, 0.5)}


@dataclass(frozen=True)
class Picky:
    """Takes no signal."""

    fingerprint: str

    def probability(self, signal: Signal) -> float:
        """P(correct)."""
        raise UsageError("fitted for another k")


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
    assert BareAssessor(("a", "b")).assess(CLOSED, ONE) == Estimate(
        0.5, "b", fallback="a: no logprobs"
    )
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
    assert assessor.assess(CLOSED, ONE) == Estimate(0.25, "b", True, "f-b", "a: no logprobs")
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


def test_a_calibrator_that_refuses_a_signal_is_passed_over_and_named() -> None:
    assessor = CalibratedAssessor(
        (RungCalibrators(0, False, (("a", Picky("f-a")), ("b", Half("f-b")))),)
    )
    found = assessor.assess(CLOSED, BOTH)
    assert found == Estimate(0.25, "b", True, "f-b", "a: fitted for another k")
    nothing = assessor.assess(CLOSED, {"a": BOTH["a"], "b": Unavailable("cut")})
    assert nothing == Unavailable("a: fitted for another k; b: cut")


# --- combinations --------------------------------------------------------------------------------

PLAIN = PlattCalibrator("combined(a, b)", 1, 100, 50, 1.0, 0.0)


def combined(*missing: float | None) -> CombinedCalibrator:
    """0.5 + logit(a) + 2 logit(b), taken as it is."""
    both = LogisticCombination(
        ("a", "b"), (1, 1), 100, 50, 0.5, (1.0, 2.0), (1.0, 2.0), missing, 3.0
    )
    return CombinedCalibrator(both, PLAIN, "f-both")


def with_combination(one: CombinedCalibrator) -> CalibratedAssessor:
    order = (("combined(a, b)", one), ("b", Half("f-b")))
    return CalibratedAssessor((RungCalibrators(0, False, order),))


def test_several_signals_make_one_estimate() -> None:
    found = with_combination(combined(None, None)).assess(CLOSED, BOTH)
    assert isinstance(found, Estimate)
    z = 0.5 + math.log(0.25 / 0.75)  # logit(0.5) is 0
    assert found.p == pytest.approx(1 / (1 + math.exp(-z)))
    assert (found.signal, found.calibrated, found.calibrator, found.fallback) == (
        "combined(a, b)",
        True,
        "f-both",
        None,
    )


def test_a_missing_part_that_was_missing_in_history_has_its_indicator() -> None:
    found = with_combination(combined(-1.5, None)).assess(CLOSED, ONE)
    assert isinstance(found, Estimate)
    assert found.p == pytest.approx(1 / (1 + math.exp(1.0)))
    assert (found.signal, found.fallback) == ("combined(a, b)", "a: no logprobs")


def test_a_missing_part_that_never_was_missing_leads_to_the_next_choice() -> None:
    found = with_combination(combined(None, -1.5)).assess(CLOSED, ONE)
    assert found == Estimate(0.25, "b", True, "f-b", "a: no logprobs")


def test_a_part_that_was_not_bought_is_no_failure() -> None:
    found = with_combination(combined(-1.5, -1.5)).assess(CLOSED, {"b": BOTH["b"]})
    assert found == Estimate(0.25, "b", True, "f-b")


def test_where_all_parts_are_missing_there_is_no_estimate() -> None:
    gone: dict[str, Reading] = {"a": Unavailable("no logprobs"), "b": Unavailable("cut")}
    found = with_combination(combined(-1.5, -1.5)).assess(CLOSED, gone)
    assert found == Unavailable("a: no logprobs; b: cut")
