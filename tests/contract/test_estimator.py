"""What every estimator promises, whatever it is given; one joins by being in the catalogue."""

from __future__ import annotations

import math
import random
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.router.estimators.catalogue import Options, estimator, names
from surefoot.router.evidence import Alternative, Evidence, FinishReason, Generation, Passage, Token
from surefoot.router.protocols import Estimator
from surefoot.router.signals import Reading, Signal, Unavailable
from surefoot.router.wire import decode, encode

EVERY = [
    pytest.param(estimator(name, options), id=f"{name}-{'on' if options.content_filter else 'off'}")
    for name in names()
    for options in (Options(content_filter=True), Options(content_filter=False))
]
every_estimator = pytest.mark.parametrize("found", EVERY)
some = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Lone surrogates, control characters and half words included.
any_text = st.text(st.characters(exclude_categories=()), max_size=6)
any_logprob = st.one_of(
    st.floats(),
    st.floats(max_value=0.0, min_value=-40.0),
    st.sampled_from([0.0, -0.0, 1e-7, 0.1, -9999.0, -9998.0, math.nan, math.inf, -math.inf]),
)
alternatives = st.lists(st.builds(Alternative, any_text, any_logprob), max_size=4).map(tuple)
any_token = st.builds(
    Token,
    st.one_of(any_text, st.sampled_from(["Paris", " ", ".", "</s>", ""])),
    st.one_of(st.none(), any_logprob),
    alternatives,
    st.sampled_from([None, True, False]),
)
any_tokens = st.lists(any_token, max_size=4).map(tuple)
finish: st.SearchStrategy[FinishReason | None] = st.sampled_from(
    [None, "stop", "length", "tool_calls"]
)


@st.composite
def generations(draw: st.DrawFn) -> Generation:
    """Mostly text that its tokens spell, now and then text of its own."""
    tokens = draw(any_tokens)
    spelled = "".join(token.token for token in tokens)
    return Generation(draw(st.one_of(st.just(spelled), any_text)), tokens, draw(finish))


evidences = st.builds(
    Evidence,
    question=any_text,
    greedy=generations(),
    samples=st.lists(generations(), max_size=4).map(tuple),
    passages=st.lists(
        st.builds(Passage, any_text, any_text, any_text, st.floats()), max_size=3
    ).map(tuple),
)


def spelled(pieces: list[str], logprobs: list[list[float]]) -> Generation:
    tokens = tuple(
        Token(
            piece,
            numbers[0],
            tuple(Alternative(f"{piece}{i}", number) for i, number in enumerate(numbers)),
        )
        for piece, numbers in zip(pieces, logprobs, strict=True)
    )
    return Generation("".join(pieces), tokens)


@st.composite
def healthy(draw: st.DrawFn) -> Evidence:
    """Evidence from which every estimator of the catalogue can read."""
    number = st.floats(min_value=-30.0, max_value=-1e-3)
    count = draw(st.integers(1, 5))
    logprobs = draw(
        st.lists(st.lists(number, min_size=2, max_size=5), min_size=count, max_size=count)
    )
    answers = st.sampled_from(["Paris", "paris.", "Rome", "Oslo", ""])
    return Evidence(
        "Which city?",
        spelled([f"w{i}" for i in range(count)], logprobs),
        samples=tuple(map(Generation, draw(st.lists(answers, min_size=2, max_size=6)))),
        passages=(Passage("1", "w0", "w1 w2", 1.0), Passage("2", "", "Paris", 0.5)),
    )


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


@every_estimator
def test_says_who_it_is_and_cannot_be_changed(found: Estimator) -> None:
    assert found.name in names()
    assert found.version >= 1
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        found.name = "other"  # type: ignore[misc]  # the point is that it is read-only


@every_estimator
@some
@given(evidence=evidences)
def test_any_evidence_gives_a_sound_reading(found: Estimator, evidence: Evidence) -> None:
    assert_sound(found.estimate(evidence), found.name)


@every_estimator
@some
@given(evidence=healthy())
def test_healthy_evidence_gives_a_signal(found: Estimator, evidence: Evidence) -> None:
    reading = found.estimate(evidence)
    assert isinstance(reading, Signal), reading
    assert_sound(reading, found.name)
    assert reading == found.estimate(evidence)
    assert decode(Signal, encode(reading)) == reading


@every_estimator
@some
@given(evidence=healthy(), seed=st.integers(0, 999))
def test_the_order_of_samples_changes_nothing(
    found: Estimator, evidence: Evidence, seed: int
) -> None:
    samples = list(evidence.samples)
    random.Random(seed).shuffle(samples)
    assert found.estimate(replace(evidence, samples=tuple(samples))) == found.estimate(evidence)


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
    needs = found.needs
    assert needs.logprobs or needs.passages or needs.samples or needs.compare or needs.asked


@pytest.mark.parametrize("name", ["g_nll", "min_token_prob", "perplexity"])
@some
@given(evidence=healthy(), position=st.integers(0, 4), rise=st.floats(0.0, 5.0))
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
