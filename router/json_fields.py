"""The fields of a JSON object as a model wrote it: which characters hold each one's values."""

from __future__ import annotations

import json

from .tool_calls import value_spans

__all__ = ["Span", "field_spans"]

Span = tuple[int, int]
"""Begin and end in the text."""

_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder()


def field_spans(text: str) -> dict[str, list[Span]] | None:
    """By field of the outermost object, where its scalar values stand, at any depth.

    A field of an empty text or list has none. Of a key that comes twice all values count. None
    where the text is no whole JSON object.
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(whole, dict):
        return None
    found: dict[str, list[Span]] = {}
    place = _skip(text, text.index("{") + 1)
    while text[place] != "}":
        name, place = _DECODER.raw_decode(text, place)
        begin = _skip(text, _skip(text, place) + 1)  # after the colon
        _, end = _DECODER.raw_decode(text, begin)
        spans = value_spans(text[begin:end])
        found.setdefault(name, []).extend((begin + a, begin + b) for a, b in spans)
        place = _skip(text, end)
        if text[place] == ",":
            place = _skip(text, place + 1)
    return found


def _skip(text: str, place: int) -> int:
    while text[place] in _SPACE:
        place += 1
    return place
