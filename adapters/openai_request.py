"""Requests to OpenAI-compatible endpoints, in the dialect that each endpoint understands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..router.errors import UpstreamMalformed, UpstreamRefused
from ..router.protocols import CallOptions, Message, ModelCall
from .openai_wire import parse_json
from .upstream_status import short

__all__ = ["PLAIN", "Dialect", "is_about_n", "mended", "request_body"]

# OpenAI allows 20, and 5 in the older completions; servers of one's own allow 20 by default.
_MOST_CANDIDATES = 20

_ABOUT_N = re.compile(r"\bn\b|one completion choice", re.IGNORECASE)
_NOT_TAKEN = re.compile(
    r"unsupported|not support|does not|only the default|unrecognized|unknown|unexpected|deprecated"
    r"|not permitted|not allowed|extra|invalid (?:field|parameter|argument)",
    re.IGNORECASE,
)
# What Surefoot decides itself; a caller's further fields do not override it.
_OURS = frozenset(
    "model messages prompt n stream stream_options max_tokens max_completion_tokens temperature "
    "seed stop logprobs top_logprobs tools tool_choice response_format parallel_tool_calls".split()
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an endpoint understands, as far as its refusals have told.

    Attributes:
        limit_field: the name of the limit of tokens.
        takes_n: several answers in one request.
        takes_usage: `stream_options`, which asks a stream for its usage.
        streams: answers can be streamed.
    """

    limit_field: str = "max_tokens"
    takes_n: bool = True
    takes_temperature: bool = True
    takes_seed: bool = True
    takes_usage: bool = True
    streams: bool = True

    @property
    def notes(self) -> tuple[str, ...]:
        """What changes the answers, in words."""
        found = []
        if not self.takes_temperature:
            found.append("does not take a temperature")
        if not self.takes_seed:
            found.append("does not take a seed")
        return tuple(found)


PLAIN = Dialect()


def mended(dialect: Dialect, call: ModelCall, complaint: str, *, streams: bool) -> Dialect | None:
    """The dialect without what was refused; None where the complaint is about something else."""
    text = complaint.lower()
    if (
        "max_completion_tokens" in text
        and call.prompt.messages
        and dialect.limit_field == "max_tokens"
    ):
        return replace(dialect, limit_field="max_completion_tokens")
    if not _NOT_TAKEN.search(text):
        return None
    if streams and dialect.takes_usage and "stream_options" in text:
        return replace(dialect, takes_usage=False)
    if streams and dialect.streams and re.search(r"\bstream(?:ing|ed)?\b", text):
        return replace(dialect, streams=False)
    if dialect.takes_temperature and re.search(r"\btemperature\b", text):
        return replace(dialect, takes_temperature=False)
    if dialect.takes_seed and re.search(r"\bseed\b", text):
        return replace(dialect, takes_seed=False)
    return None


def is_about_n(complaint: str) -> bool:
    """Whether an endpoint refuses to give several answers to one request."""
    return _ABOUT_N.search(complaint) is not None


def request_body(
    model: str,
    call: ModelCall,
    dialect: Dialect = PLAIN,
    *,
    n: int = 1,
    place: int = 0,
    streams: bool = False,
) -> bytes:
    """The JSON of one request, for `n` answers of which the first is answer `place` of the call.

    A caller's own messages and options are put in as they came, once they are known to be JSON.

    Raises:
        UpstreamRefused: options that this request cannot carry, or a text of them that is no JSON.
    """
    body: dict[str, Any] = {"model": model, dialect.limit_field: call.max_tokens}
    if dialect.takes_temperature:
        body["temperature"] = call.temperature
    if dialect.takes_seed:
        body["seed"] = call.seed + place
    if n > 1:
        body["n"] = n
    stops = [each for each in call.prompt.stop if each]
    if stops:
        body["stop"] = stops
    if streams:
        body["stream"] = True
        if dialect.takes_usage:
            body["stream_options"] = {"include_usage": True}
    k = min(call.top_logprobs, _MOST_CANDIDATES)
    if call.prompt.messages:
        if k > 0:
            body |= {"logprobs": True, "top_logprobs": k}
    else:
        body["prompt"] = call.prompt.text
        if k > 0:
            body["logprobs"] = k
    given = _messages(call.prompt.messages) + _options(call)
    text = json.dumps(body, ensure_ascii=False)
    # A lone surrogate has no UTF-8 form; a question mark takes its place.
    return f"{text[:-1]}{given}}}".encode("utf-8", "replace")


def _messages(messages: tuple[Message, ...]) -> str:
    if not messages:
        return ""
    written = [
        json.dumps({"role": each.role, "content": each.content}, ensure_ascii=False)
        if each.raw is None
        else _checked("a message", each.raw)
        for each in messages
    ]
    return f', "messages": [{", ".join(written)}]'


def _options(call: ModelCall) -> str:
    options = call.options
    if options is None:
        return ""
    if not call.prompt.messages and (options.tools is not None or options.tool_choice is not None):
        raise UpstreamRefused(
            "tools need a prompt of messages; a prompt of text goes to the older completions, "
            "which have none",
            reach="not_sent",
        )
    texts = {
        "tools": options.tools,
        "tool_choice": options.tool_choice,
        "response_format": options.response_format,
    }
    given = {key: _checked(key, text) for key, text in texts.items() if text is not None}
    if options.parallel_tool_calls is not None:
        given["parallel_tool_calls"] = json.dumps(options.parallel_tool_calls)
    given |= {key: json.dumps(value) for key, value in _others(options).items()}
    return "".join(f", {json.dumps(key)}: {value}" for key, value in given.items())


def _checked(what: str, text: str) -> str:
    """The text, if it is one JSON value: anything else could add fields of its own."""
    try:
        parse_json(what, text.encode("utf-8", "surrogatepass"))
    except UpstreamMalformed as error:
        raise UpstreamRefused(
            f"{what} of the request is no JSON: {short(text)}", reach="not_sent"
        ) from error
    return text


def _others(options: CallOptions) -> Mapping[str, Any]:
    if options.others is None:
        return {}
    try:
        others = json.loads(options.others)
    except (ValueError, RecursionError) as error:
        raise UpstreamRefused(
            f"the request's further fields are no JSON: {error}", reach="not_sent"
        ) from error
    if not isinstance(others, dict):
        raise UpstreamRefused(
            f"the request's further fields are a JSON {type(others).__name__}; give an object",
            reach="not_sent",
        )
    return {key: value for key, value in others.items() if key not in _OURS}
