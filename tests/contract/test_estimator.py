"""What every estimator promises, whatever it is given; one joins by being in the catalogue."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.router.batch import Batch, BatchEstimator
from surefoot.router.estimators.catalogue import Options, entry, estimator, names
from surefoot.router.evidence import Evidence, Generation, Passage, Token
from surefoot.router.protocols import Estimator, Needs
from surefoot.router.signals import Reading, Signal, Unavailable
from surefoot.router.wire import decode, encode

from .evidences import any_evidence, healthy_evidence, reordered

# An estimator that no option concerns is the same under both.
EVERY = [
    *dict.fromkeys(
        estimator(name, options)
        for name in names()
        for options in (Options(content_filter=True), Options(content_filter=False))
    )
]
# Bug for bug: a variant that repeats a library's formula may depend on the order, as that does.
OURS = [found for found in EVERY if entry(found.name).compatible_with is None]
every_estimator = pytest.mark.parametrize(
    "found", [pytest.param(found, id=f"{found.name}-{i}") for i, found in enumerate(EVERY)]
)
# One example goes through all of them: drawing evidence takes longer than reading it.
some = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def assert_sound(reading: Reading, name: str) -> None:
    if isinstance(reading, Unavailable):
        assert reading.reason
        return
    assert isinstance(reading, Signal)
    assert reading.name == name
    assert 0.0 <= reading.value <= 1.0
    assert math.isfinite(reading.raw)
    assert reading.direction in ("confidence", "uncertainty")
    for detail in reading.details.values():
        assert not isinstance(detail, float) or math.isfinite(detail)


def assert_same(one: Reading, other: Reading) -> None:
    """Equal but for the rounding of sums taken in another order."""
    if isinstance(one, Unavailable) or isinstance(other, Unavailable):
        assert one == other
        return
    assert (one.name, one.direction) == (other.name, other.direction)
    assert one.raw == pytest.approx(other.raw, rel=1e-9, abs=1e-9)
    assert one.value == pytest.approx(other.value, rel=1e-9, abs=1e-9)
    assert one.details.keys() == other.details.keys()
    for key, detail in one.details.items():
        if isinstance(detail, float):
            assert detail == pytest.approx(other.details[key], rel=1e-9, abs=1e-9)
        else:
            assert detail == other.details[key]


@every_estimator
def test_says_who_it_is_and_cannot_be_changed(found: Estimator) -> None:
    assert found.name in names()
    assert found.version >= 1
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        found.name = "other"  # type: ignore[misc]  # the point is that it is read-only


@some
@given(evidence=any_evidence())
def test_any_evidence_gives_a_sound_reading(evidence: Evidence) -> None:
    for found in EVERY:
        assert_sound(found.estimate(evidence), found.name)


@some
@given(evidence=healthy_evidence())
def test_healthy_evidence_gives_a_signal(evidence: Evidence) -> None:
    for found in EVERY:
        reading = found.estimate(evidence)
        assert isinstance(reading, Signal), (found, reading)
        assert_sound(reading, found.name)
        assert reading == found.estimate(evidence)
        assert decode(Signal, encode(reading)) == reading


@some
@given(evidence=healthy_evidence(), seed=st.integers(0, 999))
def test_the_order_of_samples_changes_nothing(evidence: Evidence, seed: int) -> None:
    other = reordered(evidence, seed)
    for found in OURS:
        reading = found.estimate(evidence)
        # Classes are formed in sample order; where NLI contradicts itself that shows, and is said.
        if not (isinstance(reading, Signal) and reading.details.get("order_matters")):
            assert_same(found.estimate(other), reading)


@some
@given(
    evidence=healthy_evidence(),
    others=st.lists(any_evidence(), min_size=1, max_size=2),
    place=st.integers(0, 2),
)
def test_the_company_of_a_record_changes_nothing(
    evidence: Evidence, others: list[Evidence], place: int
) -> None:
    """A record in a batch reads as it does alone, whatever is wrong with its neighbors."""
    batch = Batch([*others[:place], evidence, *others[place:]])
    where = min(place, len(others))
    for found in EVERY:
        assert isinstance(found, BatchEstimator)
        together = found.estimate_batch(batch)
        assert len(together) == len(batch)
        assert_same(together[where], found.estimate(evidence))


@every_estimator
@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_answer_is_never_a_signal(found: Estimator, text: str) -> None:
    full = Generation("Rome", (Token("Rome", -0.1),))
    passages = (Passage("1", "Rome", "Rome", 1.0),)
    empty = Evidence("q", Generation(text), samples=(full,) * 5, passages=passages)
    assert found.estimate(empty) == Unavailable("empty answer")


@every_estimator
def test_what_is_needed_is_missed_when_it_is_absent(found: Estimator) -> None:
    bare = Evidence("q", Generation("Rome"))
    assert isinstance(found.estimate(bare), Unavailable)
    assert found.needs != Needs()


@pytest.mark.parametrize("name", ["g_nll", "min_token_prob", "perplexity"])
@some
@given(evidence=healthy_evidence(), position=st.integers(0, 4), rise=st.floats(0.0, 5.0))
def test_a_surer_token_never_makes_a_likelihood_less_sure(
    name: str, evidence: Evidence, position: int, rise: float
) -> None:
    tokens = list(evidence.greedy.tokens)
    target = tokens[position % len(tokens)]
    assert target.logprob is not None
    tokens[position % len(tokens)] = replace(target, logprob=min(0.0, target.logprob + rise))
    raised = replace(evidence, greedy=replace(evidence.greedy, tokens=tuple(tokens)))
    found = estimator(name)
    before, after = found.estimate(evidence), found.estimate(raised)
    assert isinstance(before, Signal) and isinstance(after, Signal)
    assert after.value >= before.value
    assert after.score >= before.score
