"""The critic's verdict as signals."""

from __future__ import annotations

from surefoot.router.estimators.critic_signals import CriticAccept, CriticSufficient
from surefoot.router.evidence import CriticVerdict, Evidence, Generation
from surefoot.router.signals import Signal, Unavailable


def evidence(verdict: CriticVerdict | None) -> Evidence:
    return Evidence("Who?", Generation("Paris"), critique=verdict)


def test_both_probabilities_are_read_as_they_are() -> None:
    judged = evidence(CriticVerdict(0.25, 0.75))
    assert CriticAccept().estimate(judged) == Signal("critic_accept", 0.25, 0.25)
    assert CriticSufficient().estimate(judged) == Signal("critic_sufficient", 0.75, 0.75)


def test_without_a_verdict_nothing_is_said() -> None:
    assert isinstance(CriticAccept().estimate(evidence(None)), Unavailable)
    assert isinstance(CriticSufficient().estimate(evidence(None)), Unavailable)
    assert isinstance(CriticAccept().estimate(evidence(CriticVerdict(None, 0.5))), Unavailable)
