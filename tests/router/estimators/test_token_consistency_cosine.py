"""Cosines to the answer, averaged and scaled; and what is no cosine."""

from __future__ import annotations

import math

import pytest

from surefoot.router.estimators.token_consistency_cosine import TokenConsistencyCosine
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.protocols import Needs
from surefoot.router.signals import Signal, Unavailable

FOUND = TokenConsistencyCosine()


def compared(*cosines: float, m: int | None = None) -> Evidence:
    samples = (Generation("Rome"),) * (len(cosines) if m is None else m)
    return Evidence("q", Generation("Rome"), samples=samples, greedy_similarity=cosines)


def read(given: Evidence) -> Signal:
    signal = FOUND.estimate(given)
    assert isinstance(signal, Signal), signal
    return signal


def test_the_mean_of_half_plus_half_the_cosine() -> None:
    signal = read(compared(1.0, 0.5, -0.5))
    assert signal.raw == signal.value == pytest.approx((1.0 + 0.75 + 0.25) / 3)
    assert (signal.direction, signal.details) == ("confidence", {"m": 3})


def test_the_ends() -> None:
    assert read(compared(1.0, 1.0)).value == 1.0
    assert read(compared(-1.0, -1.0)).value == 0.0
    assert read(compared(1.0 + 5e-7, 1.0)).value == 1.0  # single precision rounds beyond 1
    assert read(compared(0.2)).details == {"m": 1, "one_sample": True}


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1.01, -1.01])
def test_what_is_no_cosine_is_refused(wrong: float) -> None:
    expected = Unavailable("greedy_similarity is not all in [-1, 1]")
    assert FOUND.estimate(compared(0.5, wrong)) == expected


def test_what_is_missing_is_named() -> None:
    bare = Evidence("q", Generation("Rome"), samples=(Generation("Rome"),))
    assert FOUND.estimate(bare) == Unavailable("no greedy_similarity")
    expected = Unavailable("greedy_similarity has 2 numbers for 3 samples")
    assert FOUND.estimate(compared(0.1, 0.2, m=3)) == expected
    assert FOUND.estimate(compared(0.1, 0.2, m=0)) == Unavailable("no samples")
    assert FOUND.needs == Needs(samples=5, compare="similarity")


def test_each_rise_is_seen_and_the_order_is_not() -> None:
    assert read(compared(0.1, 0.2, 0.3)) == read(compared(0.3, 0.1, 0.2))
    assert read(compared(0.1, 0.2, 0.4)).value > read(compared(0.1, 0.2, 0.3)).value
