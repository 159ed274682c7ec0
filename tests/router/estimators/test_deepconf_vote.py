"""A vote weighed by trace confidence, by hand."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.estimators.deepconf_vote import DeepconfVote
from surefoot.router.evidence import Alternative, Evidence, Generation, Token
from surefoot.router.protocols import Needs
from surefoot.router.signals import Signal, Unavailable

ALL = DeepconfVote()
TOP = DeepconfVote(top10=True)


def token(piece: str, *logprobs: float) -> Token:
    others = tuple(Alternative(f"{piece}/{i}", number) for i, number in enumerate(logprobs))
    return Token(piece, logprobs[0], others)


def trace(text: str, confidence: float) -> Generation:
    """One token with two alternatives, -(1/2)(ln p1 + ln p2) = confidence."""
    return Generation(text, (token(text, -0.1, 0.1 - 2 * confidence),))


def walked(*traces: tuple[str, float], greedy: str = "Bonn") -> Evidence:
    return Evidence("q", Generation(greedy), samples=tuple(trace(*one) for one in traces))


def read(found: DeepconfVote, given: Evidence) -> Signal:
    signal = found.estimate(given)
    assert isinstance(signal, Signal), signal
    return signal


def test_each_trace_votes_with_its_confidence() -> None:
    signal = read(ALL, walked(("Rome", 2.0), ("rome.", 3.0), ("Oslo", 4.0)))
    assert signal.raw == signal.value == pytest.approx(5 / 9)
    assert (signal.name, signal.direction) == ("deepconf_vote", "confidence")
    assert signal.details == {
        "majority": "Rome",
        "greedy_agrees": False,
        "m": 3,
        "classes": 2,
        "k": 2,
        "filter": "on",
    }


def test_the_confident_minority_may_win() -> None:
    signal = read(ALL, walked(("Rome", 1.0), ("Rome", 1.0), ("Oslo", 4.0), greedy="Oslo"))
    assert signal.value == pytest.approx(4 / 6)
    assert signal.details["majority"] == "Oslo"
    assert signal.details["greedy_agrees"] is True


def test_the_confidence_of_a_trace_is_the_mean_over_content_tokens() -> None:
    two = Generation("New York.", (token("New", -1.0, -3.0), token(" York", -2.0, -4.0, -6.0),
                                   token(".", -0.1, -99.0)))  # fmt: skip
    given = Evidence("q", Generation("x"), samples=(two, trace("Rome", 1.0)))
    assert read(ALL, given).value == pytest.approx(3.0 / 4.0)  # (2 + 4) / 2 = 3
    off = read(DeepconfVote(content_filter=False), given)
    confidence = (2.0 + 4.0 + 99.1 / 2) / 3
    assert off.value == pytest.approx(confidence / (confidence + 1.0))


def test_no_more_than_20_alternatives_count() -> None:
    wide = Generation("Rome", (token("Rome", *[-1.0] * 20, -50.0),))
    given = Evidence("q", Generation("x"), samples=(wide, trace("Oslo", 1.0)))
    signal = read(ALL, given)
    assert signal.value == pytest.approx(0.5)
    assert signal.details["majority"] == "Oslo"


@pytest.mark.parametrize(("m", "kept"), [(2, 2), (5, 2), (20, 2), (21, 3), (30, 3), (64, 7)])
def test_the_top_tenth_votes_at_least_two(m: int, kept: int) -> None:
    traces = [(f"city {i}", 1.0 + i) for i in range(m)]
    signal = read(TOP, walked(*traces))
    assert signal.name == "deepconf_vote_top10"
    assert (signal.details["kept"], signal.details["m"]) == (kept, m)
    assert signal.details["majority"] == f"city {m - 1}"
    assert signal.value == pytest.approx(m / sum(range(m - kept + 1, m + 1)))


def test_traces_as_confident_as_the_last_one_kept_are_kept_too() -> None:
    traces = [("Oslo", 5.0), ("Rome", 3.0), ("Rome", 3.0), ("Bonn", 3.0), ("Bonn", 1.0)]
    signal = read(TOP, walked(*traces, greedy="x"))
    assert signal.details["kept"] == 4
    assert signal.details["majority"] == "Rome"
    assert signal.value == pytest.approx(6 / 14)


def test_what_it_cannot_judge() -> None:
    for found in (ALL, TOP):
        assert found.estimate(walked()) == Unavailable("no samples")
        assert found.estimate(walked(("Rome", 1.0))) == Unavailable("needs 2 samples")
        silent = walked(("Rome", 1.0), ("Rome", 1.0), greedy="")
        assert found.estimate(silent) == Unavailable("empty answer")
        assert found.needs == Needs(logprobs=True, top_logprobs=2, samples=5)
        narrow = Generation("Rome", (token("Rome", -0.5),))
        one = Evidence("q", Generation("x"), samples=(trace("Rome", 1.0), narrow))
        assert found.estimate(one) == Unavailable("a sample: top-k < 2")
        certain = Generation("Rome", (Token("Rome", -1.0, token("", 0.0, 0.0).top_logprobs),))
        flat = Evidence("q", Generation("x"), samples=(certain, certain))
        reading = found.estimate(flat)
        assert isinstance(reading, Unavailable) and "no trace" in reading.reason


@given(
    traces=st.lists(
        st.tuples(st.sampled_from(["Rome", "rome.", "Oslo", "Bonn"]), st.floats(0.5, 30.0)),
        min_size=2,
        max_size=25,
    ),
    seed=st.integers(0, 99),
)
def test_order_changes_nothing_and_shares_are_shares(
    traces: list[tuple[str, float]], seed: int
) -> None:
    shuffled = list(traces)
    random.Random(seed).shuffle(shuffled)
    for found in (ALL, TOP):
        signal = read(found, walked(*traces))
        assert read(found, walked(*shuffled)) == signal
        assert math.isfinite(signal.raw) and 0.0 < signal.value <= 1.0
