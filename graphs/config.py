"""From settings to a built router: the one place where everything is put together."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from ..adapters.histories import HistoryStore
from ..adapters.tier_breaker import TierBreaker
from ..policies.monitor_store import MonitorStore
from ..policies.profile import Profile
from ..policies.revocable import PromiseGate
from ..policies.tool_passing import ToolPassingPolicy
from ..router.budget import Budget
from ..router.critic.corrective import Corrective
from ..router.critic.critics import Critic, CriticService
from ..router.drive import Router
from ..router.errors import ConfigurationError
from ..router.perform import Performer, Sampling
from ..router.plan import Plan, RetrievalPlan
from ..router.protocols import Policy
from ..router.sizing import PromptSizer
from .auditing import Audit, build_audit, build_monitor_store
from .caching import Caches, build_caches
from .caller_prompter import CallerPrompter
from .comparing import build_comparer
from .criticizing import serve_critic
from .deciding import BuiltPolicy, build_policy, signal_fingerprint
from .live_gate import build_release_gate, live_data
from .named_policies import named_routers
from .places import Surroundings
from .prompter import TemplatePrompter
from .remembering import configured_history
from .resilience import protected
from .retrieving import DocumentSearch, NoSearch, build_retriever, find_retriever
from .settings import BudgetSettings, PolicySettings, Settings, load_settings
from .stepping import build_step_gate, steps_data
from .tiers import build_model, known_of, lacking, license_notices, tier_plan

__all__ = [
    "Built",
    "BuiltPolicy",
    "Surroundings",
    "build",
    "build_comparer",
    "build_model",
    "build_policy",
    "build_retriever",
    "demo_folder",
    "demo_settings",
    "license_notices",
    "signal_fingerprint",
    "without_policy",
]

DEMO = "demo.toml"


@dataclass(frozen=True, slots=True)
class Built:
    """A router and what it was built from.

    Attributes:
        tier_counts: by tier, what happened to its calls: `retried`, `out_of_budget`, `opened`,
            `left_alone`, `hinted`, `overloaded`, `hedged`.
        history: the performer's, as a store; None where nothing is remembered.
        audit: draws what is to be labeled; the service notes its draws. None where it is off.
        monitor_store: keeps the state of the profile's certificate; None where there is none.
        gate: closes the gates once the certificate is revoked; None where there is none.
        named: routers of further policies and of exposed tiers, by the names that clients use.
        breakers: by tier, of those behind endpoints.
    """

    router: Router
    settings: Settings
    profile: Profile | None
    retriever: DocumentSearch | None
    notes: tuple[str, ...]
    critic: Critic | None = None
    caches: Caches | None = None
    tier_counts: Mapping[str, Counter[str]] = field(default_factory=dict)
    history: HistoryStore | None = None
    audit: Audit | None = None
    monitor_store: MonitorStore | None = None
    gate: PromiseGate | None = None
    breakers: Mapping[str, TierBreaker] = field(default_factory=dict)
    named: Mapping[str, Router] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The tiers' names, cheapest first."""
        return tuple(tier.name for tier in self.settings.tiers)


def demo_folder() -> Path:
    """Where the files of the shipped demo lie."""
    return Path(str(files(__package__).joinpath("defaults")))


def demo_settings() -> tuple[Settings, Path]:
    """The shipped configuration of the demo, and the folder that its paths start from."""
    folder = demo_folder()
    return load_settings(folder / DEMO), folder


def without_policy(settings: Settings) -> Settings:
    """The same deployment with a policy that never answers: for work that decides nothing."""
    thresholds: dict[str, float | tuple[float, ...]] = {tier.name: 1.0 for tier in settings.tiers}
    return settings.model_copy(update={"policy": PolicySettings(thresholds=thresholds)})


def build(
    settings: Settings,
    around: Surroundings | None = None,
    *,
    running: Built | None = None,
    profile: Profile | None = None,
) -> Built:
    """Build the router of a configuration. Models are loaded at their first call.

    A search index that cannot be made or read is no reason not to answer: it is noted, and every
    search fails, which runs report under `degraded`.

    Args:
        running: a deployment that this one is to follow; it goes on with the same history where
            the settings name the same.
        profile: decides instead of what the settings name; it must have been fitted for them.

    Raises:
        ConfigurationError: a name is unknown, weights or an extra are missing, a profile was not
            fitted for this, the documents cannot be read.
        BadInput: the profile's file cannot be read.
    """
    around = around or Surroundings()
    decides = build_policy(settings, around, profile)
    caches = build_caches(settings.cache, _decider(settings, decides))
    opened = tuple(build_model(tier, around) for tier in settings.tiers)
    counts = {tier.name: Counter[str]() for tier in settings.tiers}
    breakers: dict[str, TierBreaker] = {}
    models = tuple(
        caches.model(protected(model, tier, settings.resilience, counts[tier.name], breakers), tier)
        for model, tier in zip(opened, settings.tiers, strict=True)
    )
    history = _history(settings, around, running)
    audit = build_audit(settings.audit, around)
    # Last, since an index may take minutes: every other mistake is told before.
    found = find_retriever(settings, around)
    prompter = TemplatePrompter(tuple(tier.style for tier in settings.tiers))
    signals = (*decides.free, *decides.buyable)
    plan = Plan(
        tiers=tuple(
            tier_plan(tier, lacking(known_of(model), signals))
            for tier, model in zip(settings.tiers, opened, strict=True)
        ),
        policy=_deciding(settings, decides),
        assessor=decides.assessor,
        sizer=PromptSizer(prompter),
        free=decides.free,
        buyable=decides.buyable,
        budget=_budget(settings.budget),
        retrieval=None if found is None else _retrieval(settings, decides),
        remember=history is not None,
        compare_latency_s=max(settings.comparison.latency_s, settings.critic.latency_s),
        critiques=decides.critiques,
        certificate=decides.certificate,
        prior=None if decides.profile is None else decides.profile.prior,
        entry=None if decides.profile is None else decides.profile.entry_policy(),
        fallback=decides.fallback,
        prefix_gate=build_step_gate(settings, decides.certificate is not None, around),
        finish=settings.steps.finish,
        release_gate=build_release_gate(settings, decides.certificate is not None, around),
    )
    performer = Performer(
        plan,
        models,
        prompter,
        found,
        history,
        sampling=Sampling(settings.signals.top_logprobs, settings.signals.temperature),
        comparers=caches.comparers(decides.comparers),
        question_in=settings.comparison.question,
        critic=_critic(settings, decides, caches),
        rounds=prompter,
        fingerprint=_fingerprint(settings, decides, found, around),
        policy_id=None if decides.profile is None else decides.profile.fingerprint,
        may_repeat=(decides.gate or PromiseGate()).is_open,
    )
    performer.also_close(caches)
    talks = tuple(tier.style != "few_shot" for tier in settings.tiers)
    router = Router(plan, performer, callers=lambda asked: CallerPrompter(asked, talks, prompter))
    retriever = None if isinstance(found, NoSearch) else found
    notes = () if found is None else found.notes
    return Built(
        router,
        settings,
        decides.profile,
        retriever,
        notes,
        decides.critic,
        caches,
        counts,
        history,
        audit,
        build_monitor_store(settings, around) if decides.certificate is not None else None,
        decides.gate,
        breakers,
        named_routers(settings, around, router),
    )


def _history(
    settings: Settings, around: Surroundings, running: Built | None
) -> HistoryStore | None:
    if running is not None and running.settings.history == settings.history:
        return running.history
    return configured_history(settings, around)


def _critic(settings: Settings, decides: BuiltPolicy, caches: Caches) -> CriticService | None:
    if decides.critic is None:
        return None
    return serve_critic(decides.critic, settings.critic, caches)


def _deciding(settings: Settings, decides: BuiltPolicy) -> Policy:
    passes = settings.policy.tool_calls == "pass"
    return ToolPassingPolicy(decides.policy) if passes else decides.policy


def _decider(settings: Settings, decides: BuiltPolicy) -> str:
    """Fingerprint of prompts, signals and profile: part of every cached result's key."""
    critic = None if decides.critic is None else decides.critic.version
    how = signal_fingerprint(settings, decides.comparers, critic)
    profile = decides.profile
    policy = settings.policy.model_dump() if profile is None else profile.fingerprint
    return hashlib.sha256(json.dumps([how, policy], sort_keys=True).encode()).hexdigest()


def _budget(settings: BudgetSettings) -> Budget:
    return Budget(
        settings.max_cost,
        settings.deadline_s,
        settings.max_calls,
        settings.max_tokens,
        settings.rounds,
        settings.max_steps,
        settings.max_risk,
    )


def _retrieval(settings: Settings, decides: BuiltPolicy) -> RetrievalPlan:
    given, stop = settings.retrieval, settings.retrieval.stop_unchanged
    if stop is None:  # what was certified over recorded rounds knows no such stop
        stop = decides.certificate is None
    for key in ("situated_margin", "least_gain"):
        if getattr(given, key) is not None and decides.certificate is not None:
            raise ConfigurationError(
                f"retrieval.{key}: the profile is certified without it, and its promise would not "
                "hold; leave it out, or fit with --uncertified",
                field=f"retrieval.{key}",
            )
    bounds = given.corrective
    return RetrievalPlan(
        k=given.k,
        queries=given.queries,
        stop_unchanged=stop,
        situated_margin=given.situated_margin,
        least_gain=given.least_gain,
        corrective=None if bounds is None else Corrective(bounds.accept, bounds.discard),
    )


def _fingerprint(
    settings: Settings, decides: BuiltPolicy, found: DocumentSearch | None, around: Surroundings
) -> str:
    """What a repeated question must agree on to be answered from the history."""
    signals, profile = settings.signals, decides.profile
    critic = None if decides.critic is None else decides.critic.version
    how = signal_fingerprint(settings, decides.comparers, critic)
    parts = {
        "tiers": [[tier.model, tier.base_url, tier.context] for tier in settings.tiers],
        "signals": [how, *signals.free, "bought", *signals.buy, *signals.fallback],
        "policy": settings.policy.model_dump() if profile is None else profile.fingerprint,
        "documents": None if found is None else found.fingerprint,
    }
    margin = settings.retrieval.situated_margin
    if margin is not None:  # else absent: what was answered before it existed is still recognized
        parts["situated_margin"] = margin
    if settings.steps.gates or settings.steps.thresholds:
        parts["steps"] = steps_data(settings, around)
    if settings.live.gates:
        parts["live"] = live_data(settings, around)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
