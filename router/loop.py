"""The loop: a state machine without I/O that says what it needs next, or how the run ended.

::

    Recall ─► Draft ─► (assess ─► decide) ─┬─► answer / abstain ─► Record ─► Result
                ▲          ▲    │ buy      │
                │          └────┘          ├─► Retrieve ─┐
                └──────────────────────────┴─────────────┘  escalate: Draft by a higher tier

A driver performs `run.request` and gives the reply to `advance`; it decides nothing. The loop
reads no clock: time and money arrive with each reply. It ends for every estimator, policy and
failure: a tier is drafted with at most once per round, rounds and steps are capped, every signal is
bought at most once per attempt, and a policy that fails or wants what is not open abstains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .attempts import best_attempt, not_open, why_incomplete
from .budget import Budget, Forecast
from .conversation import is_follow_up, search_query
from .decisions import Action, Alternative, Attempt, Buy, Decision, Result, Rung, TrailStep
from .evidence import Evidence, Passage, Turn
from .guards import assess_safely, decide_safely, read_safely
from .intake import evidence_of, take
from .options import Options, draft_fit, open_options
from .plan import Plan
from .protocols import Situation
from .purchases import is_met, missing_part, named
from .requests import (
    Continue,
    Draft,
    Partial,
    PrefixVerdict,
    Recall,
    Record,
    Reply,
    Request,
    Retrieve,
)
from .results import make_result
from .signals import Estimate, Reading, Unavailable
from .state import RunState, freeze, thaw
from .trail import alternatives, describe_outcome, describe_request

__all__ = ["Run", "open_run", "resume_run"]


def open_run(
    plan: Plan,
    question: str,
    *,
    run_id: str,
    budget: Budget | None = None,
    turns: Sequence[Turn] = (),
) -> Run:
    """Begin a run: its first request is pending.

    Args:
        budget: limits of this run; the plan's where None.
        turns: earlier turns to show, for callers that keep the conversation themselves.
    """
    state = RunState(run_id=run_id, question=question, budget=budget or plan.budget)
    if state.budget.max_cost is not None:
        unpriced = [tier.name for tier in plan.tiers if tier.price is None]
        if unpriced:
            names = ", ".join(unpriced)
            state.degraded.append(f"the money budget is off: no price is known for {names}")
    if turns and is_follow_up(question):
        state.turns = tuple(turns)
    run = Run(plan, state)
    run.start()
    return run


def resume_run(
    plan: Plan,
    frozen: dict[str, Any],
    evidence: Mapping[str, Evidence] | None = None,
    *,
    budget: Budget | None = None,
) -> Run:
    """Go on with a run from what `Run.freeze` gave, in this process or another.

    Args:
        evidence: by attempt id. Where an attempt's is missing, signals that were already read stay,
            and those that need tokens become Unavailable.
        budget: fresh limits from the resuming call; what was used stays used.
    """
    state, request, record_pending = thaw(frozen)
    if budget is not None:
        state.budget = budget
    run = Run(plan, state)
    run.evidence.update(evidence or {})
    run.request = request
    if record_pending:
        run.request = Record(make_result(plan, state))
    elif request is None and state.phase == "done":
        run.result = make_result(plan, state)
    return run


class Run:
    """One request on its way through the loop.

    Attributes:
        request: what is needed next, None once the run has ended.
        result: how the run ended, None until then.
        evidence: by attempt id, with tokens; grows as attempts are made.
    """

    __slots__ = ("evidence", "plan", "request", "result", "state")

    def __init__(self, plan: Plan, state: RunState) -> None:
        self.plan = plan
        self.state = state
        self.evidence: dict[str, Evidence] = {}
        self.request: Request | None = None
        self.result: Result | None = None

    def start(self) -> None:
        """Set the first request."""
        if self.plan.remember:
            self.request = Recall(self.state.question, timeout_s=self._time_left())
        else:
            self._enter()

    def freeze(self) -> dict[str, Any]:
        """The run as plain JSON values, without token lists."""
        return freeze(self.state, self.request)

    # --- what a driver calls -------------------------------------------------------------------

    def advance(self, reply: Reply) -> Request | Result:
        """Take in the reply to the pending request; return the next request, or the result."""
        self.absorb(reply)
        return self.proceed()

    def feed(self, partial: Partial) -> PrefixVerdict:
        """Judge the pending draft by its tokens so far."""
        gate = self.plan.prefix_gate
        if gate is None or not isinstance(self.request, Draft):
            return Continue()
        tier = self.request.tier
        rung = Rung(tier, self.state.round, bool(self.request.passages))
        return gate.judge(rung, partial.tokens)

    def absorb(self, reply: Reply) -> None:
        """Take in what happened, without deciding anything yet.

        Raises:
            RuntimeError: no request is pending, or the outcome does not belong to it.
        """
        request, state = self.request, self.state
        if request is None:
            raise RuntimeError("no request is pending: the run has ended or was already advanced")
        spend = state.spend
        spend.cost += reply.cost or 0.0
        spend.elapsed_s += reply.elapsed_s
        spend.calls += reply.calls
        spend.tokens += reply.tokens
        state.steps += 1
        outcome = reply.outcome
        state.trail.append(
            TrailStep(
                len(state.trail) + 1,
                describe_request(request),
                getattr(request, "tier", None),
                describe_outcome(outcome),
                cost=reply.cost,
                elapsed_s=reply.elapsed_s,
            )
        )
        self.request = None
        take(self.plan, state, self.evidence, request, reply)

    def proceed(self) -> Request | Result:
        """Decide on what was taken in: set and return the next request, or the result."""
        phase = self.state.phase
        if phase == "assess":
            self._assess_and_decide()
        elif phase == "entry":
            self._enter()
        elif phase == "draft":
            self._draft_again()
        elif phase == "done":
            self.result = make_result(self.plan, self.state)
        if self.result is not None:
            return self.result
        assert self.request is not None
        return self.request

    # --- deciding ------------------------------------------------------------------------------

    def _enter(self) -> None:
        """Choose the cheapest tier that can take the question."""
        state = self.state
        if state.decision is not None:  # recognized in the history
            attempt = state.attempts[0]
            self._explain(state.decision.action, state.decision.reason, estimate=attempt.estimate)
            self._conclude(state.decision)
            return
        closed: list[str] = []
        for tier, spec in enumerate(self.plan.tiers):
            fit = draft_fit(self.plan, state, tier)
            if isinstance(fit, str):
                closed.append(f"{spec.name}: {fit}")
                continue
            why_not = state.budget.refusal(state.spend, fit.forecast)
            if why_not is None:
                self._request_draft(tier, fit.passages, fit.forecast)
                return
            closed.append(f"{spec.name}: {why_not}")
        reason = "no tier can draft: " + "; ".join(closed)
        self._conclude(Decision(Action.ABSTAIN, reason))

    def _draft_again(self) -> None:
        """Draft by the same tier with the passages just found."""
        state = self.state
        fit = draft_fit(self.plan, state, state.tier)
        if isinstance(fit, str) or not fit.passages:
            why_not: str | None = fit if isinstance(fit, str) else "no passage fits its context"
        else:
            why_not = state.budget.refusal(state.spend, fit.forecast)
        if why_not is None:
            assert not isinstance(fit, str)
            self._request_draft(state.tier, fit.passages, fit.forecast)
            return
        state.no_retrieval = f"what was found cannot be used: {why_not}"
        state.phase = "assess"
        self._assess_and_decide()

    def _assess_and_decide(self) -> None:
        attempt = self._current()
        evidence = None if attempt is None else evidence_of(self.state, self.evidence, attempt)
        if attempt is not None and evidence is not None:
            attempt = self._assess(attempt, evidence)
            if self._continue_purchase(evidence):
                return
        options = open_options(self.plan, self.state, evidence)
        situation = self._situation(attempt, options)
        choice = decide_safely(self.plan.policy, situation)
        refused = not_open(choice, situation, self.state.attempts)
        if refused is not None:
            self.state.degraded.append(f"policy: {refused}")
            choice = Decision(Action.ABSTAIN, f"the policy's choice was not open: {refused}")
        self._explain_choice(choice, situation)
        if isinstance(choice, Buy):
            self.state.buying = choice.signal
            assert evidence is not None
            self._continue_purchase(evidence)
        else:
            self._act(choice, options)

    def _assess(self, attempt: Attempt, evidence: Evidence) -> Attempt:
        """Read every signal whose needs are met and that was not read yet; estimate anew."""
        state, signals = self.state, dict(attempt.signals)
        for estimator in self.plan.free:
            if estimator.name not in signals:
                signals[estimator.name] = read_safely(estimator, evidence)
        for estimator in self.plan.buyable:
            if estimator.name not in signals and is_met(estimator.needs, evidence):
                signals[estimator.name] = read_safely(estimator, evidence)
                self.state.settled.append(estimator.name)
                if state.buying == estimator.name:
                    state.buying = None
        estimate: Estimate | Unavailable
        if attempt.is_complete:
            estimate = assess_safely(self.plan.assessor, attempt.rung, signals)
        else:
            estimate = Unavailable(why_incomplete(attempt))
        assessed = attempt.assessed(signals, estimate)
        assert state.current is not None
        state.attempts[state.current] = assessed
        return assessed

    def _continue_purchase(self, evidence: Evidence) -> bool:
        """Request the next missing part of the signal that is being bought; False if none is."""
        state = self.state
        if state.buying is None:
            return False
        estimator = named(self.plan.buyable, state.buying)
        attempt = self._current()
        assert attempt is not None
        request = missing_part(self.plan, state, attempt, estimator.needs, evidence)
        if request is None:
            state.settled.append(estimator.name)
            state.buying = None
            return False
        why_not = state.budget.refusal(state.spend, request.forecast)
        if why_not is not None or state.steps + 1 >= state.budget.max_steps:
            reading = Unavailable(f"could not be bought: {why_not or 'no step is left'}")
            state.attempts[state.attempts.index(attempt)] = replace(
                attempt, signals={**attempt.signals, estimator.name: reading}
            )
            state.settled.append(estimator.name)
            state.buying = None
            return False
        self.request = replace(request, timeout_s=self._time_left())
        return True

    def _act(self, decision: Decision, options: Options) -> None:
        state = self.state
        if decision.action is Action.RETRIEVE:
            assert self.plan.retrieval is not None and options.retrieve is not None
            self.request = Retrieve(
                search_query(state.question, state.turns),
                self.plan.retrieval.k * (state.round + 1),
                Forecast(latency_s=self.plan.retrieval.latency_s, rounds=1),
                self._time_left(),
            )
        elif decision.action is Action.ESCALATE:
            tier = options.escalate[0][0] if decision.tier is None else decision.tier
            fit = draft_fit(self.plan, state, tier)
            assert not isinstance(fit, str)
            self._request_draft(tier, fit.passages, fit.forecast)
        else:
            self._conclude(decision)

    def _request_draft(self, tier: int, passages: tuple[Passage, ...], forecast: Forecast) -> None:
        self.request = Draft(tier, passages, forecast, self._time_left())

    def _conclude(self, decision: Decision) -> None:
        state = self.state
        if decision.action is Action.ANSWER and decision.attempt is None:
            current = self._current()
            assert current is not None
            decision = replace(decision, attempt=current.id)
        state.decision = decision
        state.phase = "done"
        if self.plan.remember:
            self.request = Record(make_result(self.plan, self.state), timeout_s=self._time_left())
        else:
            self.result = make_result(self.plan, self.state)

    # --- describing ----------------------------------------------------------------------------

    def _situation(self, attempt: Attempt | None, options: Options) -> Situation:
        state = self.state
        if attempt is None:
            rung = Rung(state.tier, state.round, bool(state.passages))
            estimate: Estimate | Unavailable = Unavailable(
                state.failed.get(state.tier, "there is no draft")
            )
        else:
            rung, estimate = attempt.rung, attempt.estimate
        return Situation(
            rung,
            attempt,
            estimate,
            best_attempt(state.attempts),
            attempt is not None and attempt.is_complete,
            options.retrieve,
            options.escalate,
            options.buy,
            options.closed,
            state.spend,
            state.budget,
        )

    def _explain_choice(self, choice: Decision | Buy, situation: Situation) -> None:
        action = "buy" if isinstance(choice, Buy) else choice.action.value
        attempt = situation.attempt
        self._explain(
            action,
            choice.reason,
            choice.compared,
            alternatives(self.plan, situation),
            {} if attempt is None else attempt.signals,
            situation.estimate,
        )

    def _explain(
        self,
        action: str,
        reason: str,
        compared: tuple[Any, ...] = (),
        others: tuple[Alternative, ...] = (),
        signals: Mapping[str, Reading] | None = None,
        estimate: Estimate | Unavailable | None = None,
    ) -> None:
        """Write what was concluded from the last reply beside it in the trail."""
        step = self.state.trail[-1]
        self.state.trail[-1] = TrailStep(
            step.step,
            step.request,
            step.tier,
            step.outcome,
            signals or {},
            estimate,
            compared,
            others,
            action,
            reason,
            step.cost,
            step.elapsed_s,
        )

    def _current(self) -> Attempt | None:
        state = self.state
        return None if state.current is None else state.attempts[state.current]

    def _time_left(self) -> float | None:
        return self.state.budget.time_left(self.state.spend)
