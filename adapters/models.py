"""From a configured name to a model: `local:NAME`, `openai:MODEL`, and what else there is."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..router.capabilities import NOTHING_KNOWN, Capabilities
from ..router.errors import ConfigurationError
from ..router.protocols import Model

__all__ = ["MODEL_SCHEMES", "ModelSpec", "known_capabilities", "license_notice", "open_model"]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a configuration says about one model.

    Attributes:
        model: `local:NAME`, `local:/path/to/model.gguf`, `openai:MODEL`,
            `langchain:package.module:name` or `transformers:NAME_OR_PATH`.
        context: tokens of prompt and answer together; None for the model's own.
        base_url: of an OpenAI-compatible endpoint, e.g. `http://localhost:8000/v1`.
        api_key: for the endpoint; never shown. To a LangChain class it goes as `api_key`, and the
            URL as `base_url`.
        cache_dir: where joined weights are kept; None for the user's cache directory.
        threads: of a local model; None for one per usable core.
        options: arguments of a LangChain class or function; `device` and `dtype` of transformers.
        idle_timeout_s: of an endpoint, between two events of a stream; None for the adapter's own.
        max_body_bytes: of an endpoint's answer, unpacked; None for the adapter's own.
    """

    model: str
    context: int | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    cache_dir: Path | None = None
    threads: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    idle_timeout_s: float | None = None
    max_body_bytes: int | None = None

    @property
    def scheme(self) -> str:
        """The part before the first colon."""
        return self.model.partition(":")[0]

    @property
    def name(self) -> str:
        """The part after the first colon."""
        return self.model.partition(":")[2]


def open_model(spec: ModelSpec) -> Model:
    """The model that a configuration names. Loads and connects at its first call, not here.

    Raises:
        ConfigurationError: the scheme or name is unknown or incomplete; suggests the nearest.
        WeightsError: local weights are not installed or are not the pinned ones.
        MissingExtra: the library that the scheme needs is not installed.
    """
    factory = MODEL_SCHEMES.get(spec.scheme)
    if factory is None or ":" not in spec.model:
        raise _unknown_scheme(spec)
    if not spec.name:
        raise ConfigurationError(
            f"the model '{spec.model}' has no name after the colon; write {spec.scheme}:NAME",
            field="model",
        )
    if spec.options and spec.scheme not in _WITH_OPTIONS:
        raise ConfigurationError(
            f"the model '{spec.model}' takes no options; they are for "
            + " and ".join(f"{scheme}:NAME" for scheme in _WITH_OPTIONS),
            field="options",
        )
    for field_name in ("idle_timeout_s", "max_body_bytes"):
        if getattr(spec, field_name) is not None and spec.scheme != "openai":
            raise ConfigurationError(
                f"the model '{spec.model}' takes no {field_name}, which is for openai:MODEL",
                field=field_name,
            )
    return factory(spec)


def license_notice(spec: ModelSpec) -> str | None:
    """What a person must be shown before the model's first use; None when nothing, or not again.

    Raises:
        ConfigurationError, WeightsError: as `open_model`.
    """
    if spec.scheme != "local":
        return None
    from .weights import find_weights, take_license_notice

    return take_license_notice(find_weights(spec.name, spec.cache_dir), spec.cache_dir)


def _local(spec: ModelSpec) -> Model:
    from .model_llamacpp import LlamaCppModel
    from .weights import find_weights

    weights = find_weights(spec.name, spec.cache_dir)
    return LlamaCppModel(weights, context=spec.context, threads=spec.threads)


def _openai(spec: ModelSpec) -> Model:
    from .model_openai import OpenAIModel

    if spec.base_url is None:
        raise ConfigurationError(
            f"the model '{spec.model}' needs the URL of its endpoint, "
            'e.g. base_url = "https://api.openai.com/v1"',
            field="base_url",
        )
    limits = {"idle_timeout_s": spec.idle_timeout_s, "max_body_bytes": spec.max_body_bytes}
    given: dict[str, Any] = {name: one for name, one in limits.items() if one is not None}
    return OpenAIModel(spec.base_url, spec.name, api_key=spec.api_key, **given)


def _caller(spec: ModelSpec) -> Model:
    from .model_caller import CallerModel

    return CallerModel(spec.name)


def _langchain(spec: ModelSpec) -> Model:
    from .model_langchain_opening import open_langchain_model

    given = {"base_url": spec.base_url, "api_key": spec.api_key}
    options = {**spec.options, **{name: value for name, value in given.items() if value}}
    return open_langchain_model(spec.name, options)


def _transformers(spec: ModelSpec) -> Model:
    from .model_transformers import TransformersModel
    from .model_transformers_files import find_causal_model

    return TransformersModel(find_causal_model(spec.name, spec.options, context=spec.context))


MODEL_SCHEMES: Mapping[str, Callable[[ModelSpec], Model]] = MappingProxyType(
    {
        "local": _local,
        "openai": _openai,
        "caller": _caller,
        "langchain": _langchain,
        "transformers": _transformers,
    }
)
"""What may stand before the colon, and what it opens."""

_WITH_OPTIONS = ("langchain", "transformers")

_KNOWN: Mapping[str, Capabilities] = MappingProxyType(
    {
        "local": Capabilities(logprobs=True, n=False, hidden=False, streaming=True, tools=False),
        "openai": Capabilities(hidden=False),
    }
)


def known_capabilities(spec: ModelSpec) -> Capabilities:
    """What can be said of any model of its scheme; each model may know more of itself."""
    return _KNOWN.get(spec.scheme, NOTHING_KNOWN)


def _unknown_scheme(spec: ModelSpec) -> ConfigurationError:
    supported = ", ".join(f"{scheme}:NAME" for scheme in MODEL_SCHEMES)
    near = difflib.get_close_matches(spec.scheme, MODEL_SCHEMES, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}:...'? " if near else ""
    return ConfigurationError(
        f"the model '{spec.model}' does not begin with a known scheme; {hint}"
        f"supported are {supported}",
        field="model",
    )
