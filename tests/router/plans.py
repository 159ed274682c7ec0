"""Small deployments and replies with round numbers, for tests of the loop's parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.budget import Budget, Price, Spend
from surefoot.router.decisions import Attempt, Decision, Result, TrailStep
from surefoot.router.evidence import FinishReason, Generation, Passage, Turn
from surefoot.router.plan import Plan, RetrievalPlan, TierPlan
from surefoot.router.requests import Drafted, Failure, Reply, Retrieved
from surefoot.router.results import make_result
from surefoot.router.signals import Estimate
from surefoot.router.state import RunState
from surefoot.router.testing import FixedEstimator

FRANCE = "What is the capital of France?"
FOUND = (
    Passage("p1", "France", "Paris is the capital of France.", 2.0),
    Passage("p2", "Lyon", "Lyon lies on the Rhone.", 1.0),
)
SMALL = TierPlan("small", "m-small", context=100, max_output=20, price=Price(1.0, 2.0))
LARGE = TierPlan("large", "m-large", context=200, max_output=20, price=Price(10.0, 20.0))


class FlatSizer:
    """10 tokens for the question, 5 for each passage or turn; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def prompt_tokens(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> int:
        """Tokens of the prompt."""
        self.asked += 1
        return 10 + 5 * (len(passages) + len(turns))


def plan_of(p: float = 0.9, **changes: Any) -> Plan:
    """Two tiers that answer at 0.7; the only signal, `sure`, always says `p`."""
    tiers = changes.get("tiers", (SMALL, LARGE))
    names = tuple(tier.name for tier in tiers)
    plan = Plan(
        tiers,
        ThresholdPolicy(tuple(RungRule(i, 0.7) for i in range(len(tiers))), names),
        BareAssessor(("sure",)),
        FlatSizer(),
        free=(FixedEstimator("sure", p),),
        retrieval=RetrievalPlan(k=2, latency_s=0.5, passage_tokens=5),
    )
    return replace(plan, **changes)


def drafted(text: str = "Paris", finish: FinishReason | None = "stop", **usage: Any) -> Reply:
    """A draft that cost 3 and took a second, unless told otherwise."""
    usage = {"cost": 3.0, "elapsed_s": 1.0, "calls": 1, "tokens": 12} | usage
    return Reply(Drafted(Generation(text, (), finish)), **usage)


def found(*passages: Passage) -> Reply:
    """Passages, found in half a second."""
    return Reply(Retrieved(passages), elapsed_s=0.5)


def failed(kind: str = "unavailable", **usage: Any) -> Reply:
    """A failure."""
    return Reply(Failure(kind, "out of order"), **usage)


def attempt_with(**changes: Any) -> Attempt:
    """A whole attempt by the first tier, not assessed."""
    return replace(Attempt("1", 0, 0, False, "Paris", "stop", 3.0, 1.0), **changes)


LOW = attempt_with(estimate=Estimate(0.3, "s"))
HIGH = attempt_with(id="2", tier=1, text="Lyon", estimate=Estimate(0.6, "s"))


def ended(decision: Decision) -> Result:
    """How a run with these two attempts ends with a decision."""
    state = RunState(
        "r",
        FRANCE,
        Budget(),
        Spend(1.5, 2.5, 3, 4, 1),
        "done",
        round=1,
        passages=FOUND,
        attempts=[LOW, HIGH],
        degraded=["history: late"],
        trail=[TrailStep(1, "draft", 0, "Paris")],
        decision=decision,
    )
    return make_result(plan_of(certificate="c1"), state)
