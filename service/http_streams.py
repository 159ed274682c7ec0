"""Answers as streams of events: in one go, or piece by piece while they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import orjson

from ..graphs.token_logprobs import chat_logprobs, text_logprobs
from .http_answers import Head, Reply, Shape, calls_of, envelope_of, usage_of

__all__ = ["Piece", "chat_events", "chat_piece", "event_bytes", "text_events", "text_piece"]


class Piece(Protocol):
    """The event with a piece of an answer that is still being written."""

    def __call__(self, head: Head, text: str, *, is_first: bool, usage: bool) -> bytes:
        """Its bytes."""
        ...


def chat_events(reply: Reply, shape: Shape, decision: Mapping[str, Any]) -> bytes:
    """A chat completion as `chat.completion.chunk` events; the decision stands on the last one."""
    choices: list[dict[str, Any]] = []
    for at in range(shape.n):
        deltas = list(_deltas(reply, at)) or [{"content": ""}]
        choices += [_chunk_choice(at, delta) for delta in deltas]
        choices[-1]["logprobs"] = chat_logprobs(reply.tokens, shape.candidates)
        choices.append(_chunk_choice(at, {}, reply.finish_reason))
    return _events(_chat_head(reply.head), choices, reply, shape, decision)


def chat_piece(head: Head, text: str, *, is_first: bool, usage: bool) -> bytes:
    """The event with a piece of an answer that is still being written."""
    role = {"role": "assistant"} if is_first else {}
    choice = _chunk_choice(0, {**role, "content": text})
    return _piece(_chat_head(head), choice, usage)


def text_piece(head: Head, text: str, *, is_first: bool, usage: bool) -> bytes:
    """The same of a text completion."""
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": None}
    return _piece(_text_head(head), choice, usage)


def _piece(envelope: dict[str, Any], choice: dict[str, Any], usage: bool) -> bytes:
    told = {"usage": None} if usage else {}
    return event_bytes({**envelope, "choices": [choice], **told})


def _chat_head(head: Head) -> dict[str, Any]:
    return envelope_of(head, "chat.completion.chunk", "chatcmpl")


def _text_head(head: Head) -> dict[str, Any]:
    return envelope_of(head, "text_completion", "cmpl")


def _deltas(reply: Reply, at: int) -> Iterator[dict[str, Any]]:
    if reply.shown is None:
        yield {"role": "assistant", "content": ""}
    if reply.rest:
        yield {"content": reply.rest}
    for number, call in enumerate(calls_of(reply, at)):
        yield {"tool_calls": [{"index": number, **call}]}


def _chunk_choice(at: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": at, "delta": delta, "logprobs": None, "finish_reason": finish}


def text_events(reply: Reply, shape: Shape, decision: Mapping[str, Any]) -> bytes:
    """A text completion as `text_completion` events; the decision stands on the last one."""
    choices: list[dict[str, Any]] = []
    for at in range(shape.n):
        logprobs = text_logprobs(reply.tokens, shape.candidates)
        choices.append(
            {"index": at, "text": reply.rest, "logprobs": logprobs, "finish_reason": None}
        )
        choices.append(
            {"index": at, "text": "", "logprobs": None, "finish_reason": reply.finish_reason}
        )
    return _events(_text_head(reply.head), choices, reply, shape, decision)


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
        chunks.append({**envelope, "choices": [], "usage": usage_of(reply.result)})
    chunks[-1]["surefoot"] = decision
    return b"".join([*[event_bytes(chunk) for chunk in chunks], b"data: [DONE]\n\n"])


def event_bytes(document: Mapping[str, Any]) -> bytes:
    """One event of a stream."""
    return b"data: " + orjson.dumps(document) + b"\n\n"
