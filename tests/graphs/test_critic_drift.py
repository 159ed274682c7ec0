"""A critic at work that meets other states than those that it was fitted on."""

from __future__ import annotations

import pytest

from surefoot.adapters.critic_watch import GuardedCritic
from surefoot.adapters.critics import default_critic
from surefoot.graphs.caching import build_caches
from surefoot.graphs.criticizing import serve_critic
from surefoot.graphs.settings import CacheSettings, CriticSettings
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.critic.critics import Critic, CriticService
from surefoot.router.critic.states import CriticState
from surefoot.router.decisions import Action, Result
from surefoot.router.drive import Router
from surefoot.router.errors import UpstreamRefused
from surefoot.router.estimators.catalogue import estimator
from surefoot.router.perform import Performer
from surefoot.router.plan import Plan, TierPlan
from surefoot.router.sizing import PromptSizer
from surefoot.router.testing import FunctionModel, PlainPrompter, says

from .critic_doubles import FakeCritic

FIRST_LOOK = 100
"""Questions after which a watch compares for the first time."""

ODD_ANSWER = " ".join(["perhaps 1435 mm, perhaps not"] * 12)
"""Like nothing that a critic of trivia was fitted on."""


def odd_question(number: int) -> str:
    return f"Name the gauge of sleeper number {number}? " * 20


def odd_state(number: int) -> CriticState:
    return CriticState(odd_question(number), ODD_ANSWER)


def served(drift: str, critic: Critic | None = None) -> CriticService:
    settings = CriticSettings.model_validate({"model": "default", "drift": drift, "window_ms": 0.0})
    caches = build_caches(CacheSettings(), "context")
    return serve_critic(critic or default_critic(), settings, caches)


async def test_an_alarm_is_said_from_then_on_and_verdicts_stay_what_they_were() -> None:
    critic = served("say")
    assert isinstance(critic, GuardedCritic)
    try:
        for number in range(FIRST_LOOK):
            assert critic.degraded == ()
            await critic.judge(odd_state(number))
        (words,) = critic.degraded
        assert words.startswith("critic: states are not like those that the critic was fitted on")
        assert words.endswith("recalibrate it")
        state = odd_state(FIRST_LOOK)
        assert await critic.judge(state) == default_critic().judge([state])[0]
    finally:
        await critic.aclose()


async def test_one_that_refuses_judges_no_more() -> None:
    critic = served("refuse")
    try:
        for number in range(FIRST_LOOK):
            await critic.judge(odd_state(number))
        with pytest.raises(UpstreamRefused, match=r"set critic\.drift to 'say'"):
            await critic.judge(odd_state(FIRST_LOOK))
    finally:
        await critic.aclose()


async def test_nobody_watches_where_it_is_off_or_nothing_is_known_of_training() -> None:
    for critic in (served("off"), served("refuse", FakeCritic())):
        assert not isinstance(critic, GuardedCritic)
        await critic.aclose()


async def _asked(drift: str, many: int) -> list[Result]:
    """A tier whose drafts are served whatever the critic says of them, as long as it does."""
    plan = Plan(
        tiers=(TierPlan("small", "m"),),
        policy=ThresholdPolicy((RungRule(0, 0.0),), ("small",)),
        assessor=BareAssessor(("critic_accept",)),
        sizer=PromptSizer(PlainPrompter()),
        free=(estimator("critic_accept"),),
        critiques=True,
    )
    model = FunctionModel(lambda call: says(ODD_ANSWER, 0.99))
    performer = Performer(plan, (model,), PlainPrompter(), critic=served(drift))
    async with Router(plan, performer) as router:
        return [await router.ask(odd_question(number)) for number in range(many)]


async def test_a_run_says_that_its_critic_has_drifted_and_goes_on() -> None:
    *before, last = await _asked("say", FIRST_LOOK + 1)
    assert {result.action for result in before} == {Action.ANSWER}
    assert before[0].degraded == ()
    assert last.action is Action.ANSWER
    assert [words for words in last.degraded if "not like those" in words]


async def test_a_run_whose_critic_refuses_is_not_answered() -> None:
    *before, last = await _asked("refuse", FIRST_LOOK + 1)
    assert {result.action for result in before} == {Action.ANSWER}
    assert last.action is Action.ABSTAIN and last.answer is None
    assert [
        words
        for words in last.degraded
        if words.startswith("critic: refused: states are not like those")
    ]
