"""From a tier's settings to its model, and to what must be shown before its first use."""

from __future__ import annotations

from ..adapters.models import ModelSpec, license_notice, open_model
from ..router.errors import ConfigurationError
from ..router.plan import TierPlan
from ..router.protocols import Model
from .places import Surroundings
from .settings import Settings, TierSettings

__all__ = ["build_model", "license_notices", "tier_plan"]

_LOCAL = "local:"


def tier_plan(tier: TierSettings) -> TierPlan:
    """The tier as the loop sees it."""
    price = None if tier.price == "unknown" else tier.price.per_token()
    return TierPlan(tier.name, tier.model, tier.context, tier.max_output, price, tier.latency_s)


def build_model(tier: TierSettings, around: Surroundings) -> Model:
    """The tier's model; it loads and connects at its first call.

    Raises:
        ConfigurationError: scheme, name, URL or key cannot be used; names the tier.
        WeightsError: local weights are not installed or are not the pinned ones.
        MissingExtra: the library that the scheme needs is not installed.
    """
    try:
        return open_model(_spec(tier, around))
    except ConfigurationError as error:
        if type(error) is not ConfigurationError:
            raise  # what has to be installed does not depend on the tier
        field = f"tiers.{tier.name}.{error.field or 'model'}"
        raise ConfigurationError(f"tier '{tier.name}': {error}", field=field) from error


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
        api_key=_key(tier, around),
        cache_dir=around.places.cache / "weights",
    )


def _located(model: str, around: Surroundings) -> str:
    """A local model file's path starts, as every path does, at the configuration's folder."""
    name = model.removeprefix(_LOCAL)
    is_file = model.startswith(_LOCAL) and (name.endswith(".gguf") or "/" in name or "\\" in name)
    return f"{_LOCAL}{around.path(name)}" if is_file else model


def _key(tier: TierSettings, around: Surroundings) -> str | None:
    if tier.api_key_env is None:
        return None
    key = around.environment.get(tier.api_key_env)
    if not key:
        raise ConfigurationError(
            f"the environment variable {tier.api_key_env} is not set", field="api_key_env"
        )
    return key
