"""The OpenAPI document of the service, from the very types that read its requests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from .http_bodies import ChatBody, CompletionBody
from .http_deciding import DecideBody
from .http_decisions import DecisionQuery, FeedbackBody
from .http_gateway import Gateway
from .http_marks import mark_of

__all__ = ["openapi", "openapi_document"]

_BODIES: tuple[type[BaseModel], ...] = (ChatBody, CompletionBody, DecideBody, FeedbackBody)
_REFERENCE = "#/components/schemas/{model}"
_HEADERS = {
    "x-request-id": "The request's id: the client's own, else a new one.",
    "x-surefoot-run": "The decision's id.",
    "x-surefoot-decision": "answer or abstain.",
    "x-surefoot-confidence": "How likely the answer is right; absent where nobody can say.",
    "x-surefoot-model": "Who wrote what is served.",
    "x-surefoot-escalations": "To how many further tiers the request went.",
    "x-surefoot-degraded": "What did not work as configured; absent where all did.",
}
_ASKED = (
    ("x-request-timeout-ms", "number", "How long the request may take."),
    ("Idempotency-Key", "string", "Sent again with the same body, it gets the same answer."),
    ("x-request-id", "string", "At most 64 printable characters."),
)
_STATUSES = {
    "400": "The request cannot be understood; `param` names the field.",
    "401": "The key is missing or unknown.",
    "404": "There is no such model.",
    "409": "The Idempotency-Key came with another request before.",
    "413": "The body is too large.",
    "422": "Abstained, where the deployment is configured to say so with an error.",
    "429": "The key has used up its rate.",
    "503": "No room, or no tier can be reached; `retry-after` says when to try again.",
    "504": "Not within the deadline.",
}


async def openapi(gateway: Gateway, request: Request) -> Response:
    """The document."""
    mark_of(request.scope).route = "/openapi.json"
    return Response(_dumped(), media_type="application/json")


@lru_cache(maxsize=1)
def _dumped() -> bytes:
    return orjson.dumps(openapi_document())


def openapi_document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Surefoot",
            "version": _version(),
            "description": "Confidence-gated answers behind OpenAI's interface.",
        },
        "paths": _paths(),
        "components": {
            "schemas": {**_schemas(), "Error": _ERROR, "Surefoot": _SUREFOOT},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}, {}],
    }


def _version() -> str:
    try:
        return version("surefoot")
    except PackageNotFoundError:
        return "0"


def _schemas() -> dict[str, Any]:
    modes = [(body, "validation") for body in _BODIES]
    _, found = models_json_schema(modes, ref_template=_REFERENCE)  # type: ignore[arg-type]  # the mode is a Literal, which a list forgets
    return dict(found["$defs"])


def _paths() -> dict[str, Any]:
    listed = "The names that may be asked for."
    return {
        "/v1/chat/completions": _generation("A gated answer to a chat", ChatBody),
        "/v1/completions": _generation("A gated answer to a prompt", CompletionBody),
        "/v1/models": _get("Models", listed),
        "/v1/models/{name}": _get("One model", listed, [_path_parameter("name")], ("404",)),
        "/v1/decide": _post("What the policy would do with a draft", DecideBody, ("400", "401")),
        "/v1/decisions": _get("Decisions, newest first", "A page.", _query_parameters(), ("400",)),
        "/v1/decisions/{id}": _get(
            "One decision with its trail", "The decision.", [_path_parameter("id")], ("404",)
        ),
        "/v1/feedback": _post(
            "Whether an answer was right", FeedbackBody, ("400", "401", "404", "503")
        ),
        "/healthz": _open("Whether the process is alive"),
        "/readyz": _open("Whether further work may be sent here"),
        "/metrics": _open("Numbers for Prometheus", "text/plain"),
        "/openapi.json": _open("This document"),
    }


def _generation(summary: str, body: type[BaseModel]) -> dict[str, Any]:
    found = _post(summary, body, tuple(_STATUSES))
    headers = {
        name: {"description": words, "schema": {"type": "string"}}
        for name, words in _HEADERS.items()
    }
    answer = {
        "type": "object",
        "properties": {"surefoot": {"$ref": _REFERENCE.format(model="Surefoot")}},
    }
    found["post"]["responses"]["200"] = {
        "description": "An answer, or an abstention in words; as a stream where that is asked for.",
        "headers": headers,
        "content": {
            "application/json": {"schema": answer},
            "text/event-stream": {"schema": {"type": "string"}},
        },
    }
    found["post"]["parameters"] = [
        {"name": name, "in": "header", "description": words, "schema": {"type": kind}}
        for name, kind, words in _ASKED
    ]
    return found


def _post(summary: str, body: type[BaseModel], statuses: tuple[str, ...]) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=body.__name__)}
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            "responses": {"200": _json("Done."), **_refusals(statuses)},
        }
    }


def _get(
    summary: str,
    words: str,
    parameters: list[dict[str, Any]] | None = None,
    statuses: tuple[str, ...] = (),
) -> dict[str, Any]:
    responses = {"200": _json(words), **_refusals(("401", *statuses))}
    return {"get": {"summary": summary, "parameters": parameters or [], "responses": responses}}


def _open(summary: str, kind: str = "application/json") -> dict[str, Any]:
    response = {"description": "The answer.", "content": {kind: {}}}
    return {"get": {"summary": summary, "security": [], "responses": {"200": response}}}


def _json(words: str) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": {"type": "object"}}}}


def _refusals(statuses: tuple[str, ...]) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="Error")}
    content = {"application/json": {"schema": schema}}
    return {one: {"description": _STATUSES[one], "content": content} for one in statuses}


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters() -> list[dict[str, Any]]:
    schema = DecisionQuery.model_json_schema(ref_template=_REFERENCE)
    known = schema.get("$defs", {})
    return [
        {"name": name, "in": "query", "schema": _inlined(one, known)}
        for name, one in schema["properties"].items()
    ]


def _inlined(schema: Any, known: Mapping[str, Any]) -> Any:
    """Without references, which the query's own schema has to types that stand nowhere else."""
    if isinstance(schema, list):
        return [_inlined(one, known) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(known[schema["$ref"].rpartition("/")[2]], known)
    return {name: _inlined(one, known) for name, one in schema.items()}


_TEXT_OR_NULL = {"type": ["string", "null"]}
_NUMBER_OR_NULL = {"type": ["number", "null"]}
_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": _TEXT_OR_NULL,
                "code": {"type": "string"},
            },
        }
    },
}
_SUREFOOT: dict[str, Any] = {
    "type": "object",
    "description": "The decision beside the answer.",
    "properties": {
        "run_id": {"type": "string"},
        "action": {"enum": ["answer", "abstain"]},
        "confidence": _NUMBER_OR_NULL,
        "reason": {"type": "string"},
        "tier": _TEXT_OR_NULL,
        "model": _TEXT_OR_NULL,
        "gated": {"type": "boolean"},
        "calibrated": {"type": "boolean"},
        "certificate": _TEXT_OR_NULL,
        "escalations": {"type": "integer"},
        "rounds": {"type": "integer"},
        "calls": {"type": "integer"},
        "cost": {"type": "number"},
        "latency_s": {"type": "number"},
        "recognized": {"type": "boolean"},
        "released": _TEXT_OR_NULL,
        "overruled": _TEXT_OR_NULL,
        "degraded": {"type": "array", "items": {"type": "string"}},
        "trail": {"type": "array", "items": {"type": "object"}},
    },
}
