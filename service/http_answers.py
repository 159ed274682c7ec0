"""From the end of a run to what OpenAI's clients read: bodies, headers and the events of a stream.

Nothing is written before the run has ended, so no draft that was not judged is ever sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..graphs.decision_field import decision_field, escalations
from ..graphs.token_logprobs import chat_logprobs, text_logprobs
from ..router.decisions import Action, Result
from ..router.drive import Answered
from ..router.evidence import FinishReason, Generation, Token, ToolCall
from .documents import trail_document

__all__ = [
    "Head",
    "Reply",
    "Shape",
    "calls_of",
    "chat_document",
    "decision_headers",
    "envelope_of",
    "surefoot_field",
    "text_document",
    "usage_of",
]

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_LONGEST_HEADER = 512


@dataclass(frozen=True, slots=True)
class Head:
    """What every chunk of a response says: known before the answer is.

    Attributes:
        model: the name that was asked for.
        created: seconds since the epoch.
    """

    run_id: str
    model: str
    created: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes into a response, whatever the endpoint.

    Attributes:
        answered: how the run ended.
        model: the name that was asked for.
        text: what is served: the answer, or the words of an abstention.
        created: seconds since the epoch.
        shown: how the text begins that the client has by now; None where it has nothing yet.
        cut_by: why a draft that the client has is not whole; None for a whole answer.
    """

    answered: Answered
    model: str
    text: str
    created: int
    shown: str | None = None
    cut_by: FinishReason | None = None

    @property
    def head(self) -> Head:
        """What the response begins with."""
        return Head(self.result.run_id, self.model, self.created)

    @property
    def result(self) -> Result:
        """How the run ended."""
        return self.answered.result

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """What the served attempt asks to be called."""
        result = self.result
        is_served = result.action is Action.ANSWER and result.best is not None
        return result.best.tool_calls if is_served and result.best is not None else ()

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Of the served answer, where they spell it; empty where nobody knows them."""
        generation: Generation | None = self.answered.generation
        return () if generation is None else generation.tokens

    @property
    def finish_reason(self) -> str:
        """An answer that is served is whole, but for one that was shown before it was known."""
        return self.cut_by or ("tool_calls" if self.tool_calls else "stop")

    @property
    def rest(self) -> str:
        """What the client has not got yet."""
        return self.text[len(self.shown or "") :]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a request wants to see.

    Attributes:
        n: how often the one answer is given.
        candidates: per token; None for no logprobs at all.
        usage: whether a stream tells it.
        trail: whether the decision's trail is shown.
    """

    n: int = 1
    candidates: int | None = None
    usage: bool = False
    trail: bool = False


def surefoot_field(result: Result, names: Sequence[str], *, trail: bool = False) -> dict[str, Any]:
    """The decision, as it stands beside the answer.

    The trail quotes drafts that were not served: it is shown to whoever asks for it by name.
    """
    found = decision_field(result, names)
    return {**found, "trail": trail_document(result)} if trail else found


def decision_headers(result: Result) -> dict[str, str]:
    """The decision in headers; what is unknown has none."""
    found = {
        "x-surefoot-decision": result.action.value,
        "x-surefoot-run": result.run_id,
        "x-surefoot-escalations": str(escalations(result)),
    }
    if result.confidence is not None:
        found["x-surefoot-confidence"] = f"{result.confidence:.6g}"
    if result.model is not None:
        found["x-surefoot-model"] = _in_header(result.model)
    if result.degraded:
        found["x-surefoot-degraded"] = _in_header("; ".join(dict.fromkeys(result.degraded)))
    return found


def _in_header(words: str) -> str:
    """What an upstream wrote must not break a header."""
    return _UNPRINTABLE.sub("?", words)[:_LONGEST_HEADER].strip()


def usage_of(result: Result) -> dict[str, int]:
    """Summed over all attempts, served or not: what was paid for."""
    written = min(result.tokens_out, result.tokens)
    return {
        "prompt_tokens": result.tokens - written,
        "completion_tokens": written,
        "total_tokens": result.tokens,
    }


def envelope_of(head: Head, kind: str, prefix: str) -> dict[str, Any]:
    """What stands around the choices."""
    return {
        "id": f"{prefix}-{head.run_id}",
        "object": kind,
        "created": head.created,
        "model": head.model,
    }


def calls_of(reply: Reply, at: int) -> list[dict[str, Any]]:
    """The calls of tools in the choice with this number."""
    return [
        {
            "id": f"call_{reply.result.run_id[:24]}_{at}_{number}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for number, call in enumerate(reply.tool_calls)
    ]


def _message(reply: Reply, at: int) -> dict[str, Any]:
    calls = calls_of(reply, at)
    content = reply.text if reply.text or not calls else None
    found: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    return {**found, "tool_calls": calls} if calls else found


def chat_document(reply: Reply, shape: Shape, decision: Mapping[str, Any]) -> dict[str, Any]:
    """A `chat.completion`."""
    logprobs = chat_logprobs(reply.tokens, shape.candidates)
    choices = [
        {
            "index": at,
            "message": _message(reply, at),
            "logprobs": logprobs,
            "finish_reason": reply.finish_reason,
        }
        for at in range(shape.n)
    ]
    return {
        **envelope_of(reply.head, "chat.completion", "chatcmpl"),
        "choices": choices,
        "usage": usage_of(reply.result),
        "surefoot": decision,
    }


def text_document(reply: Reply, shape: Shape, decision: Mapping[str, Any]) -> dict[str, Any]:
    """A `text_completion`."""
    choices = [
        {
            "index": at,
            "text": reply.text,
            "logprobs": text_logprobs(reply.tokens, shape.candidates),
            "finish_reason": reply.finish_reason,
        }
        for at in range(shape.n)
    ]
    return {
        **envelope_of(reply.head, "text_completion", "cmpl"),
        "choices": choices,
        "usage": usage_of(reply.result),
        "surefoot": decision,
    }
