"""The TOML configuration, checked: every error names the file and the field and what to do."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from reprlib import repr as shown
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
)

from ..router.budget import Price
from ..router.errors import ConfigurationError
from .prompter import PromptStyle

__all__ = [
    "BudgetSettings",
    "CacheSettings",
    "ComparisonSettings",
    "CorrectiveSettings",
    "CriticSettings",
    "HistorySettings",
    "PolicySettings",
    "PriceSettings",
    "ResilienceSettings",
    "RetrievalSettings",
    "Settings",
    "SignalSettings",
    "TierSettings",
    "load_settings",
    "parse_settings",
]


def _without_controls(text: str) -> str:
    # A NUL in a path, say, is no OSError but a ValueError, deep inside whatever opens it.
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise ValueError("holds a control character")
    return text


Name = Annotated[str, Field(min_length=1), AfterValidator(_without_controls)]
Names = Annotated[tuple[Name, ...], Field(strict=False)]  # TOML has arrays and no tuples
Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


def _bounds(given: Any) -> float | tuple[float, ...]:
    bounds: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    for bound in bounds:
        is_number = isinstance(bound, int | float) and not isinstance(bound, bool)
        if not is_number or not 0.0 <= bound <= 1.0:
            raise ValueError("expected a number in [0, 1], or an array with one for each round")
    if not bounds:
        raise ValueError("expected one threshold at least")
    return tuple(map(float, bounds)) if isinstance(given, list | tuple) else float(bounds[0])


Bounds = Annotated[float | tuple[float, ...], PlainValidator(_bounds)]
Tokens = Annotated[int, Field(ge=1, le=1 << 24)]

_PER = {"per_1m_tokens": 1e6, "per_1k_tokens": 1e3, "per_token": 1.0}


class _Part(BaseModel):
    # Strict: TOML tells numbers, texts and booleans apart, so a price of true is a mistake.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PriceSettings(_Part):
    """What a tier charges, in the deployment's one currency."""

    input: Amount
    output: Amount
    unit: Literal["per_1m_tokens", "per_1k_tokens", "per_token"] = "per_1m_tokens"

    def per_token(self) -> Price:
        """The price in currency per token."""
        return Price(self.input / _PER[self.unit], self.output / _PER[self.unit])


class TierSettings(_Part):
    """One model: `local:NAME`, `local:/path/to.gguf`, `openai:MODEL` with a `base_url`,
    `langchain:package.module:name` or `transformers:NAME_OR_PATH`.

    `options` are arguments of a LangChain class, or `device` and `dtype` for transformers.
    """

    name: Name
    model: Name
    price: PriceSettings | Literal["unknown"]
    context: Annotated[Tokens, Field(ge=64)] = 2048
    max_output: Tokens = 48
    prompt: PromptStyle | None = None
    base_url: Name | None = None
    api_key_env: Name | None = None
    latency_s: Amount = 0.0
    options: dict[Name, Any] = Field(default_factory=dict)

    @property
    def style(self) -> PromptStyle:
        """The prompt style: as set, else few-shot for local models and chat for endpoints."""
        is_local = self.model.startswith(("local:", "transformers:"))
        return self.prompt or ("few_shot" if is_local else "chat")


class SignalSettings(_Part):
    """Which estimators are read after every draft, and which may be bought.

    `given` names confidences that the application supplies with a draft of its own (`decide`); they
    are preferred to the free ones. `fallback` names signals that are read only where none of the
    others can be had, in this order.
    """

    given: Names = ()
    free: Annotated[Names, Field(min_length=1)] = ("perplexity",)
    buy: Names = ()
    fallback: Names = ()
    samples: Annotated[int, Field(ge=1, le=64)] = 5
    temperature: Annotated[float, Field(gt=0.0, le=2.0)] = 1.0
    top_logprobs: Annotated[int, Field(ge=2, le=20)] = 10
    content_filter: bool = True


class ComparisonSettings(_Part):
    """What compares answers with each other for the signals that need it."""

    similarity: Name = "lexical"
    nli: Name | None = None
    question: bool = True
    nli_temperature: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?|mps)$")] | None = None
    latency_s: Amount = 0.0


class CriticSettings(_Part):
    """The local critic: `default`, the one that ships, or the folder of a trained one."""

    model: Name | None = None
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?|mps)$")] | None = None
    max_batch: Annotated[int, Field(ge=1, le=1024)] = 16
    window_ms: Annotated[float, Field(ge=0.0, le=1000.0)] = 2.0
    latency_s: Amount = 0.0


class PolicySettings(_Part):
    """A fitted profile, or thresholds by tier name on the first signal's bare value: one for all
    rounds, or one for each round of retrieval from closed book on, the last for all that follow.

    With thresholds, `floor` is how sure the best attempt must be to be served where nothing is left
    to try; without it the run abstains. Thresholds of one signal say nothing of another: those of
    `signals.fallback` stand under `fallback`, one for all tiers or by tier name.
    """

    profile: Name | None = None
    thresholds: dict[Name, Bounds] | None = None
    floor: Share | None = None
    fallback: dict[Name, Share | dict[Name, Share]] | None = None


class BudgetSettings(_Part):
    """Limits of one request; absent is no limit."""

    max_cost: Amount | None = None
    deadline_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    max_calls: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    rounds: Annotated[int, Field(ge=0)] = 1
    max_steps: Annotated[int, Field(ge=2)] = 48


class CorrectiveSettings(_Part):
    """What becomes of each passage that was found, by the share of the query's words in it."""

    accept: Share = 0.5
    discard: Share = 0.1


class RetrievalSettings(_Part):
    """`docs` is a folder; absent, the standard library's own documentation is searched.

    With `encoder` passages are found by meaning, too; `langchain` names a retriever that takes the
    place of both, as `package.module:name`.
    """

    enabled: bool = True
    docs: Name | None = None
    encoder: Name | None = None
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?|mps)$")] | None = None
    langchain: Name | None = None
    k: Annotated[int, Field(ge=1, le=50)] = 3
    queries: Literal["question", "rationale", "model"] = "model"
    stop_unchanged: bool | None = None
    situated_margin: Share | None = None
    least_gain: Annotated[float, Field(ge=-1.0, le=1.0)] | None = None
    corrective: CorrectiveSettings | None = None


class HistorySettings(_Part):
    """Where runs are remembered, and for how long; `none` remembers nothing.

    What is left out is the store's own: Redis keeps 30 days and 10,000 runs, SQLite everything.
    """

    url: Name | None = None
    ttl_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    max_turns: Annotated[int, Field(ge=1)] = 200
    max_runs: Annotated[int, Field(ge=1)] | None = None


class CacheSettings(_Part):
    """Results that equal requests of the same tenant share; without a `url` nothing is kept."""

    url: Name | None = None
    ttl_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 3600.0
    lease_s: Annotated[float, Field(ge=0.1, le=600.0)] = 10.0
    models: bool = True
    critic: bool = True
    comparisons: bool = True


class ResilienceSettings(_Part):
    """How tiers behind endpoints (`openai:`, `langchain:`) are asked while they fail or are slow.

    Every tier has a retry budget, a breaker and bounds of its own, in each process.
    """

    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    attempt_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    retry_share: Share = 0.2
    breaker: bool = True
    breaker_failures: Annotated[int, Field(ge=1)] = 10
    breaker_ratio: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    open_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 5.0
    longest_open_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 60.0
    in_flight: Annotated[int, Field(ge=1)] = 64
    waiting: Annotated[int, Field(ge=0)] = 256
    hedge: bool = False


class Settings(_Part):
    """A whole deployment."""

    tiers: Annotated[tuple[TierSettings, ...], Field(min_length=1, strict=False)]
    signals: SignalSettings = SignalSettings()
    comparison: ComparisonSettings = ComparisonSettings()
    critic: CriticSettings = CriticSettings()
    policy: PolicySettings = PolicySettings()
    budget: BudgetSettings = BudgetSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    history: HistorySettings = HistorySettings()
    cache: CacheSettings = CacheSettings()
    resilience: ResilienceSettings = ResilienceSettings()


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
    except (ValueError, RecursionError) as error:
        # Not only TOMLDecodeError: a number of thousands of digits, or arrays nested too deep.
        raise ConfigurationError(f"{source}: not TOML: {error}") from error
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise _configuration_error(error, source) from error
    _check_names(settings, source)
    return settings


def _check_names(settings: Settings, source: str) -> None:
    names = [tier.name for tier in settings.tiers]
    for number, tier in enumerate(settings.tiers):
        if tier.name in names[:number]:
            raise _wrong(source, f"tiers.{number}.name", f"two tiers are called '{tier.name}'")
        if tier.max_output >= tier.context:
            message = f"{tier.max_output} tokens of answer leave no room in a context of "
            raise _wrong(source, f"tiers.{number}.max_output", f"{message}{tier.context}")
    _check_retrieval(settings.retrieval, source)
    corrective = settings.retrieval.corrective
    if corrective is not None and corrective.discard > corrective.accept:
        message = f"{corrective.discard} is above what is accepted, {corrective.accept}"
        raise _wrong(source, "retrieval.corrective.discard", message)
    _check_fallback(settings, names, source)
    thresholds = settings.policy.thresholds
    if thresholds is None:
        if settings.policy.floor is not None:
            message = "a floor goes with thresholds; a profile brings its own"
            raise _wrong(source, "policy.floor", message)
        return
    for name in thresholds:
        if name not in names:
            message = f"no tier is called '{name}'{_nearest(name, names)}"
            raise _wrong(source, f"policy.thresholds.{name}", message)
    for name in names:
        if name not in thresholds:
            message = f"tier '{name}' has no threshold; add {name} = 0.7, say"
            raise _wrong(source, f"policy.thresholds.{name}", message)


def _check_fallback(settings: Settings, tiers: list[str], source: str) -> None:
    signals, given = settings.signals.fallback, settings.policy.fallback or {}
    if settings.policy.thresholds is None:
        if settings.policy.fallback is not None:
            message = "goes with thresholds; a profile calibrates every signal that it reads"
            raise _wrong(source, "policy.fallback", message)
        return
    for name in given:
        if name not in signals:
            known = _nearest(name, list(signals)) if signals else ""
            message = f"signals.fallback names no '{name}'{known}"
            raise _wrong(source, f"policy.fallback.{name}", message)
    for name in signals:
        bounds = given.get(name)
        if bounds is None:
            message = (
                f"'{name}' needs a threshold of its own, since that of another signal says nothing "
                f"of it; add fallback = {{ {name} = 0.8 }}, say"
            )
            raise _wrong(source, f"policy.fallback.{name}", message)
        if isinstance(bounds, dict) and sorted(bounds) != sorted(tiers):
            message = f"expected a threshold for each of {', '.join(tiers)}"
            raise _wrong(source, f"policy.fallback.{name}", message)


def _check_retrieval(given: RetrievalSettings, source: str) -> None:
    for key in ("docs", "encoder"):
        if given.langchain is not None and getattr(given, key) is not None:
            message = f"retrieval.langchain takes the place of {key}; give one of the two"
            raise _wrong(source, f"retrieval.{key}", message)
    if given.device is not None and given.encoder is None:
        raise _wrong(source, "retrieval.device", "goes with retrieval.encoder, which is not set")


def _wrong(source: str, field: str, message: str) -> ConfigurationError:
    return ConfigurationError(f"{source}: field '{field}': {message}", field=field)


def _configuration_error(error: ValidationError, source: str) -> ConfigurationError:
    """The first fault, in words; a price that is neither table nor "unknown" is explained once."""
    faults = error.errors(include_url=False)
    # A misspelled key shows as one key too many and one too few: the former says more.
    first = min(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    parts = [str(part) for part in first["loc"] if part not in _NO_KEYS]
    message = first["msg"].removeprefix("Value error, ")
    message = f"{message[:1].lower()}{message[1:]}, got {shown(first['input'])}"
    if first["type"] == "extra_forbidden":
        message = f"unknown key{_nearest(parts[-1], _known_keys(parts[:-1]))}"
    elif first["type"] == "missing":
        message = "is missing"
    elif first["type"] == "model_type":
        message = f"expected a table, got {shown(first['input'])}"
    if parts[-1:] == ["price"]:
        message += '; give { input = ..., output = ..., unit = "per_1m_tokens" } or "unknown"'
    return _wrong(source, ".".join(parts), message)


_NO_KEYS = ("PriceSettings", "literal['unknown']", "[key]")
"""What pydantic puts between the keys of a location."""

_PARTS: dict[str, type[_Part]] = {
    "tiers": TierSettings,
    "price": PriceSettings,
    "signals": SignalSettings,
    "comparison": ComparisonSettings,
    "critic": CriticSettings,
    "corrective": CorrectiveSettings,
    "policy": PolicySettings,
    "budget": BudgetSettings,
    "retrieval": RetrievalSettings,
    "history": HistorySettings,
    "cache": CacheSettings,
    "resilience": ResilienceSettings,
}


def _known_keys(path: list[str]) -> list[str]:
    names = [part for part in path if part in _PARTS]
    model: type[_Part] = _PARTS[names[-1]] if names else Settings
    return list(model.model_fields)


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}"
