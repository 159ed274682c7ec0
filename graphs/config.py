"""From settings to a built router: the one place where everything is put together."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from ..adapters.histories import open_history
from ..adapters.models import ModelSpec, open_model
from ..adapters.retriever_tantivy import TantivyRetriever, open_documents, open_python_docs
from ..policies.profile import Profile, load_profile
from ..policies.threshold import RungRule, ThresholdPolicy
from ..router.assessing import BareAssessor
from ..router.budget import Budget
from ..router.drive import Router
from ..router.errors import ConfigurationError
from ..router.estimators.catalogue import Options, estimator
from ..router.perform import Performer, Sampling
from ..router.plan import Plan, RetrievalPlan, TierPlan
from ..router.protocols import Assessor, Estimator, Model, Policy
from ..router.sizing import PromptSizer
from .places import Places, default_places
from .prompter import TemplatePrompter, prompts_fingerprint
from .settings import PolicySettings, Settings, TierSettings, load_settings

__all__ = [
    "Built",
    "BuiltPolicy",
    "Surroundings",
    "build",
    "build_model",
    "build_policy",
    "build_retriever",
    "demo_folder",
    "demo_settings",
    "history_url",
    "signal_fingerprint",
    "without_policy",
]

DEMO = "demo.toml"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a build takes from its surroundings.

    Attributes:
        folder: relative paths of the configuration start here.
        environment: where API keys are looked up.
        progress: called with what is being done, units done and units in all.
    """

    folder: Path = field(default_factory=Path.cwd)
    places: Places = field(default_factory=default_places)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    progress: Callable[[str, int, int], None] | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A router and what it was built from."""

    router: Router
    settings: Settings
    profile: Profile | None
    retriever: TantivyRetriever | None
    notes: tuple[str, ...]

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
    thresholds = {tier.name: 1.0 for tier in settings.tiers}
    return settings.model_copy(update={"policy": PolicySettings(thresholds=thresholds)})


def signal_fingerprint(settings: Settings) -> str:
    """SHA-256 of the prompts and of how signals are read: what calibration depends on."""
    signals = settings.signals
    how = {
        "prompts": prompts_fingerprint(),
        "styles": [tier.style for tier in settings.tiers],
        "max_output": [tier.max_output for tier in settings.tiers],
        "samples": signals.samples,
        "temperature": signals.temperature,
        "top_logprobs": signals.top_logprobs,
        "content_filter": signals.content_filter,
        "k": settings.retrieval.k,
    }
    return hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()


def build(settings: Settings, around: Surroundings | None = None) -> Built:
    """Build the router of a configuration. Models are loaded at their first call.

    Raises:
        ConfigurationError: a name is unknown, weights or an extra are missing, a profile does not
            fit, the documents cannot be read.
        StoreError: the history cannot be opened.
    """
    around = around or Surroundings()
    decides = build_policy(settings, around)
    retriever = build_retriever(settings, around)
    prompter = TemplatePrompter(tuple(tier.style for tier in settings.tiers))
    url = history_url(settings, around)
    budget = settings.budget
    plan = Plan(
        tiers=tuple(_tier(tier) for tier in settings.tiers),
        policy=decides.policy,
        assessor=decides.assessor,
        sizer=PromptSizer(prompter),
        free=decides.free,
        buyable=decides.buyable,
        budget=Budget(
            budget.max_cost,
            budget.deadline_s,
            budget.max_calls,
            budget.max_tokens,
            budget.rounds,
            budget.max_steps,
        ),
        retrieval=None if retriever is None else RetrievalPlan(k=settings.retrieval.k),
        remember=url is not None,
    )
    performer = Performer(
        plan,
        tuple(build_model(tier, around) for tier in settings.tiers),
        prompter,
        retriever,
        None if url is None else open_history(url),
        sampling=Sampling(settings.signals.top_logprobs, settings.signals.temperature),
        fingerprint=_fingerprint(settings, decides.profile, retriever),
    )
    notes = () if retriever is None else retriever.notes
    return Built(Router(plan, performer), settings, decides.profile, retriever, notes)


def _tier(tier: TierSettings) -> TierPlan:
    price = None if tier.price == "unknown" else tier.price.per_token()
    return TierPlan(tier.name, tier.model, tier.context, tier.max_output, price, tier.latency_s)


def build_model(tier: TierSettings, around: Surroundings) -> Model:
    key = None
    if tier.api_key_env is not None:
        key = around.environment.get(tier.api_key_env)
        if not key:
            raise ConfigurationError(
                f"tier '{tier.name}': the environment variable {tier.api_key_env} is not set",
                field=f"tiers.{tier.name}.api_key_env",
            )
    return open_model(
        ModelSpec(
            tier.model,
            context=tier.context,
            base_url=tier.base_url,
            api_key=key,
            cache_dir=around.places.cache / "weights",
        )
    )


def _estimators(settings: Settings) -> tuple[tuple[Estimator, ...], tuple[Estimator, ...]]:
    options = Options(settings.signals.content_filter, settings.signals.samples)
    free = tuple(_estimator(name, "free", options) for name in settings.signals.free)
    buyable = tuple(_estimator(name, "buy", options) for name in settings.signals.buy)
    for found in free:
        if not found.needs.is_free:
            raise ConfigurationError(
                f"signals.free: '{found.name}' has to be bought; name it under signals.buy",
                field="signals.free",
            )
    return free, buyable


def _estimator(name: str, key: str, options: Options) -> Estimator:
    try:
        return estimator(name, options)
    except ConfigurationError as error:
        raise ConfigurationError(f"signals.{key}: {error}", field=f"signals.{key}") from error


@dataclass(frozen=True, slots=True)
class BuiltPolicy:
    """Estimators, policy and calibrators, and the profile that they came from."""

    free: tuple[Estimator, ...]
    buyable: tuple[Estimator, ...]
    policy: Policy
    assessor: Assessor
    profile: Profile | None = None


def build_policy(settings: Settings, around: Surroundings) -> BuiltPolicy:
    """Everything that decides. Raises a ConfigurationError or BadInput as `build`."""
    free, buyable = _estimators(settings)
    policy, names = settings.policy, tuple(tier.name for tier in settings.tiers)
    if policy.profile is not None and policy.thresholds is not None:
        raise ConfigurationError(
            "policy: give either a profile or thresholds, not both", field="policy"
        )
    if policy.profile is not None:
        profile = load_profile(around.folder / policy.profile)
        models = [tier.model for tier in settings.tiers]
        profile.check(models, (*free, *buyable), signal_fingerprint(settings))
        return BuiltPolicy(free, buyable, profile.policy(), profile.assessor(), profile)
    if policy.thresholds is None:
        raise ConfigurationError(
            "policy: neither a profile nor thresholds; fit a profile with `surefoot fit`, or set "
            "policy.thresholds = { " + ", ".join(f"{name} = 0.7" for name in names) + " }",
            field="policy",
        )
    rules = tuple(RungRule(tier, policy.thresholds[name]) for tier, name in enumerate(names))
    order = tuple(found.name for found in (*buyable, *free))
    return BuiltPolicy(free, buyable, ThresholdPolicy(rules, names), BareAssessor(order))


def build_retriever(settings: Settings, around: Surroundings) -> TantivyRetriever | None:
    if not settings.retrieval.enabled:
        return None
    index = around.places.cache / "index"
    report = around.progress

    def progress(done: int, total: int) -> None:
        if report is not None:
            report("indexing documents", done, total)

    if settings.retrieval.docs is None:
        return open_python_docs(index, progress=progress)
    return open_documents(around.folder / settings.retrieval.docs, index, progress=progress)


def history_url(settings: Settings, around: Surroundings) -> str | None:
    url = settings.history.url
    if url == "none":
        return None
    if url is None:
        return f"sqlite:///{around.places.data / 'history.db'}"
    prefix = "sqlite:///"
    if url.startswith(prefix):
        # A relative database lies beside the configuration, whatever the working directory.
        return prefix + str(around.folder / url.removeprefix(prefix))
    return url


def _fingerprint(
    settings: Settings, profile: Profile | None, retriever: TantivyRetriever | None
) -> str:
    """What a repeated question must agree on to be answered from the history."""
    parts = {
        "models": [tier.model for tier in settings.tiers],
        "signals": signal_fingerprint(settings),
        "policy": settings.policy.model_dump() if profile is None else profile.fingerprint,
        "documents": None if retriever is None else retriever.fingerprint,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
