"""A draft that somebody else made, put before the loop: what it would do with it, and no more.

The run is the loop's own, begun where a tier's draft has just arrived, so that estimates, prices
and choices are those of a run that drafted itself. Nothing is generated: signals that would have to
be bought from a model are not for sale, unless what they need came with the offer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .budget import Budget
from .decisions import Action, Alternative, Comparison, TrailStep
from .errors import UsageError
from .evidence import Evidence, Turn
from .loop import Run
from .plan import Plan
from .purchases import missing_parts
from .requests import Compare, Critique, Draft, Drafted, Reply
from .signals import Estimate, Reading, Unavailable
from .state import RunState

__all__ = ["Judgement", "Offer", "is_local", "judgement_of", "open_offer"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A draft with everything that is known around it.

    Attributes:
        evidence: question and answer at least; `given_signals` holds the application's own scores.
        tier: number of the tier that drafted it.
        round: searches made before; None stands for one where there are passages, else none.
        turns: earlier turns of the conversation, oldest first.
    """

    evidence: Evidence
    tier: int = 0
    round: int | None = None
    turns: Sequence[Turn] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the policy would do with an offered draft.

    Attributes:
        confidence: the estimate's probability, None where there is no estimate.
        escalate_to: number of the tier that should draft next; None unless it escalates.
        gated: whether the answer was let through by a gate; False where it is not an answer.
        certificate: name of the certificate that vouches for the answer, None where none does.
        degraded: what did not work as configured, in words.
    """

    action: Action
    reason: str
    confidence: float | None
    estimate: Estimate | Unavailable
    signals: Mapping[str, Reading] = field(default_factory=dict)
    compared: tuple[Comparison, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    escalate_to: int | None = None
    gated: bool = False
    certificate: str | None = None
    degraded: tuple[str, ...] = ()
    trail: tuple[TrailStep, ...] = ()


def open_offer(plan: Plan, offer: Offer, *, run_id: str, budget: Budget | None = None) -> Run:
    """A run that has just been given the offered draft.

    Its request is a comparison or a critique that the decision needs (`is_local`), else what the
    decision leads to; `judgement_of` reads the decision.

    Args:
        budget: what is left for this request; the plan's where None.

    Raises:
        UsageError: there is no such tier, or a round without passages.
    """
    known = offer.evidence
    if not 0 <= offer.tier < len(plan.tiers):
        raise UsageError(f"there is no tier {offer.tier}: there are {len(plan.tiers)}, from 0")
    rounds = int(bool(known.passages)) if offer.round is None else offer.round
    if rounds < 0 or bool(rounds) != bool(known.passages):
        raise UsageError(
            f"round {rounds} does not go with {len(known.passages)} passages: closed book is "
            "round 0, every search adds one"
        )
    state = RunState(run_id, known.question, plan.budget if budget is None else budget)
    state.tier, state.round, state.passages = offer.tier, rounds, known.passages
    state.found_in = (rounds,) * len(known.passages)
    state.spend.rounds = rounds
    state.turns = tuple(offer.turns)
    run = Run(_without_generation(plan, known), state)
    run.request = Draft(offer.tier, known.passages)
    run.absorb(Reply(Drafted(known.greedy), calls=0))
    (taken,) = run.evidence
    run.evidence[taken] = replace(known, greedy=run.evidence[taken].greedy)
    run.proceed()
    return run


def is_local(run: Run) -> bool:
    """Whether the pending request is still part of judging, and asks no model to generate."""
    return isinstance(run.request, Compare | Critique)


def judgement_of(run: Run) -> Judgement:
    """What was decided about the offered draft, once no local request is pending."""
    step, state = run.state.trail[-1], run.state
    attempt = state.attempts[0]
    action = Action(step.action or Action.ABSTAIN)
    estimate = attempt.estimate
    gated = action is Action.ANSWER and state.decision is not None and state.decision.gated
    following = run.request
    return Judgement(
        action,
        step.reason or "",
        estimate.p if isinstance(estimate, Estimate) else None,
        estimate,
        attempt.signals,
        step.compared,
        step.alternatives,
        following.tier if action is Action.ESCALATE and isinstance(following, Draft) else None,
        gated,
        run.plan.certificate if gated else None,
        tuple(state.degraded),
        tuple(state.trail),
    )


def _without_generation(plan: Plan, known: Evidence) -> Plan:
    local = {"critique", "comparison"}
    for_sale = tuple(
        one for one in plan.buyable if local.issuperset(missing_parts(one.needs, known))
    )
    return replace(plan, buyable=for_sale, prior=None, entry=None, remember=False)
