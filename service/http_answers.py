"""From the end of a run to what OpenAI's clients read: bodies, headers and the events of a stream.

Nothing is written before the run has ended, so no draft that was not judged is ever sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ..graphs.decision_field import decision_field, escalations
from ..graphs.token_logprobs import chat_logprobs, text_logprobs
from ..router.decisions import Action, Result
from ..router.drive import Answered
from ..router.evidence import Generation, Token, ToolCall
from .documents import trail_document

__all__ = [
    "Reply",
    "Shape",
    "chat_document",
    "chat_events",
    "decision_headers",
    "surefoot_field",
    "text_document",
    "text_events",
]

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_LONGEST_HEADER = 512


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes into a response, whatever the endpoint.

    Attributes:
        answered: how the run ended.
        model: the name that was asked for.
        text: what is served: the answer, or the words of an abstention.
        created: seconds since the epoch.
    """

    answered: Answered
    model: str
    text: str
    created: int

    @property
    def result(self) -> Result:
        """How the run ended."""
        return self.answered.result

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """What the served attempt asks to be called."""
        result = self.result
        is_served = result.action is Action.ANSWER and result.best is not None
        return result.best.tool_calls if is_served and result.best is not None else ()

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Of the served answer, where they spell it; empty where nobody knows them."""
        generation: Generation | None = self.answered.generation
        return () if generation is None else generation.tokens

    @property
    def finish_reason(self) -> str:
        """An answer that is served is whole."""
        return "tool_calls" if self.tool_calls else "stop"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a request wants to see.

    Attributes:
        n: how often the one answer is given.
        candidates: per token; None for no logprobs at all.
        usage: whether a stream tells it.
        trail: whether the decision's trail is shown.
    """

    n: int = 1
    candidates: int | None = None
    usage: bool = False
    trail: bool = False


def surefoot_field(result: Result, names: Sequence[str], *, trail: bool = False) -> dict[str, Any]:
    """The decision, as it stands beside the answer.

    The trail quotes drafts that were not served: it is shown to whoever asks for it by name.
    """
    found = decision_field(result, names)
    return {**found, "trail": trail_document(result)} if trail else found


def decision_headers(result: Result) -> dict[str, str]:
    """The decision in headers; what is unknown has none."""
    found = {
        "x-surefoot-decision": result.action.value,
        "x-surefoot-run": result.run_id,
        "x-surefoot-escalations": str(escalations(result)),
    }
    if result.confidence is not None:
        found["x-surefoot-confidence"] = f"{result.confidence:.6g}"
    if result.model is not None:
        found["x-surefoot-model"] = _in_header(result.model)
    if result.degraded:
        found["x-surefoot-degraded"] = _in_header("; ".join(dict.fromkeys(result.degraded)))
    return found


def _in_header(words: str) -> str:
    """What an upstream wrote must not break a header."""
    return _UNPRINTABLE.sub("?", words)[:_LONGEST_HEADER].strip()


def _usage(result: Result) -> dict[str, int]:
    """Summed over all attempts, served or not: what was paid for."""
    written = min(result.tokens_out, result.tokens)
    return {
        "prompt_tokens": result.tokens - written,
        "completion_tokens": written,
        "total_tokens": result.tokens,
    }


def _envelope(reply: Reply, kind: str, prefix: str) -> dict[str, Any]:
    return {
        "id": f"{prefix}-{reply.result.run_id}",
        "object": kind,
        "created": reply.created,
        "model": reply.model,
    }


def _calls(reply: Reply, at: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{reply.result.run_id[:24]}_{at}_{number}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for number, call in enumerate(reply.tool_calls)
    ]


def _message(reply: Reply, at: int) -> dict[str, Any]:
    calls = _calls(reply, at)
    content = reply.text if reply.text or not calls else None
    found: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    return {**found, "tool_calls": calls} if calls else found


def chat_document(reply: Reply, shape: Shape, decision: Mapping[str, Any]) -> dict[str, Any]:
    """A `chat.completion`."""
    logprobs = chat_logprobs(reply.tokens, shape.candidates)
    choices = [
        {
            "index": at,
            "message": _message(reply, at),
            "logprobs": logprobs,
            "finish_reason": reply.finish_reason,
        }
        for at in range(shape.n)
    ]
    return {
        **_envelope(reply, "chat.completion", "chatcmpl"),
        "choices": choices,
        "usage": _usage(reply.result),
        "surefoot": decision,
    }


def text_document(reply: Reply, shape: Shape, decision: Mapping[str, Any]) -> dict[str, Any]:
    """A `text_completion`."""
    choices = [
        {
            "index": at,
            "text": reply.text,
            "logprobs": text_logprobs(reply.tokens, shape.candidates),
            "finish_reason": reply.finish_reason,
        }
        for at in range(shape.n)
    ]
    return {
        **_envelope(reply, "text_completion", "cmpl"),
        "choices": choices,
        "usage": _usage(reply.result),
        "surefoot": decision,
    }


def chat_events(reply: Reply, shape: Shape, decision: Mapping[str, Any]) -> bytes:
    """The same as `chat.completion.chunk` events; the decision stands on the last chunk of all."""
    envelope = _envelope(reply, "chat.completion.chunk", "chatcmpl")
    choices: list[dict[str, Any]] = []
    for at in range(shape.n):
        deltas = [{"role": "assistant", "content": ""}, *_deltas(reply, at)]
        choices += [_chunk_choice(at, delta) for delta in deltas]
        choices[-1]["logprobs"] = chat_logprobs(reply.tokens, shape.candidates)
        choices.append(_chunk_choice(at, {}, reply.finish_reason))
    return _events(envelope, choices, reply, shape, decision)


def _deltas(reply: Reply, at: int) -> Iterator[dict[str, Any]]:
    if reply.text:
        yield {"content": reply.text}
    for number, call in enumerate(_calls(reply, at)):
        yield {"tool_calls": [{"index": number, **call}]}


def _chunk_choice(at: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": at, "delta": delta, "logprobs": None, "finish_reason": finish}


def text_events(reply: Reply, shape: Shape, decision: Mapping[str, Any]) -> bytes:
    """The same as `text_completion` events."""
    choices: list[dict[str, Any]] = []
    for at in range(shape.n):
        logprobs = text_logprobs(reply.tokens, shape.candidates)
        choices.append(
            {"index": at, "text": reply.text, "logprobs": logprobs, "finish_reason": None}
        )
        choices.append(
            {"index": at, "text": "", "logprobs": None, "finish_reason": reply.finish_reason}
        )
    return _events(_envelope(reply, "text_completion", "cmpl"), choices, reply, shape, decision)


def _events(
    envelope: dict[str, Any],
    choices: list[dict[str, Any]],
    reply: Reply,
    shape: Shape,
    decision: Mapping[str, Any],
) -> bytes:
    chunks: list[dict[str, Any]] = [{**envelope, "choices": [choice]} for choice in choices]
    if shape.usage:
        for chunk in chunks:
            chunk["usage"] = None
        chunks.append({**envelope, "choices": [], "usage": _usage(reply.result)})
    chunks[-1]["surefoot"] = decision
    lines = [b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks]
    return b"".join([*lines, b"data: [DONE]\n\n"])
