"""Windows of a trace: the last one, the lowest, the lowest tenth, the tail."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.estimators.deepconf import (
    DeepconfBottom10,
    DeepconfGroup,
    DeepconfLowestGroup,
    DeepconfTail,
    DeepconfTokenMean,
    window_means,
)
from surefoot.router.evidence import Alternative, Evidence, Generation, Token
from surefoot.router.protocols import Estimator
from surefoot.router.signals import Signal


def trace(*confidences: float) -> Evidence:
    """One token a number C >= ln 2, as two alternatives with mean negative logprob C."""
    tokens = []
    for place, c in enumerate(confidences):
        likely = -0.01
        rest = -2 * c - likely
        pair = (Alternative("a", likely), Alternative("b", rest))
        tokens.append(Token(f" w{place}", likely, pair))
    return Evidence("q", Generation("".join(token.token for token in tokens), tuple(tokens)))


def raw(found: Estimator, evidence: Evidence) -> float:
    signal = found.estimate(evidence)
    assert isinstance(signal, Signal), signal
    assert signal.value == pytest.approx(1 - math.exp(-(signal.raw - math.log(2))))
    return signal.raw


TRACE = trace(5.0, 1.0, 2.0, 3.0, 4.0, 6.0)


def test_windows_of_a_trace_by_hand() -> None:
    # Means of three in a row: 8/3, 2, 3, 13/3.
    assert raw(DeepconfTokenMean(), TRACE) == pytest.approx(3.5)
    assert raw(DeepconfGroup(window=3), TRACE) == pytest.approx(13 / 3)
    assert raw(DeepconfTail(window=3), TRACE) == pytest.approx(13 / 3)
    assert raw(DeepconfLowestGroup(window=3), TRACE) == pytest.approx(2.0)
    assert raw(DeepconfBottom10(window=3), TRACE) == pytest.approx(2.0)  # one of four windows


def test_the_lowest_tenth_of_many_windows() -> None:
    confidences = [float(c) for c in range(1, 41)]  # 39 windows of two: 1.5, 2.5, 3.5, ...
    assert raw(DeepconfBottom10(window=2), trace(*confidences)) == pytest.approx(2.5)


@pytest.mark.parametrize(
    "found", [DeepconfGroup(), DeepconfLowestGroup(), DeepconfBottom10(), DeepconfTail()]
)
def test_a_trace_shorter_than_its_window_is_one_window_and_says_so(found: Estimator) -> None:
    signal = found.estimate(TRACE)
    assert isinstance(signal, Signal)
    assert signal.raw == pytest.approx(3.5)
    assert signal.details["shorter_than_window"] is True
    assert signal.details["window"] == 2048


def test_a_window_as_long_as_the_trace_is_not_too_short() -> None:
    signal = DeepconfGroup(window=6).estimate(TRACE)
    assert isinstance(signal, Signal)
    assert "shorter_than_window" not in signal.details


@given(
    confidences=st.lists(st.floats(0.0, 50.0), min_size=1, max_size=30),
    window=st.integers(1, 40),
)
def test_window_means_are_the_means_of_all_runs(confidences: list[float], window: int) -> None:
    width = min(window, len(confidences))
    expected = [
        np.mean(confidences[start : start + width]) for start in range(len(confidences) - width + 1)
    ]
    assert window_means(np.array(confidences), window) == pytest.approx(expected, abs=1e-9)
