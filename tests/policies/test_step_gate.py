"""The gate that ends drafts at their first weak step."""

from __future__ import annotations

import pytest

from surefoot.policies.step_gate import StepGate, StepRule
from surefoot.router.decisions import Rung
from surefoot.router.errors import ConfigurationError
from surefoot.router.estimators.perplexity import Perplexity
from surefoot.router.evidence import Token
from surefoot.router.requests import Continue, PrefixVerdict, Stop
from surefoot.router.steps.positions import Sentences
from surefoot.router.steps.reading import StepReader

from ..router.steps.spoken import spoken, spoken_text

SMALL, LARGE = Rung(0, 0, False), Rung(1, 0, False)
READER = StepReader(Sentences(), Perplexity())
TOKENS = spoken(("Two and two.", 0.9), (" That is five.", 0.4), (" So five.", 0.1))


def fed(gate: StepGate, tokens: tuple[Token, ...], size: int, rung: Rung = SMALL) -> PrefixVerdict:
    """The first verdict that is no plain `Continue`, the tokens coming `size` at a time."""
    seen = 0
    while seen < len(tokens):
        now = min(seen + size, len(tokens))
        verdict = gate.judge(rung, tokens[:now], seen)
        if verdict != Continue():
            return verdict
        seen = now
    return Continue()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_it_stops_at_the_first_weak_step(size: int) -> None:
    gate = StepGate({0: StepRule(READER, 0.5)})
    verdict = fed(gate, TOKENS, size)
    assert isinstance(verdict, Stop)
    assert verdict.reason == "a weak step (perplexity 0.40 < 0.50): That is five."
    assert spoken_text(TOKENS[: verdict.keep]) == "Two and two."


@pytest.mark.parametrize(("threshold", "stops"), [(0.39, False), (0.41, True), (0.0, False)])
def test_the_last_step_is_left_to_the_gate_of_the_whole(threshold: float, stops: bool) -> None:
    verdict = fed(StepGate({0: StepRule(READER, threshold)}), TOKENS, 1)
    assert isinstance(verdict, Stop) is stops


def test_other_tiers_are_not_judged() -> None:
    gate = StepGate({0: StepRule(READER, 1.0)})
    assert fed(gate, TOKENS, 1, LARGE) == Continue()


def test_steps_without_a_signal_are_named_and_not_weak() -> None:
    gate = StepGate({0: StepRule(READER, 1.0)})
    bare = tuple(Token(token.token) for token in TOKENS)
    assert gate.judge(SMALL, bare, 0) == Continue(note="a step could not be judged: no logprobs")


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_share(threshold: float) -> None:
    with pytest.raises(ConfigurationError, match="must be in"):
        StepRule(READER, threshold)
