"""A run that has ended, as a response: an answer, an abstention in words, or an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response

from ..router.decisions import Action, Result
from ..router.drive import Answered
from ..router.errors import (
    CircuitOpen,
    ContentRefused,
    ContextOverflow,
    DeadlineExceeded,
    UpstreamRefused,
)
from ..router.trail import failure_kind
from .http_answers import Reply, Shape, decision_headers, surefoot_field
from .http_endpoints import Asked, Endpoint
from .http_errors import HttpError
from .http_gateway import Gateway

if TYPE_CHECKING:
    from ..graphs.config import Built

__all__ = ["ABSTAINED", "EVENTS", "failure_of", "reply_to"]

ABSTAINED = "abstained"
"""Code of the error that an abstention may be configured to be."""
EVENTS: Mapping[str, str] = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}
"""Headers of a stream."""
_JSON = {"content-type": "application/json"}
_REFUSALS = {kind.kind for kind in (UpstreamRefused, ContentRefused, ContextOverflow)}


def reply_to(
    gateway: Gateway, endpoint: Endpoint[Any], asked: Asked, answered: Answered
) -> Response:
    """The response to a run that has ended.

    Raises:
        HttpError: no tier could be reached, or it abstained and abstentions are errors here.
    """
    result, settings, body = answered.result, gateway.settings, asked.body
    if result.action is Action.ABSTAIN:
        failure = failure_of(asked.built, result)
        if failure is not None and settings.unreachable == "error":
            raise failure
        if settings.abstain == "error":
            raise HttpError(422, ABSTAINED, result.reason)
    text = settings.abstain_text if result.answer is None else result.answer
    reply = Reply(answered, body.model, text, int(gateway.now()))
    wanted = body.surefoot.trail
    shape = Shape(body.n or 1, endpoint.candidates(body), body.wants_usage)
    decision = surefoot_field(result, asked.built.names, trail=wanted)
    headers = decision_headers(result)
    if body.stream:
        return Response(endpoint.events(reply, shape, decision), headers={**EVENTS, **headers})
    document = orjson.dumps(endpoint.document(reply, shape, decision))
    return Response(document, headers={**_JSON, **headers})


def failure_of(built: Built, result: Result) -> HttpError | None:
    """What the world did, where no tier wrote anything at all; None for a considered abstention."""
    kinds = {kind for step in result.trail if (kind := failure_kind(step)) is not None}
    if result.attempts or not kinds:
        return None
    if DeadlineExceeded.kind in kinds:
        return HttpError(504, "deadline_exceeded", result.reason)
    if kinds <= _REFUSALS:
        return HttpError(400, "upstream_refused", result.reason)
    patience = built.settings.resilience.open_s if CircuitOpen.kind in kinds else 1.0
    return HttpError(503, "upstream_unavailable", result.reason, retry_after_s=math.ceil(patience))
