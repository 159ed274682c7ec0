"""The TOML configuration, checked: every error names the file and the field and what to do."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
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

from ..adapters.public_url import public_url
from ..router.budget import Price
from ..router.errors import ConfigurationError
from .environment import with_environment
from .prompter import PromptStyle
from .settings_checks import check_settings, nearest, wrong_field

__all__ = [
    "AuditSettings",
    "BudgetSettings",
    "CacheSettings",
    "ComparisonSettings",
    "CorrectiveSettings",
    "CriticSettings",
    "HistorySettings",
    "KeySettings",
    "LiveSettings",
    "PolicySettings",
    "PriceSettings",
    "ResilienceSettings",
    "RetrievalSettings",
    "ServeSettings",
    "Settings",
    "SignalSettings",
    "SpendPeriod",
    "StepSettings",
    "TelemetrySettings",
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

_URLS = ("base_url", "url")
"""Fields that may hold a password, which nothing that is shown does."""

_PER = {"per_1m_tokens": 1e6, "per_1k_tokens": 1e3, "per_token": 1.0}


class _Part(BaseModel):
    # Strict: TOML tells numbers, texts and booleans apart, so a price of true is a mistake.
    # What was given may hold a password, and pydantic's own errors would quote it.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            is_url = name in _URLS and isinstance(value, str)
            yield name, public_url(value) if is_url else value


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

    `options` are arguments of a LangChain class, or `device` and `dtype` for transformers. A stream
    of an `openai:` tier may be silent for `idle_timeout_s`, its answer `max_body_bytes` long.
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
    options: dict[Name, Any] = Field(default_factory=dict, repr=False)
    idle_timeout_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    max_body_bytes: Annotated[int, Field(ge=1024)] | None = None

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
    """The local critic: `default`, the one that ships, or the folder of a trained one.

    `drift` is what becomes of it once the states that it is shown are not like those that it was
    fitted on: runs say so, it judges no more, or nobody looks. `drift_level` is the probability
    that this is ever a false alarm.
    """

    model: Name | None = None
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?|mps)$")] | None = None
    max_batch: Annotated[int, Field(ge=1, le=1024)] = 16
    window_ms: Annotated[float, Field(ge=0.0, le=1000.0)] = 2.0
    latency_s: Amount = 0.0
    drift: Literal["say", "refuse", "off"] = "say"
    drift_level: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.01


class PolicySettings(_Part):
    """A fitted profile, or thresholds by tier name on the first signal's bare value: one for all
    rounds, or one for each round of retrieval from closed book on, the last for all that follow.

    With thresholds, `floor` is how sure the best attempt must be to be served where nothing is left
    to try; without it the run abstains. Thresholds of one signal say nothing of another: those of
    `signals.fallback` stand under `fallback`, one for all tiers or by tier name.

    `tool_calls = "pass"` hands calls of tools over, ungated, that no signal can judge.

    With `shelf`, the profile decides that is active on the shelf of that name (`surefoot profile`);
    `profile` or `thresholds` do while none is.
    """

    shelf: Name | None = None
    profile: Name | None = None
    thresholds: dict[Name, Bounds] | None = None
    floor: Share | None = None
    fallback: dict[Name, Share | dict[Name, Share]] | None = None
    tool_calls: Literal["judge", "pass"] = "judge"


class BudgetSettings(_Part):
    """Limits of one request; absent is no limit."""

    max_cost: Amount | None = None
    deadline_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    max_calls: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    rounds: Annotated[int, Field(ge=0)] = 1
    max_steps: Annotated[int, Field(ge=2)] = 48
    max_risk: Share | None = None


class CorrectiveSettings(_Part):
    """What becomes of each passage that was found, by the share of the query's words in it."""

    accept: Share = 0.5
    discard: Share = 0.1


class RetrievalSettings(_Part):
    """`docs` is a folder; absent, the standard library's own documentation is searched.

    With `encoder` passages are found by meaning, too; `langchain` names a retriever that takes the
    place of both, as `package.module:name`. With `caller` it is the application that searches: a
    decision may be to retrieve, and nothing here can.
    """

    enabled: bool = True
    docs: Name | None = None
    encoder: Name | None = None
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?|mps)$")] | None = None
    langchain: Name | None = None
    caller: bool = False
    k: Annotated[int, Field(ge=1, le=50)] = 3
    queries: Literal["question", "rationale", "model"] = "model"
    stop_unchanged: bool | None = None
    situated_margin: Share | None = None
    least_gain: Annotated[float, Field(ge=-1.0, le=1.0)] | None = None
    corrective: CorrectiveSettings | None = None


class StepSettings(_Part):
    """What ends a draft at its first weak step, by the tier's name.

    `gates` are files of `surefoot fit-steps`; `thresholds` are bare numbers, which promise nothing,
    for the `signal` of each step between two `positions`. With `finish` the tier that is escalated
    to goes on from the steps before the weak one.
    """

    gates: dict[Name, Name] = {}
    thresholds: dict[Name, Share] = {}
    signal: Name = "mmboundary"
    positions: Name = "sentence"
    finish: bool = False


class LiveSettings(_Part):
    """What lets a draft be shown while it is written, by the tier's name: files of `surefoot
    fit-live`. What was shown is the answer; nothing is called back.
    """

    gates: dict[Name, Name] = {}


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


class AuditSettings(_Part):
    """Which share of the traffic is drawn for labels, each draw with its propensity noted.

    `share` is of served answers, 0 draws nothing; `escalated_share` is of drafts that were not good
    enough, `abstained_share` of the best ones of abstentions. `secret_env` names the variable with
    the key of the draws; without it each process has one of its own.
    """

    share: Share = 0.05
    escalated_share: Share = 0.0
    abstained_share: Share = 0.0
    pi_min: Annotated[float, Field(gt=0.0, le=1.0)] = 0.01
    secret_env: Name | None = None


Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s?#@]+)$")]
"""Scheme, host and port of a web page, or `*`."""
SpendPeriod = Literal["hour", "day", "month"]


class KeySettings(_Part):
    """One bearer key of the service, whose it is, and what may be done with it.

    Either its SHA-256 is given or the environment variable `key_env` holds the key itself.
    `requests_per_minute` may also come at once; `max_cost` and `max_risk` are bounds of each
    request, which may ask for tighter ones. `max_spend` bounds all of them together, in each whole
    hour, day or month of UTC. `models` are the names that it may ask for, all where absent.
    """

    name: Name
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    key_env: Name | None = None
    tenant: Name
    requests_per_minute: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    max_cost: Amount | None = None
    max_spend: Amount | None = None
    spend_per: SpendPeriod = "day"
    max_risk: Share | None = None
    models: Names | None = None


class ServeSettings(_Part):
    """The HTTP service. Without keys it listens on loopback alone.

    `models` are the names that clients may ask for; so are those of `policies`, and with
    `expose_tiers` each tier without a gate, as `tier:NAME`. An abstention is an answer with
    `abstain_text`, or an HTTP error; so is a run for which no tier could be reached. `interrupted`
    says what becomes of a repeated Idempotency-Key whose first request died with its process.
    `cors_origins` are the web pages whose scripts may ask, `*` for all; none where it is empty.
    """

    host: Name = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    models: Annotated[Names, Field(min_length=1)] = ("surefoot",)
    expose_tiers: bool = False
    cors_origins: Annotated[tuple[Origin, ...], Field(strict=False)] = ()
    keys: Annotated[tuple[KeySettings, ...], Field(strict=False)] = ()
    abstain: Literal["answer", "error"] = "answer"
    abstain_text: Name = "I do not know."
    unreachable: Literal["error", "abstain"] = "error"
    deadline_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 30.0
    max_deadline_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 300.0
    max_body_bytes: Annotated[int, Field(ge=1024)] = 4 * 2**20
    max_in_flight: Annotated[int, Field(ge=1)] = 64
    max_waiting: Annotated[int, Field(ge=0)] = 16
    drain_s: Annotated[float, Field(ge=0.0, le=3600.0)] = 25.0
    idempotency_s: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 86400.0
    interrupted: Literal["again", "refuse"] = "again"
    follow_s: Annotated[float, Field(ge=0.1, le=3600.0)] = 2.0
    log: Literal["text", "json"] = "text"


class TelemetrySettings(_Part):
    """Traces of runs; `otlp` sends them to where OTEL_EXPORTER_OTLP_ENDPOINT says.

    `content` writes questions, drafts and answers into them as well.
    """

    traces: Literal["none", "otlp"] = "none"
    content: bool = False
    service: Name = "surefoot"


class Settings(_Part):
    """A whole deployment."""

    tiers: Annotated[tuple[TierSettings, ...], Field(min_length=1, strict=False)]
    signals: SignalSettings = SignalSettings()
    comparison: ComparisonSettings = ComparisonSettings()
    critic: CriticSettings = CriticSettings()
    policy: PolicySettings = PolicySettings()
    policies: dict[Name, PolicySettings] = {}
    budget: BudgetSettings = BudgetSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    steps: StepSettings = StepSettings()
    live: LiveSettings = LiveSettings()
    history: HistorySettings = HistorySettings()
    cache: CacheSettings = CacheSettings()
    resilience: ResilienceSettings = ResilienceSettings()
    audit: AuditSettings = AuditSettings()
    serve: ServeSettings = ServeSettings()
    telemetry: TelemetrySettings = TelemetrySettings()


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check a TOML file.

    Args:
        environment: whose variables stand over the file's values (see `with_environment`).

    Raises:
        ConfigurationError: names the file and the field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    return parse_settings(text, str(path), environment)


def parse_settings(
    text: str, source: str = "configuration", environment: Mapping[str, str] | None = None
) -> Settings:
    """Check TOML text; `source` names it in errors. Raises as `load_settings`."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Not only TOMLDecodeError: a number of thousands of digits, or arrays nested too deep.
        raise ConfigurationError(f"{source}: not TOML: {error}") from error
    if environment is not None:
        data = with_environment(data, environment)
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise _configuration_error(error, source) from error
    check_settings(settings, source)
    return settings


def _configuration_error(error: ValidationError, source: str) -> ConfigurationError:
    """The first fault, in words; a price that is neither table nor "unknown" is explained once."""
    faults = error.errors(include_url=False)
    # A misspelled key shows as one key too many and one too few: the former says more.
    first = min(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    parts = [str(part) for part in first["loc"] if part not in _NO_KEYS]
    message = first["msg"].removeprefix("Value error, ")
    message = f"{message[:1].lower()}{message[1:]}, got {_shown(first['input'])}"
    if first["type"] == "extra_forbidden":
        message = f"unknown key{nearest(parts[-1], _known_keys(parts[:-1]))}"
    elif first["type"] == "missing":
        message = "is missing"
    elif first["type"] == "model_type":
        message = f"expected a table, got {_shown(first['input'])}"
    if parts[-1:] == ["price"]:
        message += '; give { input = ..., output = ..., unit = "per_1m_tokens" } or "unknown"'
    return wrong_field(source, ".".join(parts), message)


def _shown(given: Any) -> str:
    """What was found instead; a URL in it may hold a password."""
    if isinstance(given, str) and "://" in given:
        return shown(public_url(given))
    if isinstance(given, dict | list) and "://" in str(given):
        return "a table" if isinstance(given, dict) else "an array"
    return shown(given)


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
    "audit": AuditSettings,
    "serve": ServeSettings,
    "telemetry": TelemetrySettings,
    "keys": KeySettings,
}


def _known_keys(path: list[str]) -> list[str]:
    names = [part for part in path if part in _PARTS]
    model: type[_Part] = _PARTS[names[-1]] if names else Settings
    return list(model.model_fields)
