"""Answers of OpenAI-compatible endpoints, as pure functions from bytes to records.

Nothing but a typed error leaves this module, whatever the bytes that came.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..router.errors import UpstreamMalformed, UpstreamTruncated
from ..router.evidence import FinishReason, Generation, Token, ToolCall
from ..router.protocols import Completion, ModelCall
from .logprob_shapes import encodable
from .logprobs import read_logprobs, spell
from .openai_usage import tokens_used
from .upstream_status import Failed, complaint_of, error_status, short, status_error

__all__ = [
    "Written",
    "content_text",
    "generation_of",
    "parse_completion",
    "parse_json",
    "tool_call",
]

_LONGEST_END = 64  # characters of control tokens after the text
_REASONS: Mapping[FinishReason, tuple[str, ...]] = {
    "stop": ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "end_of_sequence"),
    "length": ("length", "max_tokens", "max_output_tokens", "model_length"),
    "tool_calls": ("tool_calls", "tool_use", "function_call"),
    "content_filter": ("content_filter", "safety", "refusal"),
}
_BY_NAME: Mapping[str, FinishReason] = {
    name: reason for reason, names in _REASONS.items() for name in names
}


@dataclass(frozen=True, slots=True)
class Written:
    """One answer as an endpoint sent it, whether in one piece or in many.

    Attributes:
        text: None where it is absent.
        finish: its reason as it came, whatever that is.
        is_reasoned: whether the tokens may begin with thoughts that are no part of the text.
    """

    text: str | None
    tokens: tuple[Token, ...] = ()
    finish: object = None
    calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    is_reasoned: bool = False


def parse_completion(model: str, body: bytes, call: ModelCall) -> Completion:
    """The answers in a response body, in the order of their `index`.

    Raises:
        UpstreamMalformed: it is no completion.
        UpstreamTruncated: an answer ended without saying why.
        UpstreamError: the body carries an error, under a status of success.
    """
    data = parse_json(model, body)
    if not isinstance(data, dict):
        raise UpstreamMalformed(
            f"{model} answered with a JSON {type(data).__name__}, no completion"
        )
    choices = data.get("choices")
    if data.get("error") and not choices:
        status = error_status(data["error"])
        if status is not None:
            raise status_error(model, Failed(status, body))
        raise UpstreamMalformed(f"{model} answered with an error: {complaint_of(body)}")
    if not isinstance(choices, list) or not choices:
        raise UpstreamMalformed(f"{model} answered without any choices; its keys: {_keys(data)}")
    is_chat = bool(call.prompt.messages)
    generations = tuple(
        [generation_of(model, _written(model, each, is_chat)) for each in _in_order(choices)]
    )
    return Completion(generations, *tokens_used(data.get("usage"), call, generations))


def parse_json(model: str, body: bytes) -> Any:
    """The JSON value of some bytes; raises UpstreamMalformed where they are none."""
    try:
        return _fast_loads()(body)
    except (ValueError, RecursionError):
        pass
    try:  # the slower reader takes NaN, lone surrogates and numbers of any size
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        kind = "HTML" if body.lstrip()[:1] == b"<" else "something that is not JSON"
        raise UpstreamMalformed(
            f"{model} answered with {kind}: {short(body)}; check that base_url is its API"
        ) from error


def generation_of(model: str, written: Written) -> Generation:
    """The record of one answer.

    Raises:
        UpstreamMalformed: it has neither text nor calls nor a refusal.
        UpstreamTruncated: it does not say why it ended, or for a reason that is not known.
    """
    finish = _finish(model, written.finish)
    text, calls = written.text, written.calls
    if not text and written.refusal:
        text, finish = written.refusal, "content_filter"
    if calls and finish == "stop":  # a forced tool ends as if it were a text
        finish = "tool_calls"
    is_wordless = written.is_reasoned or finish in ("tool_calls", "content_filter")
    if text is None and not calls and not is_wordless:
        raise UpstreamMalformed(f"{model} sent a choice whose text is None")
    text = encodable(text or "")
    return Generation(text.strip(), _tokens_of(text, written), finish, calls)


def content_text(model: str, content: object) -> str | None:
    """The text of a message's content, which may be in parts; None where it is absent."""
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise UpstreamMalformed(f"{model} sent a choice whose text is {short(content)}")
    parts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join(part for part in parts if isinstance(part, str))


def tool_call(function: object) -> ToolCall | None:
    """A call from its name and arguments; None where it names no function."""
    if not isinstance(function, Mapping):
        return None
    name, arguments = function.get("name"), function.get("arguments")
    if not isinstance(name, str) or not name:
        return None
    if not isinstance(arguments, str):  # some send the object instead of its text
        arguments = "{}" if arguments is None else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(encodable(name), encodable(arguments))


@cache
def _fast_loads() -> Callable[[bytes], Any]:
    import orjson

    return orjson.loads


def _in_order(choices: list[Any]) -> list[Any]:
    places = [each.get("index") if isinstance(each, dict) else None for each in choices]
    if len(choices) == 1 or not all(type(place) is int for place in places):
        return choices
    return sorted(choices, key=lambda choice: int(choice["index"]))


def _written(model: str, choice: Any, is_chat: bool) -> Written:
    if not isinstance(choice, dict):
        raise UpstreamMalformed(f"{model} sent a choice that is no object: {short(choice)}")
    finish, tokens = choice.get("finish_reason"), read_logprobs(choice.get("logprobs")).tokens
    if not is_chat:
        text = choice.get("text")
        if text is not None and not isinstance(text, str):
            raise UpstreamMalformed(f"{model} sent a choice whose text is {short(text)}")
        return Written(text, tokens, finish)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise UpstreamMalformed(f"{model} sent a choice without a message")
    refusal = message.get("refusal")
    return Written(
        content_text(model, message.get("content")),
        tokens,
        finish,
        _calls(message),
        refusal if isinstance(refusal, str) else None,
        bool(message.get("reasoning_content") or message.get("reasoning")),
    )


def _calls(message: dict[str, Any]) -> tuple[ToolCall, ...]:
    given = message.get("tool_calls")
    functions = [message.get("function_call")]  # the older form, of one call
    if isinstance(given, list) and given:
        functions = [each.get("function") for each in given if isinstance(each, dict)]
    found = [tool_call(function) for function in functions]
    return tuple(each for each in found if each is not None)


def _finish(model: str, reason: object) -> FinishReason:
    found = _BY_NAME.get(reason.lower()) if isinstance(reason, str) else None
    if found is None:
        said = (
            "without a finish_reason"
            if reason is None
            else f"for an unknown reason ({short(reason)})"
        )
        raise UpstreamTruncated(f"{model} ended its answer {said}")
    return found


def _tokens_of(text: str, written: Written) -> tuple[Token, ...]:
    """The tokens, if they are those of the text; of calls without a text they may spell these."""
    tokens = written.tokens
    if spell(tokens, text) or (written.calls and not text.strip()):
        return _marked(tokens)
    return _marked(_last_that_spell(tokens, text)) if written.is_reasoned else ()


def _last_that_spell(tokens: tuple[Token, ...], text: str) -> tuple[Token, ...]:
    """The tokens at the end that join to the text: those of the thoughts before it fall away."""
    wanted = len(text.strip())
    start, size = len(tokens), 0
    while start and size <= wanted + _LONGEST_END:
        start -= 1
        size += len(tokens[start].token)
        if size >= wanted and spell(tokens[start:], text):
            return tokens[start:]
    return ()


def _marked(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """Trailing tokens without text, as llama.cpp reports them, are what ended the answer."""
    end = len(tokens)
    while end and not tokens[end - 1].token:
        end -= 1
    if end == len(tokens):
        return tokens
    return tuple(
        Token(token.token, token.logprob, token.top_logprobs, special=place >= end)
        for place, token in enumerate(tokens)
    )


def _keys(data: Mapping[str, Any]) -> str:
    return ", ".join(sorted(str(key) for key in data)[:8]) or "none"
