"""Where logprobs stand in what a provider sent, and the texts of pieces that split characters."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

__all__ = ["PieceDecoder", "encodable", "escaped_bytes", "field_of", "found_in", "is_list"]

_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")
# An answer of the Responses API has output, which has content, which has logprobs.
_HOLDERS = ("content", "refusal", "logprobs", "output")
_DEEPEST = 4
_ABSENT = object()


class PieceDecoder:
    """Decodes the pieces of one text, of which each may end inside a character."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_between = False

    def text(self, name: str, raw_bytes: object) -> str:
        """What the piece adds to the text: its bytes where they are given, else its name."""
        if not self._is_between and type(raw_bytes) is list and name.isascii():
            # Nearly always: the name says the same as its bytes.
            try:
                if bytes(raw_bytes) == name.encode():
                    return name
            except (TypeError, ValueError):
                pass
        data = _as_bytes(raw_bytes)
        if data is None:
            return self.rest() + encodable(name)
        text = self._decoder.decode(data)
        self._is_between = bool(self._decoder.getstate()[0])
        return text

    def rest(self) -> str:
        """A replacement character where the pieces so far end inside a character."""
        if not self._is_between:
            return ""
        self._is_between = False
        return self._decoder.decode(b"", final=True)


def found_in(raw: object, depth: int = _DEEPEST) -> object:
    """The list of entries, or the mapping of parallel lists, in what a provider sent.

    None where it says that there are none; what cannot be looked into comes back as it is.
    """
    if isinstance(raw, Mapping) and "tokens" in raw and "content" not in raw:
        return raw
    if depth == 0 or isinstance(raw, str):
        return raw
    if is_list(raw):
        holders = [each for each in raw if _holds_logprobs(each)]
        return raw if not holders else _joined(holders, depth - 1)
    is_empty = False
    for name in _HOLDERS:
        inner = field_of(raw, name, _ABSENT)
        if inner is not _ABSENT and inner is not None:
            return found_in(inner, depth - 1)
        is_empty |= inner is None
    return None if is_empty else raw


def escaped_bytes(name: str) -> bytes | None:
    """What the older completions write for half a character: `bytes:\\xe2\\x80`."""
    prefix, mark, body = name.partition("bytes:")
    if prefix or not mark or not body or _ESCAPED.sub("", body):
        return None
    return bytes(int(pair, 16) for pair in _ESCAPED.findall(body))


def encodable(text: str) -> str:
    """The text as UTF-8 can hold it: JSON can carry surrogates, of which pairs become the character
    that they stand for, and lone ones U+FFFD."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether it is a list or a tuple."""
    return isinstance(value, list | tuple)


def field_of(entry: Any, name: str, default: Any = None) -> Any:
    """A dict's entry or an object's attribute of that name."""
    if isinstance(entry, Mapping):
        return entry.get(name, default)
    # Lists and strings have no such attribute; a property that fails is as good as absent.
    try:
        return getattr(entry, name, default)
    except Exception:  # foreign objects: their attribute access may do anything
        return default


def _holds_logprobs(block: object) -> bool:
    """Whether a list's element is no entry itself but a block of text, or a message of blocks."""
    if type(block) is dict and "token" in block:
        return False
    return not isinstance(field_of(block, "token"), str) and any(
        is_list(field_of(block, name)) for name in _HOLDERS
    )


def _joined(holders: Sequence[object], depth: int) -> list[Any]:
    parts = [found_in(holder, depth) for holder in holders]
    return [entry for part in parts if is_list(part) for entry in part]


def _as_bytes(value: object) -> bytes | None:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, list | tuple):
        return None
    if not all(type(byte) is int and 0 <= byte <= 255 for byte in value):
        return None
    return bytes(value)
