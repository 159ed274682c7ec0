"""Calls of tools as answers: how sure each must be of its arguments before it may be made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..router.decisions import Action, Attempt, Choice, Comparison, Decision
from ..router.errors import ConfigurationError
from ..router.protocols import Policy, Situation
from ..router.signals import Signal, Unavailable

__all__ = ["CallVerdict", "ToolRisk", "ToolRiskPolicy", "verdicts_on"]


@dataclass(frozen=True, slots=True)
class ToolRisk:
    """A tool whose calls are not made unless the model is sure of what it passes.

    Attributes:
        name: the tool's.
        threshold: confidence that the least sure argument of a call must have, in [0, 1]. It is a
            bare probability of tokens, not a calibrated one; 1 asks practically always.
        otherwise: what becomes of an unsure call once no further tier can be asked: `ask` lets a
            person decide, `block` abstains.
    """

    name: str
    threshold: float = 0.9
    otherwise: Literal["ask", "block"] = "ask"

    def __post_init__(self) -> None:
        """Refuse a threshold that is no share."""
        if not 0.0 <= self.threshold <= 1.0:
            raise ConfigurationError(
                f"the threshold of tool {self.name!r} is {self.threshold}; it must be in [0, 1]",
                field="tools",
            )

    @property
    def signal(self) -> str:
        """Name of the signal that its calls are judged by."""
        return f"arguments:{self.name}"


@dataclass(frozen=True, slots=True)
class CallVerdict:
    """How sure the calls of one tool are; `confidence` is None where nothing tells, and why."""

    risk: ToolRisk
    confidence: float | None
    why_not: str | None = None

    @property
    def is_sure(self) -> bool:
        """Whether the calls may be made without asking anybody."""
        return self.confidence is not None and self.confidence >= self.risk.threshold

    @property
    def in_words(self) -> str:
        """One clause for a reason."""
        if self.confidence is None:
            return f"nothing tells how sure {self.risk.name} is of its arguments: {self.why_not}"
        asked = self.risk.threshold
        return f"{self.risk.name} is {self.confidence:.2f} sure of its arguments, {asked:.2f} asked"


def verdicts_on(attempt: Attempt, risks: Mapping[str, ToolRisk]) -> tuple[CallVerdict, ...]:
    """One verdict for each tool with a declared risk that the attempt calls."""
    found = []
    for name in dict.fromkeys(call.name for call in attempt.tool_calls):
        risk = risks.get(name)
        if risk is None:
            continue
        reading = attempt.signals.get(risk.signal, Unavailable("was not read"))
        if isinstance(reading, Signal):
            found.append(CallVerdict(risk, reading.value))
        else:
            found.append(CallVerdict(risk, None, reading.reason))
    return tuple(found)


class ToolRiskPolicy:
    """Decides on drafts that call tools; leaves all others to another policy.

    A call of a tool without a declared risk passes, ungated. Where a risky one is unsure a further
    tier is asked; where none is left, the call is handed over ungated for a person to decide, or
    blocked by abstaining. Passages are not searched for: a call is no answer yet.

    Args:
        inner: decides on everything else.
        tools: names of all tools that there are; any other call is an answer in the form of a
            schema, and `inner` decides on it. None takes every call for one of a tool.
    """

    def __init__(
        self,
        inner: Policy,
        risks: Sequence[ToolRisk] = (),
        tools: Collection[str] | None = None,
    ) -> None:
        self.inner = inner
        self.risks = {risk.name: risk for risk in risks}
        self.tools = tools

    def decide(self, situation: Situation) -> Choice:
        """The choice for a draft that calls tools, or the inner policy's."""
        attempt = situation.attempt
        if attempt is None or not attempt.is_complete:
            return self.inner.decide(situation)
        calls = [
            one.name for one in attempt.tool_calls if self.tools is None or one.name in self.tools
        ]
        if not calls:
            return self.inner.decide(situation)
        verdicts = verdicts_on(attempt, self.risks)
        unsure = [one for one in verdicts if not one.is_sure]
        compared = tuple(_compared(one) for one in verdicts if one.confidence is not None)
        if unsure:
            return self._unsure(situation, unsure, compared)
        if not verdicts:
            names = ", ".join(dict.fromkeys(calls))
            reason = f"calls {names}, of which no risk is declared"
            return Decision(Action.ANSWER, reason, gated=False)
        reason = "; ".join(one.in_words for one in verdicts)
        return Decision(Action.ANSWER, reason, compared)

    def _unsure(
        self,
        situation: Situation,
        unsure: Sequence[CallVerdict],
        compared: tuple[Comparison, ...],
    ) -> Decision:
        words = "; ".join(one.in_words for one in unsure)
        if situation.escalate:
            tier = situation.escalate[0][0]
            return Decision(Action.ESCALATE, f"{words}; a larger model may be", compared, tier)
        if any(one.risk.otherwise == "block" for one in unsure):
            return Decision(Action.ABSTAIN, f"{words}; the call is blocked", compared)
        reason = f"{words}; a person has to decide"
        return Decision(Action.ANSWER, reason, compared, gated=False)


def _compared(verdict: CallVerdict) -> Comparison:
    confidence, bound = verdict.confidence or 0.0, verdict.risk.threshold
    return Comparison(verdict.risk.signal, confidence, ">=" if verdict.is_sure else "<", bound)
