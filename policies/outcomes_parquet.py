"""Outcome tables in Parquet files: the same fields as columns.

`signals`, `signal_costs` and `group` are structs, maps, or texts that hold a JSON object. A null is
as good as an absent field, since a column has a place for every row. Times become ISO 8601 texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from ..router.errors import BadInput, MissingExtra

__all__ = ["read_parquet"]

_AT_ONCE = 8192
_OBJECTS = frozenset({"signals", "signal_costs", "group"})
# Null says something there: nobody has judged it.
_NULLABLE = frozenset({"loss"})


def read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Row numbers (from 1) and rows, as a JSON Lines file with the same content would give them.

    Raises:
        BadInput: the file cannot be read, or is no Parquet file.
        MissingExtra: pyarrow is not installed.
    """
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    try:
        with parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=_AT_ONCE):
                for row in batch.to_pylist():
                    number += 1
                    yield number, _row(row, str(path), number)
    except (OSError, arrow.ArrowException) as error:
        raise BadInput(f"cannot be read: {error}", file=str(path)) from error


def _row(row: dict[str, Any], file: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name in _OBJECTS and isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                raise BadInput(f"not JSON: {error}", file=file, line=number, field=name) from error
        if value is not None or name in _NULLABLE:
            found[name] = dict(_plain(value)) if _is_map(name, value) else _plain(value)
    return found


def _is_map(name: str, value: Any) -> bool:
    """Whether it came out of a column of maps: as pairs of name and value."""
    return name in _OBJECTS and isinstance(value, list) and all(type(v) is tuple for v in value)


def _plain(value: Any) -> Any:
    """The value as JSON would have given it."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    convert = _CONVERSIONS.get(type(value))
    return value if convert is None else convert(value)


_CONVERSIONS: dict[type[Any], Callable[[Any], Any]] = {
    Decimal: float,
    date: date.isoformat,
    datetime: datetime.isoformat,
    time: time.isoformat,
}
