"""What every history keeps, for how long, and in which form: JSON with a schema version beside it.

A value of an unknown version, or one that cannot be read, counts as absent: a history shared with
a newer release, or damaged by someone else, costs a repeat or a turn and never a request. Version 1
had no users, and turns in JSON; what it has left is read.
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
    "KNOWN_VERSIONS",
    "SCHEMA",
    "Retention",
    "from_key_part",
    "from_part_or_none",
    "key_part",
    "key_part_or_none",
    "read_record",
    "read_run",
    "repeat_of",
    "run_text",
    "to_text",
]

SCHEMA = 2
"""Version of the stored form; raised whenever an older reader would misread it."""

KNOWN_VERSIONS = (1, SCHEMA)
"""Versions that can be read."""

_MAX_RUNS = 10_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retention:
    """How much a history keeps, and for how long.

    Attributes:
        ttl_s: seconds; a thread lives this long after its last turn, everything else after it was
            kept. None leaves it to the store (for ever in memory and SQLite, 30 days in Redis);
            `math.inf` is for ever everywhere.
        max_turns: latest turns kept per thread.
        max_runs: latest runs kept, of a tenant (in memory of all together). None leaves it to the
            store: 10,000 in memory and Redis, all of them in SQLite.
        max_evidence: latest attempts whose evidence is kept, in memory and in SQLite.
        evidence_ttl_s: seconds that Redis keeps evidence (about 150 kB for 200 tokens with 20
            candidates each); never longer than `ttl_s`.
        max_outcomes: latest judged outcomes that are counted for a model on a rung.
    """

    ttl_s: float | None = None
    max_turns: int = 200
    max_runs: int | None = None
    max_evidence: int = 1024
    evidence_ttl_s: float = 86_400.0
    max_outcomes: int = 10_000

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            # `not >` rather than `<=`, so that NaN is refused as well.
            if value is not None and not value > 0:
                raise ConfigurationError(
                    f"history.{name} must be greater than 0, got {value}", field=f"history.{name}"
                )

    def lifetime_s(self, store_default: float = math.inf) -> float:
        """`ttl_s` with the store's own default filled in; infinity where nothing expires."""
        return store_default if self.ttl_s is None else self.ttl_s

    @property
    def run_cap(self) -> int:
        """`max_runs` of a store that keeps no more than it must."""
        return _MAX_RUNS if self.max_runs is None else self.max_runs


@dataclass(frozen=True, slots=True)
class _KeptRun:
    """A run as it is written: without its tenant (in the key) and its evidence (kept apart)."""

    thread: str | None
    fingerprint: str
    at: str
    result: Result
    user: str | None = None
    policy_id: str | None = None


def key_part(text: str) -> str:
    """An id in a form that can neither end a key's part nor be another id's form.

    Percent-encoded UTF-8; no two ids share one form. The empty id is `%`, which no other id can
    be, since an empty Redis hash tag would not be a tag at all.
    """
    return quote(text, safe="", errors="surrogatepass") or "%"


def from_key_part(part: str) -> str:
    """The id that `key_part` gave this form."""
    return "" if part == "%" else unquote(part, errors="surrogatepass")


def key_part_or_none(text: str | None) -> str | None:
    """`key_part`, with None for None."""
    return None if text is None else key_part(text)


def from_part_or_none(part: str | None) -> str | None:
    """`from_key_part`, with None for None."""
    return None if part is None else from_key_part(part)


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
    if version not in KNOWN_VERSIONS:
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
    thread, user = key_part_or_none(run.thread), key_part_or_none(run.user)
    return to_text(_KeptRun(thread, run.fingerprint, run.at, run.result, user, run.policy_id))


def read_run(tenant: str, version: object, text: object, misses: Counter[str]) -> RunRecord | None:
    """The run that `run_text` wrote, or None, with a count of why it is missing."""
    kept = read_record(_KeptRun, version, text, misses)
    if kept is None:
        return None
    return RunRecord(
        tenant,
        from_part_or_none(kept.thread),
        kept.fingerprint,
        kept.result,
        kept.at,
        user=from_part_or_none(kept.user),
        policy_id=kept.policy_id,
    )


def repeat_of(run: RunRecord) -> Repeat | None:
    """What to serve when the question comes again; None where the run cannot be repeated.

    Only an answer counts, only a first-hand one (not itself a repeat), and only where the attempt
    that was served is at hand. One that was shown before the policy would rather have done
    something else is served to nobody else.
    """
    result = run.result
    if result.overruled:
        return None
    if result.action is not Action.ANSWER or result.recognized or result.best is None:
        return None
    if result.best.text != result.answer:
        return None
    return Repeat(result.run_id, run.at, result.best)
