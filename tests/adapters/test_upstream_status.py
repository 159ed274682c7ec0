"""Bodies as providers write them, and what they mean."""

from __future__ import annotations

import json

import pytest

from surefoot.adapters.upstream_status import Failed, complaint_of, error_status, status_error
from surefoot.router.errors import (
    ContentRefused,
    ContextOverflow,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)

LONG = (
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000."
)
# Provider, status, body, what it is.
BODIES: list[tuple[str, int, object, type[UpstreamError]]] = [
    (
        "openai",
        400,
        {"error": {"message": LONG, "code": "context_length_exceeded"}},
        ContextOverflow,
    ),
    (
        "azure content",
        400,
        {
            "error": {
                "message": "The response was filtered due to the prompt triggering our policy.",
                "code": "content_filter",
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
        ContentRefused,
    ),
    ("vllm", 400, {"object": "error", "message": LONG, "code": 400}, ContextOverflow),
    (
        "llama.cpp",
        400,
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size",
                "type": "exceed_context_size_error",
            }
        },
        ContextOverflow,
    ),
    ("too large", 413, "Payload Too Large", ContextOverflow),
    ("anthropic", 529, {"error": {"type": "overloaded_error"}}, UpstreamUnavailable),
    ("anthropic long", 400, {"error": {"message": "prompt is too long: 9 > 8"}}, ContextOverflow),
    ("ollama", 404, {"error": "model 'x' not found"}, UpstreamRefused),
    ("gemini", 429, [{"error": {"status": "RESOURCE_EXHAUSTED"}}], UpstreamRateLimited),
    ("key", 401, {"error": {"message": "Incorrect API key provided"}}, UpstreamUnauthorized),
    ("payment", 402, "", UpstreamUnauthorized),
    ("forbidden", 403, b"\xff\xfe", UpstreamUnauthorized),
    ("moderated", 403, {"error": {"message": "flagged by our moderation"}}, ContentRefused),
    ("parameter", 422, {"detail": [{"msg": "extra"}]}, UpstreamRefused),
    ("moved", 308, "", UpstreamRefused),
    ("proxy", 502, "<html>Bad Gateway</html>", UpstreamUnavailable),
    ("conflict", 409, "", UpstreamUnavailable),
    ("timeout", 408, "", UpstreamUnavailable),
]


@pytest.mark.parametrize(
    ("status", "body", "kind"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
def test_bodies_of_providers(status: int, body: object, kind: type[UpstreamError]) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    error = status_error("m", Failed(status, data))
    assert type(error) is kind and error.reach == "answered"
    assert str(status) in str(error)


def test_an_account_without_money_is_not_asked_again() -> None:
    body = json.dumps({"error": {"code": "insufficient_quota", "message": "pay"}}).encode()
    error = status_error("m", Failed(429, body, {"retry-after": "1"}))
    assert error.should_retry is False and error.retry_after_s == 1.0


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 503}, 503),
        ({"code": "429"}, 429),
        ({"type": "overloaded_error"}, 503),
        ({"code": "context_length_exceeded"}, 400),
        ({"code": 7}, None),
        ({"code": True}, None),
        ("gone", None),
        (None, None),
    ],
)
def test_errors_that_come_under_another_status(error: object, status: int | None) -> None:
    assert error_status(error) == status


def test_what_is_quoted_is_short() -> None:
    assert len(complaint_of(b"x" * 10_000)) <= 300
    assert complaint_of(b'{"message": "no"}') == "no"
    assert complaint_of(b"") == "nothing"
