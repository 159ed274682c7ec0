"""LangChain's messages, tools and answers, and what the router has for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call

from ..router.callers import CallerRequest
from ..router.decisions import Action, Result
from ..router.errors import UsageError
from ..router.evidence import ToolCall
from ..router.protocols import CallOptions, Message

__all__ = ["answer_message", "caller_request", "usage_of"]

_PLAIN = {"role", "content"}
_OF_MODELS = frozenset(("ls_structured_output_format", "strict", "stream", "stream_usage", "model"))
"""Arguments of a call that are for LangChain or for one provider, and not passed on."""


def caller_request(
    messages: Sequence[BaseMessage],
    stop: Sequence[str],
    max_tokens: int | None,
    arguments: Mapping[str, Any],
) -> CallerRequest:
    """What the router is asked.

    Args:
        arguments: of the call: tools, tool_choice, response_format and whatever goes to endpoints.

    Raises:
        UsageError: no user says anything, or an argument is no JSON.
    """
    found = tuple(_message(one) for one in _openai(messages))
    if not any(one.role == "user" for one in found):
        raise UsageError("no user says anything: pass a HumanMessage with the question")
    others = {
        name: value
        for name, value in arguments.items()
        if name not in _NAMED and name not in _OF_MODELS and value is not None
    }
    options = CallOptions(
        tools=_json("tools", arguments.get("tools") or None),
        tool_choice=_json("tool_choice", _choice(arguments.get("tool_choice"))),
        response_format=_json("response_format", arguments.get("response_format")),
        parallel_tool_calls=arguments.get("parallel_tool_calls"),
        others=_json(", ".join(others), others or None),
    )
    return CallerRequest(
        found, None if options == CallOptions() else options, max_tokens, tuple(stop)
    )


_NAMED = frozenset(("tools", "tool_choice", "response_format", "parallel_tool_calls"))


def _openai(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    found = convert_to_openai_messages(list(messages))
    return found if isinstance(found, list) else [found]


def _message(message: Mapping[str, Any]) -> Message:
    role, content = str(message["role"]), message.get("content")
    role = "system" if role == "developer" else role
    if isinstance(content, str) and message.keys() == _PLAIN:
        return Message(role, content)
    text = content if isinstance(content, str) else _text_of(content or ())
    return Message(role, text, json.dumps(message, ensure_ascii=False))


def _text_of(parts: Sequence[Any]) -> str:
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _choice(given: Any) -> Any:
    """LangChain's word for "some tool" is `any`, OpenAI's `required`; a tool may go by its name."""
    if given in (None, False):
        return None
    if given in (True, "any"):
        return "required"
    if isinstance(given, str) and given not in ("auto", "none", "required"):
        return {"type": "function", "function": {"name": given}}
    return given


def _json(name: str, value: Any) -> str | None:
    if value is None:
        return None
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: cannot be sent to an endpoint as JSON: {error}") from error


def answer_message(result: Result, text: str, name: str, metadata: Mapping[str, Any]) -> AIMessage:
    """The served answer, or the words of an abstention.

    Args:
        text: what is said.
        name: of the model that the router stands for.
        metadata: what stands beside it.
    """
    calls = result.best.tool_calls if result.best and result.action is Action.ANSWER else ()
    read = [_read_call(call, f"call_{result.run_id[:24]}_{at}") for at, call in enumerate(calls)]
    return AIMessage(
        text,
        id=f"run-{result.run_id}",
        tool_calls=[one for one in read if one["type"] == "tool_call"],
        invalid_tool_calls=[one for one in read if one["type"] == "invalid_tool_call"],
        usage_metadata=usage_of(result),
        response_metadata={
            "model_name": result.model or name,
            "model_provider": "surefoot",
            "finish_reason": "tool_calls" if calls else "stop",
            **metadata,
        },
    )


def _read_call(call: ToolCall, id: str) -> Any:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        return invalid_tool_call(name=call.name, args=call.arguments, id=id, error=str(error))
    if not isinstance(arguments, dict):
        why = f"expected an object, got {type(arguments).__name__}"
        return invalid_tool_call(name=call.name, args=call.arguments, id=id, error=why)
    return tool_call(name=call.name, args=arguments, id=id)


def usage_of(result: Result) -> UsageMetadata:
    """Summed over all attempts, served or not: what was paid for."""
    written = min(result.tokens_out, result.tokens)
    return UsageMetadata(
        input_tokens=result.tokens - written, output_tokens=written, total_tokens=result.tokens
    )
