"""Evidence files: JSON Lines, gzipped or not, one answer with everything known around it a line.

A line in the documented form goes from its bytes to records in one step. Only where that fails is
it read as plain JSON, brought into the documented form by `normalize` (other shapes live in an
adapter, which this floor does not know) and checked again. Numbers that are no confidence (NaN,
-Infinity, -9999, null) are read as they are: judging them is the estimators' hygiene.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from reprlib import repr as shown
from typing import IO, TYPE_CHECKING, Any, cast

from .content import special_flags
from .errors import BadInput
from .evidence import Evidence, Generation

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

__all__ = ["EvidenceFile", "Normalize", "Recorded", "parse_evidence"]

Normalize = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Brings one parsed line into the documented form; leaves alone what it does not know."""

_BOM = b"\xef\xbb\xbf"  # editors on Windows begin a file with it
_GZIP = b"\x1f\x8b"
_BYTES = b'"bytes"'
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line of an evidence file.

    Attributes:
        line: its number, from 1.
        size: its length in bytes.
        id: as the file has it; "" where there is none.
        correct: whether the greedy answer is right; None where nobody has said.
    """

    line: int
    size: int
    id: str | int | float
    evidence: Evidence
    correct: bool | None = None


@dataclass(frozen=True, slots=True)
class _Line(Evidence):
    """The fields of a line: evidence, and the label beside it."""

    correct: int | None = None


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[_Line]:
    from pydantic import TypeAdapter

    return TypeAdapter(_Line)


class EvidenceFile:
    """The records of an evidence file, one after the other; blank lines are skipped.

    Args:
        source: a path, or an open binary stream (standard input); gzip is told by its first bytes.
        normalize: brings lines of another shape into the documented one.
        on_bad: told of each line that is no evidence, which is then left out; without it such a
            line raises.
    """

    def __init__(
        self,
        source: Path | IO[bytes],
        *,
        normalize: Normalize | None = None,
        on_bad: Callable[[BadInput], None] | None = None,
    ) -> None:
        self.name = str(source) if isinstance(source, Path) else "-"
        self._source = source
        self._normalize = normalize
        self._on_bad = on_bad
        self._stream: IO[bytes] | None = None

    @property
    def total(self) -> int:
        """Bytes of the file on disk; 0 where it is a stream."""
        try:
            return os.stat(self._source).st_size if isinstance(self._source, Path) else 0
        except OSError:
            return 0

    @property
    def done(self) -> int:
        """Bytes of `total` that were read so far."""
        if self._stream is None or not isinstance(self._source, Path):
            return 0
        return self.total if self._stream.closed else self._stream.tell()

    def __iter__(self) -> Iterator[Recorded]:
        """The records in order.

        Raises:
            BadInput: the file cannot be read, or (without `on_bad`) a line is no evidence; names
                file, line and field.
        """
        try:
            if isinstance(self._source, Path):
                with self._source.open("rb") as stream:
                    yield from self._records(stream)
            else:
                yield from self._records(self._source)
        except (OSError, EOFError, zlib.error) as error:
            raise BadInput(f"cannot be read: {error}", file=self.name) from error

    def _records(self, stream: IO[bytes]) -> Iterator[Recorded]:
        self._stream = stream
        for number, line in enumerate(_unzipped(stream), start=1):
            if number == 1:
                line = line.removeprefix(_BOM)
            if not line.strip():
                continue
            try:
                record = parse_evidence(line, self.name, number, self._normalize)
            except BadInput as error:
                if self._on_bad is None:
                    raise
                self._on_bad(error)
                continue
            yield record


def _unzipped(stream: IO[bytes]) -> IO[bytes]:
    peek = getattr(stream, "peek", None)
    if peek is None or not peek(2).startswith(_GZIP):
        return stream
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream))


def parse_evidence(
    line: bytes, file: str, number: int, normalize: Normalize | None = None
) -> Recorded:
    """One line as a record.

    Raises:
        BadInput: the line is no evidence; names file, line and field.
    """
    from pydantic import ValidationError

    try:
        found = _adapter().validate_json(line)
    except ValidationError:
        return _parse_slowly(line, file, number, normalize)
    if _BYTES in line and not _is_spelled(found):
        # Characters that lie across tokens are only right when joined from their bytes.
        return _parse_slowly(line, file, number, normalize)
    return Recorded(number, len(line), found.id, found, _label(found.correct, file, number))


def _parse_slowly(line: bytes, file: str, number: int, normalize: Normalize | None) -> Recorded:
    from pydantic import ValidationError

    row = _row(line, file, number)
    given = row.get("id", "")
    if isinstance(given, int | float) and not isinstance(given, bool):
        row["id"] = str(given)
    try:
        found = _adapter().validate_python(row if normalize is None else normalize(row))
    except ValidationError as error:
        raise _bad(error, file, number) from error
    exact = isinstance(given, int) or (isinstance(given, float) and math.isfinite(given))
    name = given if exact else found.id  # what is not finite has no number in JSON
    return Recorded(number, len(line), name, found, _label(found.correct, file, number))


def _row(line: bytes, file: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8: {error}", file=file, line=number) from error
    except (ValueError, RecursionError) as error:
        # A whole number of thousands of digits is a ValueError, but no JSONDecodeError.
        raise BadInput(f"not JSON: {error}", file=file, line=number) from error
    if not isinstance(row, dict):
        raise BadInput(f"expected an object, got {type(row).__name__}", file=file, line=number)
    return cast("dict[str, Any]", _without_halves(row) if _HALF_PAIR.search(line) else row)


def _without_halves(value: Any) -> Any:
    """The value with U+FFFD for each half of a surrogate pair, which no text can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_halves(one) for one in value]
    if isinstance(value, dict):
        return {_without_halves(key): _without_halves(one) for key, one in value.items()}
    return value


def _is_spelled(evidence: Evidence) -> bool:
    """Whether the tokens of every answer join to its text; answers without tokens do."""
    asked = [one for answers in evidence.asked.values() for one in answers]
    others = [evidence.without_context] if evidence.without_context else []
    answers = (evidence.greedy, *evidence.samples, *evidence.peers.values(), *asked, *others)
    return all(not one.tokens or _joins(one) for one in answers)


def _joins(generation: Generation) -> bool:
    tokens, wanted = generation.tokens, generation.text.strip()
    if "".join([token.token for token in tokens]).strip() == wanted:
        return True
    flags = special_flags(tokens)
    plain = [token.token for token, special in zip(tokens, flags, strict=True) if not special]
    return "".join(plain).strip() == wanted


def _label(value: int | None, file: str, number: int) -> bool | None:
    if value is None:
        return None
    if value not in (0, 1):
        raise BadInput(f"expected 0 or 1, got {value}", file=file, line=number, field="correct")
    return value == 1


def _bad(error: ValidationError, file: str, number: int) -> BadInput:
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or None
    if first["type"] == "missing":
        return BadInput("is missing", file=file, line=number, field=field)
    said = first["msg"].replace("valid tuple", "valid array")
    words = f"{said[:1].lower()}{said[1:]}, got {shown(first['input'])}"
    return BadInput(words, file=file, line=number, field=field)
