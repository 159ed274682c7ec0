"""Drafts that somebody else made: judged as the loop's own, and nothing is generated for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.budget import Budget
from surefoot.router.decisions import Action
from surefoot.router.drive import Router
from surefoot.router.errors import UsageError
from surefoot.router.evidence import CriticVerdict, Evidence, Generation
from surefoot.router.loop import open_run
from surefoot.router.offers import Judgement, Offer, is_local, judgement_of, open_offer
from surefoot.router.perform import Performer
from surefoot.router.protocols import Needs
from surefoot.router.requests import Critique, Critiqued, Draft, Reply
from surefoot.router.signals import Signal
from surefoot.router.testing import FixedEstimator, PlainPrompter

from .loop_worlds import World, worlds
from .plans import FOUND, FRANCE, drafted, plan_of

PARIS = Evidence(FRANCE, Generation("Paris"))


def judged(plan: Any, offer: Offer, **kwargs: Any) -> Judgement:
    return judgement_of(open_offer(plan, offer, run_id="r", **kwargs))


# --- equal to a run that drafted itself ---------------------------------------------------------


@pytest.mark.parametrize("p", [0.2, 0.69, 0.7, 0.95])
@pytest.mark.parametrize(("tier", "searches"), [(0, True), (0, False), (1, False)])
def test_the_choice_is_that_of_a_run_that_drafted_itself(
    p: float, tier: int, searches: bool
) -> None:
    high_bar = ThresholdPolicy((RungRule(0, 1.0), RungRule(1, 0.7)), ("small", "large"))
    plan = plan_of(p, **({"policy": high_bar} if tier else {}))
    plan = plan if searches else replace(plan, retrieval=None)
    run = open_run(plan, FRANCE, run_id="r")
    if tier:
        run.advance(drafted("Lyon"))
        assert isinstance(run.request, Draft) and run.request.tier == 1
    run.advance(drafted("Paris"))
    own, offered = run.state.trail[-1], judged(plan, Offer(PARIS, tier))
    assert offered.action == own.action
    assert (offered.reason, offered.compared) == (own.reason, own.compared)
    assert (offered.estimate, offered.alternatives) == (own.estimate, own.alternatives)


def test_a_sure_draft_is_let_through_by_the_gate_and_its_certificate() -> None:
    found = judged(plan_of(0.9, certificate="c1"), Offer(PARIS))
    assert (found.action, found.gated, found.certificate) == (Action.ANSWER, True, "c1")
    assert found.confidence == 0.9
    unsure = judged(plan_of(0.1, certificate="c1"), Offer(PARIS))
    assert (unsure.gated, unsure.certificate) == (False, None)


def test_an_escalation_names_the_tier() -> None:
    found = judged(plan_of(0.1, retrieval=None), Offer(PARIS))
    assert (found.action, found.escalate_to) == (Action.ESCALATE, 1)
    assert judged(plan_of(0.1, retrieval=None), Offer(PARIS, 1)).action == Action.ABSTAIN


def test_passages_stand_in_round_one_unless_told() -> None:
    seen = replace(PARIS, passages=FOUND)
    assert judged(plan_of(0.1, budget=Budget(max_rounds=1)), Offer(seen)).action == Action.ESCALATE
    assert judged(plan_of(0.1, budget=Budget(max_rounds=2)), Offer(seen)).action == Action.RETRIEVE
    two = Offer(seen, round=2)
    assert judged(plan_of(0.1, budget=Budget(max_rounds=2)), two).action == Action.ESCALATE


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (Offer(PARIS, 2), "there is no tier 2"),
        (Offer(PARIS, -1), "there is no tier -1"),
        (Offer(PARIS, round=1), "round 1 does not go with 0 passages"),
        (Offer(replace(PARIS, passages=FOUND), round=0), "round 0 does not go with 2 passages"),
    ],
)
def test_an_impossible_place_is_refused(offer: Offer, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_offer(plan_of(), offer, run_id="r")


@pytest.mark.parametrize("answer", [Generation(""), Generation("Par", (), "length")])
def test_a_draft_that_is_not_whole_is_never_let_through(answer: Generation) -> None:
    found = judged(plan_of(0.99, retrieval=None), Offer(replace(PARIS, greedy=answer), 1))
    assert found.action == Action.ABSTAIN
    assert found.confidence is None


# --- signals ------------------------------------------------------------------------------------


def test_a_signal_that_needs_samples_is_not_for_sale_unless_they_came_along() -> None:
    several = FixedEstimator("agreed", 0.95, needs=Needs(samples=2))
    plan = replace(plan_of(0.1, retrieval=None), free=(), buyable=(several,))
    plan = replace(plan, assessor=replace(plan.assessor, order=("agreed",)))  # type: ignore[type-var]  # a frozen dataclass
    alone = judged(plan, Offer(PARIS, 1))
    assert (alone.action, alone.signals) == (Action.ABSTAIN, {})
    with_samples = replace(PARIS, samples=(Generation("Paris"), Generation("Paris")))
    found = judged(plan, Offer(with_samples, 1))
    assert found.action == Action.ANSWER
    signal = found.signals["agreed"]
    assert isinstance(signal, Signal) and signal.value == 0.95


async def test_the_critic_is_asked_and_nobody_else() -> None:
    asked = []

    class Judge:
        version = "j1"

        async def judge(self, state: Any) -> CriticVerdict:
            asked.append(state)
            return CriticVerdict(0.8, 0.9)

        async def aclose(self) -> None: ...

    plan = plan_of(0.9, critiques=True)
    performer = Performer(plan, (), PlainPrompter(), critic=Judge())
    found = await Router(plan, performer).judge(Offer(replace(PARIS, question=f"  {FRANCE} ")))
    assert [(one.question, one.answer, one.round) for one in asked] == [(FRANCE, "Paris", 0)]
    assert found.action == Action.ANSWER
    with pytest.raises(UsageError, match="empty"):
        await Router(plan, performer).judge(Offer(replace(PARIS, question=" ")))


async def test_a_critic_that_is_missing_never_lets_a_draft_through() -> None:
    plan = plan_of(0.9, critiques=True, retrieval=None)
    found = await Router(plan, Performer(plan, (), PlainPrompter())).judge(Offer(PARIS, 1))
    assert found.action == Action.ABSTAIN
    assert any("critic" in words for words in found.degraded)


# --- any plan, any offer ------------------------------------------------------------------------


@given(worlds, st.sampled_from(["Paris", "", "a\ud800b"]), st.booleans())
def test_judging_ends_with_an_action_and_generates_nothing(
    world: World, text: str, seen: bool
) -> None:
    plan = world.plan()[0]
    passages = FOUND if seen else ()
    offer = Offer(Evidence(world.question, Generation(text), passages=passages))
    run = open_offer(plan, offer, run_id="r")
    rounds = 0
    while is_local(run):
        rounds += 1
        assert rounds < 20
        assert run.request is not None
        if isinstance(run.request, Critique):
            run.advance(Reply(Critiqued(CriticVerdict(0.5, 0.5))))
        else:
            run.advance(world.reply(rounds, run.request))
    found = judgement_of(run)
    assert found.action in set(Action)
    assert found.reason
    assert run.state.spend.calls <= rounds
    assert len(run.state.attempts) == 1
