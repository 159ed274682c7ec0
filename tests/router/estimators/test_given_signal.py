"""Confidences that an application supplies."""

from __future__ import annotations

import pytest

from surefoot.router.estimators.given_signal import GivenSignal
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.signals import Reading, Signal, Unavailable


def read(**scores: float) -> Reading:
    return GivenSignal("mine").estimate(Evidence("q", Generation("a"), given_signals=scores))


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0, 1, 0])
def test_the_number_is_taken_as_it_is(value: float) -> None:
    assert read(mine=value) == Signal("mine", value, value, "confidence")


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf")])
def test_what_is_no_confidence_is_unavailable(value: float) -> None:
    found = read(mine=value)
    assert isinstance(found, Unavailable)
    assert "outside [0, 1]" in found.reason


def test_another_name_is_another_signal() -> None:
    assert read(yours=0.5) == Unavailable("the caller gave none")
