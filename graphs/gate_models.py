"""The models of a gated agent, made ready: logprobs asked for, and nothing streamed unjudged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..adapters.model_langchain_binding import ChatFields
from ..router.budget import Price

__all__ = ["GateTier", "ReadyModels", "model_name", "without_provider_settings"]

_MOST_CANDIDATES = 20
_STALE = 32  # models that an application makes anew for every request must not pile up
_PROVIDER_SETTINGS = ("cache_control", "prompt_cache_key", "prompt_cache_retention")
_AFFINITY = "affinity"


@dataclass(frozen=True, slots=True)
class GateTier:
    """A model to escalate to.

    Attributes:
        model: a LangChain chat model, or a name for `init_chat_model` (`openai:gpt-5`).
        name: in thresholds, decisions and histories; the model's own where None.
        price: per token; None where it is unknown, which turns money budgets off.
        context: tokens that prompt and answer may have together; the model's own where None.
        max_output: tokens that an answer is expected to have at most, for budgets.
        latency_s: seconds that a call is expected to take, for deadlines.
    """

    model: Any
    name: str | None = None
    price: Price | None = None
    context: int | None = None
    max_output: int = 1024
    latency_s: float = 0.0


def model_name(model: Any) -> str:
    """What a model calls itself."""
    for key in ("model_name", "model"):
        found = getattr(model, key, None)
        if isinstance(found, str) and found:
            return found
    return type(model).__name__


@dataclass(slots=True)
class ReadyModels:
    """Copies of models that are made once for each model.

    Attributes:
        logprobs: whether logprobs are asked for.
        top_logprobs: candidates per token that are asked for beside; parsing them takes a client
            longer than all that the gate does, so there are none where no signal reads them.
        hidden: whether drafts are kept out of streams: by the tag that LangGraph looks for, and by
            switching the model's own streaming off, since a stream that breaks off looks whole.
    """

    logprobs: bool = True
    top_logprobs: int = 0
    hidden: bool = True
    _made: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    _refused: dict[int, Any] = field(default_factory=dict)

    def ready(self, model: Any, temperature: float | None = None) -> Any:
        """The model as drafts are made with; another temperature is for samples."""
        from langchain_core.language_models import BaseChatModel

        if not isinstance(model, BaseChatModel):
            return model
        if temperature is not None:
            return self._copy(model, temperature)
        known = self._made.get(id(model))
        if known is not None and known[0] is model:
            return known[1]
        if len(self._made) >= _STALE:
            self._made.clear()
        copy = self._copy(model, None)
        self._made[id(model)] = (model, copy)
        return copy

    def asks_logprobs(self, model: Any) -> bool:
        """Whether logprobs are asked of it that it would not have given by itself."""
        ready = self.ready(model)
        return bool(getattr(ready, "logprobs", None)) and not getattr(model, "logprobs", None)

    def refuse(self, model: Any) -> None:
        """Ask it for no logprobs any more: it refuses to answer then."""
        self._refused[id(model)] = model
        self._made.pop(id(model), None)

    def _copy(self, model: Any, temperature: float | None) -> Any:
        update: dict[str, Any] = {}
        fields = ChatFields.of(model)
        if self.logprobs and fields.logprobs and self._refused.get(id(model)) is not model:
            update["logprobs"] = True
            if self.top_logprobs > (getattr(model, "top_logprobs", None) or 0):
                update["top_logprobs"] = min(self.top_logprobs, _MOST_CANDIDATES)
        if self.hidden:
            update["tags"] = [*(model.tags or ()), "nostream"]
            update["disable_streaming"] = True
        if temperature is not None:
            update["cache"] = False  # one answer from a cache, n times, is no sample
            if fields.temperature:
                update[fields.temperature] = temperature
        return model.model_copy(update=update) if update else model


def without_provider_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a call without those that only the provider they were made for understands."""
    kept = {key: value for key, value in settings.items() if key not in _PROVIDER_SETTINGS}
    for name in ("headers", "extra_headers"):
        headers = kept.get(name)
        if isinstance(headers, Mapping):
            kept[name] = {
                key: value for key, value in headers.items() if _AFFINITY not in key.lower()
            }
    return kept


def without_cache_marks(message: Any) -> Any:
    """A message without the marks of a provider's prompt cache in its content."""
    if message is None or not isinstance(message.content, list):
        return message
    marked = [isinstance(one, Mapping) and "cache_control" in one for one in message.content]
    if not any(marked):
        return message
    content = [
        {key: value for key, value in one.items() if key != "cache_control"}
        if isinstance(one, Mapping)
        else one
        for one in message.content
    ]
    return message.model_copy(update={"content": content})
