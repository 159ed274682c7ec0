"""From a tier's settings to its model, and to what must be shown before its first use."""

from __future__ import annotations

from collections.abc import Sequence

from ..adapters.capable_model import CapableModel
from ..adapters.encoder_files import is_folder
from ..adapters.models import ModelSpec, known_capabilities, license_notice, open_model
from ..router.capabilities import Capabilities, Capable, out_of_reach
from ..router.errors import ConfigurationError
from ..router.plan import TierPlan
from ..router.protocols import Estimator, Model
from .places import Surroundings
from .settings import Settings, TierSettings

__all__ = ["api_key", "build_model", "known_of", "lacking", "license_notices", "tier_plan"]

_PATHS = ("local:", "transformers:")


def tier_plan(tier: TierSettings, lacks: str | None = None) -> TierPlan:
    """The tier as the loop sees it; `lacks` says which signals are out of reach, and why."""
    price = None if tier.price == "unknown" else tier.price.per_token()
    return TierPlan(
        tier.name, tier.model, tier.context, tier.max_output, price, tier.latency_s, lacks
    )


def known_of(model: Model) -> Capabilities:
    """What is known of a tier's model without asking it."""
    return model.capabilities if isinstance(model, Capable) else Capabilities()


def lacking(can: Capabilities, signals: Sequence[Estimator]) -> str | None:
    """Which of the signals a tier cannot serve, in words; None where it can, or nobody knows."""
    found = [f"{why}, so not {', '.join(names)}" for why, names in out_of_reach(signals, can)]
    return "; ".join(found) or None


def build_model(tier: TierSettings, around: Surroundings) -> Model:
    """The tier's model; it loads and connects at its first call, and learns what it can do.

    Raises:
        ConfigurationError: scheme, name, URL or key cannot be used; names the tier.
        WeightsError: local weights are not installed or are not the pinned ones.
        MissingExtra: the library that the scheme needs is not installed.
    """
    try:
        spec = _spec(tier, around)
        model = open_model(spec)
    except ConfigurationError as error:
        if type(error) is not ConfigurationError:
            raise  # what has to be installed does not depend on the tier
        field = f"tiers.{tier.name}.{error.field or 'model'}"
        raise ConfigurationError(f"tier '{tier.name}': {error}", field=field) from error
    key = f"{tier.model} at {tier.base_url}"
    return CapableModel(model, key, known=known_capabilities(spec))


def license_notices(settings: Settings, around: Surroundings) -> tuple[str, ...]:
    """What a person must be shown before the models' first use; each comes once only.

    Raises as `build_model`.
    """
    found = [license_notice(_spec(tier, around)) for tier in settings.tiers]
    return tuple(notice for notice in found if notice is not None)


def _spec(tier: TierSettings, around: Surroundings) -> ModelSpec:
    return ModelSpec(
        _located(tier.model, around),
        context=tier.context,
        base_url=tier.base_url,
        api_key=api_key(tier, around),
        cache_dir=around.places.cache / "weights",
        options=tier.options,
        idle_timeout_s=tier.idle_timeout_s,
        max_body_bytes=tier.max_body_bytes,
    )


def _located(model: str, around: Surroundings) -> str:
    """A local model's path starts, as every path does, at the configuration's folder."""
    scheme = next((each for each in _PATHS if model.startswith(each)), None)
    if scheme is None:
        return model
    name = model.removeprefix(scheme)
    is_path = name.endswith(".gguf") or is_folder(name)
    if scheme == "local:":  # names of known weights hold no separator, names of the hub do
        is_path = is_path or "/" in name or "\\" in name
    return f"{scheme}{around.path(name)}" if is_path else model


def api_key(tier: TierSettings, around: Surroundings) -> str | None:
    """The tier's API key from the environment; None where it needs none.

    Raises:
        ConfigurationError: the variable is not set.
    """
    if tier.api_key_env is None:
        return None
    key = around.environment.get(tier.api_key_env)
    if not key:
        raise ConfigurationError(
            f"the environment variable {tier.api_key_env} is not set", field="api_key_env"
        )
    return key
