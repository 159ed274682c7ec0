"""When a draft is let go while it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policies.release_fit import read_prefixes
from surefoot.policies.release_gate import AtOnce, ReleaseGate, ReleaseRule
from surefoot.policies.step_fit import LabeledDraft
from surefoot.router.decisions import Rung
from surefoot.router.errors import ConfigurationError
from surefoot.router.estimators.perplexity import Perplexity
from surefoot.router.evidence import Token
from surefoot.router.requests import Continue
from surefoot.router.steps.positions import EveryTokens, Sentences
from surefoot.router.steps.reading import StepReader

from ..router.steps.spoken import spoken

READER = StepReader(Sentences(), Perplexity())
CLOSED_BOOK = Rung(0, 0, False)
TOKENS = spoken(("Two and two.", 0.5), (" That is four.", 0.9), (" So four.", 0.9))


def released_at(gate: ReleaseGate, tokens: tuple[Token, ...], rung: Rung = CLOSED_BOOK) -> int:
    """Tokens that are there when it is, one by one; 0 where it never is."""
    for end in range(1, len(tokens) + 1):
        verdict = gate.judge(rung, tokens[:end], end - 1)
        assert isinstance(verdict, Continue)
        if verdict.release:
            assert verdict.reason
            return end
    return 0


def test_it_is_let_go_at_the_first_step_that_leaves_it_sure_enough() -> None:
    assert released_at(ReleaseGate({0: ReleaseRule(READER, 0.6)}), TOKENS) == 7
    assert released_at(ReleaseGate({0: ReleaseRule(READER, 0.4)}), TOKENS) == 4
    assert released_at(ReleaseGate({0: ReleaseRule(READER, 0.95)}), TOKENS) == 0


@pytest.mark.parametrize(
    ("rung", "retrieved", "is_judged"),
    [
        (Rung(0, 0, False), False, True),
        (Rung(1, 0, False), False, False),
        (Rung(0, 1, True), False, False),
        (Rung(0, 1, True), True, True),
        (Rung(0, 2, True), True, False),
    ],
)
def test_its_threshold_holds_for_drafts_like_those_it_was_fitted_on(
    rung: Rung, retrieved: bool, is_judged: bool
) -> None:
    gate = ReleaseGate({0: ReleaseRule(READER, 0.4, retrieved)})
    assert bool(released_at(gate, TOKENS, rung)) == is_judged


def test_what_cannot_be_judged_is_noted_and_not_let_go() -> None:
    gate = ReleaseGate({0: ReleaseRule(READER, 0.4)})
    tokens = (Token("So."), Token(" And"))
    verdict = gate.judge(CLOSED_BOOK, tokens, 0)
    assert isinstance(verdict, Continue) and not verdict.release
    assert "could not be judged" in verdict.note


def test_a_tier_without_a_gate_shows_everything() -> None:
    verdict = AtOnce().judge(CLOSED_BOOK, (Token("So"),), 0)
    assert isinstance(verdict, Continue) and verdict.release


def test_a_threshold_is_a_share() -> None:
    with pytest.raises(ConfigurationError):
        ReleaseRule(READER, 1.5)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.floats(0.05, 0.99)), min_size=1, max_size=6),
    st.floats(0.0, 1.0),
    st.sampled_from([READER, StepReader(EveryTokens(2), Perplexity())]),
)
def test_the_gate_lets_go_exactly_what_was_counted_when_it_was_fitted(
    sentences: list[tuple[int, float]], threshold: float, reader: StepReader
) -> None:
    parts = [(" ".join(["Word"] * n) + ".", p) for n, p in sentences]
    tokens = spoken(*[(text if i == 0 else f" {text}", p) for i, (text, p) in enumerate(parts)])
    fitted = read_prefixes(reader, LabeledDraft(tokens, True)).shown_at(threshold)
    gate = ReleaseGate({0: ReleaseRule(reader, threshold)})
    assert released_at(gate, tokens) == (fitted or 0)
