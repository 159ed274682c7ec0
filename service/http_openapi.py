"""The OpenAPI document of the service, from the very types that read its requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from .http_schemas import REFERENCE, RESPONSES, reference

__all__ = ["openapi", "openapi_document"]

_BODIES: tuple[type[BaseModel], ...] = (ChatBody, CompletionBody, DecideBody, FeedbackBody)
_HEADERS = {
    "x-request-id": "The request's id: the client's own, else a new one.",
    "x-surefoot-run": "The decision's id.",
    "x-surefoot-decision": "answer or abstain.",
    "x-surefoot-confidence": "How likely the answer is right; absent where nobody can say.",
    "x-surefoot-model": "Who wrote what is served.",
    "x-surefoot-escalations": "To how many further tiers the request went.",
    "x-surefoot-live": "1 where the answer is sent while it is written; absent elsewhere.",
    "x-surefoot-degraded": "What did not work as configured; absent where all did.",
}
_TEXT: dict[str, Any] = {"type": "string"}
_MILLISECONDS = {"type": "number", "exclusiveMinimum": 0}
_ASKED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("x-request-timeout-ms", _MILLISECONDS, "How long the request may take."),
    ("Idempotency-Key", _TEXT, "Sent again with the same body, it gets the same answer."),
    ("x-request-id", _TEXT, "At most 64 printable characters."),
)
_STATUSES = {
    "400": "The request cannot be understood; `param` names the field.",
    "401": "The key is missing or unknown.",
    "404": "There is no such model, no such decision, or no history.",
    "408": "The body did not arrive in time.",
    "409": "The Idempotency-Key came with another request before.",
    "413": "The body is too large.",
    "415": "The body does not call itself JSON.",
    "422": "Abstained, where the deployment is configured to say so with an error.",
    "429": "The key has used up its rate, or what it may spend.",
    "503": "No room, or no tier can be reached; `retry-after` says when to try again.",
    "504": "Not within the deadline.",
}
_OF_BODY = ("400", "408", "413", "415")
_WORK = (*_OF_BODY, "401", "429", "503", "504")
_READING = ("400", "401", "404", "429", "503")


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
            "schemas": {**_schemas(), **RESPONSES},
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
    _, found = models_json_schema(modes, ref_template=REFERENCE)  # type: ignore[arg-type]  # the mode is a Literal, which a list forgets
    return dict(found["$defs"])


def _paths() -> dict[str, Any]:
    listed = "The names that may be asked for."
    return {
        "/v1/chat/completions": _generation("A gated answer to a chat", ChatBody, "ChatCompletion"),
        "/v1/completions": _generation(
            "A gated answer to a prompt", CompletionBody, "TextCompletion"
        ),
        "/v1/models": _get("Models", listed, "Models", ("401",)),
        "/v1/models/{name}": _get(
            "One model", listed, "Model", ("401", "404"), [_path_parameter("name")]
        ),
        "/v1/decide": _post(
            "What the policy would do with a draft", DecideBody, "Judgement", _WORK
        ),
        "/v1/decisions": _get(
            "Decisions, newest first", "A page.", "Decisions", _READING, _query_parameters()
        ),
        "/v1/decisions/{id}": _get(
            "One decision with its trail",
            "All of it.",
            "Decision",
            _READING,
            [_path_parameter("id")],
        ),
        "/v1/feedback": _post(
            "Whether an answer was right", FeedbackBody, "Feedback", (*_READING, *_OF_BODY)
        ),
        "/v1/usage": _get(
            "The limits of the caller's key", "And what it has spent.", "KeyUsage", ("401", "429")
        ),
        "/healthz": _open("Whether the process is alive", _json("It is.", "Status")),
        "/readyz": _open(
            "Whether further work may be sent here",
            _json("It may.", "Status"),
            {"503": _json("It is about to stop.", "Status")},
        ),
        "/metrics": _open("Numbers for Prometheus", _content("The numbers.", "text/plain", _TEXT)),
        "/openapi.json": _open(
            "This document", _content("It.", "application/json", {"type": "object"})
        ),
    }


def _generation(summary: str, body: type[BaseModel], answer: str) -> dict[str, Any]:
    found = _post(summary, body, answer, (*_WORK, "404", "409", "422"))
    found["post"]["responses"]["200"] = {
        "description": "An answer, or an abstention in words; as a stream where that is asked for.",
        "headers": {
            name: {"description": words, "schema": {"type": "string"}}
            for name, words in _HEADERS.items()
        },
        "content": {
            "application/json": {"schema": reference(answer)},
            "text/event-stream": {},
        },
    }
    found["post"]["parameters"] = [
        {"name": name, "in": "header", "description": words, "schema": schema}
        for name, schema, words in _ASKED
    ]
    return found


def _post(
    summary: str, body: type[BaseModel], answer: str, statuses: Sequence[str]
) -> dict[str, Any]:
    content = {"application/json": {"schema": reference(body.__name__)}}
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": content},
            "responses": {"200": _json("Done.", answer), **_refusals(statuses)},
        }
    }


def _get(
    summary: str,
    words: str,
    answer: str,
    statuses: Sequence[str],
    parameters: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    responses = {"200": _json(words, answer), **_refusals(statuses)}
    return {"get": {"summary": summary, "parameters": list(parameters), "responses": responses}}


def _open(
    summary: str, answer: dict[str, Any], others: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """For everybody, without a key."""
    return {
        "get": {"summary": summary, "security": [], "responses": {"200": answer, **(others or {})}}
    }


def _json(words: str, answer: str) -> dict[str, Any]:
    return _content(words, "application/json", reference(answer))


def _content(words: str, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {kind: {"schema": schema}}}


def _refusals(statuses: Sequence[str]) -> dict[str, Any]:
    return {one: _json(_STATUSES[one], "Error") for one in sorted(set(statuses))}


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters() -> list[dict[str, Any]]:
    schema = DecisionQuery.model_json_schema(ref_template=REFERENCE)
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
