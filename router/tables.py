"""Reading and writing JSON Lines: one record a line, errors that name file, line and field."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from .errors import BadInput, StoreError

__all__ = ["read_lines", "write_atomically", "write_lines"]


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers (from 1) and objects of a JSON Lines file, gzipped or not; blank lines skipped.

    Raises:
        BadInput: the file cannot be read, or a line is not a JSON object.
    """
    name = str(path)
    try:
        opened = (
            gzip.open(path, "rt", encoding="utf-8")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8")
        )
        with opened as lines:
            for number, line in enumerate(cast(Iterable[str], lines), start=1):
                if line.strip():
                    yield number, _parsed(line, name, number)
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise BadInput(f"cannot be read: {error}", file=name) from error


def _parsed(line: str, name: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadInput(f"not JSON: {error}", file=name, line=number) from error
    if not isinstance(row, dict):
        raise BadInput(f"expected an object, got {type(row).__name__}", file=name, line=number)
    return row


def write_lines(path: Path, rows: Iterable[object]) -> int:
    """Write JSON Lines, all or nothing; return the number of rows."""
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    write_atomically(path, "".join(f"{line}\n" for line in lines))
    return len(lines)


def write_atomically(path: Path, text: str) -> None:
    """Put `text` into `path` so that no reader ever sees a part of it.

    Raises:
        StoreError: the folder cannot be written or the disk is full; nothing is left behind.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # A temporary file is private to its owner; the result gets the usual permissions.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path} was not written: {error}; nothing was changed") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
