"""What decides, made from its settings: estimators, policy and calibrators."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..policies.fallback import FallbackPolicy
from ..policies.profile import Profile, load_profile
from ..policies.revocable import PromiseGate, RevocablePolicy
from ..policies.threshold import ThresholdPolicy, threshold_rules
from ..router.assessing import BareAssessor
from ..router.critic.critics import Critic
from ..router.errors import ConfigurationError
from ..router.estimators.catalogue import ALIASES, CATALOGUE, Options, estimator
from ..router.estimators.given_signal import GivenSignal
from ..router.protocols import Assessor, Comparer, Estimator, Needs, Policy
from ..router.requests import CompareKind
from .comparing import build_comparer
from .criticizing import build_critic
from .falling_back import check_stand_ins, own_policies
from .places import Surroundings
from .prompter import prompts_fingerprint, round_prompts_fingerprint
from .settings import Settings

__all__ = ["BuiltPolicy", "build_policy", "signal_fingerprint"]


@dataclass(frozen=True, slots=True)
class BuiltPolicy:
    """Estimators with their comparers, policy and calibrators, and the profile these came from.

    `fallback` names those of the estimators that stand in for the others. `gate` closes the gates
    of a certified policy.
    """

    free: tuple[Estimator, ...]
    buyable: tuple[Estimator, ...]
    policy: Policy
    assessor: Assessor
    profile: Profile | None = None
    comparers: Mapping[CompareKind, Comparer] = field(default_factory=dict)
    critic: Critic | None = None
    fallback: tuple[str, ...] = ()
    gate: PromiseGate | None = None

    @property
    def critiques(self) -> bool:
        """Whether a free signal relies on the critic, so that every draft is put before it."""
        return any(one.needs.critique for one in self.free)

    @property
    def certificate(self) -> str | None:
        """Name of the certificate that vouches for gated answers."""
        found = None if self.profile is None else self.profile.certificate
        return None if found is None else found.id


def build_policy(
    settings: Settings, around: Surroundings, active: Profile | None = None
) -> BuiltPolicy:
    """Everything that decides. Raises a ConfigurationError or BadInput as `build`.

    Args:
        active: decides instead of what the settings name.
    """
    free, buyable, stand_ins = _estimators(settings)
    comparers = _comparers(settings, buyable, around)
    critic = build_critic(settings, (*free, *buyable), around)
    how = signal_fingerprint(settings, comparers, None if critic is None else critic.version)
    policy, names = settings.policy, tuple(tier.name for tier in settings.tiers)
    if active is None and policy.profile is not None and policy.thresholds is not None:
        raise ConfigurationError(
            "policy: give either a profile or thresholds, not both", field="policy"
        )
    profile = active
    if profile is None and policy.profile is not None:
        profile = load_profile(around.path(policy.profile))
    if profile is not None:
        models = [tier.model for tier in settings.tiers]
        profile.check(models, (*free, *buyable), how)
        judge: Policy = profile.policy()
        if stand_ins:
            check_stand_ins(profile, stand_ins)
            judge = FallbackPolicy(judge, stand_ins, {}, _critics(free))
        gate = None
        if profile.certificate is not None:
            gate = PromiseGate()
            judge = RevocablePolicy(judge, gate, names)
        return BuiltPolicy(
            free, buyable, judge, profile.assessor(), profile, comparers, critic, stand_ins, gate
        )
    if policy.thresholds is None:
        raise ConfigurationError(
            "policy: neither a profile nor thresholds; fit a profile with `surefoot fit`, or set "
            "policy.thresholds = { " + ", ".join(f"{name} = 0.7" for name in names) + " }",
            field="policy",
        )
    given_by_name = policy.thresholds
    rules = tuple(
        rule
        for tier, name in enumerate(names)
        for rule in threshold_rules(tier, given_by_name[name])
    )
    given = settings.signals.given
    bought = tuple(found.name for found in buyable)
    order = (*given, *bought, *(found.name for found in free[len(given) :]))
    primary = tuple(name for name in order if name not in stand_ins)
    decides: Policy = ThresholdPolicy(rules, names, policy.floor)
    if stand_ins:
        own = own_policies(policy.fallback or {}, names)
        decides = FallbackPolicy(decides, stand_ins, own, _critics(free))
    return BuiltPolicy(
        free,
        buyable,
        decides,
        BareAssessor((*primary, *stand_ins)),
        comparers=comparers,
        critic=critic,
        fallback=stand_ins,
    )


def signal_fingerprint(
    settings: Settings,
    comparers: Mapping[CompareKind, Comparer] | None = None,
    critic: str | None = None,
) -> str:
    """SHA-256 of the prompts and of how signals are read: what calibration depends on.

    Args:
        comparers: those that the configured signals are bought with.
        critic: version of the critic that signals rely on, if any does.
    """
    signals = settings.signals
    how: dict[str, object] = {
        "prompts": prompts_fingerprint(),
        "styles": [tier.style for tier in settings.tiers],
        "max_output": [tier.max_output for tier in settings.tiers],
        "samples": signals.samples,
        "temperature": signals.temperature,
        "top_logprobs": signals.top_logprobs,
        "content_filter": signals.content_filter,
        "k": settings.retrieval.k,
    }
    styles = {tier.style for tier in settings.tiers}
    several = settings.budget.rounds > 1  # a first search is for the question in any case
    if "reasoned" in styles or (several and settings.retrieval.queries != "question"):
        how["round_prompts"] = round_prompts_fingerprint()  # else absent, as below
        how["queries"] = settings.retrieval.queries
    if settings.retrieval.encoder is not None:
        how["encoder"] = settings.retrieval.encoder
    if settings.retrieval.langchain is not None:
        how["langchain"] = settings.retrieval.langchain
    if settings.retrieval.corrective is not None:
        how["corrective"] = settings.retrieval.corrective.model_dump()
    if critic is not None:
        how["critic"] = critic
    if comparers:  # absent and not empty: profiles without comparisons keep their fingerprint
        how["comparers"] = {kind: comparer.name for kind, comparer in comparers.items()}
        if "nli" in comparers:
            how["question"] = settings.comparison.question
    return hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()


def _comparers(
    settings: Settings, buyable: tuple[Estimator, ...], around: Surroundings
) -> Mapping[CompareKind, Comparer]:
    """What the signals need, and no more: nobody installs a library for a signal they never buy."""
    found: dict[CompareKind, Comparer] = {}
    for signal in buyable:
        kind = signal.needs.compare
        if kind is None or kind in found:
            continue
        comparer = build_comparer(settings.comparison, kind, around)
        if comparer is None:
            raise ConfigurationError(
                f"signals.buy: '{signal.name}' compares answers by {kind}, and nothing is "
                f'configured that can: set comparison.{kind} = "transformers:NAME_OR_PATH"',
                field=f"comparison.{kind}",
            )
        found[kind] = comparer
    return found


def _critics(free: tuple[Estimator, ...]) -> tuple[str, ...]:
    return tuple(one.name for one in free if one.needs.critique)


def _estimators(
    settings: Settings,
) -> tuple[tuple[Estimator, ...], tuple[Estimator, ...], tuple[str, ...]]:
    """Those that are free, those that have to be bought, and the names of those that stand in."""
    options = Options(settings.signals.content_filter, settings.signals.samples)
    given = tuple(_given(name) for name in settings.signals.given)
    free = (*given, *(_estimator(name, "free", options) for name in settings.signals.free))
    buyable = tuple(_estimator(name, "buy", options) for name in settings.signals.buy)
    for found in free:
        # The critic is local: with one configured, every draft is put before it anyway.
        if not found.needs.is_free and found.needs != Needs(critique=True):
            raise ConfigurationError(
                f"signals.free: '{found.name}' has to be bought; name it under signals.buy",
                field="signals.free",
            )
    stand_ins = tuple(_estimator(name, "fallback", options) for name in settings.signals.fallback)
    free = (*free, *(one for one in stand_ins if one.needs.is_free))
    buyable = (*buyable, *(one for one in stand_ins if not one.needs.is_free))
    names = [one.name for one in (*free, *buyable)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"signals: '{twice}' is named twice", field="signals")
    return free, buyable, tuple(one.name for one in stand_ins)


def _given(name: str) -> Estimator:
    if name in CATALOGUE or name in ALIASES:
        raise ConfigurationError(
            f"signals.given: '{name}' is an estimator's name; give yours another",
            field="signals.given",
        )
    return GivenSignal(name)


def _estimator(name: str, key: str, options: Options) -> Estimator:
    try:
        return estimator(name, options)
    except ConfigurationError as error:
        raise ConfigurationError(f"signals.{key}: {error}", field=f"signals.{key}") from error
