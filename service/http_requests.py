"""From the body of a request to what the router is asked, and within which limits."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from ..graphs.settings import ServeSettings
from ..router.budget import Budget
from ..router.callers import CallerRequest
from ..router.protocols import CallOptions, Message
from .http_auth import Caller
from .http_bodies import ChatBody, ChatMessage, CompletionBody, GenerationBody, Overrides
from .http_errors import bad_request

__all__ = ["allowed_s", "budget_within", "chat_request", "completion_request"]

Number = TypeVar("Number", int, float)

# Kept from models: they concern the service that is asked, and this is the one.
_NOT_PASSED_ON = frozenset(("functions", "function_call", "metadata", "store", "best_of", "echo"))
_ROLES = {"developer": "system", "function": "tool"}


def chat_request(body: ChatBody) -> CallerRequest:
    """What the router is shown of a chat.

    Raises:
        HttpError: 400 where no user says anything.
    """
    messages = tuple([_message(one) for one in body.messages])
    if not any(one.role == "user" for one in messages):
        raise bad_request("'messages': no user says anything", "messages")
    options = CallOptions(
        tools=_json("tools", body.tools),
        tool_choice=_json("tool_choice", body.tool_choice),
        response_format=_json("response_format", body.response_format),
        parallel_tool_calls=body.parallel_tool_calls,
        others=_others(body),
    )
    return _request(messages, options, body)


def completion_request(body: CompletionBody) -> CallerRequest:
    """What the router is shown of a prompt: one user who says it."""
    return _request((Message("user", body.text),), CallOptions(others=_others(body)), body)


def _request(
    messages: tuple[Message, ...], options: CallOptions, body: GenerationBody
) -> CallerRequest:
    return CallerRequest(
        messages,
        None if options == CallOptions() else options,
        body.max_completion_tokens or body.max_tokens,
        body.stops,
    )


def _message(message: ChatMessage) -> Message:
    role, content = _ROLES.get(message.role, message.role), message.content
    if isinstance(content, str) and role == message.role and not message.model_extra:
        return Message(role, content)
    raw = message.model_dump_json(exclude_unset=True)
    return Message(role, content if isinstance(content, str) else _parts_text(content or []), raw)


def _parts_text(parts: list[dict[str, Any]]) -> str:
    texts = [one.get("text") for one in parts if one.get("type") == "text"]
    return "\n".join(text for text in texts if isinstance(text, str))


def _others(body: GenerationBody) -> str | None:
    extra = body.model_extra or {}
    kept = {name: value for name, value in extra.items() if name not in _NOT_PASSED_ON}
    return _json(", ".join(kept)[:200], kept) if kept else None


def _json(names: str, value: object) -> str | None:
    if value is None:
        return None
    try:
        # Not orjson: whole numbers of any size are JSON, and pass through.
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise bad_request(f"{names}: holds what is no JSON: {error}") from error


def allowed_s(headers: Mapping[str, str], settings: ServeSettings) -> float:
    """Seconds that a request may take, by its headers and the configuration.

    `x-request-timeout-ms` says so; the read timeout that OpenAI's clients announce can only shorten
    the configured default.

    Raises:
        HttpError: 400 where `x-request-timeout-ms` is no number above 0.
    """
    asked = headers.get("x-request-timeout-ms")
    if asked is not None:
        seconds = _number(asked) / 1e3
        if not seconds > 0.0:
            raise bad_request(
                "x-request-timeout-ms: expected milliseconds, a number above 0",
                "x-request-timeout-ms",
            )
        return min(seconds, settings.max_deadline_s)
    hint = _number(headers.get("x-stainless-read-timeout", "nan"))
    limit = min(settings.deadline_s, settings.max_deadline_s)
    return min(hint, limit) if hint > 0.0 else limit


def _number(text: str) -> float:
    """NaN where it is none."""
    try:
        return float(text) if len(text) <= 32 else math.nan
    except ValueError:
        return math.nan


def budget_within(
    configured: Budget, deadline_s: float, caller: Caller, asked: Overrides
) -> Budget:
    """The configured budget, tightened by the request's time, its key and its own wishes."""
    return replace(
        configured,
        max_cost=_least(configured.max_cost, caller.max_cost, asked.max_cost),
        deadline_s=_least(configured.deadline_s, deadline_s),
        max_calls=_least(configured.max_calls, asked.max_calls),
        max_tokens=_least(configured.max_tokens, asked.max_tokens),
        max_rounds=_least(configured.max_rounds, asked.rounds) or 0,
        max_risk=_least(configured.max_risk, caller.max_risk, asked.risk),
    )


def _least(*limits: Number | None) -> Number | None:
    return min((limit for limit in limits if limit is not None), default=None)
