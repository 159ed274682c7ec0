"""F29: scores or answers come to differ from those that were certified. The monitor notices within
a known number of samples; once the promise is revoked no gate lets an answer through."""

from __future__ import annotations

from statistics import median

import pytest

from surefoot.policies.monitor import run_monitor
from surefoot.policies.monitor_state import MonitorStatus, reaction_to
from surefoot.policies.revocable import PromiseGate, RevocablePolicy
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.decisions import Action, Result
from surefoot.router.drive import Router
from surefoot.router.estimators.catalogue import estimator
from surefoot.router.perform import Performer
from surefoot.router.plan import Plan, TierPlan
from surefoot.router.sizing import PromptSizer
from surefoot.router.testing import FunctionModel, PlainPrompter, says

from ..policies.traffic import BEGIN, DAY_S, calibration, log, promise, traffic

RUNS = 20
MOST_SCORES = 200
"""Live scores until a shift of .2 is noticed; documented in docs/monitor.md."""

MOST_LABELS = 150
"""Labels until a risk of three times the promise is noticed; documented there, too."""


def test_a_shift_of_scores_alarms_in_time_and_none_does_not() -> None:
    delays, false = [], 0
    for seed in range(RUNS):
        shifted = log(traffic(MOST_SCORES, 0.05, seed=seed, shift=0.2))
        state, report = run_monitor(
            shifted, promise(), (calibration(),), None, BEGIN + DAY_S, key="k"
        )
        assert state.status == "unverified"
        alarm = report.drift[0].alarm
        assert alarm is not None
        delays.append(alarm)
        same = log(traffic(MOST_SCORES, 0.05, seed=seed))
        _, report = run_monitor(same, promise(), (calibration(),), None, BEGIN + DAY_S, key="k")
        false += report.drift[0].alarm is not None
    assert max(delays) <= MOST_SCORES
    assert median(delays) < 100
    assert false <= 1  # at most .01 each


def test_wrong_answers_revoke_in_time_and_right_ones_do_not() -> None:
    false = 0
    for seed in range(RUNS):
        wrong = log(traffic(MOST_LABELS, 0.3, seed=seed, propensity=1.0))
        state, _ = run_monitor(wrong, promise(), (), None, BEGIN + DAY_S, key="k")
        assert state.status == "revoked"
        fine = log(traffic(MOST_LABELS, 0.07, seed=seed, propensity=1.0))
        state, _ = run_monitor(fine, promise(), (), None, BEGIN + DAY_S, key="k")
        false += state.status == "revoked"
    assert false <= 3  # at most .05 each


async def asked(gate: PromiseGate, *, ungated: bool = False) -> Result:
    """Two tiers, of which the first is sure enough of everything."""
    names = ("small", "large")
    rules = (RungRule(0, 0.5), RungRule(1, 0.5, gated=not ungated))
    plan = Plan(
        tiers=(TierPlan("small", "m"), TierPlan("large", "m")),
        policy=RevocablePolicy(ThresholdPolicy(rules, names), gate, names),
        assessor=BareAssessor(("perplexity",)),
        sizer=PromptSizer(PlainPrompter()),
        free=(estimator("perplexity"),),
        certificate="c1",
    )
    models = (
        FunctionModel(lambda call: says("small", 0.99)),
        FunctionModel(lambda call: says("large", 0.99)),
    )
    async with Router(plan, Performer(plan, models, PlainPrompter())) as router:
        return await router.ask("Which city?")


@pytest.mark.parametrize("status", ["valid", "unverified", "stale"])
async def test_a_promise_that_is_not_revoked_leaves_gates_open(status: MonitorStatus) -> None:
    gate = PromiseGate()
    gate.follow(reaction_to(status))
    result = await asked(gate)
    assert (result.action, result.answer, result.certificate) == (Action.ANSWER, "small", "c1")


@pytest.mark.parametrize("status", ["revoked", "not_certified"])
async def test_a_revoked_promise_closes_them(status: MonitorStatus) -> None:
    gate = PromiseGate()
    gate.follow(reaction_to(status))
    result = await asked(gate)
    assert (result.action, result.answer, result.certificate) == (Action.ABSTAIN, None, None)
    assert len(result.attempts) == 2, "it escalates first"
    assert result.reason == reaction_to(status).words
    gate.follow(reaction_to("valid"))
    assert (await asked(gate)).answer == "small"


async def test_what_is_handed_over_unjudged_is_served_as_before() -> None:
    gate = PromiseGate()
    gate.follow(reaction_to("revoked"))
    result = await asked(gate, ungated=True)
    assert (result.answer, result.gated, result.certificate) == ("large", False, None)
