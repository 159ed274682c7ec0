"""What holds of the loop for every plan, policy, estimator and reply."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.errors import NoSuchExample

from surefoot.router import intake, purchases, results
from surefoot.router.budget import Budget, Forecast, Spend
from surefoot.router.decisions import Action, Attempt, Result
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.loop import Run, open_run, resume_run
from surefoot.router.requests import Draft, Recall, Record, Reply, Request
from surefoot.router.signals import Estimate
from surefoot.router.wire import encode

from .loop_worlds import World, worlds

few = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
many = settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Played:
    """A run that has ended, with everything that was asked on the way."""

    run: Run
    result: Result
    requests: list[Request] = field(default_factory=list)


Between = Callable[[Run], Run]
"""What happens to a run between two steps: nothing, or a resume from its frozen form."""


def untouched(run: Run) -> Run:
    return run


def play(world: World, between: Between = untouched, budget: Budget | None = None) -> Played:
    """Drive a run to its end, checking at every step what must hold there."""
    plan, misfits = world.plan(budget)
    run = open_run(plan, world.question, run_id="r")
    requests: list[Request] = []
    while run.request is not None:
        check_request(run, run.request)
        requests.append(run.request)
        assert len(requests) <= world.budget.max_steps, "more requests than steps"
        before = replace(run.state.spend)
        run.absorb(world.reply(len(requests), run.request))
        check_spend(before, run.state.spend)
        run = between(run)
        run.proceed()
        check_trail(run, len(requests))
        if world.obedient:
            check_budget(run)
        run = between(run)
    assert run.result is not None
    assert misfits == []
    return Played(run, run.result, requests)


def check_request(run: Run, request: Request) -> None:
    """Nothing is asked for that does not fit into what is left, by its own forecast."""
    if isinstance(request, Recall | Record):
        return
    budget, spend, ahead = run.state.budget, run.state.spend, request.forecast
    if budget.max_cost is not None and ahead.cost:
        assert spend.cost + ahead.cost <= budget.max_cost
    if budget.deadline_s is not None:
        assert spend.elapsed_s + ahead.latency_s < budget.deadline_s
        assert request.timeout_s == pytest.approx(budget.deadline_s - spend.elapsed_s)
    assert budget.max_calls is None or spend.calls + ahead.calls <= budget.max_calls
    assert budget.max_tokens is None or spend.tokens + ahead.tokens <= budget.max_tokens
    assert spend.rounds + ahead.rounds <= budget.max_rounds


def check_spend(before: Spend, after: Spend) -> None:
    """What is used only grows."""
    for name in ("cost", "elapsed_s", "calls", "tokens", "rounds"):
        assert getattr(after, name) >= getattr(before, name), name


def check_trail(run: Run, requests: int) -> None:
    """One step a request, and a reason for every action."""
    trail = run.state.trail
    assert [step.step for step in trail] == list(range(1, requests + 1))
    assert all(step.reason for step in trail if step.action is not None)
    assert all(step.request and step.outcome for step in trail)


def check_budget(run: Run) -> None:
    """Where replies keep to their forecasts, no limit is ever passed."""
    budget, spend = run.state.budget, run.state.spend
    rounding = 1e-9
    assert budget.max_cost is None or spend.cost <= budget.max_cost + rounding
    assert budget.deadline_s is None or spend.elapsed_s <= budget.deadline_s + rounding
    assert budget.max_calls is None or spend.calls <= budget.max_calls
    assert budget.max_tokens is None or spend.tokens <= budget.max_tokens
    assert spend.rounds <= budget.max_rounds


def check_result(result: Result) -> None:
    """The best answer is kept, and only a whole one is served."""
    whole = [a for a in result.attempts if a.finish_reason == "stop" and a.text.strip()]
    assert (result.best is None) == (not whole)
    assert result.reason
    assert result.action in (Action.ANSWER, Action.ABSTAIN)
    if result.action is Action.ANSWER:
        assert result.best in whole
        assert result.best is not None and result.answer == result.best.text
        assert result.tier == result.best.tier
        assert result.answer.encode()  # no half of a surrogate pair
    else:
        assert (result.answer, result.confidence, result.tier) == (None, None, None)
        assert result.best == max(whole, key=sureness, default=None)
    json.dumps(encode(result), allow_nan=False)


def sureness(attempt: Attempt) -> float:
    return attempt.estimate.p if isinstance(attempt.estimate, Estimate) else -1.0


@many
@given(worlds)
def test_it_ends_within_its_budget_with_the_best_answer(world: World) -> None:
    played = play(world)
    check_result(played.result)
    drafts = [
        (request.tier, tuple(passage.id for passage in request.passages))
        for request in played.requests
        if isinstance(request, Draft)
    ]
    assert len(drafts) == len(set(drafts)), "drafted twice from the same passages"
    check_purchases(played)


def check_purchases(played: Played) -> None:
    """Every signal is bought at most once an attempt."""
    attempts, bought = 0, []
    for request, step in zip(played.requests, played.result.trail, strict=True):
        attempts += isinstance(request, Draft)
        if step.action == "buy":
            bought.append((attempts, step.reason))
    assert len(bought) == len(set(bought))


@few
@given(worlds)
def test_what_an_attempt_costs_adds_up(world: World) -> None:
    result = play(world).result
    paid = [step.cost for step in result.trail if step.cost is not None]
    assert result.cost == pytest.approx(sum(paid))
    assert result.latency_s == pytest.approx(sum(step.elapsed_s for step in result.trail))


@few
@given(worlds)
def test_advance_does_what_absorb_and_proceed_do(world: World) -> None:
    played = play(world)
    run = open_run(world.plan()[0], world.question, run_id="r")
    number = 0
    while run.request is not None:
        number += 1
        run.advance(world.reply(number, run.request))
    assert run.result == played.result


def resumed(run: Run, evidence: Mapping[str, Evidence] | None) -> Run:
    """The run as another process would go on with it."""
    text = json.dumps(run.freeze())
    other = resume_run(run.plan, json.loads(text), evidence)
    assert other.state == run.state
    assert json.dumps(other.freeze()) == text
    return other


@many
@given(worlds)
def test_a_run_resumed_after_every_step_ends_the_same(world: World) -> None:
    straight = play(world)
    broken = play(world, lambda run: resumed(run, dict(run.evidence)))
    assert broken.requests == straight.requests
    assert broken.result == straight.result


@few
@given(worlds)
def test_a_run_resumed_without_its_evidence_still_ends(world: World) -> None:
    """What was bought and lost may be bought again, within the same budget."""
    check_result(play(world, lambda run: resumed(run, None)).result)


@few
@given(worlds, worlds)
def test_fresh_limits_hold_from_the_resume_on(world: World, other: World) -> None:
    """Whatever was used stays used, and nothing is asked for that the new limits do not allow."""
    plan, _ = world.plan()
    run = open_run(plan, world.question, run_id="r")
    if run.request is None:
        return
    run.advance(world.reply(1, run.request))
    before = replace(run.state.spend)
    run = resume_run(plan, run.freeze(), run.evidence, budget=other.budget)
    check_spend(before, run.state.spend)
    number = 1
    while run.request is not None:
        number += 1
        check_request(run, run.request)
        run.advance(world.reply(number, run.request))
    assert number <= max(2, other.budget.max_steps + 1)
    assert run.result is not None
    check_result(run.result)


# --- the properties can fail: each is found out where what it watches over is broken --------------


def finds_out(fails: Callable[[World], object]) -> bool:
    """Whether some world breaks the property."""

    def broken(world: World) -> bool:
        try:
            fails(world)
        except AssertionError:
            return True
        return False

    plain = settings(max_examples=6000, phases=[Phase.generate], database=None)
    for seed in range(5):  # which worlds a seed makes depends on the modules that are loaded
        with suppress(NoSuchExample):
            return find(worlds, broken, settings=plain, random=random.Random(seed)) is not None
    return False


class NoLimits(Budget):
    """A budget that refuses nothing."""

    __slots__ = ()

    def refusal(self, spend: Spend, ahead: Forecast) -> str | None:
        return None


def unlimited(world: World) -> None:
    lax = NoLimits(**{name: getattr(world.budget, name) for name in Budget.__slots__})
    play(world, budget=lax)


def test_a_budget_that_is_not_checked_is_found_out() -> None:
    assert finds_out(unlimited)


def test_a_lost_best_answer_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "best_attempt", lambda attempts: (*attempts, None)[0])
    assert finds_out(lambda world: check_result(play(world).result))


def test_a_state_that_forgets_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(run: Run) -> Run:
        frozen: dict[str, Any] = run.freeze()
        frozen["state"]["settled"] = []
        return resume_run(run.plan, frozen, run.evidence)

    assert finds_out(lambda world: check_purchases(play(world, forgetful)))


def test_a_step_that_costs_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(spend: Spend, reply: Reply) -> None:
        spend.cost = reply.cost or 0.0

    monkeypatch.setattr("surefoot.router.loop.charge", forgetful)
    assert finds_out(play)


def test_matrices_that_do_not_fit_their_samples_are_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stale(evidence: Evidence, samples: tuple[Generation, ...]) -> Evidence:
        return replace(evidence, samples=samples)

    monkeypatch.setattr(purchases, "_with_samples", stale)
    assert finds_out(play)


def test_samples_that_never_come_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_purchase_problem", lambda request, outcome: None)
    monkeypatch.setattr(purchases, "with_comparison", lambda evidence, *rest: evidence)
    assert finds_out(lambda world: check_purchases(play(world)))
