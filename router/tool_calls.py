"""Tool calls as answers: when two are the same, and which tokens carry their arguments."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from .evidence import Generation, Token, ToolCall
from .signals import Unavailable

__all__ = [
    "TRUNCATED",
    "argument_positions",
    "canonical_calls",
    "is_tool_call",
    "truncation",
    "value_spans",
]

TRUNCATED = Unavailable("truncated tool call")

_LARGEST_EXACT = 2.0**53  # whole numbers up to here are the same as int and as float


def is_tool_call(generation: Generation) -> bool:
    """Whether the model asked for tools and wrote no text beside."""
    return bool(generation.tool_calls) and not generation.text.strip()


def truncation(generation: Generation) -> Unavailable | None:
    """Why the calls of a generation cannot be judged: one was cut off; None where none was.

    The last call of a generation that hit its token limit before any argument was cut off, too.
    """
    calls = generation.tool_calls
    if generation.finish_reason == "length" and calls and not calls[-1].arguments:
        return TRUNCATED
    found = canonical_calls(calls)
    return found if isinstance(found, Unavailable) else None


def canonical_calls(calls: Sequence[ToolCall]) -> str | Unavailable:
    """The calls in one form: keys sorted, numbers normalized (1.0 is 1), no white space.

    Calls keep their order. Unavailable where an argument is no whole JSON value: it was cut off.
    """
    found = []
    for call in calls:
        try:
            arguments = json.loads(call.arguments or "{}")
        except (ValueError, RecursionError):
            return TRUNCATED
        found.append([call.name, _normalized(arguments)])
    return json.dumps(found, sort_keys=True, separators=(",", ":"))


def _normalized(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normalized(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_normalized(one) for one in value]
    if isinstance(value, float) and abs(value) <= _LARGEST_EXACT and value.is_integer():
        return int(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def argument_positions(
    tokens: Sequence[Token], calls: Sequence[ToolCall]
) -> list[int] | Unavailable:
    """The tokens that touch an argument's *value*: names, keys, quotes and brackets say little.

    Values are strings (without their quotes), numbers, `true`, `false` and `null`, at any depth.
    Unavailable where arguments are cut off, and where the tokens do not spell them.
    """
    text = "".join([token.token for token in tokens])
    wanted = bytearray(len(text))
    start = 0
    for call in calls:
        arguments = call.arguments or "{}"
        if isinstance(canonical_calls((call,)), Unavailable):
            return TRUNCATED
        found = text.find(arguments, start)
        if found < 0:
            return Unavailable("logprobs do not cover the tool call")
        for begin, end in value_spans(arguments):
            wanted[found + begin : found + end] = b"\x01" * (end - begin)
        start = found + len(arguments)
    positions = []
    place = 0
    for position, token in enumerate(tokens):
        end = place + len(token.token)
        if any(wanted[place:end]):
            positions.append(position)
        place = end
    return positions


def value_spans(text: str) -> list[tuple[int, int]]:
    """Where the scalar values of valid JSON stand in it, strings without their quotes."""
    spans = []
    place = 0
    while place < len(text):
        sign = text[place]
        if sign == '"':
            end = _string_end(text, place)
            if not text[end:].lstrip().startswith(":"):  # a key is followed by its colon
                spans.append((place + 1, end - 1))
            place = end
        elif sign in "-0123456789tfnNI":
            end = place
            while end < len(text) and text[end] not in ",]} \t\r\n":
                end += 1
            spans.append((place, end))
            place = end
        else:
            place += 1
    return [(begin, end) for begin, end in spans if end > begin]


def _string_end(text: str, start: int) -> int:
    place = start + 1
    while text[place] != '"':
        place += 2 if text[place] == "\\" else 1
    return place + 1
