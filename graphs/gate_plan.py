"""What a gate is built from: tiers, policy, estimators, and who performs what is no model call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..policies.conversation_limit import ConversationPolicy
from ..policies.profile import Profile, load_profile
from ..policies.threshold import ThresholdPolicy, threshold_rules
from ..policies.tool_risk import ToolRisk, ToolRiskPolicy
from ..router.assessing import BareAssessor
from ..router.conversation_confidence import ConversationConfidence
from ..router.errors import ConfigurationError
from ..router.estimators.catalogue import estimator
from ..router.estimators.field_confidence import FieldConfidence
from ..router.evidence import FinishReason
from ..router.perform import Performer, Session
from ..router.plan import Plan, TierPlan
from ..router.protocols import Assessor, Estimator, Policy
from .gate_messages import MessageSizer
from .gate_models import GateTier, ReadyModels, model_name
from .gate_state import GateDecision
from .prompter import TemplatePrompter

__all__ = [
    "Gate",
    "GateMode",
    "Thresholds",
    "gate_policy",
    "gate_signals",
    "gate_tiers",
    "structured_assessor",
]

GateMode = Literal["gate", "observe"]
Thresholds = float | Mapping[str, float]

_NO_LIMIT = 1 << 24  # tokens; of a model that does not tell its context


@dataclass(frozen=True, slots=True)
class Gate:
    """A built gate; the same for all requests.

    Attributes:
        plan: of a draft without a schema; sizes are of no request yet.
        structured: reads answers that have to follow a schema.
        tiers: the tiers above the agent's own model, with their models made.
        conversation_limit: wrong answers to expect in a thread at most; None for no limit.
    """

    plan: Plan
    structured: Assessor
    base: Policy
    risks: tuple[ToolRisk, ...]
    tiers: tuple[GateTier, ...]
    performer: Performer
    prompter: TemplatePrompter
    ready: ReadyModels
    session: Session
    mode: GateMode
    records: bool
    temperature: float
    unmarked: FinishReason | None
    abstain: str | Callable[[GateDecision], str]
    on_decision: Callable[[GateDecision], None] | None
    conversation_limit: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The tiers' names."""
        return tuple([tier.name for tier in self.plan.tiers])

    def plan_for(self, request: Any, size: int, before: ConversationConfidence) -> Plan:
        """The plan of one request of the agent's, with a prompt of so many tokens.

        Args:
            before: of the answers that the thread has.
        """
        plan = self._plan_for(request, size)
        if self.conversation_limit is None:
            return plan
        return replace(
            plan, policy=ConversationPolicy(plan.policy, before, self.conversation_limit)
        )

    def _plan_for(self, request: Any, size: int) -> Plan:
        sizer = MessageSizer(size)
        if request.response_format is None:
            return replace(self.plan, sizer=sizer)
        called = {_tool_name(tool) for tool in request.tools}
        policy = ToolRiskPolicy(self.base, self.risks, called)
        return replace(
            self.plan,
            sizer=sizer,
            policy=policy,
            assessor=self.structured,
            free=(*self.plan.free, FieldConfidence()),
        )

    def words_of_abstention(self, decision: GateDecision) -> str:
        """What the agent says where nothing is sure enough."""
        return self.abstain if isinstance(self.abstain, str) else self.abstain(decision)


def gate_tiers(
    first: GateTier, escalate_to: Sequence[Any]
) -> tuple[tuple[GateTier, ...], tuple[TierPlan, ...]]:
    """The tiers with their models made, and as the loop sees them, the agent's own first.

    Raises:
        ConfigurationError: two have the same name.
    """
    tiers = [first, *(_tier(given) for given in escalate_to)]
    plans = tuple(_tier_plan(tier) for tier in tiers)
    names = [plan.name for plan in plans]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(
            f"two tiers are called '{twice}'; give GateTier(model, name=...) names of their own",
            field="escalate_to",
        )
    return tuple(tiers), plans


def _tier(given: Any) -> GateTier:
    tier = given if isinstance(given, GateTier) else GateTier(given)
    if not isinstance(tier.model, str):
        return tier
    from langchain.chat_models import init_chat_model

    made = init_chat_model(tier.model)
    return replace(tier, model=made, name=tier.name or tier.model)


def _tier_plan(tier: GateTier) -> TierPlan:
    name = "agent" if tier.model is None else model_name(tier.model)
    context = tier.context
    if context is None:
        profile = getattr(tier.model, "profile", None) or {}
        found = profile.get("max_input_tokens")
        context = found if type(found) is int else _NO_LIMIT
    max_output = min(tier.max_output, context // 2)
    return TierPlan(tier.name or name, name, context, max_output, tier.price, tier.latency_s)


def gate_policy(
    tiers: Sequence[TierPlan],
    threshold: Thresholds | None,
    profile: Profile | str | Path | None,
    floor: float | None,
) -> tuple[Policy, Assessor | None, Profile | None]:
    """What decides on plain answers; the assessor is the profile's, where there is one.

    Raises:
        ConfigurationError: both or neither are given, or a tier has no threshold.
    """
    if (threshold is None) == (profile is None):
        raise ConfigurationError(
            "the gate needs either threshold=0.8, say, or profile='profile.json' as `surefoot fit` "
            "writes it",
            field="threshold",
        )
    if profile is not None:
        found = profile if isinstance(profile, Profile) else load_profile(Path(profile))
        return found.policy(), found.assessor(), found
    assert threshold is not None
    names = tuple(tier.name for tier in tiers)
    rules = tuple(
        rule
        for tier, name in enumerate(names)
        for rule in threshold_rules(tier, _threshold(threshold, name, names))
    )
    return ThresholdPolicy(rules, names, floor), None, None


def _threshold(given: Thresholds, name: str, names: tuple[str, ...]) -> float:
    if isinstance(given, int | float):
        return float(given)
    unknown = [one for one in given if one not in names]
    if unknown or name not in given:
        raise ConfigurationError(
            f"thresholds are for {', '.join(given)}; the tiers are {', '.join(names)}",
            field="threshold",
        )
    return given[name]


def gate_signals(
    names: Sequence[str], risks: Sequence[ToolRisk]
) -> tuple[tuple[Estimator, ...], tuple[Estimator, ...]]:
    """The estimators of answers, and those of calls of tools."""
    plain = tuple(estimator(name) for name in names)
    for one in plain:
        if not one.needs.is_free and not one.needs.critique:
            raise ConfigurationError(
                f"signals: '{one.name}' has to be bought; name it under buy", field="signals"
            )
    return plain, tuple(FieldConfidence(risk.name) for risk in risks)


def structured_assessor(order: Sequence[str]) -> Assessor:
    """Goes by the least sure field, and by the signals of plain answers where there is none."""
    return BareAssessor(("field_confidence", *order))


def _tool_name(tool: Any) -> str:
    if isinstance(tool, Mapping):
        function = tool.get("function")
        source = function if isinstance(function, Mapping) else tool
        return str(source.get("name", ""))
    return str(getattr(tool, "name", ""))
