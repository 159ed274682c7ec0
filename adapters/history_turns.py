"""Turns in the form in which they are kept: slim tuples in MessagePack.

A tuple of a turn of 540 characters takes a tenth of the time of its JSON, both ways, and threads
are read before every draft.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from ..router.errors import StoreError
from ..router.histories import KeptTurn
from .history_format import (
    SCHEMA,
    from_key_part,
    from_part_or_none,
    key_part,
    key_part_or_none,
)

__all__ = ["pack_turns", "read_turn", "read_value", "value_of"]

_END = b"\n"  # of the id's key part, which holds none


def pack_turns(turns: Sequence[KeptTurn]) -> list[bytes]:
    """One tuple (question, answer, at, key part of the user) a turn.

    Raises:
        StoreError: a text is no valid Unicode (a lone surrogate).
    """
    import ormsgpack

    try:
        return [
            ormsgpack.packb((one.question, one.answer, one.at, key_part_or_none(one.user)))
            for one in turns
        ]
    except (TypeError, ValueError) as error:
        raise StoreError(f"a turn cannot be written: {error}") from error


def read_turn(id: str, version: object, packed: object, misses: Counter[str]) -> KeptTurn | None:
    """The turn that `pack_turns` wrote, or None, with a count of why it is missing."""
    import ormsgpack

    if version not in (1, SCHEMA):
        misses["unknown_version"] += 1
        return None
    try:
        if isinstance(packed, bytes):
            found = ormsgpack.unpackb(packed) if version == SCHEMA else _of_version_1(packed)
            match found:
                case [str(question), str(answer), str(at), None | str() as user]:
                    return KeptTurn(id, question, answer, at, from_part_or_none(user))
    except (ValueError, RecursionError):  # MsgpackDecodeError and JSONDecodeError are of these
        pass
    misses["corrupt"] += 1
    return None


def _of_version_1(text: bytes) -> object:
    found = json.loads(text)
    if not isinstance(found, dict):
        return None
    return [found.get("question"), found.get("answer"), "", None]


def value_of(turns: Sequence[KeptTurn]) -> list[bytes]:
    """Turns as values that tell version and id themselves; raises as `pack_turns`."""
    heads = [bytes([SCHEMA]) + key_part(one.id).encode() + _END for one in turns]
    return [head + packed for head, packed in zip(heads, pack_turns(turns), strict=True)]


def read_value(value: bytes, misses: Counter[str]) -> KeptTurn | None:
    """The turn that `value_of` wrote, or None, with a count of why it is missing."""
    version, rest, id = value[0] if value else None, value[1:], ""
    if version == SCHEMA:
        head, end, rest = rest.partition(_END)
        try:
            id = from_key_part(head.decode("ascii"))
        except ValueError:
            end = b""
        if not end:
            misses["corrupt"] += 1
            return None
    return read_turn(id, version, rest, misses)
