"""What the service refuses, as OpenAI's error envelope says it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from ..router.errors import ContextTooLong, SurefootError, UsageError

__all__ = [
    "HttpError",
    "bad_request",
    "error_document",
    "error_response",
    "json_response",
    "of_usage",
    "overloaded",
]

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_LEAST_RETRY_S = 1
"""openai-python ignores a Retry-After of 0."""


class HttpError(SurefootError):
    """A request that ends with an error status.

    Attributes:
        code: what programs look at.
        param: the field of the request that is wrong, dotted; None where it is no field.
        retry_after_s: seconds after which the same request may succeed; None where it cannot.
        is_final: whether trying again soon cannot help all the same.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        is_final: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        self.is_final = is_final

    @property
    def headers(self) -> dict[str, str]:
        """When to try again, or that it cannot help: openai-python obeys both."""
        never = {"x-should-retry": "false"}
        if self.retry_after_s is None:
            return never
        when = {"retry-after": str(max(_LEAST_RETRY_S, math.ceil(self.retry_after_s)))}
        return {**when, **never} if self.is_final else when


def bad_request(message: str, param: str | None = None) -> HttpError:
    """A request that cannot be understood."""
    return HttpError(400, "invalid_request_error", message, param=param)


def overloaded(message: str, retry_after_s: float = 1.0) -> HttpError:
    """A request for which there is no room at the moment."""
    return HttpError(503, "overloaded", message, retry_after_s=retry_after_s)


def of_usage(error: UsageError) -> HttpError:
    """The loop's own refusal of a request."""
    if isinstance(error, ContextTooLong):
        return HttpError(400, "context_length_exceeded", str(error), param="messages")
    return bad_request(str(error))


def error_document(error: HttpError) -> dict[str, Any]:
    """The envelope that OpenAI's clients read."""
    kind = _TYPES.get(error.status)
    if kind is None:
        kind = "invalid_request_error" if error.status < 500 else "server_error"
    body = {"message": str(error), "type": kind, "param": error.param, "code": error.code}
    return {"error": body}


def json_response(document: Mapping[str, Any], status: int = 200) -> Response:
    """A document as JSON."""
    return Response(orjson.dumps(document), status, media_type="application/json")


def error_response(error: HttpError) -> Response:
    """The envelope with its status and headers."""
    return Response(
        orjson.dumps(error_document(error)), error.status, error.headers, "application/json"
    )
