"""A request that a caller wrote itself: its messages, what it asks of the endpoint, its limits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .evidence import Turn
from .protocols import CallOptions, Message, Prompter, RoundPrompter
from .wire import encode_json

__all__ = ["CallerRequest", "Conversing"]


class Conversing(Prompter, RoundPrompter, Protocol):
    """A prompter of drafts, of second tries and of questions about what to search for."""


@dataclass(frozen=True, slots=True)
class CallerRequest:
    """What models are shown instead of the deployment's own prompt.

    Attributes:
        messages: in the caller's order; the last one of a user is the question.
        options: for the endpoint.
        max_tokens: of an answer, where the caller set fewer than the tier.
        stop: where an answer ends.
    """

    messages: tuple[Message, ...]
    options: CallOptions | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """The last user message's text; "" where no user said anything."""
        asked = [one.content for one in self.messages if one.role == "user"]
        return asked[-1] if asked else ""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Earlier exchanges, oldest first: what was asked, and what was answered to it last."""
        return _turns(self.messages)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all of it: only an equal request may be served an earlier answer."""
        return hashlib.sha256(encode_json(self).encode()).hexdigest()


def _turns(messages: Sequence[Message]) -> tuple[Turn, ...]:
    found: list[Turn] = []
    question, answer = "", ""
    for message in messages:
        if message.role == "user":
            if question and answer:
                found.append(Turn(question, answer))
            question, answer = message.content, ""
        elif message.role == "assistant" and message.content:
            answer = message.content
    return tuple(found)
