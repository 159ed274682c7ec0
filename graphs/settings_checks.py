"""What settings must agree on with one another: each fault names its field and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..router.errors import ConfigurationError

if TYPE_CHECKING:
    from .settings import PolicySettings, RetrievalSettings, ServeSettings, Settings

__all__ = ["check_settings", "nearest", "wrong_field"]


def check_settings(settings: Settings, source: str) -> None:
    """Raise a ConfigurationError at the first fault.

    Args:
        source: the file, for words.
    """
    names = [tier.name for tier in settings.tiers]
    _check_tiers(settings, names, source)
    _check_retrieval(settings.retrieval, source)
    _check_fallback(settings, names, source)
    _check_gates(settings, names, source)
    _check_keys(settings.serve, source)
    _check_spending(settings, source)
    _check_policies(settings, names, source)
    _check_models(settings, names, source)


def nearest(name: str, known: list[str]) -> str:
    """How to go on after a name that is not known."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}"


def wrong_field(source: str, field: str, message: str) -> ConfigurationError:
    """The error that names file and field."""
    return ConfigurationError(f"{source}: field '{field}': {message}", field=field)


def _check_tiers(settings: Settings, names: list[str], source: str) -> None:
    for number, tier in enumerate(settings.tiers):
        if tier.name in names[:number]:
            raise wrong_field(source, f"tiers.{number}.name", f"two tiers are called '{tier.name}'")
        if tier.max_output >= tier.context:
            message = f"{tier.max_output} tokens of answer leave no room in a context of "
            raise wrong_field(source, f"tiers.{number}.max_output", f"{message}{tier.context}")


def _check_policies(settings: Settings, names: list[str], source: str) -> None:
    _check_thresholds(settings.policy, "policy", names, source)
    for name, policy in settings.policies.items():
        where = f"policies.{name}"
        if name in settings.serve.models or name.startswith("tier:"):
            raise wrong_field(source, where, "this name means something else; give it another")
        if policy.profile is None and policy.thresholds is None:
            raise wrong_field(source, where, "give a profile or thresholds")
        for key in ("shelf", "tool_calls"):
            if key in policy.model_fields_set:
                raise wrong_field(source, f"{where}.{key}", "goes with the main policy alone")
        _check_thresholds(policy, where, names, source)


def _check_models(settings: Settings, names: list[str], source: str) -> None:
    known = {*settings.serve.models, *settings.policies}
    if settings.serve.expose_tiers:
        known |= {f"tier:{name}" for name in names}
    for number, key in enumerate(settings.serve.keys):
        for name in key.models or ():
            if name not in known:
                message = f"there is no model '{name}'{nearest(name, sorted(known))}"
                raise wrong_field(source, f"serve.keys.{number}.models", message)


def _check_thresholds(policy: PolicySettings, where: str, names: list[str], source: str) -> None:
    thresholds = policy.thresholds
    if thresholds is None:
        if policy.floor is not None:
            message = "a floor goes with thresholds; a profile brings its own"
            raise wrong_field(source, f"{where}.floor", message)
        return
    for name in thresholds:
        if name not in names:
            message = f"no tier is called '{name}'{nearest(name, names)}"
            raise wrong_field(source, f"{where}.thresholds.{name}", message)
    for name in names:
        if name not in thresholds:
            message = f"tier '{name}' has no threshold; add {name} = 0.7, say"
            raise wrong_field(source, f"{where}.thresholds.{name}", message)


def _check_fallback(settings: Settings, tiers: list[str], source: str) -> None:
    signals, given = settings.signals.fallback, settings.policy.fallback or {}
    if settings.policy.thresholds is None:
        if settings.policy.fallback is not None:
            message = "goes with thresholds; a profile calibrates every signal that it reads"
            raise wrong_field(source, "policy.fallback", message)
        return
    for name in given:
        if name not in signals:
            known = nearest(name, list(signals)) if signals else ""
            message = f"signals.fallback names no '{name}'{known}"
            raise wrong_field(source, f"policy.fallback.{name}", message)
    for name in signals:
        bounds = given.get(name)
        if bounds is None:
            message = (
                f"'{name}' needs a threshold of its own, since that of another signal says nothing "
                f"of it; add fallback = {{ {name} = 0.8 }}, say"
            )
            raise wrong_field(source, f"policy.fallback.{name}", message)
        if isinstance(bounds, dict) and sorted(bounds) != sorted(tiers):
            message = f"expected a threshold for each of {', '.join(tiers)}"
            raise wrong_field(source, f"policy.fallback.{name}", message)


def _check_gates(settings: Settings, names: list[str], source: str) -> None:
    steps = settings.steps
    given: dict[str, Iterable[str]] = {
        "steps.gates": steps.gates,
        "steps.thresholds": steps.thresholds,
        "live.gates": settings.live.gates,
    }
    for key, tiers in given.items():
        for name in tiers:
            if name not in names:
                message = f"there is no tier '{name}'; the tiers are {', '.join(names)}"
                raise wrong_field(source, f"{key}.{name}", message)
    for name in steps.thresholds:
        if name in steps.gates:
            message = f"tier '{name}' has a gate already; give either a gate or a threshold"
            raise wrong_field(source, f"steps.thresholds.{name}", message)


def _check_keys(serve: ServeSettings, source: str) -> None:
    if "*" in serve.cors_origins and not serve.keys:
        message = "without keys every page in a browser here could ask; name the pages, or add keys"
        raise wrong_field(source, "serve.cors_origins", message)
    for number, key in enumerate(serve.keys):
        if (key.sha256 is None) == (key.key_env is None):
            message = (
                "expected the key's SHA-256, or key_env, which names the variable with the key"
            )
            raise wrong_field(source, f"serve.keys.{number}.sha256", message)
        for field in ("name", "sha256", "key_env"):
            given = getattr(key, field)
            if given and any(getattr(one, field) == given for one in serve.keys[:number]):
                message = "two keys share it; each has a name and a secret of its own"
                raise wrong_field(source, f"serve.keys.{number}.{field}", message)


def _check_spending(settings: Settings, source: str) -> None:
    unpriced = [tier.name for tier in settings.tiers if tier.price == "unknown"]
    for number, key in enumerate(settings.serve.keys):
        where = f"serve.keys.{number}"
        if key.max_spend is None:
            if "spend_per" in key.model_fields_set:
                raise wrong_field(
                    source, f"{where}.spend_per", "goes with max_spend, which is not set"
                )
            continue
        if key.max_cost is None:
            message = "is missing: so much is held back for each request under way"
            raise wrong_field(source, f"{where}.max_cost", message)
        if key.max_cost > key.max_spend:
            message = f"one request may cost {key.max_cost:g}, more than all of them together"
            raise wrong_field(source, f"{where}.max_spend", message)
        if unpriced:
            message = f"cannot be kept: no price is known for {', '.join(unpriced)}"
            raise wrong_field(source, f"{where}.max_spend", message)


def _check_retrieval(given: RetrievalSettings, source: str) -> None:
    if given.caller and (given.docs or given.encoder or given.langchain):
        message = "the application searches itself; leave out docs, encoder and langchain"
        raise wrong_field(source, "retrieval.caller", message)
    for key in ("docs", "encoder"):
        if given.langchain is not None and getattr(given, key) is not None:
            message = f"retrieval.langchain takes the place of {key}; give one of the two"
            raise wrong_field(source, f"retrieval.{key}", message)
    if given.device is not None and given.encoder is None:
        raise wrong_field(
            source, "retrieval.device", "goes with retrieval.encoder, which is not set"
        )
    corrective = given.corrective
    if corrective is not None and corrective.discard > corrective.accept:
        message = f"{corrective.discard} is above what is accepted, {corrective.accept}"
        raise wrong_field(source, "retrieval.corrective.discard", message)
