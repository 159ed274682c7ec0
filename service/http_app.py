"""The service as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from .http_deciding import decide
from .http_decisions import decision, decisions, feedback
from .http_endpoints import CHAT, COMPLETIONS
from .http_errors import HttpError, error_response, json_response
from .http_gateway import Gateway
from .http_generation import generate
from .http_hints import exchanging_hints
from .http_marks import RequestMarks, mark_of
from .http_models import model_names, router_of
from .http_openapi import openapi
from .http_usage import usage
from .http_worker_metrics import publishing

__all__ = ["HANDLERS", "create_app"]

Handler = Callable[[Gateway, Request], Awaitable[Response]]

_FOR_PAGES = [
    *("retry-after", "x-should-retry", "x-request-id", "idempotent-replayed"),
    *("x-surefoot-decision", "x-surefoot-run", "x-surefoot-confidence", "x-surefoot-model"),
    *("x-surefoot-escalations", "x-surefoot-degraded", "x-surefoot-live"),
]
_CODES = {404: "not_found", 405: "method_not_allowed"}


def create_app(gateway: Gateway) -> RequestMarks:
    """The application around a gateway, whose deployment it closes when it ends."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        gateway.start()
        try:
            async with (
                exchanging_hints(lambda: gateway.built, clock=gateway.clock),
                publishing(gateway.worker_numbers, gateway.metrics.text),
            ):
                yield
        finally:
            await gateway.aclose()

    routes = [_route(gateway, path, handler, method) for path, handler, method in HANDLERS]
    inner = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=_for_browsers(gateway.settings.cors_origins),
        exception_handlers={
            HttpError: _refused,
            HTTPException: _no_such_route,
            ClientDisconnect: _left,
            Exception: _bug,
        },
    )
    return RequestMarks(inner, gateway.metrics, gateway.clock)


def _for_browsers(origins: Sequence[str]) -> list[Middleware]:
    """What lets scripts of these pages ask; nothing where there are none. Keys come in a header of
    their own, so cookies are neither sent nor taken."""
    if not origins:
        return []
    allowed = Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=_FOR_PAGES,
    )
    return [allowed]


def _route(gateway: Gateway, path: str, handler: Handler, method: str) -> Route:
    async def serve(request: Request) -> Response:
        with gateway.deployment.in_use():  # what a request began on stays open until its end
            return await handler(gateway, request)

    return Route(path, serve, methods=[method])


async def _chat(gateway: Gateway, request: Request) -> Response:
    return await generate(gateway, request, CHAT)


async def _completions(gateway: Gateway, request: Request) -> Response:
    return await generate(gateway, request, COMPLETIONS)


async def _models(gateway: Gateway, request: Request) -> Response:
    caller, _ = gateway.welcome(request, "/v1/models")
    models = [
        {"id": name, "object": "model", "created": 0, "owned_by": "surefoot"}
        for name in model_names(gateway.built, caller)
    ]
    return json_response({"object": "list", "data": models})


async def _model(gateway: Gateway, request: Request) -> Response:
    caller, _ = gateway.welcome(request, "/v1/models/{name}")
    name = request.path_params["name"]
    router_of(gateway.built, caller, name)
    return json_response({"id": name, "object": "model", "created": 0, "owned_by": "surefoot"})


async def _healthy(gateway: Gateway, request: Request) -> Response:
    mark_of(request.scope).route = "/healthz"
    return json_response({"status": "ok"})


async def _ready(gateway: Gateway, request: Request) -> Response:
    """Whether further work may be sent here. A Redis or a tier that is down does not change it."""
    mark_of(request.scope).route = "/readyz"
    if gateway.is_draining:
        return json_response({"status": "draining"}, 503)
    return json_response({"status": "ready"})


async def _metrics(gateway: Gateway, request: Request) -> Response:
    mark_of(request.scope).route = "/metrics"
    text, numbers = gateway.metrics.text(), gateway.worker_numbers
    shown = text if numbers is None else numbers.summed(text)
    return Response(shown, media_type="text/plain; version=0.0.4; charset=utf-8")


HANDLERS: tuple[tuple[str, Handler, str], ...] = (
    (CHAT.path, _chat, "POST"),
    (COMPLETIONS.path, _completions, "POST"),
    ("/v1/models", _models, "GET"),
    ("/v1/models/{name:path}", _model, "GET"),
    ("/v1/decide", decide, "POST"),
    ("/v1/decisions", decisions, "GET"),
    ("/v1/decisions/{id}", decision, "GET"),
    ("/v1/feedback", feedback, "POST"),
    ("/v1/usage", usage, "GET"),
    ("/healthz", _healthy, "GET"),
    ("/readyz", _ready, "GET"),
    ("/metrics", _metrics, "GET"),
    ("/openapi.json", openapi, "GET"),
)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HttpError)
    return error_response(error)


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "invalid_request_error")
    message = f"{request.method} {request.url.path[:120]}: {error.detail}"
    found = error_response(HttpError(error.status_code, code, message))
    found.headers.update(error.headers or {})
    return found


async def _left(request: Request, error: Exception) -> Response:
    """Nobody reads it; the server drops it."""
    return Response(status_code=499)


async def _bug(request: Request, error: Exception) -> Response:
    """A bug of ours: it is logged by the server, and the client is told no more than that."""
    message = f"an internal error; request {mark_of(request.scope).request_id}"
    return error_response(HttpError(500, "internal_error", message))
