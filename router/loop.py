"""The loop: a state machine without I/O that says what it needs next, or how the run ended.

::

    Recall ─► Draft ─► (Critique) ─► (assess ─► decide) ─┬─► answer / abstain ─► Record ─► Result
                ▲                        ▲    │ buy      │
                │                        └────┘          ├─► (Ask for a query) ─► Retrieve ─┐
                └────────────────────────────────────────┴──────────────────────────────────┘
                                                  escalate: Draft by a higher tier

A driver performs `run.request` and gives the reply to `advance`; it decides nothing. The loop
reads no clock: time and money arrive with each reply. It ends for every estimator, policy and
failure: a tier is drafted with at most once per round, rounds and steps are capped, every signal is
bought at most once per attempt, and a policy that fails or wants what is not open abstains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .attempts import assessed, not_open, why_incomplete
from .batch import Batch
from .budget import Budget
from .conversation import is_follow_up
from .decisions import NOT_ASSESSED, Action, Attempt, Buy, Choice, Decision, Result, Rung
from .evidence import Evidence, Refusal, Token, Turn
from .forecasts import Fit, Outlook, finishing_fit
from .guards import (
    assess_safely,
    decide_safely,
    enter_safely,
    judge_safely,
    prior_safely,
    read_batch_safely,
)
from .intake import belongs, charge, evidence_of, take
from .making import maker
from .options import situation_of, steps_left
from .plan import Plan
from .protocols import Opening, PrefixGate, Situation
from .purchases import critique_request, missing_parts, named, purchase_request
from .releasing import Showing, kept_word
from .requests import (
    Continue,
    Draft,
    Drafted,
    Failure,
    Partial,
    PrefixVerdict,
    Recall,
    Record,
    Reply,
    Request,
    Stop,
)
from .results import make_result
from .risk_limit import within_risk
from .searching import query_question, refusal_of, search_request
from .signals import Estimate, Unavailable
from .situated import situated
from .state import RunState, freeze, thaw
from .steps.joining import joined
from .text import clean_text
from .trail import Judged, Step, closed_step, decided_step, entered_step, opened_step

__all__ = ["Run", "open_run", "resume_run"]

_make_decision = maker(Decision)
_make_draft = maker(Draft)


def open_run(
    plan: Plan,
    question: str,
    *,
    run_id: str,
    budget: Budget | None = None,
    turns: Sequence[Turn] = (),
    live: bool = False,
) -> Run:
    """Begin a run: its first request is pending.

    Args:
        budget: limits of this run; the plan's where None.
        turns: earlier turns to show, for callers that keep the conversation themselves.
        live: somebody is shown what the plan's gates release. Nothing is under a risk of the run's
            own, which these gates know nothing of.
    """
    state = RunState(run_id, question, plan.budget if budget is None else budget)
    has_gate = plan.release_gate is not None or plan.prefix_gate is not None
    state.live = live and has_gate and state.budget.max_risk is None
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
        budget: fresh limits from the resuming call; what was used stays used. A pending request
            that does not fit into them counts as failed.
    """
    state, request, record_pending = thaw(frozen)
    if budget is not None:
        state.budget = budget
    run = Run(plan, state)
    run.evidence.update(evidence or {})
    if record_pending:
        run.request = Record(make_result(plan, state), timeout_s=run.time_left())
    elif request is not None:
        run.request = replace(request, timeout_s=run.time_left())
        why_not = None if budget is None else budget.refusal(state.spend, request.forecast)
        if why_not is not None:
            run.advance(Reply(Failure("budget", why_not)))
    elif state.phase == "done":
        run.result = make_result(plan, state)
    return run


class Run:
    """One request on its way through the loop.

    Attributes:
        request: what is needed next, None once the run has ended.
        result: how the run ended, None until then.
        evidence: by attempt id, with tokens; grows as attempts are made.
    """

    __slots__ = (
        "_fed",
        "_outlook",
        "_showing",
        "_step",
        "evidence",
        "plan",
        "request",
        "result",
        "state",
    )

    def __init__(self, plan: Plan, state: RunState) -> None:
        self.plan = plan
        self.state = state
        self.evidence: dict[str, Evidence] = {}
        self.request: Request | None = None
        self.result: Result | None = None
        self._fed = 0  # tokens of the pending draft that the prefix gates were shown
        self._showing = Showing()
        self._outlook = Outlook(plan, state)
        self._step: Step | None = None  # of the last reply, while it is not in the trail

    def start(self) -> None:
        """Set the first request."""
        if self.plan.remember and steps_left(self.state) > 0:
            self.request = Recall(self.state.question, timeout_s=self.time_left())
        else:
            self._enter()

    def freeze(self) -> dict[str, Any]:
        """The run as plain JSON values, without token lists."""
        return freeze(self.state, self.request)

    def time_left(self) -> float | None:
        """Seconds until the deadline, None without one."""
        return self.state.budget.time_left(self.state.spend)

    # --- what a driver calls -------------------------------------------------------------------

    def advance(self, reply: Reply) -> Request | Result:
        """Take in the reply to the pending request; return the next request, or the result."""
        self._take_in(reply)
        return self._go_on()

    def feed(self, partial: Partial) -> PrefixVerdict:
        """Judge the pending draft by its tokens so far; a gate that fails lets it go on.

        A draft that was released is judged no more: it can be neither stopped nor called back.
        """
        request, state = self.request, self.state
        if not isinstance(request, Draft):
            return Continue()
        if not state.released:
            tokens, seen = partial.tokens, min(self._fed, len(partial.tokens))
            verdict = self._may_go_on(request, tokens, seen)
            if isinstance(verdict, Stop):
                return verdict
            if not state.live or request.begun:  # nobody would be shown it, or only its second half
                return replace(verdict, release=False)
            if not verdict.release and self.plan.release_gate is not None:
                verdict = self._judged(self.plan.release_gate, request, tokens, seen)
            if isinstance(verdict, Stop) or not verdict.release:
                return Continue()
            state.released = verdict.reason or "the gate let it be shown"
        show = self._showing.more(partial.tokens)
        state.shown += show
        # Until there is a word to show, nobody has been promised anything.
        return Continue(bool(state.shown), reason=state.released, show=show)

    def absorb(self, reply: Reply) -> None:
        """Take in what happened, without deciding anything yet.

        Raises:
            RuntimeError: no request is pending, or the outcome does not belong to it.
        """
        self._take_in(reply)
        self._close_step()

    def proceed(self) -> Request | Result:
        """Decide on what was taken in: set and return the next request, or the result."""
        if self.request is not None:
            return self.request
        if self.result is None and self.state.trail:
            self._step = self.state.trail.pop()  # what is concluded belongs to the last step
        return self._go_on()

    def _may_go_on(self, request: Draft, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
        """The prefix gate's verdict; a stop is noted in the state."""
        gate, state = self.plan.prefix_gate, self.state
        self._fed = len(tokens)
        if gate is None:
            return Continue()
        verdict = self._judged(gate, request, tokens, seen)
        if isinstance(verdict, Stop):
            kept = "".join([token.token for token in tokens[: max(0, verdict.keep)]])
            state.stopped, state.kept = verdict.reason, joined(request.begun, clean_text(kept))
        return verdict

    def _judged(
        self, gate: PrefixGate, request: Draft, tokens: Sequence[Token], seen: int
    ) -> PrefixVerdict:
        """A gate's verdict, its notes taken down; one that fails lets the draft go on."""
        shown, state = bool(request.passages), self.state
        rung = Rung(request.tier, state.round if shown else 0, shown)
        verdict = judge_safely(gate, rung, tokens, seen)
        if isinstance(verdict, Stop):
            return verdict
        note = verdict if isinstance(verdict, str) else verdict.note
        if note and note not in state.degraded:
            state.degraded.append(note)
        return Continue() if isinstance(verdict, str) else verdict

    def _take_in(self, reply: Reply) -> None:
        request, state, outcome = self.request, self.state, reply.outcome
        if request is None:
            raise RuntimeError("no request is pending: the run has ended or was already advanced")
        if not belongs(request, outcome):
            asked, came = type(request).__name__, type(outcome).__name__
            raise RuntimeError(f"{came} is no reply to {asked}; reply to the pending request")
        reply = self._gated(reply)
        charge(state.spend, reply)
        state.steps += 1
        self._step = opened_step(len(state.trail) + 1, request, reply)
        self.request = None
        take(self.plan, state, self.evidence, request, reply)

    def _gated(self, reply: Reply) -> Reply:
        """The reply, its draft marked as stopped where the prefix gate stops it only now: a driver
        that cannot watch a draft being written decides as one that can."""
        outcome = reply.outcome
        request, fed = self.request, self._fed
        if self.plan.prefix_gate is None or not isinstance(outcome, Drafted):
            return reply
        generation = outcome.generation
        if self.state.shown or len(generation.tokens) <= fed or not isinstance(request, Draft):
            return reply
        if not isinstance(self._may_go_on(request, generation.tokens, fed), Stop):
            return reply
        return replace(reply, outcome=Drafted(replace(generation, finish_reason="stopped")))

    def _go_on(self) -> Request | Result:
        phase = self.state.phase
        if phase == "assess":
            self._assess_and_decide()
        elif phase == "entry":
            self._enter()
        elif phase == "draft":
            self._draft_again()
        elif phase == "search":
            self._search()
        self._close_step()
        if self.request is not None:
            return self.request
        if self.result is None:
            self.result = make_result(self.plan, self.state)
        return self.result

    def _close_step(self, choice: Choice | None = None, estimate: Judged = None) -> None:
        """Write the last step into the trail as it is, or with a choice that no policy made."""
        if self._step is not None:
            self.state.trail.append(closed_step(self._step, choice, estimate))
            self._step = None

    # --- deciding ------------------------------------------------------------------------------

    def _enter(self) -> None:
        """Draft by the tier that the entry policy chooses, or by the cheapest that can."""
        plan, state = self.plan, self.state
        decision = state.decision  # to answer, where the question was recognized in the history
        if decision is None:
            if plan.prior is not None:
                prior = prior_safely(plan.prior, state.question, len(plan.tiers))
                if isinstance(prior, str):
                    state.degraded.append(prior)
                else:
                    state.prior = prior
            if plan.entry is not None and self._route():
                return
            closed = []
            for tier, spec in enumerate(plan.tiers):
                why_not = self._entry_draft(tier)
                if why_not is None:
                    return
                closed.append(f"{spec.name}: {why_not}")
            decision = Decision(Action.ABSTAIN, "no tier can draft: " + "; ".join(closed))
        current = self._current()
        self._close_step(decision, None if current is None else current.estimate)
        self._conclude(decision)

    def _entry_draft(self, tier: int) -> str | None:
        """Request the first draft, or say why that cannot be."""
        has_step = self.state.steps + self.plan.remember < self.state.budget.max_steps
        return self._draft(tier) if has_step else "no step is left"

    def _route(self) -> bool:
        """Enter where the entry policy says; False leaves it to the order of the tiers."""
        plan, state = self.plan, self.state
        assert plan.entry is not None
        fits = [(tier, self._outlook.fit(tier)) for tier in range(len(plan.tiers))]
        ahead = [(tier, fit.forecast) for tier, fit in fits if isinstance(fit, Fit)]
        tiers = [one for one in ahead if state.budget.refusal(state.spend, one[1]) is None]
        if not tiers:
            return False
        opening = Opening(state.run_id, state.question, state.prior, tuple(tiers))
        entry = enter_safely(plan.entry, opening)
        if isinstance(entry, str):
            state.degraded.append(entry)
            return False
        if self._entry_draft(entry.tier) is not None:
            return False
        self._close_step()  # of the recall before it
        state.trail.append(entered_step(len(state.trail) + 1, entry, state.prior))
        return True

    def _draft_again(self) -> None:
        """Draft by the same tier with the passages just found."""
        state, current = self.state, self._current()
        fit = self._outlook.fit(state.tier)
        shown = () if current is None else current.passage_ids
        if steps_left(state) < 1:
            why_not: str | None = "no step is left"
        elif isinstance(fit, Fit) and all(passage.id in shown for passage in fit.passages):
            why_not = "no new passage fits its context"
        else:
            why_not = self._draft(state.tier, refusal_of(self._outlook, self.evidence))
        if why_not is not None:
            state.no_retrieval = f"what was found cannot be used: {why_not}"
            state.phase = "assess"
            self._assess_and_decide()

    def _draft(self, tier: int, refused: Refusal | None = None) -> str | None:
        """Request a draft, or say why that cannot be."""
        fit, state = self._outlook.fit(tier), self.state
        if isinstance(fit, str):
            return fit
        why_not = state.budget.refusal(state.spend, fit.forecast)
        if why_not is None:
            self._request_draft(tier, fit, refused)
        return why_not

    def _request_draft(
        self, tier: int, fit: Fit, refused: Refusal | None = None, begun: str = ""
    ) -> None:
        self._fed = 0
        self._showing = Showing()
        self.state.stopped = self.state.kept = self.state.released = self.state.shown = ""
        left = self.time_left()
        self.request = _make_draft(tier, fit.passages, fit.forecast, left, refused, begun)

    def _request_rest(self, tier: int, fit: Fit) -> bool:
        """Request that a tier goes on from what a stopped draft has left; False where there is
        nothing, or no room for it."""
        state, kept = self.state, self.state.kept
        if not self.plan.finish or not kept.strip():
            return False
        longer = finishing_fit(self.plan.tiers[tier], fit, kept)
        if longer is None or state.budget.refusal(state.spend, longer.forecast) is not None:
            return False
        self._request_draft(tier, longer, begun=kept)
        return True

    def _assess_and_decide(self) -> None:
        attempt = self._current()
        if attempt is None:
            self._decide(None, None)
            return
        evidence = evidence_of(self.state, self.evidence, attempt)
        if self.plan.critiques and self._request_verdict(attempt, evidence):
            return
        attempt = self._assess(attempt, evidence)
        if self.state.buying is not None:
            if self._continue_purchase(evidence):
                return
            attempt = self._current()  # it says now why the purchase was given up
        self._decide(attempt, evidence)

    def _request_verdict(self, attempt: Attempt, evidence: Evidence) -> bool:
        """Put a whole draft before the critic, once; False where there is no need or no way.

        A call of tools is no answer: the critic has nothing to say of it, other signals have.
        """
        state = self.state
        if not attempt.text.strip():
            return False
        is_judged = evidence.critique is not None or attempt.estimate != NOT_ASSESSED
        if is_judged or not attempt.is_complete or state.no_verdict is not None:
            return False
        request = critique_request(self._outlook, evidence, self.time_left())
        why_not = state.budget.refusal(state.spend, request.forecast)
        if why_not is None and steps_left(state) < 1:
            why_not = "no step is left"
        if why_not is not None:
            state.no_verdict = why_not
            return False
        self.request = request
        return True

    def _assess(self, attempt: Attempt, evidence: Evidence) -> Attempt:
        """Read every signal whose needs are met and that was not read yet; estimate anew."""
        plan, state, signals = self.plan, self.state, dict(attempt.signals)
        batch = Batch((evidence,))  # estimators share what they need of it
        for estimator in plan.free:
            name = estimator.name
            if name not in signals:
                signals[name] = read_batch_safely(estimator, batch)[0]
        for estimator in plan.buyable:
            name = estimator.name
            if name not in signals and not missing_parts(estimator.needs, evidence):
                signals[name] = read_batch_safely(estimator, batch)[0]
                state.settled.append(name)
                if state.buying == name:
                    state.buying = None
        if len(signals) == len(attempt.signals) and attempt.estimate != NOT_ASSESSED:
            return attempt  # judged before, and nothing was learned since
        if not attempt.is_complete:
            estimate: Estimate | Unavailable = Unavailable(why_incomplete(attempt))
        elif state.no_verdict is not None:  # other signals must not speak for a missing critic
            estimate = Unavailable(f"the critic could not judge it: {state.no_verdict}")
        else:
            estimate = assess_safely(plan.assessor, attempt.rung, signals)
            if attempt.begun and isinstance(estimate, Estimate):  # fitted on whole drafts
                estimate = replace(estimate, calibrated=False)
        attempt = assessed(attempt, signals, estimate)
        self._replace_current(attempt)
        return attempt

    def _continue_purchase(self, evidence: Evidence) -> bool:
        """Request the next missing part of the signal that is being bought; False if none is."""
        plan, state = self.plan, self.state
        assert state.buying is not None
        estimator = named(plan.buyable, state.buying)
        request = purchase_request(self._outlook, estimator.needs, evidence, self.time_left())
        if request is not None:
            why_not = state.budget.refusal(state.spend, request.forecast)
            if why_not is None and steps_left(state) > 0:
                self.request = request
                return True
            self._give_up(estimator.name, why_not or "no step is left")
        state.settled.append(estimator.name)
        state.buying = None
        return False

    def _give_up(self, signal: str, why_not: str) -> None:
        attempt = self._current()
        assert attempt is not None
        reading = Unavailable(f"could not be bought: {why_not}")
        signals = {**attempt.signals, signal: reading}
        self._replace_current(assessed(attempt, signals, attempt.estimate))

    def _decide(self, attempt: Attempt | None, evidence: Evidence | None) -> None:
        """Ask the policy, note its choice in the trail, and carry it out."""
        state = self.state
        situation = situation_of(self._outlook, attempt, evidence)
        choice = decide_safely(self.plan.policy, situation)
        refused = not_open(choice, situation, state.attempts)
        if refused is not None:
            state.degraded.append(f"policy: {refused}")
            choice = Decision(Action.ABSTAIN, f"the policy's choice was not open: {refused}")
        choice = within_risk(state, situated(self.plan, state, choice), situation)
        choice = kept_word(state, attempt, choice)
        assert self._step is not None
        state.trail.append(decided_step(self._step, choice, situation))
        self._step = None
        if not isinstance(choice, Buy):
            self._act(choice, situation)
            return
        assert evidence is not None
        state.buying = choice.signal
        if not self._continue_purchase(evidence):  # it is settled now, and not offered again
            self._step = state.trail.pop()
            self._decide(self._current(), evidence)

    def _act(self, decision: Decision, situation: Situation) -> None:
        if decision.action is Action.RETRIEVE:
            self._search()
        elif decision.action is Action.ESCALATE:
            tiers = [tier for tier, _ in situation.escalate]
            tier = tiers[0] if decision.tier is None else tiers[tiers.index(decision.tier)]
            fit = self._outlook.fit(tier)
            assert isinstance(fit, Fit)
            if not self._request_rest(tier, fit):
                self._request_draft(tier, fit)
        else:
            self._conclude(decision)

    def _search(self) -> None:
        """Ask for a query where one is wanted, then search; decide anew where there is none."""
        state, attempt = self.state, self._current()
        known = None if attempt is None else evidence_of(state, self.evidence, attempt)
        question = query_question(self._outlook, known, self.time_left())
        if question is not None:
            self.request = question
            return
        found = search_request(self._outlook, attempt, self.time_left())
        if not isinstance(found, str):
            self.request = found
            return
        state.no_retrieval = found
        state.phase = "assess"
        if self._step is None:
            self._step = state.trail.pop()  # what was decided there cannot be done
        self._decide(attempt, known)

    def _conclude(self, decision: Decision) -> None:
        plan, state = self.plan, self.state
        if decision.action is Action.ANSWER and decision.attempt is None:
            current = self._current()
            assert current is not None
            decision = _make_decision(
                decision.action,
                decision.reason,
                decision.compared,
                decision.tier,
                current.id,
                decision.gated,
            )
        state.decision = decision
        state.phase = "done"
        if plan.remember and state.steps < state.budget.max_steps:
            self.request = Record(make_result(plan, state), timeout_s=self.time_left())
            return
        if plan.remember:
            state.degraded.append("history: no step was left to record the run")
        self.result = make_result(plan, state)

    def _current(self) -> Attempt | None:
        state = self.state
        return None if state.current is None else state.attempts[state.current]

    def _replace_current(self, attempt: Attempt) -> None:
        state = self.state
        assert state.current is not None
        state.attempts[state.current] = attempt
