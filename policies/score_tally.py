"""What a scoring run found: how often each estimator could be read, and scores beside labels."""

from __future__ import annotations

import math
import random
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..router.making import maker
from ..router.signals import Reading, Signal

__all__ = ["Labeled", "Seen", "Tally", "seen_in_line", "seen_in_readings"]

_MOST_REASONS = 32
OTHER_REASONS = "other reasons"


@dataclass(frozen=True, slots=True)
class Seen:
    """One reading as a summary needs it: the score (higher is surer) and value, or the reason."""

    score: float = math.nan
    value: float = math.nan
    reason: str | None = None


_make_seen = maker(Seen)


def seen_in_readings(signals: Mapping[str, Reading]) -> dict[str, Seen]:
    """What a summary needs of readings."""
    return {
        name: _make_seen(reading.score, reading.value)
        if isinstance(reading, Signal)
        else _make_seen(reason=reading.reason)
        for name, reading in signals.items()
    }


def seen_in_line(signals: Mapping[str, Any]) -> dict[str, Seen]:
    """The same of the signals in a line that an earlier run wrote.

    Raises:
        KeyError, TypeError, ValueError: the line is none of ours.
    """
    found = {}
    for name, data in signals.items():
        if "unavailable" in data:
            found[name] = Seen(reason=str(data["unavailable"]))
            continue
        raw = float(data["raw"])
        sure = {"confidence": 1.0, "uncertainty": -1.0}[data["direction"]]
        found[name] = Seen(sure * raw, float(data["value"]))
    return found


@dataclass(slots=True)
class Tally:
    """Counts over the records of a run.

    Attributes:
        records: how many were scored, those of an interrupted run before included.
        available: per estimator, on how many records it gave a signal.
        reasons: per estimator, why not, and how often.
    """

    names: Sequence[str]
    records: int = 0
    available: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, seen: Mapping[str, Seen]) -> None:
        """Count one record."""
        self.records += 1
        for name, one in seen.items():
            if one.reason is None:
                self.available[name] += 1
                continue
            counts = self.reasons.setdefault(name, Counter())
            # Reasons of one's own estimators may hold numbers: memory stays flat all the same.
            known = one.reason in counts or len(counts) < _MOST_REASONS
            counts[one.reason if known else OTHER_REASONS] += 1

    def document(self) -> dict[str, Any]:
        """Per estimator how often it was available, and why not otherwise, most frequent first."""
        return {
            name: {
                "available": self.available[name],
                "unavailable": dict(self.reasons.get(name, Counter()).most_common()),
            }
            for name in self.names
        }


class Labeled:
    """Scores and labels of the records that have a label.

    At most `most` records are kept, drawn evenly over the whole file, so that memory stays flat.
    """

    def __init__(self, names: Sequence[str], *, most: int, seed: int = 0) -> None:
        self.count = 0
        self.labels = array("b")
        self.groups: list[str] = []
        self._scores = {name: array("d") for name in names}
        self._values = {name: array("d") for name in names}
        self._most = most
        self._draw = random.Random(seed)

    def __len__(self) -> int:
        """How many records are kept."""
        return len(self.labels)

    def add(self, correct: bool, group: str, seen: Mapping[str, Seen]) -> None:
        """Take one labeled record, or let it replace another, or let it go (algorithm R)."""
        self.count += 1
        if len(self.labels) < self._most:
            self.labels.append(correct)
            self.groups.append(group)
            for name, one in seen.items():
                self._scores[name].append(one.score)
                self._values[name].append(one.value)
            return
        place = self._draw.randrange(self.count)
        if place < self._most:
            self.labels[place], self.groups[place] = correct, group
            for name, one in seen.items():
                self._scores[name][place] = one.score
                self._values[name][place] = one.value

    def scores(self) -> dict[str, list[float | None]]:
        """Per estimator the scores (`raw`, turned so that higher is surer); None: unavailable."""
        return {name: _known(column) for name, column in self._scores.items()}

    def values(self) -> dict[str, list[float | None]]:
        """Per estimator the values in [0, 1]; None where unavailable."""
        return {name: _known(column) for name, column in self._values.items()}


def _known(column: array[float]) -> list[float | None]:
    return [None if math.isnan(number) else number for number in column]
