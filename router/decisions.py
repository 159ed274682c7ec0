"""What was tried, what was decided, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from .evidence import FinishReason, Passage, ToolCall, is_whole
from .signals import Estimate, Reading, Unavailable

__all__ = [
    "Action",
    "Alternative",
    "Attempt",
    "Buy",
    "Choice",
    "Comparison",
    "Decision",
    "Entry",
    "Result",
    "Rung",
    "TrailStep",
]


NOT_ASSESSED = Unavailable("not assessed")


class Action(StrEnum):
    """The four things that can be done with a request."""

    ANSWER = "answer"
    RETRIEVE = "retrieve"
    ESCALATE = "escalate"
    ABSTAIN = "abstain"


class Rung(NamedTuple):
    """Where on the ladder an attempt stands; thresholds and calibrators are kept per rung.

    Attributes:
        tier: number of the tier, from 0, cheapest first.
        round: retrievals made before the attempt; 0 is closed book.
        retrieved: whether the attempt saw passages.
    """

    tier: int
    round: int
    retrieved: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One draft by one tier, without its tokens (those stay with the evidence).

    Attributes:
        tool_calls: what it asks to be called; such a draft may have no text.
        begun: how it begins, as lower tiers wrote it, before the tier wrote the rest; "" where it
            wrote all of it.
        stopped: why the prefix gate ended it, in words; "" where it did not.
        released: why it was shown while it was being written, in words; "" where it was not.
    """

    id: str
    tier: int
    round: int
    retrieved: bool
    text: str
    finish_reason: FinishReason | None
    cost: float | None
    latency_s: float
    signals: Mapping[str, Reading] = field(default_factory=dict)
    signal_costs: Mapping[str, float | None] = field(default_factory=dict)
    estimate: Estimate | Unavailable = NOT_ASSESSED
    passage_ids: tuple[str, ...] = ()
    rationale: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    begun: str = ""
    stopped: str = ""
    released: str = ""

    @property
    def rung(self) -> Rung:
        """The attempt's place on the ladder."""
        return Rung(self.tier, self.round, self.retrieved)

    @property
    def is_complete(self) -> bool:
        """Whether text or tool calls are whole; only such an attempt can be served."""
        return is_whole(self.finish_reason, self.text, self.tool_calls)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One pair of numbers that a decision rests on, e.g. estimate 0.62 < threshold 0.70."""

    name: str
    value: float
    relation: str
    bound: float


@dataclass(frozen=True, slots=True)
class Alternative:
    """Something else that could have been done, what it would cost, and why it could not be.

    `cost` is in the deployment's currency, None where unknown; `why_not` is None where the
    alternative was open.
    """

    action: Action
    tier: int | None
    cost: float | None
    latency_s: float
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """An action, the reason in words, and the numbers that were compared.

    Attributes:
        tier: the target of an escalation.
        attempt: id of the attempt that is answered with; None stands for the current one.
        gated: whether an answer was let through by a gate. One that is handed over without being
            judged (a last tier that nothing vouches for) is served all the same, and no
            certificate covers it.
    """

    action: Action
    reason: str
    compared: tuple[Comparison, ...] = ()
    tier: int | None = None
    attempt: str | None = None
    gated: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """The tier that drafts first, chosen before anything was generated."""

    tier: int
    reason: str
    compared: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True)
class Buy:
    """A policy's wish to pay for one more signal before it chooses an action."""

    signal: str
    reason: str
    compared: tuple[Comparison, ...] = ()


Choice = Decision | Buy
"""What a policy returns."""


@dataclass(frozen=True, slots=True)
class TrailStep:
    """One request, what came back, and what was concluded from it.

    Attributes:
        step: from 1.
        request: the request in words, e.g. `draft`, `sample x5`.
        tier: number of the tier that was asked, None where none was.
        outcome: what came back, in words; a failure says so.
        action: one of the four actions, `buy`, or None where nothing was decided at this step.
    """

    step: int
    request: str
    tier: int | None
    outcome: str
    signals: Mapping[str, Reading] = field(default_factory=dict)
    estimate: Estimate | Unavailable | None = None
    compared: tuple[Comparison, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    action: str | None = None
    reason: str | None = None
    cost: float | None = 0.0
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended.

    Attributes:
        action: answer or abstain.
        answer: the served text, None on an abstention.
        confidence: the served attempt's estimate, None where there is none.
        best: the served attempt; on an abstention the best complete one there was, if any (the
            review queue shows it).
        degraded: what did not work as configured, in words; each also stands in the trail.
        gated: whether the answer was let through by a gate; False on an abstention.
        certificate: name of the certificate that vouches for the answer, None where none does.
        queries: what was searched for, oldest first.
        found_in: per passage, the search that found it, from 1.
        tokens_out: those of the tokens that models wrote, over all attempts.
        released: why a draft was shown before it was whole: the answer, or one that broke off; ""
            where nothing was shown.
        overruled: what the policy would have done instead of answering, of an answer that had been
            shown before it was whole; "" where it would have answered with it, and of all others.
    """

    run_id: str
    question: str
    action: Action
    answer: str | None
    confidence: float | None
    reason: str
    tier: int | None
    model: str | None
    rounds: int
    cost: float
    latency_s: float
    calls: int
    tokens: int
    best: Attempt | None
    attempts: tuple[Attempt, ...]
    passages: tuple[Passage, ...]
    degraded: tuple[str, ...]
    trail: tuple[TrailStep, ...]
    certificate: str | None = None
    recognized: bool = False
    gated: bool = False
    queries: tuple[str, ...] = ()
    found_in: tuple[int, ...] = ()
    tokens_out: int = 0
    released: str = ""
    overruled: str = ""
