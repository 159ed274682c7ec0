"""The OpenAI-compatible wire: request bodies, answers and errors, as pure functions.

Nothing but a typed error leaves this module, whatever the bytes that came.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from ..router.errors import (
    UpstreamError,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from ..router.evidence import FinishReason, Generation, Token
from ..router.protocols import Completion, ModelCall
from .logprobs import read_logprobs, spell

__all__ = ["Failed", "parse_completion", "request_body", "retry_after_s", "status_error"]

# OpenAI allows 20, and 5 in the older completions; servers of one's own allow 20 by default.
_MOST_CANDIDATES = 20
_SHOWN = 300
_CHARACTERS_PER_TOKEN = 3
_BROKEN = frozenset({408, 409, 425})
_FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_CONTEXT_HINTS = ("context length", "context size", "context window", "context_length", "too long")


@dataclass(frozen=True, slots=True)
class Failed:
    """An answer with an error status.

    Attributes:
        now: seconds since the epoch, against which a Retry-After date is read.
    """

    status: int
    retry_after: str | None
    body: bytes
    now: float


def request_body(model: str, call: ModelCall, *, n: int, place: int, limit_field: str) -> bytes:
    """The JSON of one request, for `n` answers of which the first is answer `place` of the call."""
    body: dict[str, Any] = {
        "model": model,
        limit_field: call.max_tokens,
        "temperature": call.temperature,
        "seed": call.seed + place,
    }
    if n > 1:
        body["n"] = n
    stops = [each for each in call.prompt.stop if each]
    if stops:
        body["stop"] = stops
    k = min(call.top_logprobs, _MOST_CANDIDATES)
    if call.prompt.messages:
        body["messages"] = [
            {"role": each.role, "content": each.content} for each in call.prompt.messages
        ]
        if k > 0:
            body |= {"logprobs": True, "top_logprobs": k}
    else:
        body["prompt"] = call.prompt.text
        if k > 0:
            body["logprobs"] = k
    # A lone surrogate has no UTF-8 form; a question mark takes its place.
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def parse_completion(model: str, body: bytes, call: ModelCall, now: float) -> Completion:
    """The answers in a response body.

    Raises:
        UpstreamMalformed: it is no completion.
        UpstreamTruncated: an answer ended without saying why.
        UpstreamError: the body carries an error, under a status of success.
    """
    data = _json(model, body)
    if not isinstance(data, dict):
        raise UpstreamMalformed(
            f"{model} answered with a JSON {type(data).__name__}, no completion"
        )
    choices = data.get("choices")
    if data.get("error") and not choices:
        code = data["error"].get("code") if isinstance(data["error"], dict) else None
        if type(code) is int and 400 <= code <= 599:
            raise status_error(model, Failed(code, None, body, now))
        raise UpstreamMalformed(f"{model} answered with an error: {_complaint(body)}")
    if not isinstance(choices, list) or not choices:
        raise UpstreamMalformed(f"{model} answered without any choices; its keys: {_keys(data)}")
    is_chat = bool(call.prompt.messages)
    generations = tuple(_generation(model, choice, is_chat) for choice in choices)
    tokens_in, tokens_out = _usage(data.get("usage"), call, generations)
    return Completion(generations, tokens_in, tokens_out)


def status_error(model: str, failed: Failed) -> UpstreamError:
    """The typed error of an answer with an error status."""
    said = f"{model} answered with status {failed.status}: {_complaint(failed.body)}"
    if failed.status == 429:
        wait = retry_after_s(failed.retry_after, failed.now)
        return UpstreamRateLimited(said, retry_after_s=wait)
    if failed.status in _BROKEN or failed.status >= 500:
        return UpstreamUnavailable(said)
    if failed.status in (401, 403):
        return UpstreamRefused(f"{said}; check the API key and what it may use")
    if failed.status == 413 or any(hint in said.lower() for hint in _CONTEXT_HINTS):
        return UpstreamRefused(f"the prompt is longer than the context of the model: {said}")
    if 300 <= failed.status < 400:
        return UpstreamRefused(f"{said}; the base_url leads elsewhere, give the final one")
    return UpstreamRefused(said)


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, given as seconds or as an HTTP date.

    None for garbage, for what is negative or not finite, and for a date that has passed.
    """
    if header is None:
        return None
    seconds = _seconds(header.strip(), now)
    return seconds if seconds is not None and math.isfinite(seconds) and seconds >= 0 else None


def _seconds(text: str, now: float) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None


def _json(model: str, body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        kind = "HTML" if body.lstrip()[:1] == b"<" else "something that is not JSON"
        raise UpstreamMalformed(
            f"{model} answered with {kind}: {_short(body)}; check that base_url is its API"
        ) from error


def _generation(model: str, choice: Any, is_chat: bool) -> Generation:
    if not isinstance(choice, dict):
        raise UpstreamMalformed(f"{model} sent a choice that is no object: {_short(choice)}")
    finish = _finish(model, choice.get("finish_reason"))
    if is_chat:
        text, finish = _message(model, choice.get("message"), finish)
    else:
        text = _required_text(model, choice.get("text"))
    tokens = read_logprobs(choice.get("logprobs")).tokens
    return Generation(text.strip(), _marked(tokens) if spell(tokens, text) else (), finish)


def _finish(model: str, reason: Any) -> FinishReason:
    found = _FINISH.get(reason) if isinstance(reason, str) else None
    if found is None:
        said = "without a finish_reason" if reason is None else f"for an unknown reason ({reason})"
        raise UpstreamTruncated(f"{model} ended its answer {said}")
    return found


def _message(model: str, message: Any, finish: FinishReason) -> tuple[str, FinishReason]:
    if not isinstance(message, dict):
        raise UpstreamMalformed(f"{model} sent a choice without a message")
    content = message.get("content")
    if content is None and message.get("tool_calls"):
        return "", "tool_calls"
    if content is None and isinstance(message.get("refusal"), str):
        return message["refusal"], "content_filter"
    if content is None and finish == "content_filter":
        return "", finish
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    return _required_text(model, content), finish


def _required_text(model: str, text: Any) -> str:
    if not isinstance(text, str):
        raise UpstreamMalformed(f"{model} sent a choice whose text is {_short(text)}")
    return text.encode("utf-8", "replace").decode()  # JSON can carry lone surrogates


def _marked(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """Trailing tokens without text, as llama.cpp reports them, are what ended the answer."""
    end = len(tokens)
    while end and not tokens[end - 1].token:
        end -= 1
    if end == len(tokens):
        return tokens
    return tuple(
        Token(token.token, token.logprob, token.top_logprobs, special=place >= end)
        for place, token in enumerate(tokens)
    )


def _usage(usage: Any, call: ModelCall, generations: tuple[Generation, ...]) -> tuple[int, int]:
    """As reported; else estimated, rather too high, so that budgets still hold."""
    shown = call.prompt.text + "".join(each.content for each in call.prompt.messages)
    return (
        _count(usage, "prompt_tokens", _estimate(shown)),
        _count(
            usage,
            "completion_tokens",
            sum(max(len(each.tokens), _estimate(each.text)) for each in generations),
        ),
    )


def _count(usage: Any, key: str, otherwise: int) -> int:
    value = usage.get(key) if isinstance(usage, dict) else None
    return value if type(value) is int and value >= 0 else otherwise


def _estimate(text: str) -> int:
    return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)


def _complaint(body: bytes) -> str:
    """What an error body says: `error.message`, `message` or `detail`, else its beginning."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return _short(body)
    if not isinstance(data, dict):
        return _short(body)
    error = data.get("error")
    places: list[Callable[[], Any]] = [
        lambda: error.get("message") if isinstance(error, dict) else error,
        lambda: data.get("message"),
        lambda: data.get("detail"),
    ]
    said = next((found for place in places if isinstance(found := place(), str) and found), None)
    kind = error.get("type") or error.get("code") if isinstance(error, dict) else None
    text = _short(body) if said is None else said[:_SHOWN]
    return f"{text} ({_short(kind)})" if kind else text


def _short(value: Any) -> str:
    if isinstance(value, bytes):
        value = value[:_SHOWN].decode("utf-8", "replace")
    return str(value)[:_SHOWN].strip() or "nothing"


def _keys(data: Mapping[str, Any]) -> str:
    return ", ".join(sorted(str(key) for key in data)[:8]) or "none"
