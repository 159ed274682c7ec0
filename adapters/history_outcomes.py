"""Rows of outcome tables and labels in the form in which they are kept, and what they count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..router.decisions import Rung
from ..router.errors import StoreError, UsageError
from ..router.feedback import (
    BINS,
    BinCount,
    Correctness,
    JudgedOutcome,
    KeptOutcome,
    bin_of,
    kept_outcome,
)
from .history_format import KNOWN_VERSIONS

__all__ = [
    "Count",
    "correctness_of",
    "count_of",
    "outcome_text",
    "read_outcome",
    "rung_of_part",
    "rung_part",
]


@dataclass(frozen=True, slots=True)
class Count:
    """What an outcome counts for.

    Attributes:
        bin: of its confidence, -1 for none.
        ok: 1 where it was right, else 0.
    """

    model: str
    rung: Rung
    bin: int
    ok: int
    judged: JudgedOutcome


def count_of(outcome: KeptOutcome) -> Count | None:
    """What the outcome counts for; None where nobody has judged it."""
    if outcome.loss is None:
        return None
    return Count(
        outcome.model,
        outcome.rung,
        bin_of(outcome.confidence),
        int(outcome.loss < 0.5),
        JudgedOutcome(outcome.query_id, outcome.confidence, outcome.loss),
    )


def rung_part(rung: Rung) -> str:
    """A rung in a key: tier, round, and 1 where passages were shown."""
    return f"{rung.tier}.{rung.round}.{int(rung.retrieved)}"


def rung_of_part(part: str) -> Rung:
    """The rung that `rung_part` gave this form."""
    tier, round_, retrieved = part.split(".")
    return Rung(int(tier), int(round_), retrieved == "1")


def correctness_of(
    model: str,
    rung: Rung,
    counts: Mapping[int, tuple[int, int]],
    recent: Iterable[JudgedOutcome] = (),
) -> Correctness:
    """The record, from (n, ok) by bin."""
    bins = tuple(BinCount(*counts.get(bin, (0, 0))) for bin in range(BINS))
    return Correctness(model, rung, bins, BinCount(*counts.get(-1, (0, 0))), tuple(recent))


def outcome_text(outcome: KeptOutcome) -> str:
    """The row as JSON, with the model and the confidence that a history counts by.

    Raises:
        StoreError: the row holds what JSON cannot.
    """
    try:
        text = json.dumps(
            {"model": outcome.model, "confidence": outcome.confidence, "row": outcome.row},
            ensure_ascii=False,
            allow_nan=False,
        )
        text.encode()
    except (TypeError, ValueError) as error:
        raise StoreError(f"an outcome cannot be written as JSON: {error}") from error
    return text


def read_outcome(version: object, text: object, misses: Counter[str]) -> KeptOutcome | None:
    """The row that `outcome_text` wrote, or None, with a count of why it is missing."""
    if version not in KNOWN_VERSIONS:
        misses["unknown_version"] += 1
        return None
    try:
        if isinstance(text, str | bytes):
            kept = json.loads(text)
            row = kept["row"]
            # The row's own model and confidence may be others: those of the table come first.
            counted = {**row, "model": kept["model"], "confidence": kept["confidence"]}
            found = kept_outcome(counted)
            return KeptOutcome(
                found.query_id, found.rung, found.model, found.confidence, found.loss, row
            )
    except (UsageError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    misses["corrupt"] += 1
    return None
