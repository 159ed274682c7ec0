"""One node's hold on a run: thawed when the node begins, frozen when it ends."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from ..router.decisions import TrailStep
from ..router.drive import OnStep
from ..router.evidence import Evidence
from ..router.loop import Run
from ..router.perform import Session
from ..router.requests import Drafted, Reply
from ..router.signals import Estimate
from .entry import Emit
from .graph_state import Terms, pending_of

__all__ = ["ON_STEP", "Visit"]

ON_STEP: ContextVar[OnStep | None] = ContextVar("surefoot_on_step", default=None)
"""Who wants each trail step of a run as a record; the graph's context is data and cannot say."""


@dataclass(slots=True)
class Visit:
    """A run in the hands of one node, and what is said about it on the custom stream.

    Attributes:
        mark: when the last reply came, by the machine's clock.
        emit: writes to the custom stream.
        is_decided: whether the end of the run was announced already.
    """

    run: Run
    terms: Terms
    mark: float
    emit: Emit
    is_decided: bool = False

    @property
    def session(self) -> Session:
        """Whose run it is."""
        return Session(self.terms["tenant"], self.terms["thread"], self.terms.get("user"))

    def absorb(self, reply: Reply, at: float) -> None:
        """Take in a reply that came at `at`, and say so."""
        self.run.absorb(replace(reply, elapsed_s=at - self.mark))
        self.mark = at
        # A draft may yet be rejected: its words must not reach a user by way of an event.
        self.tell_step("a draft" if isinstance(reply.outcome, Drafted) else None)

    def proceed(self) -> None:
        """Let the run decide on what it has taken in, and say what it decided."""
        self.run.proceed()
        self.tell_decision()

    def tell_step(self, outcome: str | None = None) -> None:
        """Emit the last step, with other words for its outcome where they are given."""
        state = self.run.state
        step = state.trail[-1]
        self.emit(
            {
                "event": "surefoot.step",
                "run_id": state.run_id,
                "step": step.step,
                "request": step.request,
                "tier": step.tier,
                "outcome": outcome or step.outcome,
                "cost": step.cost,
                "elapsed_s": step.elapsed_s,
            }
        )

    def tell_decision(self) -> None:
        """Emit what was just decided, if anything; the last step is complete by now."""
        state = self.run.state
        step = state.trail[-1] if state.trail else None
        on_step = ON_STEP.get()
        if on_step is not None and step is not None:
            on_step(step)
        if step is not None and step.action is not None:
            self._emit_decision(step.action, step.reason, step)
        elif state.decision is not None and not self.is_decided:
            self._emit_decision(state.decision.action.value, state.decision.reason, step)
        self.is_decided = state.decision is not None

    def close_all_ways(self) -> None:
        """Leave one step, the record's, so that the next decision ends the run with the best."""
        state = self.run.state
        if state.steps + 1 < state.budget.max_steps:
            state.budget = replace(state.budget, max_steps=state.steps + 1)

    def latest_evidence(self) -> tuple[tuple[str, Evidence], ...]:
        """The evidence that the last reply may have changed: the current attempt's, by its id."""
        state = self.run.state
        if state.current is None:
            return ()
        attempt_id = state.attempts[state.current].id
        found = self.run.evidence.get(attempt_id)
        return () if found is None else ((attempt_id, found),)

    def note(self, degraded: str) -> None:
        """Say once what did not work as configured."""
        if degraded not in self.run.state.degraded:
            self.run.state.degraded.append(degraded)

    def note_lost_tokens(self) -> None:
        """Say so where a draft was not read yet and its tokens were not kept."""
        run, state = self.run, self.run.state
        if state.phase != "assess" or state.current is None:
            return
        attempt = state.attempts[state.current]
        unread = any(estimator.name not in attempt.signals for estimator in run.plan.free)
        if unread and attempt.id not in run.evidence:
            self.note(
                f"attempt store: the tokens of attempt {attempt.id} were not kept until the run "
                "was resumed; signals that need them are unavailable"
            )

    def update(self) -> dict[str, Any]:
        """What the node writes into the graph's state."""
        return {
            "run": self.run.freeze(),
            "pending": pending_of(self.run),
            "terms": {**self.terms, "at": self.mark},
        }

    def _emit_decision(self, action: str, reason: str | None, step: TrailStep | None) -> None:
        state, decision = self.run.state, self.run.state.decision
        estimate = None if step is None else step.estimate
        tier = state.tier if state.attempts or state.failed else None
        if decision is not None and decision.attempt is not None:
            served = next(a for a in state.attempts if a.id == decision.attempt)
            estimate, tier = served.estimate, served.tier
        self.emit(
            {
                "event": "surefoot.decision",
                "run_id": state.run_id,
                "step": len(state.trail),
                "action": action,
                "confidence": estimate.p if isinstance(estimate, Estimate) else None,
                "tier": tier,
                "reason": reason,
            }
        )
