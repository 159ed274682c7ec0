"""What a LangChain model returned, as records: text, tokens, why it ended, tool calls, usage.

Integrations agree on the message and on its usage; why an answer ended and how sure each token was
stand under names of their own in its `response_metadata`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..router.errors import UpstreamMalformed, UpstreamTruncated
from ..router.evidence import FinishReason, Generation, Token, ToolCall
from .logprobs import read_logprobs, spell

__all__ = ["Answer", "finish_of", "logprob_entries", "marked_end", "read_answer"]

_CHARACTERS_PER_TOKEN = 3

_REASON_KEYS = ("finish_reason", "stop_reason", "stopReason", "done_reason", "completion_reason")
"""OpenAI's kind, Anthropic, Bedrock, Ollama, watsonx."""

_REASONS: Mapping[FinishReason, tuple[str, ...]] = {
    "stop": (
        *("stop", "end_turn", "stop_sequence", "eos", "eos_token", "complete", "completed"),
        *("end_of_sequence", "finish", "finished"),
    ),
    "length": (
        *("length", "max_tokens", "max_output_tokens", "max_new_tokens", "model_length"),
        *("token_limit", "model_context_window_exceeded"),
    ),
    "tool_calls": ("tool_calls", "tool_call", "tool_use", "function_call"),
    "content_filter": (
        *("content_filter", "content_filtered", "safety", "refusal", "recitation", "blocklist"),
        *("prohibited_content", "spii", "guardrail_intervened", "error_toxic"),
    ),
}
_BY_NAME: Mapping[str, FinishReason] = MappingProxyType(
    {name: reason for reason, names in _REASONS.items() for name in names}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer with what it used; tokens as reported, else estimated rather too high."""

    generation: Generation
    tokens_in: int
    tokens_out: int


def finish_of(metadata: Mapping[str, Any]) -> tuple[FinishReason | None, str | None]:
    """Why the answer ended, and the word that the integration has for it; None where it is silent.

    A word that is not known comes back without a reason.
    """
    for key in _REASON_KEYS:
        said = metadata.get(key)
        if isinstance(said, str) and said:
            return _BY_NAME.get(said.lower()), said
    status = metadata.get("status")  # OpenAI's Responses
    if status == "incomplete":
        details = metadata.get("incomplete_details")
        why = details.get("reason") if isinstance(details, Mapping) else None
        return _BY_NAME.get(str(why)), f"incomplete: {why}"
    return ("stop", "completed") if status == "completed" else (None, None)


def logprob_entries(message: Any) -> Sequence[Any]:
    """The logprob entries of a message or of one chunk of it, in whatever shape; maybe none."""
    raw = message.response_metadata.get("logprobs")
    if isinstance(raw, Mapping):
        raw = raw.get("content")
    if isinstance(raw, list | tuple):
        return raw
    blocks = message.content if isinstance(message.content, list) else ()
    found: list[Any] = []
    for block in blocks:
        entries = block.get("logprobs") if isinstance(block, Mapping) else None
        if isinstance(entries, list | tuple):
            found += entries
    return found


def read_answer(
    name: str, found: object, prompt_size: int, unmarked: FinishReason | None = None
) -> Answer:
    """The answer in what a model returned.

    Args:
        prompt_size: characters that were shown, where the usage is not reported.
        unmarked: what an answer is taken for that does not say why it ended.

    Raises:
        UpstreamMalformed: it is neither a message nor a text.
        UpstreamTruncated: it does not say why it ended, or for a reason that is not known.
    """
    from langchain_core.messages import AIMessage, BaseMessage

    if isinstance(found, str):
        found = AIMessage(found)
    if not isinstance(found, BaseMessage):
        raise UpstreamMalformed(
            f"{name} returned {type(found).__name__}; expected a message or a text"
        )
    text, calls = _clean(found.text), _tool_calls(found)
    finish = _finish(name, found, unmarked)
    refusal = found.additional_kwargs.get("refusal")
    if not text.strip() and isinstance(refusal, str) and refusal:
        text, finish = _clean(refusal), "content_filter"
    if calls and finish == "stop":  # a forced tool, and Ollama always, ends as if it were a text
        finish = "tool_calls"
    tokens = _tokens(found, text, calls)
    generation = Generation(text.strip(), tokens, finish, calls)
    return Answer(generation, *_usage(found, generation, prompt_size))


def marked_end(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """The tokens, of which trailing ones without text are what ended the answer."""
    end = len(tokens)
    while end and not tokens[end - 1].token:
        end -= 1
    ending = [Token(one.token, one.logprob, one.top_logprobs, special=True) for one in tokens[end:]]
    return (*tokens[:end], *ending)


def _finish(name: str, message: Any, unmarked: FinishReason | None) -> FinishReason:
    finish, said = finish_of(message.response_metadata)
    if finish is not None:
        return finish
    if said is not None:
        raise UpstreamTruncated(f"{name} ended its answer for an unknown reason ({said})")
    if unmarked is None:
        raise UpstreamTruncated(
            f"{name} ended its answer without a finish reason, so that nobody knows whether it is "
            "whole; return an AIMessage with response_metadata={'finish_reason': 'stop'}, or give "
            "LangChainModel unmarked='stop' where it always is"
        )
    return unmarked


def _tokens(message: Any, text: str, calls: tuple[ToolCall, ...]) -> tuple[Token, ...]:
    tokens = read_logprobs(list(logprob_entries(message)) or None).tokens
    is_spelled = spell(tokens, text) or (bool(calls) and not text.strip())
    return marked_end(tokens) if tokens and is_spelled else ()


def _tool_calls(message: Any) -> tuple[ToolCall, ...]:
    """With the arguments as the model wrote them where the message still has them."""
    written = message.additional_kwargs.get("tool_calls")
    if isinstance(written, list) and written:
        functions = [one.get("function") for one in written if isinstance(one, Mapping)]
        return tuple(
            ToolCall(str(one.get("name") or ""), _clean(str(one.get("arguments") or "{}")))
            for one in functions
            if isinstance(one, Mapping)
        )
    calls = [
        ToolCall(str(one["name"]), _clean(json.dumps(one["args"], ensure_ascii=False)))
        for one in getattr(message, "tool_calls", ())
    ]
    broken = [
        ToolCall(str(one["name"] or ""), _clean(str(one["args"] or "")))
        for one in getattr(message, "invalid_tool_calls", ())
    ]
    return (*calls, *broken)


def _usage(message: Any, generation: Generation, prompt_size: int) -> tuple[int, int]:
    usage = getattr(message, "usage_metadata", None)
    written = generation.text + "".join(one.arguments for one in generation.tool_calls)
    estimate = max(len(generation.tokens), _estimated(len(written)))
    return _count(usage, "input_tokens", _estimated(prompt_size)), _count(
        usage, "output_tokens", estimate
    )


def _count(usage: Any, key: str, otherwise: int) -> int:
    value = usage.get(key) if isinstance(usage, Mapping) else None
    # Zero tokens of a prompt that was shown is an integration's way to say that it does not know.
    return value if type(value) is int and (value > 0 or otherwise == 0) else otherwise


def _estimated(characters: int) -> int:
    return math.ceil(characters / _CHARACTERS_PER_TOKEN)


def _clean(text: str) -> str:
    """Without lone surrogates, which have no UTF-8 form."""
    return str(text).encode("utf-8", "replace").decode()
