"""A response that begins while the answer is still being written."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.types import Receive

from ..router.decisions import Action, Result
from ..router.drive import Answered, OnText
from ..router.evidence import FinishReason
from ..router.live_run import LiveRun
from .http_answers import Head, Reply, Shape, surefoot_field
from .http_endpoints import Asked, Endpoint
from .http_errors import HttpError, error_document
from .http_gateway import Gateway
from .http_live import LiveResponse, Telling, first_piece
from .http_replies import EVENTS, failure_of, reply_to
from .http_runs import run_of
from .http_streams import event_bytes

__all__ = ["live_reply_to", "may_be_live"]

_CUT = ("length", "content_filter")


def may_be_live(asked: Asked) -> bool:
    """Whether the answer may be sent while it is written: not where it is given several times, and
    not with stop sequences, of which a part may have been sent before the rest is there."""
    body = asked.body
    can_be = asked.router.plan.release_gate is not None and body.surefoot.live
    return bool(body.stream) and can_be and (body.n or 1) == 1 and not body.stops


async def live_reply_to(
    gateway: Gateway, endpoint: Endpoint[Any], asked: Asked, receive: Receive
) -> Response:
    """The answer piece by piece once it is released; in one go where it never is."""
    deployment, body = gateway.deployment, asked.body

    async def work(on_text: OnText) -> Answered:
        with deployment.in_use():  # also while the response is sent
            return await run_of(gateway, asked, on_text)

    run = LiveRun(work)
    pieces = run.pieces()
    first = await first_piece(run, pieces, receive)
    if first is None:
        return reply_to(gateway, endpoint, asked, await run.ended())
    head = Head(asked.mark.run_id, body.model, int(gateway.now()))

    def piece(text: str, is_first: bool) -> bytes:
        return endpoint.piece(head, text, is_first=is_first, usage=body.wants_usage)

    def end(answered: Answered, shown: str) -> bytes:
        return _end(endpoint, asked, answered, head, shown)

    headers = {**EVENTS, "x-surefoot-run": head.run_id, "x-surefoot-live": "1"}
    return LiveResponse(run, first, pieces, Telling(piece, end, _failure), headers)


def _end(
    endpoint: Endpoint[Any], asked: Asked, answered: Answered, head: Head, shown: str
) -> bytes:
    result, body = answered.result, asked.body
    decision = surefoot_field(result, asked.built.names, trail=body.surefoot.trail)
    cut_by = _cut_by(result)
    if result.answer is None and cut_by is None:
        failure = failure_of(asked.built, result) or HttpError(502, "stream_broken", result.reason)
        return event_bytes({**error_document(failure), "surefoot": decision})
    text = shown if result.answer is None else result.answer
    reply = Reply(answered, head.model, text, head.created, shown, cut_by)
    shape = Shape(1, endpoint.candidates(body), body.wants_usage)
    return endpoint.events(reply, shape, decision)


def _cut_by(result: Result) -> FinishReason | None:
    """Why the draft that was shown is not whole, where its model said so."""
    last = result.attempts[-1] if result.attempts else None
    if result.action is Action.ANSWER or last is None or not last.released:
        return None
    return last.finish_reason if last.finish_reason in _CUT else None


def _failure(error: Exception) -> bytes:
    if isinstance(error, HttpError):
        return event_bytes(error_document(error))
    return event_bytes(error_document(HttpError(500, "internal_error", "an internal error")))
