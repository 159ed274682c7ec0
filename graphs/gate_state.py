"""What the gate writes into an agent's state: one decision, plain JSON values."""

from __future__ import annotations

from typing import Any, TypedDict

from ..policies.tool_risk import CallVerdict
from ..router.conversation_confidence import ConversationConfidence
from ..router.decisions import Result
from ..router.perform import Session
from ..router.signals import Estimate, Signal

__all__ = ["GateAsk", "GateConversation", "GateDecision", "gate_decision"]


class GateAsk(TypedDict):
    """A call of a tool that a person has to decide on.

    Attributes:
        call_id: of the call in the message.
        confidence: of its arguments; None where nothing tells, and `reason` says why.
    """

    call_id: str
    tool: str
    confidence: float | None
    threshold: float
    reason: str


class GateConversation(TypedDict):
    """The answers of the thread so far, this one included (see `ConversationConfidence`)."""

    answers: int
    unjudged: int
    expected_wrong: float
    all_right: list[float]


class GateDecision(TypedDict):
    """How the gate decided on one call of the agent's model.

    Attributes:
        action: `answer` or `abstain`; of a gate that only observes, what it would have done first:
            also `retrieve` or `escalate`.
        confidence: the served draft's estimate, None where there is none; `signal` names what it
            was read from, and `calibrated` whether it is a probability.
        gated: whether a gate let the answer through; False for what was passed on unjudged.
        tier: the name of the tier whose draft was served, None on an abstention.
        fields: confidence by field, of a structured answer and of judged calls of tools.
        ask: calls that a person has to decide on.
        attempts: drafts that were made.
        conversation: confidence over the whole thread.
    """

    run_id: str
    mode: str
    action: str
    reason: str
    confidence: float | None
    signal: str | None
    calibrated: bool
    gated: bool
    tier: str | None
    model: str | None
    rounds: int
    attempts: int
    cost: float
    tokens: int
    latency_s: float
    fields: dict[str, float]
    ask: list[GateAsk]
    degraded: list[str]
    certificate: str | None
    conversation: GateConversation


def gate_decision(
    result: Result,
    *,
    names: tuple[str, ...],
    model: str | None,
    mode: str,
    conversation: ConversationConfidence,
    action: str | None = None,
    ask: list[GateAsk] | None = None,
) -> GateDecision:
    """The decision that a result stands for.

    Args:
        names: the tiers' names.
        model: what was called, as it calls itself.
        conversation: of all answers with this one.
        action: what is told instead of the result's own action.
    """
    served = result.best if result.tier is not None else None
    estimate = None if served is None else served.estimate
    known = estimate if isinstance(estimate, Estimate) else None
    return GateDecision(
        run_id=result.run_id,
        mode=mode,
        action=action or result.action.value,
        reason=result.reason,
        confidence=result.confidence,
        signal=None if known is None else known.signal,
        calibrated=known is not None and known.calibrated,
        gated=result.gated,
        tier=None if result.tier is None else names[result.tier],
        model=model,
        rounds=result.rounds,
        attempts=len(result.attempts),
        cost=result.cost,
        tokens=result.tokens,
        latency_s=result.latency_s,
        fields=_fields(result),
        ask=ask or [],
        degraded=list(result.degraded),
        certificate=result.certificate,
        conversation=GateConversation(
            answers=conversation.answers,
            unjudged=conversation.unjudged,
            expected_wrong=conversation.expected_wrong,
            all_right=list(conversation.all_right),
        ),
    )


def stamp_of(decision: GateDecision) -> dict[str, Any]:
    """What the served message itself carries: later turns of the conversation rest on it."""
    return {
        "run_id": decision["run_id"],
        "action": decision["action"],
        "confidence": decision["confidence"],
        "calibrated": decision["calibrated"],
        "gated": decision["gated"],
        "certificate": decision["certificate"],
    }


def asks_of(verdicts: tuple[CallVerdict, ...], calls: list[Any]) -> list[GateAsk]:
    """The calls of a message that a person has to decide on."""
    unsure = {one.risk.name: one for one in verdicts if not one.is_sure}
    found: list[GateAsk] = []
    for call in calls:
        verdict = unsure.get(call["name"])
        if verdict is not None:
            found.append(
                GateAsk(
                    call_id=str(call["id"]),
                    tool=verdict.risk.name,
                    confidence=verdict.confidence,
                    threshold=verdict.risk.threshold,
                    reason=verdict.in_words,
                )
            )
    return found


def session_of(config: Any, session: Session) -> Session:
    """Whose run it is: the thread is the agent's own where none was given."""
    thread = ((config or {}).get("configurable") or {}).get("thread_id")
    if session.thread is not None or thread is None:
        return session
    return Session(session.tenant, str(thread), session.user)


def _fields(result: Result) -> dict[str, float]:
    served = result.best
    found: dict[str, float] = {}
    if served is None:
        return found
    for name, reading in served.signals.items():
        if isinstance(reading, Signal) and (
            name == "field_confidence" or name.startswith("arguments:")
        ):
            found.update({key: float(value) for key, value in reading.details.items()})
    return found
