"""Signals for recorded answers: which estimators, how records are read together, what is written.

Pure: no file is opened here and no model is loaded. What a record's line says does not depend on
the records around it, so that work can be cut and gone on with anywhere.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, get_args

from ..router.errors import BadInput, UsageError
from ..router.estimators.catalogue import ALIASES, CATALOGUE, Family, Options, entry
from ..router.evidence_file import Recorded
from ..router.protocols import Estimator
from ..router.signals import Detail, Reading, Signal

__all__ = ["FAMILIES", "chosen_estimators", "chunks", "nearest_name", "signal_line"]

FAMILIES: tuple[str, ...] = get_args(Family)
"""Names that stand for all estimators of a family, variants for compatibility left out."""

_CHUNK = 500
# Many samples of long answers make megabytes a record, and records are ten times their line.
_CHUNK_BYTES = 4 << 20

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def chosen_estimators(names: Sequence[str], options: Options) -> tuple[Estimator, ...]:
    """The estimators that `names` ask for, each once, in the order of first mention.

    A name is canonical, an alias, or a family. Without names: the whole catalogue but the variants
    for compatibility, since none of it asks a model for anything.

    Raises:
        UsageError: a name is unknown; says which is nearest.
    """
    wanted: dict[str, None] = {}
    for name in names or FAMILIES:
        wanted.update(dict.fromkeys(_expanded(name)))
    return tuple(CATALOGUE[name].make(options) for name in wanted)


def _expanded(name: str) -> list[str]:
    if name in FAMILIES:
        return [
            one.name for one in CATALOGUE.values() if one.family == name and not one.compatible_with
        ]
    if name in CATALOGUE or name in ALIASES:
        return [entry(name).name]
    raise UsageError(f"no estimator or family is called '{name}'; {nearest_name(name)}")


def nearest_name(name: str) -> str:
    """Words that help someone who misspelled the name of an estimator or of a family."""
    near = difflib.get_close_matches(name, [*FAMILIES, *CATALOGUE, *ALIASES], n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else "`surefoot estimators` lists them"


def chunks(
    records: Iterable[Recorded], most: int = _CHUNK, most_bytes: int = _CHUNK_BYTES
) -> Iterator[list[Recorded]]:
    """The records in groups of at most `most`, fewer where their lines are long; order kept.

    Where a line cannot be read the records before it still come, then the error.
    """
    chunk: list[Recorded] = []
    size = 0
    stopped: BadInput | None = None
    try:
        for record in records:
            chunk.append(record)
            size += record.size
            if len(chunk) >= most or size >= most_bytes:
                yield chunk
                chunk, size = [], 0
    except BadInput as error:
        stopped = error
    if chunk:
        yield chunk
    if stopped is not None:
        raise stopped


def signal_line(
    record_id: str | int | float, signals: Mapping[str, Reading], *, details: bool = False
) -> bytes:
    """One line of a signals file, its line break included; always valid JSON, never a NaN.

    Numbers are written in the shortest form that reads back exactly. By hand, since building the
    dicts for a JSON encoder takes twice as long as all the rest.
    """
    fields = []
    for name, reading in signals.items():
        if isinstance(reading, Signal):
            shown = f",{_details(reading.details)}" if details and reading.details else ""
            fields.append(
                f'"{name}":{{"value":{float(reading.value)!r},"raw":{float(reading.raw)!r},'
                f'"direction":"{reading.direction}"{shown}}}'
            )
        else:
            fields.append(f'"{name}":{{"unavailable":{_reason(reading.reason)}}}')
    line = f'{{"id":{_encode(record_id)},"signals":{{{",".join(fields)}}}}}\n'
    # Half of a surrogate pair becomes JSON's escape of it: UTF-8 has none.
    return line.encode("utf-8", "backslashreplace")


@lru_cache(maxsize=1024)
def _reason(reason: str) -> str:
    return _encode(reason)


def _details(details: Mapping[str, Detail]) -> str:
    try:
        return f'"details":{_encode(dict(details))}'
    except (TypeError, ValueError):  # of an estimator that does not keep to plain finite numbers
        return f'"details":{_encode({str(name): _plain(one) for name, one in details.items()})}'


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, str | int | None) else str(value)
