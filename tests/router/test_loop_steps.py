"""Drafts that are stopped at a weak step, and gone on from by the tier above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from surefoot.router.budget import Budget, Price
from surefoot.router.decisions import Action, Rung
from surefoot.router.evidence import Evidence, Token
from surefoot.router.loop import Run, open_run, resume_run
from surefoot.router.plan import Plan, TierPlan
from surefoot.router.requests import (
    Continue,
    Draft,
    Drafted,
    Partial,
    PrefixVerdict,
    Record,
    Reply,
    Stop,
)
from surefoot.router.signals import Estimate, Reading, Signal
from surefoot.router.testing import FixedEstimator, says

from .plans import FOUND, FRANCE, drafted, failed, found, plan_of


class StopsAt:
    """Stops where a word stands, and keeps what stands before it; notes what it has seen."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.seen: list[tuple[int, int, int]] = []

    def judge(self, rung: Rung, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
        """By the new words alone."""
        self.seen.append((rung.tier, seen, len(tokens)))
        for number, token in enumerate(tokens[seen:], seen):
            if token.token.strip() == self.word:
                return Stop(f"says {self.word}", keep=number)
        return Continue(note="half blind")


def plan_with(word: str = "um", **changes: Any) -> Plan:
    return plan_of(0.9, prefix_gate=StopsAt(word), finish=True, retrieval=None, **changes)


def opened(plan: Plan, **how: Any) -> Run:
    return open_run(plan, FRANCE, run_id="r", **how)


def written(text: str) -> Reply:
    return Reply(Drafted(says(text)), 3.0, 1.0, 1, 12)


def stopped_run(plan: Plan, text: str = "It is well um Lyon", **how: Any) -> Run:
    """A run whose first draft came all at once."""
    run = opened(plan, **how)
    run.advance(written(text))
    return run


def test_a_weak_step_escalates_and_the_next_tier_goes_on() -> None:
    run = stopped_run(plan_with())
    request = run.request
    assert isinstance(request, Draft)
    assert (request.tier, request.begun) == (1, "It is well")
    # 10 tokens of prompt, 4 of the beginning, 20 of answer at 10 and 20 apiece
    assert request.forecast.cost == 14 * 10.0 + 20 * 20.0
    result = run.advance(written("Paris I think"))
    assert run.result is result and result is not None
    assert (run.result.answer, run.result.tier) == ("It is well Paris I think", 1)
    first, second = run.result.attempts
    assert (first.finish_reason, first.stopped, first.begun) == ("stopped", "says um", "")
    assert (second.begun, second.stopped) == ("It is well", "")
    first_step, second_step = run.result.trail
    assert first_step.reason is not None
    assert "the draft was stopped: says um" in first_step.reason
    assert second_step.request == "draft, going on from: It is well"
    assert run.result.degraded == ("half blind",)


def test_tokens_are_judged_once_however_they_come() -> None:
    plan = plan_with()
    gate = plan.prefix_gate
    assert isinstance(gate, StopsAt)
    run = opened(plan)
    tokens = says("It is well um Lyon").tokens
    assert run.feed(Partial(tokens[:2])) == Continue(note="half blind")
    assert run.feed(Partial(tokens[:4])) == Stop("says um", keep=3)
    run.advance(drafted("It is well um", "stopped"))
    assert isinstance(run.request, Draft) and run.request.begun == "It is well"
    run.advance(written("Paris"))
    assert gate.seen == [(0, 0, 2), (0, 2, 4), (1, 0, 1)]


def test_what_was_watched_to_its_end_is_not_judged_again() -> None:
    plan = plan_with()
    gate = plan.prefix_gate
    assert isinstance(gate, StopsAt)
    run = opened(plan)
    run.feed(Partial(says("Paris").tokens))
    run.advance(written("Paris"))
    assert gate.seen == [(0, 0, 1)]
    assert run.result is not None and run.result.answer == "Paris"


def test_without_finish_the_next_tier_begins_anew() -> None:
    run = stopped_run(replace(plan_with(), finish=False))
    assert isinstance(run.request, Draft) and run.request.begun == ""


def test_a_weak_first_step_leaves_nothing_to_go_on_from() -> None:
    run = stopped_run(plan_with(), "um Lyon")
    assert isinstance(run.request, Draft) and (run.request.tier, run.request.begun) == (1, "")


def test_three_tiers_hand_the_text_on() -> None:
    tiers = tuple(
        TierPlan(name, name, context=200, max_output=20, price=Price(1.0, 1.0)) for name in "abc"
    )
    run = stopped_run(plan_with(tiers=tiers))
    run.advance(written("a town um and more"))
    assert isinstance(run.request, Draft)
    assert (run.request.tier, run.request.begun) == (2, "It is well a town")
    run.advance(written("um"))  # the last one's: nothing is left to try
    assert run.result is not None and run.result.action is Action.ABSTAIN
    assert [one.begun for one in run.result.attempts] == ["", "It is well", "It is well a town"]


def test_what_does_not_fit_is_written_anew() -> None:
    small = TierPlan("small", "s", context=400, max_output=200, price=Price(1.0, 1.0))
    large = TierPlan("large", "l", context=40, max_output=20, price=Price(1.0, 1.0))
    long = " ".join(["word"] * 50)
    run = stopped_run(plan_with(tiers=(small, large)), f"{long} um")
    assert isinstance(run.request, Draft) and (run.request.tier, run.request.begun) == (1, "")


def test_what_it_would_cost_too_much_to_read_is_written_anew() -> None:
    # 10 tokens to read and 20 to write cost 500; the beginning adds 4 * 10.
    run = stopped_run(plan_with(), budget=Budget(max_cost=3.0 + 520.0))
    assert isinstance(run.request, Draft) and (run.request.tier, run.request.begun) == (1, "")


def test_after_a_search_the_same_tier_begins_anew() -> None:
    plan = replace(plan_with(), retrieval=plan_of().retrieval)
    run = stopped_run(plan)
    run.advance(found(*FOUND))
    assert isinstance(run.request, Draft)
    assert (run.request.tier, run.request.begun, len(run.request.passages)) == (0, "", 2)
    assert run.state.kept == ""


def test_a_tier_that_fails_leaves_the_beginning_to_the_next() -> None:
    tiers = tuple(
        TierPlan(name, name, context=200, max_output=20, price=Price(1.0, 1.0)) for name in "abc"
    )
    run = stopped_run(plan_with(tiers=tiers))
    run.advance(failed())
    assert isinstance(run.request, Draft)
    assert (run.request.tier, run.request.begun) == (2, "It is well")


def test_a_resumed_run_goes_on_from_the_same_text() -> None:
    plan = plan_with()
    run = opened(plan)
    run.absorb(written("It is well um Lyon"))
    same = resume_run(plan, run.freeze())
    same.proceed()
    assert isinstance(same.request, Draft) and same.request.begun == "It is well"
    again = resume_run(plan, same.freeze())
    assert again.request == same.request
    again.advance(written("Paris"))
    assert again.result is not None and again.result.answer == "It is well Paris"


def test_no_certificate_and_no_probability_for_an_answer_by_two() -> None:
    plan = replace(plan_with(), certificate="c", assessor=Sure())
    whole = opened(plan)
    whole.advance(written("Paris"))
    assert whole.result is not None and whole.result.certificate == "c"
    run = stopped_run(plan)
    run.advance(written("Paris"))
    assert run.result is not None
    assert (run.result.gated, run.result.certificate) == (True, None)
    estimate = run.result.attempts[1].estimate
    assert isinstance(estimate, Estimate) and not estimate.calibrated


class Sure:
    """A calibrator that is."""

    def assess(self, rung: object, signals: object) -> Estimate:
        """Always the same."""
        return Estimate(0.9, "sure", calibrated=True)


def test_estimators_see_the_whole_text_and_the_second_model_s_tokens() -> None:
    met: list[Evidence] = []

    def look(evidence: Evidence) -> Reading:
        met.append(evidence)
        return Signal("sure", 0.9, 0.9)

    run = stopped_run(plan_with(free=(FixedEstimator("sure", look),)))
    run.advance(written("Paris"))
    second = met[-1].greedy
    assert second.text == "It is well Paris"
    assert [(token.token, token.special) for token in second.tokens] == [
        ("It is well ", True),
        ("Paris", False),
    ]


@pytest.mark.parametrize("keep", [-3, 0, 99])
def test_a_gate_that_keeps_nonsense_does_no_harm(keep: int) -> None:
    class Odd:
        def judge(self, rung: Rung, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
            return Stop("odd", keep=keep) if rung.tier == 0 else Continue()

    run = stopped_run(replace(plan_with(), prefix_gate=Odd()), "It is")
    assert isinstance(run.request, Draft)
    assert run.request.begun == ("It is" if keep == 99 else "")


def test_a_record_can_be_made_of_it() -> None:
    run = stopped_run(replace(plan_with(), remember=False))
    run.advance(written("Paris"))
    frozen = run.freeze()
    assert resume_run(run.plan, frozen).result == run.result
    assert not isinstance(run.request, Record)
