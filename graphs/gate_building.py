"""From the arguments of the middleware to a built gate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..adapters.histories import open_history
from ..adapters.retriever_langchain import LangChainRetriever
from ..policies.conversation_limit import ConversationPolicy
from ..policies.profile import Profile
from ..policies.tool_risk import ToolRisk, ToolRiskPolicy
from ..router.assessing import BareAssessor
from ..router.budget import Budget
from ..router.conversation_confidence import ConversationConfidence
from ..router.critic.critics import CriticService
from ..router.errors import ConfigurationError
from ..router.estimators.catalogue import estimator
from ..router.evidence import FinishReason
from ..router.perform import Performer, Sampling, Session
from ..router.plan import Plan, RetrievalPlan, TierPlan
from ..router.protocols import Assessor, Comparer, Estimator, History, Policy, Retriever
from ..router.requests import CompareKind
from .gate_messages import MessageSizer
from .gate_models import GateTier, ReadyModels
from .gate_plan import (
    Gate,
    GateMode,
    Thresholds,
    gate_policy,
    gate_signals,
    gate_tiers,
    structured_assessor,
)
from .gate_state import GateDecision
from .prompter import TemplatePrompter

__all__ = ["GateManner", "GateParts", "GatePolicy", "GateSignals", "build_gate"]


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """What decides; the arguments of that name of the middleware."""

    threshold: Thresholds | None
    profile: Profile | str | Path | None
    floor: float | None
    policy: Policy | None

    def made(self, tiers: Sequence[TierPlan]) -> tuple[Policy, Assessor | None, Profile | None]:
        """Policy, and of a profile its calibrators and itself."""
        if self.policy is not None:
            return self.policy, None, None
        return gate_policy(tiers, self.threshold, self.profile, self.floor)


@dataclass(frozen=True, slots=True)
class GateSignals:
    """What is read, and how models are asked for it."""

    names: tuple[str, ...]
    buy: tuple[str, ...]
    tools: tuple[ToolRisk, ...]
    top_logprobs: int | None
    temperature: float


@dataclass(frozen=True, slots=True)
class GateParts:
    """What performs requests that are no calls of a model."""

    retriever: object | None
    k: int
    history: History | str | None
    critic: CriticService | None
    comparers: Mapping[CompareKind, Comparer] | None


@dataclass(frozen=True, slots=True)
class GateManner:
    """How the gate behaves towards the agent."""

    mode: GateMode
    abstain: str | Callable[[GateDecision], str]
    on_decision: Callable[[GateDecision], None] | None
    unmarked: FinishReason | None
    session: Session
    conversation_limit: float | None = None


def build_gate(
    first: GateTier,
    escalate_to: Sequence[Any],
    decides: GatePolicy,
    reads: GateSignals,
    parts: GateParts,
    manner: GateManner,
    budget: Budget,
) -> Gate:
    """The gate; raises a ConfigurationError as the middleware says."""
    tiers, plans = gate_tiers(first, escalate_to)
    base, assessor, profile = decides.made(plans)
    plain, calls = gate_signals(reads.names, reads.tools)
    bought = tuple(estimator(name) for name in reads.buy)
    _check(profile, plans, (*plain, *bought))
    order = tuple(one.name for one in (*bought, *plain))
    certificate = None if profile is None else profile.certificate
    _check_limit(manner.conversation_limit, base, certificate is not None)
    plan = Plan(
        plans,
        ToolRiskPolicy(base, reads.tools),
        assessor or BareAssessor(order),
        MessageSizer(0),
        free=(*plain, *calls),
        buyable=() if manner.mode == "observe" else bought,
        budget=budget,
        retrieval=None if parts.retriever is None else RetrievalPlan(k=parts.k, queries="model"),
        critiques=any(one.needs.critique for one in plain),
        certificate=None if certificate is None else certificate.id,
    )
    prompter = TemplatePrompter(tuple("chat" for _ in plans))
    ready = _ready((*plain, *calls, *bought), reads.top_logprobs, manner.mode)
    store = open_history(parts.history) if isinstance(parts.history, str) else parts.history
    performer = Performer(
        plan,
        (),
        prompter,
        None if parts.retriever is None else _retriever(parts.retriever),
        store,
        sampling=Sampling(ready.top_logprobs, reads.temperature),
        comparers=parts.comparers,
        critic=parts.critic,
        rounds=prompter,
        fingerprint=f"agent {manner.mode}",  # no other door may take it for an answer of its own
        policy_id=None if profile is None else profile.fingerprint,
    )
    return Gate(
        plan,
        assessor or structured_assessor(order),
        base,
        reads.tools,
        tiers,
        performer,
        prompter,
        ready,
        manner.session,
        manner.mode,
        store is not None,
        reads.temperature,
        manner.unmarked,
        manner.abstain,
        manner.on_decision,
        manner.conversation_limit,
    )


def _check_limit(limit: float | None, base: Policy, is_certified: bool) -> None:
    if limit is None:
        return
    ConversationPolicy(base, ConversationConfidence(), limit)
    if is_certified:
        raise ConfigurationError(
            "conversation_limit: the profile is certified over single answers, and its promise "
            "would not hold for what a conversation's limit lets through; leave it out, or fit "
            "with --uncertified",
            field="conversation_limit",
        )


def _check(
    profile: Profile | None, plans: Sequence[TierPlan], estimators: Sequence[Estimator]
) -> None:
    """Refuse a profile fitted on something else; the agent's own model is not known yet."""
    if profile is None:
        return
    models = [plan.model for plan in plans]
    if profile.tiers and profile.tiers[0].model is not None:
        models[0] = profile.tiers[0].model
    profile.check(models, estimators, "agent")


def _ready(
    estimators: Sequence[Estimator], top_logprobs: int | None, mode: GateMode
) -> ReadyModels:
    needs = [one.needs for one in estimators]
    asked = any(need.logprobs or need.top_logprobs for need in needs)
    most = max(need.top_logprobs for need in needs)
    return ReadyModels(asked, most if top_logprobs is None else top_logprobs, mode == "gate")


def _retriever(given: Any) -> Retriever:
    own = asyncio.iscoroutinefunction(getattr(given, "search", None))
    return given if own else LangChainRetriever(given)
