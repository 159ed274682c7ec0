"""F24: an estimator that is always low, or says anything at random, ends within the steps that were
granted, by the plain driver and by the graph alike."""

from __future__ import annotations

import random

import pytest

from surefoot.graphs.graph_router import GraphRouter
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.budget import Budget
from surefoot.router.drive import Router
from surefoot.router.evidence import Evidence, Passage
from surefoot.router.perform import Performer
from surefoot.router.plan import Plan, RetrievalPlan, TierPlan
from surefoot.router.signals import Reading, Signal, Unavailable
from surefoot.router.sizing import PromptSizer
from surefoot.router.testing import (
    FixedEstimator,
    FixedRetriever,
    FunctionModel,
    PlainPrompter,
    says,
)

FOUND = [Passage(f"p{n}", f"T{n}", f"Text {n}.", 1.0) for n in range(50)]


def deployment(rng: random.Random, always: float | None) -> tuple[Plan, Performer]:
    def read(evidence: Evidence) -> Reading:
        if always is not None:
            return Signal("sure", always, always)
        if rng.random() < 0.2:
            return Unavailable("no idea")
        value = rng.random()
        return Signal("sure", value, value)

    tiers = tuple(TierPlan(f"t{n}", f"m{n}") for n in range(3))
    plan = Plan(
        tiers,
        ThresholdPolicy(tuple(RungRule(n, 0.95) for n in range(3)), tuple(t.name for t in tiers)),
        BareAssessor(("sure",)),
        PromptSizer(PlainPrompter()),
        free=(FixedEstimator("sure", read),),
        retrieval=RetrievalPlan(k=1, queries="question", stop_unchanged=False),
    )
    models = tuple(
        FunctionModel(lambda call: says(f"answer {rng.randrange(5)}", rng.random() or 0.5))
        for _ in tiers
    )
    return plan, Performer(plan, models, PlainPrompter(), FixedRetriever(FOUND))


@pytest.mark.parametrize("always", [0.0, 0.94, None])
async def test_it_ends_within_its_steps(always: float | None) -> None:
    for seed in range(40):
        rng = random.Random(seed)
        budget = Budget(max_steps=rng.randint(2, 12), max_rounds=rng.randint(0, 5))
        plan, performer = deployment(rng, always)
        for router in (Router(plan, performer), GraphRouter(plan, performer)):
            result = await router.ask("Which city?", budget=budget)
            assert len(result.trail) <= (budget.max_steps or 48)
            assert sum(step.request.startswith("retrieve") for step in result.trail) <= 5
