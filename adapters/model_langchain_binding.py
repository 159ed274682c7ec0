"""What of a call a LangChain chat model takes, and the model with that set.

Parameters are set as the model's own fields, on a copy: the names of call-time arguments differ
from one integration to the next, and those that do not know one send it on or fail. A parameter
without a field is not asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..router.errors import UpstreamRefused
from ..router.protocols import CallOptions, ModelCall

__all__ = ["ChatFields", "prepared", "without_retries"]

_TEMPERATURE = ("temperature",)
_LIMIT = (
    *("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"),
    *("max_new_tokens", "max_tokens_to_sample"),
)
_SEED = ("seed", "random_seed")
_MOST_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class ChatFields:
    """The names under which a chat model takes what a call asks for; None where it takes none.

    Attributes:
        is_responses: whether it talks to OpenAI's Responses, which knows neither seed nor (in
            LangChain's reading of it) logprobs.
    """

    temperature: str | None
    limit: str | None
    seed: str | None
    logprobs: bool
    top_logprobs: bool
    stream_usage: bool
    is_responses: bool

    @classmethod
    def of(cls, model: Any) -> ChatFields:
        """The fields of a `BaseChatModel`."""
        known = type(model).model_fields
        asked = getattr(model, "_use_responses_api", None)
        is_responses = bool(asked({})) if callable(asked) else False

        def first(names: tuple[str, ...]) -> str | None:
            return next((name for name in names if name in known), None)

        return cls(
            first(_TEMPERATURE),
            first(_LIMIT),
            None if is_responses else first(_SEED),
            "logprobs" in known and not is_responses,
            "top_logprobs" in known and not is_responses,
            "stream_usage" in known,
            is_responses,
        )

    def update(self, model: Any, call: ModelCall, place: int, left_out: set[str]) -> dict[str, Any]:
        """The fields to set for answer `place` of a call."""
        found: dict[str, Any] = {}
        if self.temperature and "temperature" not in left_out:
            found[self.temperature] = call.temperature
        if self.limit:
            found[self.limit] = call.max_tokens
        if self.seed and "seed" not in left_out:
            found[self.seed] = call.seed + place
        if self.logprobs and call.top_logprobs > 0:
            found["logprobs"] = True
            if self.top_logprobs:
                found["top_logprobs"] = min(call.top_logprobs, _MOST_CANDIDATES)
        elif self.logprobs:
            found |= {"logprobs": None, **({"top_logprobs": None} if self.top_logprobs else {})}
        if self.stream_usage:  # off by default at any endpoint but OpenAI's own
            found["stream_usage"] = True
        if call.temperature > 0.0 and _is_cached(model):
            found["cache"] = False  # one answer from a cache, n times, is no sample
        return found


def prepared(
    model: Any, fields: ChatFields, call: ModelCall, place: int, left_out: set[str]
) -> Any:
    """A chat model, or a binding around one, that does what the call says.

    What the application has bound itself wins.
    """
    from langchain_core.runnables import RunnableBinding

    if isinstance(model, RunnableBinding):
        bound = prepared(model.bound, fields, call, place, left_out)
        return model if bound is model.bound else model.model_copy(update={"bound": bound})
    update = fields.update(model, call, place, left_out)
    # A copy of a model with nothing to set would only lose what it counts.
    ready = model.model_copy(update=update) if update else model
    return ready if call.options is None else _with_options(ready, call.options)


def _with_options(model: Any, options: CallOptions) -> Any:
    name = type(model).__name__
    bound: dict[str, Any] = dict(_object(name, options.others))
    if options.response_format is not None:
        bound["response_format"] = json.loads(options.response_format)
    ready = model if options.tools is None else _with_tools(name, model, options)
    return ready.bind(**bound) if bound else ready


def _with_tools(name: str, model: Any, options: CallOptions) -> Any:
    how: dict[str, Any] = {}
    if options.tool_choice is not None:
        how["tool_choice"] = _loose(options.tool_choice)
    if options.parallel_tool_calls is not None:
        how["parallel_tool_calls"] = options.parallel_tool_calls
    try:
        return model.bind_tools(json.loads(options.tools or "[]"), **how)
    except NotImplementedError as error:
        raise UpstreamRefused(f"{name} calls no tools; configure a model that does") from error


def _object(name: str, text: str | None) -> Mapping[str, Any]:
    found = {} if text is None else json.loads(text)
    if not isinstance(found, dict):
        raise UpstreamRefused(f"{name}: the further options are no JSON object")
    return found


def _loose(text: str) -> Any:
    """A JSON value, or else the text itself: `auto` comes with and without quotes."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_cached(model: Any) -> bool:
    from langchain_core.globals import get_llm_cache

    return bool(model.cache) or (model.cache is None and get_llm_cache() is not None)


def without_retries(model: Any) -> Any:
    """The model with its client's own retries switched off: there is one retry loop, and it is
    ours. The model that was given stays as it was, and shares its connections.

    Clients that are already made remember their number of retries; those of the kind that OpenAI,
    Anthropic and Groq have can be asked for one with another number.
    """
    from langchain_core.runnables import RunnableBinding

    if isinstance(model, RunnableBinding):
        bound = without_retries(model.bound)
        return model if bound is model.bound else model.model_copy(update={"bound": bound})
    if "max_retries" not in getattr(type(model), "model_fields", ()):
        return model
    update: dict[str, Any] = {"max_retries": 0}
    for name, value in vars(model).items():
        if callable(getattr(value, "with_options", None)) and hasattr(value, "max_retries"):
            update[name] = value.with_options(max_retries=0)
    for name, value in vars(model).items():
        client: Any = getattr(value, "_client", None)  # of a part of it, like `chat.completions`
        if callable(getattr(client, "with_options", None)) and hasattr(client, "max_retries"):
            update[name] = type(value)(client.with_options(max_retries=0))
    return model.model_copy(update=update)
