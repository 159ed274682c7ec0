"""What every policy must do in every situation.

Derive a test class from `PolicyContract` and give it a fixture `policy` for two tiers, `small` and
`large`, whose signals are named `sure` (free) and `votes` (bought).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.router.assessing import BareAssessor
from surefoot.router.attempts import not_open
from surefoot.router.budget import Budget, Forecast, Price, Spend
from surefoot.router.decisions import Action, Alternative, Attempt, Rung
from surefoot.router.evidence import Evidence, Generation, Passage, Turn
from surefoot.router.loop import open_run
from surefoot.router.plan import Plan, RetrievalPlan, TierPlan
from surefoot.router.protocols import BuyOption, Needs, Policy, Situation
from surefoot.router.requests import Draft, Drafted, Failure, Reply, Retrieve, Retrieved, Sampled
from surefoot.router.signals import Estimate, Reading, Signal, Unavailable
from surefoot.router.testing import FixedEstimator

SHARED = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
"""A policy is pure, so all examples may share one."""

chances = st.floats(0.0, 1.0)
forecasts = st.builds(Forecast, st.none() | chances, chances, st.just(1), st.integers(0, 99))
estimates = st.one_of(
    st.builds(Estimate, chances, st.sampled_from(("sure", "votes")), st.booleans()),
    st.just(Unavailable("no logprobs")),
)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Anything that the loop may put before a policy."""
    tier, retrieved = draw(st.integers(0, 1)), draw(st.booleans())
    rung = Rung(tier, draw(st.integers(1, 3)) if retrieved else 0, retrieved)
    whole = draw(st.booleans())
    estimate = draw(estimates) if whole else Unavailable("empty answer")
    attempt = None
    if draw(st.booleans()) or whole:
        text = "Paris" if whole else ""
        attempt = Attempt(*("2", *rung, text, "stop"), 0.0, 0.0, estimate=estimate)
    best = draw(st.sampled_from((attempt if whole else None, EARLIER)))
    return Situation(
        rung,
        attempt,
        estimate,
        best,
        whole,
        draw(st.none() | forecasts),
        draw(st.just(()) | st.tuples(st.tuples(st.just(1), forecasts))) if tier == 0 else (),
        draw(st.just(()) | st.tuples(st.builds(BuyOption, st.just("votes"), forecasts))),
        draw(st.sampled_from(((), (Alternative(Action.RETRIEVE, None, None, 0.0, "failed"),)))),
        Spend(0.5, 1.0, 2, 30, 1),
        draw(st.sampled_from((Budget(), Budget(max_cost=1.0, deadline_s=5.0)))),
    )


EARLIER = Attempt("1", 0, 0, False, "Lyon", "stop", 0.0, 0.0, estimate=Estimate(0.4, "sure"))


class PolicyContract:
    """Promises of any policy."""

    @SHARED
    @given(situation=situations())
    def test_it_chooses_something_open_and_says_why(
        self, policy: Policy, situation: Situation
    ) -> None:
        choice = policy.decide(situation)
        attempts = [EARLIER] if situation.attempt is None else [EARLIER, situation.attempt]
        assert not_open(choice, situation, attempts) is None
        assert choice.reason.strip()

    @SHARED
    @given(situation=situations())
    def test_it_is_pure(self, policy: Policy, situation: Situation) -> None:
        before = copy.deepcopy(situation)
        choice = policy.decide(situation)
        assert policy.decide(before) == choice
        assert situation == before

    @SHARED
    @given(situation=situations())
    def test_the_numbers_that_it_compared_compare_so(
        self, policy: Policy, situation: Situation
    ) -> None:
        for one in policy.decide(situation).compared:
            holds = {
                "<": one.value < one.bound,
                "<=": one.value <= one.bound,
                ">": one.value > one.bound,
                ">=": one.value >= one.bound,
            }
            assert holds[one.relation]

    @SHARED
    @given(values=st.lists(chances, min_size=12, max_size=12), fails=st.sets(st.integers(0, 11)))
    def test_a_run_under_it_ends(
        self, policy: Policy, values: list[float], fails: set[int]
    ) -> None:
        run = open_run(_plan(policy, values), "What is the capital of France?", run_id="r")
        steps = 0
        while run.request is not None:
            outcome: Any = Sampled((Generation("Paris"),) * 3)
            if isinstance(run.request, Draft):
                outcome = Drafted(Generation(f"Paris {steps}"))
            elif isinstance(run.request, Retrieve):
                outcome = Retrieved((Passage(f"p{steps}", "t", "x", 1.0),))
            run.advance(Reply(Failure("unavailable", "x") if steps in fails else outcome))
            steps += 1
        assert run.result is not None
        # Two tiers and three rounds: at most 2 + 3 drafts, 3 searches and a purchase a draft.
        assert steps <= 13
        assert run.result.degraded == tuple(
            words for words in run.result.degraded if not words.startswith("policy")
        )


class _Sizer:
    def prompt_tokens(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> int:
        return 10


def _plan(policy: Policy, values: Sequence[float]) -> Plan:
    def read(evidence: Evidence) -> Reading:
        value = values[len(evidence.previous_answers)]
        return Signal("sure", value, value)

    price = Price(0.0, 1e-6)
    return Plan(
        (TierPlan("small", "s", price=price), TierPlan("large", "l", price=price)),
        policy,
        BareAssessor(("votes", "sure")),
        _Sizer(),
        free=(FixedEstimator("sure", read),),
        buyable=(FixedEstimator("votes", values[-1], Needs(samples=3)),),
        retrieval=RetrievalPlan(),
    )
