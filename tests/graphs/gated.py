"""Chat models that say what they are told, with logprobs, and the agents around them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

__all__ = ["Scripted", "calls", "says", "words_of"]


def words_of(text: str) -> list[str]:
    """The text in tokens: words with the space before them, JSON's signs on their own."""
    found: list[str] = []
    for sign in text:
        if found and sign.isalnum() and (found[-1][-1].isalnum() or found[-1] == " "):
            found[-1] += sign
        else:
            found.append(sign)
    return found


def _entries(text: str, p: float, weak: dict[str, float]) -> list[dict[str, Any]]:
    return [
        {
            "token": token,
            "logprob": math.log(weak.get(token.strip(), p)),
            "top_logprobs": [{"token": token, "logprob": math.log(weak.get(token.strip(), p))}],
        }
        for token in words_of(text)
    ]


def says(text: str, p: float | None = 0.95, **weak: float) -> AIMessage:
    """A whole answer whose every token has probability `p`, but for the words in `weak`."""
    metadata: dict[str, Any] = {"finish_reason": "stop"}
    if p is not None:
        metadata["logprobs"] = {"content": _entries(text, p, weak)}
    usage: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    return AIMessage(text, response_metadata=metadata, usage_metadata=usage)


def calls(*wanted: tuple[str, dict[str, Any]], p: float | None = 0.95, **weak: float) -> AIMessage:
    """A message that calls tools; its tokens spell the arguments."""
    metadata: dict[str, Any] = {"finish_reason": "tool_calls"}
    spelled = " ".join(json.dumps(args) for _, args in wanted)
    if p is not None:
        metadata["logprobs"] = {"content": _entries(spelled, p, weak)}
    return AIMessage(
        "",
        response_metadata=metadata,
        tool_calls=[
            {"name": name, "args": args, "id": f"call-{place}", "type": "tool_call"}
            for place, (name, args) in enumerate(wanted)
        ],
    )


class Scripted(BaseChatModel):
    """Answers in turn with what it was given; an exception is raised. The last one repeats.

    Copies share `seen`, what each call was shown.
    """

    answers: list[Any]
    model_name: str = "scripted"
    temperature: float | None = None
    logprobs: bool | None = None
    seen: list[dict[str, Any]] = Field(default_factory=list)
    bound: dict[str, Any] = Field(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        names = [getattr(tool, "name", None) or str(tool) for tool in tools]
        return self.model_copy(update={"bound": {"tools": names, **kwargs}})

    def _next(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        place = min(len(self.seen), len(self.answers) - 1)
        asked = {"messages": messages, "kwargs": {**self.bound, **kwargs}, "tags": self.tags}
        self.seen.append({**asked, "temperature": self.temperature, "logprobs": self.logprobs})
        found = self.answers[place]
        if isinstance(found, Exception):
            raise found
        if callable(found):
            found = found()
        assert isinstance(found, AIMessage)
        return found.model_copy(update={"id": None})

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages, kwargs))])

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        whole = self._next(messages, kwargs)
        tokens = words_of(whole.text) or [""]
        for place, token in enumerate(tokens):
            is_last = place == len(tokens) - 1
            pieces: list[Any] = [
                {**one, "args": json.dumps(one["args"]), "index": i, "type": "tool_call_chunk"}
                for i, one in enumerate(whole.tool_calls if is_last else ())
            ]
            part = AIMessageChunk(
                content=token,
                tool_call_chunks=pieces,
                response_metadata=whole.response_metadata if is_last else {},
                chunk_position="last" if is_last else None,
            )
            found = ChatGenerationChunk(message=part)
            if run_manager is not None:
                run_manager.on_llm_new_token(token, chunk=found)
            yield found
