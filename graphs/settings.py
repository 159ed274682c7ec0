"""The TOML configuration, checked: every error names the file and the field and what to do."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..router.budget import Price
from ..router.errors import ConfigurationError
from .prompter import PromptStyle

__all__ = [
    "BudgetSettings",
    "HistorySettings",
    "PolicySettings",
    "PriceSettings",
    "RetrievalSettings",
    "Settings",
    "SignalSettings",
    "TierSettings",
    "load_settings",
    "parse_settings",
]

Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]

_PER = {"per_1m_tokens": 1e6, "per_1k_tokens": 1e3, "per_token": 1.0}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PriceSettings(_Part):
    """What a tier charges, in the deployment's one currency."""

    input: Amount
    output: Amount
    unit: Literal["per_1m_tokens", "per_1k_tokens", "per_token"] = "per_1m_tokens"

    def per_token(self) -> Price:
        """The price in currency per token."""
        return Price(self.input / _PER[self.unit], self.output / _PER[self.unit])


class TierSettings(_Part):
    """One model: `local:NAME`, `local:/path/to.gguf` or `openai:MODEL` with a `base_url`."""

    name: Annotated[str, Field(min_length=1)]
    model: Annotated[str, Field(min_length=1)]
    price: PriceSettings | Literal["unknown"]
    context: Annotated[int, Field(ge=64)] = 2048
    max_output: Annotated[int, Field(ge=1)] = 48
    prompt: PromptStyle | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    latency_s: Amount = 0.0

    @property
    def style(self) -> PromptStyle:
        """The prompt style: as set, else few-shot for local models and chat for endpoints."""
        return self.prompt or ("few_shot" if self.model.startswith("local:") else "chat")


class SignalSettings(_Part):
    """Which estimators are read after every draft, and which may be bought."""

    free: tuple[str, ...] = ("perplexity",)
    buy: tuple[str, ...] = ()
    samples: Annotated[int, Field(ge=1, le=64)] = 5
    temperature: Annotated[float, Field(gt=0.0, le=2.0)] = 1.0
    top_logprobs: Annotated[int, Field(ge=2, le=20)] = 10
    content_filter: bool = True


class PolicySettings(_Part):
    """A fitted profile, or thresholds by tier name on the first signal's bare value."""

    profile: str | None = None
    thresholds: dict[str, Share] | None = None


class BudgetSettings(_Part):
    """Limits of one request; absent is no limit."""

    max_cost: Amount | None = None
    deadline_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    max_calls: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    rounds: Annotated[int, Field(ge=0)] = 1
    max_steps: Annotated[int, Field(ge=2)] = 48


class RetrievalSettings(_Part):
    """`docs` is a folder; absent, the standard library's own documentation is searched."""

    enabled: bool = True
    docs: str | None = None
    k: Annotated[int, Field(ge=1, le=50)] = 3


class HistorySettings(_Part):
    """Where runs are remembered; `none` remembers nothing."""

    url: str | None = None


class Settings(_Part):
    """A whole deployment."""

    tiers: Annotated[tuple[TierSettings, ...], Field(min_length=1)]
    signals: SignalSettings = SignalSettings()
    policy: PolicySettings = PolicySettings()
    budget: BudgetSettings = BudgetSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    history: HistorySettings = HistorySettings()


def load_settings(path: Path) -> Settings:
    """Read and check a TOML file.

    Raises:
        ConfigurationError: names the file and the field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    return parse_settings(text, str(path))


def parse_settings(text: str, source: str = "configuration") -> Settings:
    """Check TOML text; `source` names it in errors. Raises as `load_settings`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{source}: not TOML: {error}") from error
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise _configuration_error(error, source) from error
    _check_names(settings, source)
    return settings


def _check_names(settings: Settings, source: str) -> None:
    names = [tier.name for tier in settings.tiers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(
            f"{source}: field 'tiers.name': two tiers are called '{twice[0]}'", field="tiers.name"
        )
    for name in settings.policy.thresholds or {}:
        if name not in names:
            field = f"policy.thresholds.{name}"
            raise ConfigurationError(
                f"{source}: field '{field}': no tier is called '{name}'{_nearest(name, names)}",
                field=field,
            )
    if settings.policy.thresholds is not None:
        missing = [name for name in names if name not in settings.policy.thresholds]
        if missing:
            raise ConfigurationError(
                f"{source}: field 'policy.thresholds': tier '{missing[0]}' has no threshold",
                field=f"policy.thresholds.{missing[0]}",
            )


def _configuration_error(error: ValidationError, source: str) -> ConfigurationError:
    """The first fault, in words; a price that is neither table nor "unknown" is explained once."""
    faults = error.errors(include_url=False)
    # A misspelled key shows as one key too many and one too few: the former says more.
    first = min(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    parts = [str(part) for part in first["loc"]]
    field = ".".join(part for part in parts if part not in ("PriceSettings", "literal['unknown']"))
    message = first["msg"][:1].lower() + first["msg"][1:]
    if first["type"] == "extra_forbidden":
        message = f"unknown key{_nearest(parts[-1], _known_keys(parts[:-1]))}"
    elif first["type"] == "missing":
        message = "is missing"
    if field.endswith("price"):
        message += '; give { input = ..., output = ..., unit = "per_1m_tokens" } or "unknown"'
    return ConfigurationError(f"{source}: field '{field}': {message}", field=field)


_PARTS: dict[str, type[_Part]] = {
    "tiers": TierSettings,
    "price": PriceSettings,
    "signals": SignalSettings,
    "policy": PolicySettings,
    "budget": BudgetSettings,
    "retrieval": RetrievalSettings,
    "history": HistorySettings,
}


def _known_keys(path: list[str]) -> list[str]:
    names = [part for part in path if part in _PARTS]
    model: type[_Part] = _PARTS[names[-1]] if names else Settings
    return list(model.model_fields)


def _nearest(name: str, known: list[str]) -> str:
    near: list[Any] = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}"
