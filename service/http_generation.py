"""What is done with a request to an endpoint that generates: once, live, or in one go.

Nothing is decided here: the router decides, and this says it in OpenAI's words.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..adapters.idempotency import KeptAnswer, Slot, body_hash
from ..router.drive import Answered
from .http_bodies import parse_body
from .http_endpoints import Asked, Endpoint
from .http_errors import HttpError, error_response
from .http_gateway import Gateway, read_body, unless_left
from .http_idempotency import idempotency_key
from .http_live_replies import live_reply_to, may_be_live
from .http_models import router_of
from .http_replies import ABSTAINED, reply_to
from .http_requests import allowed_s
from .http_runs import left_s, run_of

__all__ = ["generate"]

_OURS = ("content-length", "x-request-id")


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
        if key is None and may_be_live(asked):
            return await live_reply_to(gateway, endpoint, asked, request.receive)
        if key is None:
            answered = await unless_left(request.receive, run_of(gateway, asked))
            return reply_to(gateway, endpoint, asked, answered)
        slot, digest = Slot(caller.tenant, key), body_hash(endpoint.path, data)
        return await unless_left(request.receive, _once(gateway, endpoint, asked, slot, digest))


async def _once(
    gateway: Gateway, endpoint: Endpoint[Any], asked: Asked, slot: Slot, digest: bytes
) -> Response:
    async def work(run_id: str) -> KeptAnswer:
        asked.mark.run_id = run_id
        return _kept(_settled(gateway, endpoint, asked, await run_of(gateway, asked)))

    try:
        async with asyncio.timeout(left_s(gateway, asked)) as patience:
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
        return reply_to(gateway, endpoint, asked, answered)
    except HttpError as error:
        if error.code != ABSTAINED:
            raise
        return error_response(error)


def _kept(response: Response) -> KeptAnswer:
    headers = tuple((name, text) for name, text in response.headers.items() if name not in _OURS)
    return KeptAnswer(response.status_code, headers, bytes(response.body))
