"""Reading and writing JSON Lines: one record a line, errors that name file, line and field."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import uuid
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from .errors import BadInput, StoreError

__all__ = ["json_line", "read_lines", "write_atomically", "write_lines"]


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers (from 1) and objects of a JSON Lines file, gzipped or not; blank lines skipped.

    Raises:
        BadInput: the file cannot be read, a line is not a JSON object in UTF-8, or it holds NaN or
            Infinity, which Python would read but JSON does not have.
    """
    name = str(path)
    try:
        with _opened(path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _parsed(line, name, number)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"cannot be read: {error}", file=name) from error


def _opened(path: Path) -> IO[bytes]:
    # Bytes, not text: a text file is decoded ahead of its lines, and could not name the bad one.
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _parsed(line: bytes, name: str, number: int) -> dict[str, Any]:
    try:
        # Editors on Windows begin a file with a byte order mark.
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        row = _value(text)
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8: {error}", file=name, line=number) from error
    except _NotJsonError as error:
        raise BadInput(
            f"expected a number or null, got {error}, which JSON does not have",
            file=name,
            line=number,
            field=_place_of(error.args[0], text),
        ) from error
    except (ValueError, RecursionError) as error:
        # A whole number of thousands of digits is a ValueError, but no JSONDecodeError.
        raise BadInput(f"not JSON: {error}", file=name, line=number) from error
    if not isinstance(row, dict):
        raise BadInput(f"expected an object, got {type(row).__name__}", file=name, line=number)
    return row


class _NotJsonError(ValueError):
    """NaN, Infinity or -Infinity, which Python writes and JSON does not know."""


def _refuse(constant: str) -> Any:
    raise _NotJsonError(constant)


_DECODER = json.JSONDecoder(parse_constant=_refuse)
_LINE_ENDS = ("\n", "\r\n", "")


def _value(text: str) -> Any:
    if text.startswith("{"):  # as good as always: the shorter way saves a fifth of the time
        row, end = _DECODER.raw_decode(text)
        if text[end:] in _LINE_ENDS:
            return row
    return _DECODER.decode(text)


def _place_of(constant: str, text: str) -> str | None:
    """The dotted name of the first field that holds the constant; None where it has none."""
    found = object()
    decoder = json.JSONDecoder(parse_constant=lambda name: found if name == constant else None)
    try:
        values: list[tuple[str, Any]] = [("", decoder.decode(text))]
    except (ValueError, RecursionError):  # what comes after it is no JSON either
        return None
    while values:  # no recursion: a value may lie as deep as the decoder could go
        place, value = values.pop()
        if value is found:
            return place or None
        inner: list[tuple[str, Any]] = []
        if isinstance(value, dict):
            inner = [(f"{place}.{name}" if place else name, one) for name, one in value.items()]
        elif isinstance(value, list):
            inner = [(f"{place}[{i}]", one) for i, one in enumerate(value)]
        values.extend(reversed(inner))
    return None


def json_line(row: object) -> bytes:
    """The row as one line of JSON in UTF-8, its line break included.

    Half of a surrogate pair, which UTF-8 does not have, is written as JSON's escape of it.
    """
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


def write_lines(path: Path, rows: Iterable[object]) -> int:
    """Write JSON Lines, all or nothing; return the number of rows."""
    lines = [json_line(row) for row in rows]
    write_atomically(path, b"".join(lines))
    return len(lines)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Put `content` into `path` so that no reader ever sees a part of it; texts as UTF-8.

    Raises:
        StoreError: the folder cannot be written, the disk is full, or `path` is a folder, pipe or
            device; nothing is left behind.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"  # beside it: a rename needs one disk
    try:
        if path.exists() and not path.is_file():  # a rename would put a file in a device's place
            raise OSError("it is no regular file")
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path} was not written: {error}; nothing was changed") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
