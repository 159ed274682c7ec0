"""The two endpoints that generate, and what a request to one of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..router.callers import CallerRequest
from ..router.drive import Router
from .http_answers import Reply, Shape, chat_document, text_document
from .http_auth import Caller
from .http_bodies import ChatBody, CompletionBody, GenerationBody
from .http_marks import Mark
from .http_requests import chat_request, completion_request
from .http_streams import Piece, chat_events, chat_piece, text_events, text_piece

if TYPE_CHECKING:
    from ..graphs.config import Built

__all__ = ["CHAT", "COMPLETIONS", "Asked", "Endpoint"]

B = TypeVar("B", bound=GenerationBody)


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
