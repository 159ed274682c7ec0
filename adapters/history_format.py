"""What every history keeps, for how long, and in which form: JSON with a schema version beside it.

A value of an unknown version, or one that cannot be read, counts as absent: a history shared with
a newer release, or damaged by someone else, costs a repeat or a turn and never a request.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, unquote

from ..router.decisions import Action, Result
from ..router.errors import ConfigurationError, StoreError, UsageError
from ..router.protocols import RunRecord
from ..router.requests import Repeat
from ..router.wire import decode_json, encode_json

__all__ = [
    "SCHEMA",
    "Retention",
    "key_part",
    "read_record",
    "read_run",
    "repeat_of",
    "run_text",
    "to_text",
]

SCHEMA = 1
"""Version of the stored form; raised whenever an older reader would misread it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retention:
    """How much a history keeps, and for how long.

    Attributes:
        ttl_s: seconds; a thread lives this long after its last turn, everything else after it was
            kept. None leaves it to the store (for ever in memory and SQLite, 30 days in Redis);
            `math.inf` is for ever everywhere.
        max_turns: latest turns kept per thread.
        max_runs: latest runs kept: of the process in memory, listed per tenant in Redis.
            SQLite keeps all within `ttl_s`.
        max_evidence: latest attempts whose evidence is kept, in memory and in SQLite.
        evidence_ttl_s: seconds that Redis keeps evidence (about 150 kB for 200 tokens with 20
            candidates each); never longer than `ttl_s`.
    """

    ttl_s: float | None = None
    max_turns: int = 200
    max_runs: int = 10_000
    max_evidence: int = 1024
    evidence_ttl_s: float = 86_400.0

    def __post_init__(self) -> None:
        for name in ("ttl_s", "max_turns", "max_runs", "max_evidence", "evidence_ttl_s"):
            value = getattr(self, name)
            # `not >` rather than `<=`, so that NaN is refused as well.
            if value is not None and not value > 0:
                raise ConfigurationError(
                    f"history.{name} must be greater than 0, got {value}", field=f"history.{name}"
                )

    def lifetime_s(self, store_default: float = math.inf) -> float:
        """`ttl_s` with the store's own default filled in; infinity where nothing expires."""
        return store_default if self.ttl_s is None else self.ttl_s


@dataclass(frozen=True, slots=True)
class _KeptRun:
    """A run as it is written: without its tenant (in the key) and its evidence (kept apart)."""

    thread: str | None
    fingerprint: str
    at: str
    result: Result


def key_part(text: str) -> str:
    """An id in a form that can neither end a key's part nor be another id's form.

    Percent-encoded UTF-8; no two ids share one form. The empty id is `%`, which no other id can
    be, since an empty Redis hash tag would not be a tag at all.
    """
    return quote(text, safe="", errors="surrogatepass") or "%"


def _from_key_part(part: str) -> str:
    return "" if part == "%" else unquote(part, errors="surrogatepass")


def to_text(record: object) -> str:
    """The record as one line of JSON.

    Raises:
        StoreError: a text in it is no valid Unicode (a lone surrogate), so JSON cannot hold it.
    """
    try:
        return encode_json(record)
    except ValueError as error:  # pydantic's serialization error and UnicodeEncodeError alike
        name = type(record).__name__.lstrip("_")
        raise StoreError(f"{name} cannot be written as JSON: {error}") from error


def read_record(kind: type[T], version: object, text: object, misses: Counter[str]) -> T | None:
    """The record that `to_text` wrote, or None, with a count of why it is missing."""
    if version != SCHEMA:
        misses["unknown_version"] += 1
        return None
    try:
        if isinstance(text, str | bytes):
            return decode_json(kind, text)
    except UsageError:
        pass
    misses["corrupt"] += 1
    return None


def run_text(run: RunRecord) -> str:
    """The run without tenant and evidence; raises as `to_text`."""
    thread = None if run.thread is None else key_part(run.thread)
    return to_text(_KeptRun(thread, run.fingerprint, run.at, run.result))


def read_run(tenant: str, version: object, text: object, misses: Counter[str]) -> RunRecord | None:
    """The run that `run_text` wrote, or None, with a count of why it is missing."""
    kept = read_record(_KeptRun, version, text, misses)
    if kept is None:
        return None
    thread = None if kept.thread is None else _from_key_part(kept.thread)
    return RunRecord(tenant, thread, kept.fingerprint, kept.result, kept.at)


def repeat_of(run: RunRecord) -> Repeat | None:
    """What to serve when the question comes again; None where the run cannot be repeated.

    Only an answer counts, only a first-hand one (not itself a repeat), and only where the attempt
    that was served is at hand.
    """
    result = run.result
    if result.action is not Action.ANSWER or result.recognized or result.best is None:
        return None
    if result.best.text != result.answer:
        return None
    return Repeat(result.run_id, run.at, result.best)
