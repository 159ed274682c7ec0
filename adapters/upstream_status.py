"""What an error of an HTTP upstream means: the status table, and the words that providers use.

Nothing but a typed error comes out, whatever the bytes that came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..router.errors import (
    ContentRefused,
    ContextOverflow,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from .upstream_patience import should_retry, wait_s

__all__ = ["Failed", "complaint_of", "error_status", "short", "status_error"]

_SHOWN = 300
_BROKEN = frozenset({408, 409, 425})
_NOT_PAID = "insufficient_quota"

_OVERFLOW_KINDS = frozenset(
    "context_length_exceeded exceed_context_size_error context_window_exceeded "
    "model_max_prompt_tokens_exceeded".split()
)
_ABOUT_LENGTH = re.compile(
    r"context[ _-]?(?:length|size|window)|maximum (?:prompt|input|context)|too many input tokens"
    r"|(?:prompt|input|messages?|request)\b[^.]{0,40}\btoo long|reduce the length"
    r"|token count[^.]{0,40}exceeds|max_new_tokens`? must be",
    re.IGNORECASE,
)
_CONTENT_KINDS = frozenset(
    "content_filter content_policy_violation content_policy responsibleaipolicyviolation "
    "moderation_blocked data_inspection_failed".split()
)
_ABOUT_CONTENT = re.compile(
    r"content (?:management )?polic|content filter|usage polic|safety system|moderation\b"
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
    """`said` is for people, `kinds` are the error's type and codes in lower case."""

    said: str
    kinds: frozenset[str]


def status_error(model: str, failed: Failed) -> UpstreamError:
    """The typed error of an answer with an error status.

    One of UpstreamRateLimited, UpstreamUnavailable, UpstreamUnauthorized, ContentRefused,
    ContextOverflow and UpstreamRefused, with the patience that the headers ask for.
    """
    status, complaint = failed.status, _read(failed.body)
    said = f"{model} answered with status {status}: {complaint.said}"
    wait, again = wait_s(failed.headers, failed.now), should_retry(failed.headers)
    if status == 429 and again is None and _NOT_PAID in complaint.kinds:
        again = False  # no patience helps an account without money
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
    if status in _BROKEN or status >= 500:
        return UpstreamUnavailable, "{said}"
    if 300 <= status < 400:
        return UpstreamRefused, "{said}; the base_url leads elsewhere, give the final one"
    if status != 401 and (
        complaint.kinds & _CONTENT_KINDS or _ABOUT_CONTENT.search(complaint.said)
    ):
        return ContentRefused, "{said}"
    if status in (401, 402, 403):
        return UpstreamUnauthorized, "{said}; check the API key and what it may use"
    if status == 413 or complaint.kinds & _OVERFLOW_KINDS or _ABOUT_LENGTH.search(complaint.said):
        return ContextOverflow, "the prompt is longer than the context of the model: {said}"
    return UpstreamRefused, "{said}"


def _by_kind(name: str) -> int | None:
    return _STATUS_BY_KIND.get(name.lower())


def _read(body: bytes) -> _Complaint:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return _Complaint(short(body), frozenset())
    if isinstance(data, list) and len(data) == 1:  # as Gemini's compatible endpoint wraps it
        data = data[0]
    if not isinstance(data, dict):
        return _Complaint(short(body), frozenset())
    error = data.get("error")
    source = error if isinstance(error, dict) else data
    places = (source.get("message"), error, data.get("message"), data.get("detail"))
    said = next((place for place in places if isinstance(place, str) and place), None)
    inner = source.get("innererror")  # Azure's
    found = [source.get("type"), source.get("code"), source.get("status")]
    found += [inner.get("code")] if isinstance(inner, dict) else []
    kinds = [each for each in found if isinstance(each, str) and each]
    text = short(body) if said is None else said[:_SHOWN]
    return _Complaint(
        f"{text} ({short(kinds[0])})" if kinds else text,
        frozenset(kind.lower() for kind in kinds),
    )
