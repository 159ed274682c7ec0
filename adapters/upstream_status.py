"""What an error of an HTTP upstream means: the status table, and the words that providers use.

Nothing but a typed error comes out, whatever the bytes that came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from ..router.errors import (
    ContentRefused,
    ContextOverflow,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from .upstream_patience import should_retry, wait_in_words_s, wait_s

__all__ = ["Failed", "complaint_of", "error_status", "short", "status_error"]

_SHOWN = 300
_READ = 4000  # gateways wrap what the model's own endpoint said, several times over
_BROKEN = frozenset({408, 409, 425})
_NOT_PAID = "insufficient_quota"
_TOO_LARGE = "Request too large"

_OVERFLOW_KINDS = frozenset(
    "context_length_exceeded exceed_context_size_error context_window_exceeded "
    "model_max_prompt_tokens_exceeded".split()
)
_ABOUT_LENGTH = re.compile(
    r"context[ _-]?(?:length|size|window|limit)"
    r"|maximum (?:prompt|input|context|sequence|model length)"
    r"|(?:prompt|input|messages?|request)\b[^.]{0,40}\btoo (?:long|large)|reduce the length"
    r"|too many (?:input )?tokens|token count[^.]{0,40}exceeds|input length should be"
    # Text Generation Inference; old vLLM, whose rest of the context is negative.
    r"|max_new_tokens`? must be|inputs`? must have less|max_tokens must be at least 1, got -",
    re.IGNORECASE,
)
_CONTENT_KINDS = frozenset(
    "content_filter content_policy_violation content_policy responsibleaipolicyviolation "
    "contentpolicyviolationerror "
    "moderation_blocked data_inspection_failed".split()
)
_ABOUT_CONTENT = re.compile(
    r"content ?(?:management )?polic|content filter|usage polic|safety system|moderation\b"
    r"|inappropriate content",
    re.IGNORECASE,
)
_STATUS_BY_KIND: Mapping[str, int] = {
    **dict.fromkeys(("invalid_request_error", "badrequesterror", *_OVERFLOW_KINDS), 400),
    **dict.fromkeys(_CONTENT_KINDS, 400),
    **dict.fromkeys(("authentication_error", "invalid_api_key"), 401),
    **dict.fromkeys(("permission_error", "permission_denied"), 403),
    **dict.fromkeys(("not_found_error", "model_not_found"), 404),
    **dict.fromkeys(
        ("rate_limit_error", "rate_limit_exceeded", "resource_exhausted", _NOT_PAID), 429
    ),
    **dict.fromkeys(
        ("server_error", "internal_error", "api_error", "internalservererror", "internal"), 500
    ),
    **dict.fromkeys(("overloaded_error", "service_unavailable", "unavailable_error"), 503),
    **dict.fromkeys(("timeout", "timeout_error"), 504),
}


@dataclass(frozen=True, slots=True)
class Failed:
    """An answer with an error status.

    Attributes:
        headers: looked up in lower case.
        now: seconds since the epoch, against which dates in headers are read.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class _Complaint:
    """`said` is for people, `whole` more of the same, `kinds` the type and codes in lower case."""

    said: str
    whole: str
    kinds: frozenset[str] = frozenset()
    names_a_field: bool = False

    @property
    def is_about_length(self) -> bool:
        return bool(self.kinds & _OVERFLOW_KINDS or _ABOUT_LENGTH.search(self.whole))

    @property
    def is_about_content(self) -> bool:
        return bool(self.kinds & _CONTENT_KINDS or _ABOUT_CONTENT.search(self.whole))


def status_error(model: str, failed: Failed) -> UpstreamError:
    """The typed error of an answer with an error status.

    One of UpstreamRateLimited, UpstreamUnavailable, UpstreamUnauthorized, ContentRefused,
    ContextOverflow, UpstreamRefused, and UpstreamMalformed for a success without an answer, with
    the patience that the headers ask for, or else the words.
    """
    status, complaint = failed.status, _read(failed.body)
    said = f"{model} answered with status {status}: {complaint.said}"
    wait, again = wait_s(failed.headers, failed.now), should_retry(failed.headers)
    if status == 429:
        wait = wait_in_words_s(_text(failed.body)) if wait is None else wait
        # No patience helps an account without money, nor a request above the whole limit.
        if again is None and (_NOT_PAID in complaint.kinds or _TOO_LARGE in complaint.whole):
            again = False
    kind, more = _meaning(status, complaint)
    return kind(more.format(said=said), retry_after_s=wait, should_retry=again, reach="answered")


def error_status(error: object) -> int | None:
    """The status that an error object stands for, by its code or type; None where it has none.

    For errors that come under a status of success, or in the middle of a stream.
    """
    if not isinstance(error, Mapping):
        return None
    for key in ("code", "status", "type"):
        value = error.get(key)
        if isinstance(value, str):
            value = int(value) if value.isdecimal() and len(value) == 3 else _by_kind(value)
        if type(value) is int and 400 <= value <= 599:
            return value
    return None


def complaint_of(body: bytes) -> str:
    """What an error body says: `error.message`, `message` or `detail`, else its beginning."""
    return _read(body).said


def short(value: Any) -> str:
    """The beginning of a foreign value, to be quoted in an error."""
    if isinstance(value, bytes):
        value = value[:_SHOWN].decode("utf-8", "replace")
    return str(value)[:_SHOWN].strip() or "nothing"


def _meaning(status: int, complaint: _Complaint) -> tuple[type[UpstreamError], str]:
    """The error's class, and its message around `{said}`."""
    if status == 429:
        return UpstreamRateLimited, "{said}"
    # llama.cpp says of some prompts that are too long that the server has failed.
    if status in _BROKEN or (status >= 500 and not (status == 500 and complaint.is_about_length)):
        return UpstreamUnavailable, "{said}"
    if status < 300:
        return UpstreamMalformed, "{said}; that is no completion"
    if status < 400:
        return UpstreamRefused, "{said}; the base_url leads elsewhere, give the final one"
    if status != 401 and complaint.is_about_content:
        return ContentRefused, "{said}"
    if status == 403 and complaint.names_a_field:  # OpenAI, of logprobs of a model without
        return UpstreamRefused, "{said}"
    if status in (401, 402, 403):
        return UpstreamUnauthorized, "{said}; check the API key and what it may use"
    if status == 413 or complaint.is_about_length:
        return ContextOverflow, "the prompt is longer than the context of the model: {said}"
    return UpstreamRefused, "{said}"


def _by_kind(name: str) -> int | None:
    return _STATUS_BY_KIND.get(name.lower())


def _read(body: bytes) -> _Complaint:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return _raw(body)
    if isinstance(data, list) and len(data) == 1:  # as Gemini's compatible endpoint wraps it
        data = data[0]
    if not isinstance(data, dict):
        return _raw(body)
    error = data.get("error")
    source = error if isinstance(error, dict) else data
    message = source.get("message")
    places = (message, error, data.get("message"), data.get("detail"), _fields_of(data, message))
    said = next((place for place in places if isinstance(place, str) and place), None)
    inner = source.get("innererror")  # Azure's
    found = [source.get("type"), source.get("code"), source.get("status")]
    found += [inner.get("code")] if isinstance(inner, dict) else []
    kinds = [each for each in found if isinstance(each, str) and each]
    if said is None:
        return replace(_raw(body), kinds=frozenset(kind.lower() for kind in kinds))
    text, more = short(said), source.get("metadata")
    inside = more.get("raw") if isinstance(more, dict) else None  # OpenRouter's
    return _Complaint(
        f"{text} ({short(kinds[0])})" if kinds else text,
        f"{said} {inside}"[:_READ] if isinstance(inside, str) else said[:_READ],
        frozenset(kind.lower() for kind in kinds),
        isinstance(source.get("param"), str),
    )


def _fields_of(*places: object) -> str | None:
    """What FastAPI says of each field that it refused, without the input that it repeats."""
    for place in places:
        detail = place.get("detail") if isinstance(place, dict) else None
        entries = [each for each in detail if isinstance(each, dict)] if _is_list(detail) else []
        said = [f"{_path(each.get('loc'))}: {each['msg']}" for each in entries if each.get("msg")]
        if said:
            return "; ".join(said)
    return None


def _path(places: object) -> str:
    return ".".join(str(each) for each in places) if _is_list(places) else "request"


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _raw(body: bytes) -> _Complaint:
    return _Complaint(short(body), _text(body))


def _text(body: bytes) -> str:
    return body[:_READ].decode("utf-8", "replace")
