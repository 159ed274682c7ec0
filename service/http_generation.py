"""The two endpoints that generate: chats and completions, in one go or as a stream.

Nothing is decided here: the router decides, and this says it in OpenAI's words.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from ..adapters.idempotency import KeptAnswer, Slot, body_hash
from ..router.callers import CallerRequest
from ..router.decisions import Action, Result
from ..router.drive import Answered, OnText, Router
from ..router.errors import (
    CircuitOpen,
    ContentRefused,
    ContextOverflow,
    DeadlineExceeded,
    UpstreamRefused,
    UsageError,
)
from ..router.evidence import FinishReason
from ..router.live_run import LiveRun
from ..router.perform import Session
from ..router.trail import failure_kind
from .http_answers import (
    Head,
    Reply,
    Shape,
    chat_document,
    decision_headers,
    surefoot_field,
    text_document,
)
from .http_auth import Caller
from .http_bodies import ChatBody, CompletionBody, GenerationBody, parse_body
from .http_errors import HttpError, error_document, error_response, of_usage
from .http_gateway import Gateway, read_body, unless_left
from .http_idempotency import idempotency_key
from .http_live import LiveResponse, Telling, first_piece
from .http_marks import Mark
from .http_models import router_of
from .http_requests import allowed_s, budget_within, chat_request, completion_request
from .http_streams import (
    Piece,
    chat_events,
    chat_piece,
    event_bytes,
    text_events,
    text_piece,
)

if TYPE_CHECKING:
    from ..graphs.config import Built

__all__ = ["CHAT", "COMPLETIONS", "Endpoint", "generate"]

B = TypeVar("B", bound=GenerationBody)

_ABSTAINED = "abstained"
_OURS = ("content-length", "x-request-id")
_JSON = {"content-type": "application/json"}
_EVENTS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}
_CUT = ("length", "content_filter")
_REFUSALS = {kind.kind for kind in (UpstreamRefused, ContentRefused, ContextOverflow)}


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[B]):
    """What is different between the endpoints.

    Attributes:
        body: what a request holds.
        asked: what the router is shown of it.
        candidates: per token that are wanted back; None for no logprobs.
        document, events: the answer, in one go or as a stream.
        piece: the event with a piece of an answer that is still being written.
    """

    path: str
    body: type[B]
    asked: Callable[[B], CallerRequest]
    candidates: Callable[[B], int | None]
    document: Callable[[Reply, Shape, Mapping[str, Any]], dict[str, Any]]
    events: Callable[[Reply, Shape, Mapping[str, Any]], bytes]
    piece: Piece


def _chat_candidates(body: ChatBody) -> int | None:
    return (body.top_logprobs or 0) if body.logprobs else None


def _text_candidates(body: CompletionBody) -> int | None:
    return body.logprobs


CHAT = Endpoint(
    "/v1/chat/completions",
    ChatBody,
    chat_request,
    _chat_candidates,
    chat_document,
    chat_events,
    chat_piece,
)
COMPLETIONS = Endpoint(
    "/v1/completions",
    CompletionBody,
    completion_request,
    _text_candidates,
    text_document,
    text_events,
    text_piece,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was understood, and how long it may take, from its arrival on."""

    caller: Caller
    mark: Mark
    body: GenerationBody
    request: CallerRequest
    allowed_s: float
    headers: Mapping[str, str]
    built: Built
    router: Router


async def generate(gateway: Gateway, request: Request, endpoint: Endpoint[Any]) -> Response:
    """Answer one request.

    Raises:
        HttpError: it is refused, or could not be served.
        ClientDisconnect: the client left, and the upstream call with it.
    """
    caller, mark = gateway.welcome(request, endpoint.path)
    await gateway.admit(caller)
    allowed = allowed_s(request.headers, gateway.settings)
    data = await read_body(request, gateway.settings.max_body_bytes, allowed)
    body = parse_body(endpoint.body, data)
    with gateway.deployment.in_use() as built:
        router = router_of(built, caller, body.model)
        asked = Asked(
            caller, mark, body, endpoint.asked(body), allowed, request.headers, built, router
        )
        key = idempotency_key(request.headers.get("idempotency-key"))
        if key is None and _may_be_live(asked):
            return await _live(gateway, endpoint, asked, request.receive)
        if key is None:
            answered = await unless_left(request.receive, _answered(gateway, asked))
            return _response(gateway, endpoint, asked, answered)
        slot, digest = Slot(caller.tenant, key), body_hash(endpoint.path, data)
        return await unless_left(request.receive, _once(gateway, endpoint, asked, slot, digest))


async def _once(
    gateway: Gateway, endpoint: Endpoint[Any], asked: Asked, slot: Slot, digest: bytes
) -> Response:
    async def work(run_id: str) -> KeptAnswer:
        asked.mark.run_id = run_id
        return _kept(_settled(gateway, endpoint, asked, await _answered(gateway, asked)))

    try:
        async with asyncio.timeout(_left_s(gateway, asked)) as patience:
            kept, is_old = await gateway.idempotency.once(slot, digest, asked.mark.run_id, work)
    except TimeoutError as error:
        if not patience.expired():
            raise
        raise HttpError(
            504, "deadline_exceeded", "the request with this Idempotency-Key is still under way"
        ) from error
    headers = {**dict(kept.headers), **({"idempotent-replayed": "true"} if is_old else {})}
    return Response(kept.body, kept.status, headers)


def _settled(
    gateway: Gateway, endpoint: Endpoint[Any], asked: Asked, answered: Answered
) -> Response:
    """Abstentions are kept whatever they look like; what could not be reached is not."""
    try:
        return _response(gateway, endpoint, asked, answered)
    except HttpError as error:
        if error.code != _ABSTAINED:
            raise
        return error_response(error)


def _kept(response: Response) -> KeptAnswer:
    headers = tuple((name, text) for name, text in response.headers.items() if name not in _OURS)
    return KeptAnswer(response.status_code, headers, bytes(response.body))


def _may_be_live(asked: Asked) -> bool:
    """Whether the answer may be sent while it is written: not where it is given several times, and
    not with stop sequences, of which a part may have been sent before the rest is there."""
    body = asked.body
    can_be = asked.router.plan.release_gate is not None and body.surefoot.live
    return bool(body.stream) and can_be and (body.n or 1) == 1 and not body.stops


async def _live(
    gateway: Gateway, endpoint: Endpoint[Any], asked: Asked, receive: Receive
) -> Response:
    """The answer piece by piece once it is released; in one go where it never is."""
    deployment, body = gateway.deployment, asked.body

    async def work(on_text: OnText) -> Answered:
        with deployment.in_use():  # also while the response is sent
            return await _answered(gateway, asked, on_text)

    run = LiveRun(work)
    pieces = run.pieces()
    first = await first_piece(run, pieces, receive)
    if first is None:
        return _response(gateway, endpoint, asked, await run.ended())
    head = Head(asked.mark.run_id, body.model, int(gateway.now()))

    def piece(text: str, is_first: bool) -> bytes:
        return endpoint.piece(head, text, is_first=is_first, usage=body.wants_usage)

    def end(answered: Answered, shown: str) -> bytes:
        return _live_end(endpoint, asked, answered, head, shown)

    headers = {**_EVENTS, "x-surefoot-run": head.run_id, "x-surefoot-live": "1"}
    return LiveResponse(run, first, pieces, Telling(piece, end, _live_failure), headers)


def _live_end(
    endpoint: Endpoint[Any], asked: Asked, answered: Answered, head: Head, shown: str
) -> bytes:
    result, body = answered.result, asked.body
    decision = surefoot_field(result, asked.built.names, trail=body.surefoot.trail)
    cut_by = _cut_by(result)
    if result.answer is None and cut_by is None:
        failure = _failure(asked.built, result) or HttpError(502, "stream_broken", result.reason)
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


def _live_failure(error: Exception) -> bytes:
    if isinstance(error, HttpError):
        return event_bytes(error_document(error))
    return event_bytes(error_document(HttpError(500, "internal_error", "an internal error")))


async def _answered(gateway: Gateway, asked: Asked, on_text: OnText | None = None) -> Answered:
    mark = asked.mark
    async with gateway.admission.place(_left_s(gateway, asked)):
        router = asked.router
        budget = budget_within(
            router.plan.budget, _left_s(gateway, asked), asked.caller, asked.body.surefoot
        )
        async with gateway.spending.lend(asked.caller, budget, gateway.longest_s) as loan:
            try:
                answered = await router.respond(
                    asked.request,
                    session=Session(asked.caller.tenant, user=asked.body.user),
                    budget=budget,
                    run_id=mark.run_id,
                    on_step=loan.note,
                    on_text=on_text,
                )
            except UsageError as error:
                raise of_usage(error) from error
            loan.used = answered.result.cost
    gateway.ended(
        asked.caller.tenant,
        mark.request_id,
        answered.result,
        model=asked.body.model,
        headers=asked.headers,
        is_main=router is asked.built.router,
    )
    return _remarked(gateway, answered) if router is asked.built.router else answered


def _remarked(gateway: Gateway, answered: Answered) -> Answered:
    """Without a certificate that does not hold at the moment, and with words that say so."""
    remark, result = gateway.monitor.remark, answered.result
    if remark is None or (result.certificate is None and not gateway.monitor.has_closed):
        return answered
    result = replace(result, certificate=None, degraded=(*result.degraded, remark))
    return replace(answered, result=result)


def _left_s(gateway: Gateway, asked: Asked) -> float:
    left = asked.allowed_s - (gateway.clock() - asked.mark.began)
    if left <= 0.0:
        raise HttpError(504, "deadline_exceeded", "the request's time was up before its turn came")
    return left


def _response(
    gateway: Gateway, endpoint: Endpoint[Any], asked: Asked, answered: Answered
) -> Response:
    result, settings, body = answered.result, gateway.settings, asked.body
    if result.action is Action.ABSTAIN:
        failure = _failure(asked.built, result)
        if failure is not None and settings.unreachable == "error":
            raise failure
        if settings.abstain == "error":
            raise HttpError(422, _ABSTAINED, result.reason)
    text = settings.abstain_text if result.answer is None else result.answer
    reply = Reply(answered, body.model, text, int(gateway.now()))
    wanted = body.surefoot.trail
    shape = Shape(body.n or 1, endpoint.candidates(body), body.wants_usage)
    decision = surefoot_field(result, asked.built.names, trail=wanted)
    headers = decision_headers(result)
    if body.stream:
        return Response(endpoint.events(reply, shape, decision), headers={**_EVENTS, **headers})
    document = orjson.dumps(endpoint.document(reply, shape, decision))
    return Response(document, headers={**_JSON, **headers})


def _failure(built: Built, result: Result) -> HttpError | None:
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
