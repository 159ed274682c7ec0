"""A candidate beside the profile that decides: the same drafts, decided anew."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from surefoot.policies.profile import FittedRung, FittedTier, Profile
from surefoot.policies.shadow import Shadow, ShadowVerdict
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.budget import Budget
from surefoot.router.decisions import Action, Result
from surefoot.router.loop import open_run
from surefoot.router.plan import Plan
from surefoot.router.requests import Drafted, Reply
from surefoot.router.signals import Signal
from surefoot.router.testing import FixedEstimator, says

from ..router.plans import FRANCE, plan_of

NAMES = ("small", "large")


def profile(*thresholds: float) -> Profile:
    rungs = tuple(
        FittedRung(tier, retrieved, threshold, (Action.ESCALATE,), (), (), score="sure")
        for tier, threshold in enumerate(thresholds)
        for retrieved in (False, True)
    )
    return Profile(tuple(FittedTier(name) for name in NAMES[: len(thresholds)]), rungs)


def run(threshold: float, *ps: float) -> Result:
    """A run of the deployment whose n-th draft is so sure."""
    left = list(ps)

    def sure(evidence: object) -> Signal:
        p = left[0]
        return Signal("sure", p, p)

    rules = tuple(RungRule(tier, threshold, score="sure") for tier in range(2))
    plan: Plan = replace(
        plan_of(retrieval=None),
        policy=ThresholdPolicy(rules, NAMES),
        free=(FixedEstimator("sure", sure),),
    )
    found = open_run(plan, FRANCE, run_id="r")
    while found.request is not None:
        found.advance(Reply(Drafted(says("Paris")), 3.0, 0.1, 1, 10))
        left.pop(0)
    assert found.result is not None
    return found.result


def shadow(*thresholds: float) -> Shadow:
    return Shadow(profile(*thresholds), NAMES, Budget())


def test_it_would_have_done_the_same() -> None:
    result = run(0.5, 0.8)
    assert shadow(0.7, 0.7).verdict(result) == ShadowVerdict(None, Action.ANSWER, 0, True)


def test_it_would_have_served_an_earlier_draft() -> None:
    result = run(0.5, 0.4, 0.8)
    assert result.tier == 1
    found = shadow(0.3, 0.3).verdict(result)
    assert found == ShadowVerdict(None, Action.ANSWER, 0, False)
    assert found is not None and found.in_a_word == "other"


def test_what_the_run_lacks_is_unknown_and_not_guessed() -> None:
    found = shadow(0.9, 0.7).verdict(run(0.5, 0.8))
    assert found is not None
    assert (found.gap, found.action, found.in_a_word) == ("draft", None, "unknown")


def test_both_abstain() -> None:
    result = run(0.9, 0.4, 0.5)
    assert result.action is Action.ABSTAIN
    assert shadow(0.8, 0.8).verdict(result) == ShadowVerdict(None, Action.ABSTAIN, None, True)
    found = shadow(0.8, 0.45).verdict(result)
    assert found == ShadowVerdict(None, Action.ANSWER, 1, False)


def test_a_signal_that_was_not_read_is_unknown() -> None:
    other = profile(0.5, 0.5)
    rungs = tuple(replace(rung, score="other") for rung in other.rungs)
    found = Shadow(replace(other, rungs=rungs), NAMES, Budget()).verdict(run(0.5, 0.8))
    assert found is not None and found.in_a_word == "unknown"


def test_a_profile_of_fewer_tiers_cannot_be_followed() -> None:
    found = shadow(0.5).verdict(run(0.5, 0.4, 0.8))
    assert found is not None and found.in_a_word == "unknown"


def test_repeats_are_not_judged() -> None:
    assert shadow(0.5, 0.5).verdict(replace(run(0.5, 0.8), recognized=True)) is None
    assert shadow(0.5, 0.5).verdict(replace(run(0.5, 0.8), attempts=())) is None


@pytest.mark.parametrize("tries", [5])
def test_it_costs_less_than_a_millisecond(tries: int) -> None:
    beside, result = shadow(0.7, 0.7), run(0.5, 0.8)
    best = 1.0
    for _ in range(tries):
        began = time.process_time()
        for _ in range(50):
            beside.verdict(result)
        best = min(best, (time.process_time() - began) / 50)
    assert best < 1e-3
