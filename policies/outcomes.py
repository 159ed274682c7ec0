"""The outcome table: one row per attempt that was or could have been made."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from ..router.decisions import Rung
from ..router.errors import BadInput
from ..router.tables import read_lines

__all__ = ["Outcome", "OutcomeTable", "outcome_row", "read_outcomes"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt gave, or would have given.

    Attributes:
        loss: in [0, 1], 0 is right; None where nobody has judged it.
        cost: of the answer alone, in the table's one currency.
        signals: values in [0, 1], higher is surer; None where unavailable.
        signal_costs: price of the signals that had to be bought; absent means free.
        extra: fields that this version does not know, kept as they came.
    """

    query_id: str
    tier: int
    round: int
    retrieved: bool
    answer: str | None
    loss: float | None
    cost: float
    latency_s: float | None
    signals: Mapping[str, float | None]
    signal_costs: Mapping[str, float] = field(default_factory=dict)
    question: str | None = None
    model: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rung(self) -> Rung:
        """The attempt's place on the ladder."""
        return Rung(self.tier, self.round, self.retrieved)


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """All rows of a table by question and rung, in the order of first appearance."""

    queries: Mapping[str, Mapping[Rung, Outcome]]

    def row(self, query_id: str, rung: Rung) -> Outcome | None:
        """The row that an attempt on `rung` would have, None where the table lacks it.

        A last search in vain, after which the question has no rows, leaves the passages as they
        were: an attempt after it is the attempt of the round before.
        """
        ladder = self.queries[query_id]
        last = max(known.round for known in ladder)
        return ladder.get(rung if rung.round <= last else rung._replace(round=last))

    @property
    def tiers(self) -> int:
        """How many tiers the table speaks of."""
        return 1 + max(rung.tier for rows in self.queries.values() for rung in rows)

    @property
    def rounds(self) -> int:
        """The highest round that the table speaks of; 0 where nothing was retrieved."""
        return max(rung.round for rows in self.queries.values() for rung in rows)

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of all signals, in the order of first appearance."""
        rows = (row for ladder in self.queries.values() for row in ladder.values())
        return tuple(dict.fromkeys(name for row in rows for name in row.signals))

    @property
    def bought(self) -> frozenset[str]:
        """Signals that cost something anywhere in the table, or that rows list under `bought`.

        The others come with the answer. A recording lists what a policy has to buy, since samples
        of a model that charges nothing have to be asked for all the same.
        """
        found: set[str] = set()
        for row in self.rows():
            found.update(name for name, cost in row.signal_costs.items() if cost > 0)
            listed = row.extra.get("bought")
            if isinstance(listed, list):
                found.update(name for name in row.signals if name in listed)
        return frozenset(found)

    def rows(self) -> Iterable[Outcome]:
        """Every row."""
        for ladder in self.queries.values():
            yield from ladder.values()

    def only(self, query_ids: Iterable[str]) -> OutcomeTable:
        """The table of these questions alone."""
        return OutcomeTable({query_id: self.queries[query_id] for query_id in query_ids})


_KNOWN = frozenset(Outcome.__dataclass_fields__) - {"extra"}
_LARGEST = sys.float_info.max


def read_outcomes(path: Path) -> OutcomeTable:
    """Read an outcome table (JSON Lines, gzipped or not).

    Required are query_id, tier, round, retrieved, loss (null where nobody has judged) and cost.

    Raises:
        BadInput: names file, line and field; also for a key that occurs twice, or no row at all.
    """
    queries: dict[str, dict[Rung, Outcome]] = {}
    for number, data in read_lines(path):
        row = _row(data, str(path), number)
        ladder = queries.setdefault(row.query_id, {})
        if row.rung in ladder:
            raise BadInput(
                f"query {row.query_id!r} has {tuple(row.rung)} twice", file=str(path), line=number
            )
        ladder[row.rung] = row
    if not queries:
        raise BadInput("there is no row", file=str(path))
    return OutcomeTable(queries)


def outcome_row(row: Outcome) -> dict[str, Any]:
    """The row as it stands in a file."""
    data: dict[str, Any] = {
        "query_id": row.query_id,
        "tier": row.tier,
        "round": row.round,
        "retrieved": row.retrieved,
        "answer": row.answer,
        "loss": row.loss,
        "cost": row.cost,
        "latency_s": row.latency_s,
        "signals": dict(row.signals),
        "signal_costs": dict(row.signal_costs),
    }
    if row.question is not None:
        data["question"] = row.question
    if row.model is not None:
        data["model"] = row.model
    return {**data, **row.extra}


class _Fields:
    """One row's fields, checked one by one."""

    def __init__(self, data: Mapping[str, Any], file: str, line: int) -> None:
        self._data, self._file, self._line = data, file, line

    def bad(self, name: str, message: str) -> BadInput:
        return BadInput(message, file=self._file, line=self._line, field=name)

    def get(self, name: str) -> Any:
        if name not in self._data:
            raise self.bad(name, "is missing")
        return self._data[name]

    def number(self, name: str, value: Any, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.bad(name, f"expected a number, got {shown(value)}")
        # The bounds come first: a whole number may be too large to be a float at all.
        if not (low <= value <= high and value <= _LARGEST):
            raise self.bad(name, f"expected a number in [{low:g}, {high:g}], got {shown(value)}")
        return float(value)

    def whole(self, name: str) -> int:
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.bad(name, f"expected a whole number from 0, got {shown(value)}")
        return value

    def text_or_none(self, name: str) -> str | None:
        value = self._data.get(name)
        if value is not None and not isinstance(value, str):
            raise self.bad(name, f"expected a text or null, got {shown(value)}")
        return value

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self._data.get(name)
        if value is not None and not isinstance(value, dict):
            raise self.bad(name, f"expected an object, got {shown(value)}")
        return value or {}


def _row(data: Mapping[str, Any], file: str, line: int) -> Outcome:
    fields = _Fields(data, file, line)
    query_id = fields.get("query_id")
    if isinstance(query_id, bool) or not isinstance(query_id, str | int) or query_id == "":
        raise fields.bad("query_id", f"expected a text, got {shown(query_id)}")
    retrieved = fields.get("retrieved")
    if not isinstance(retrieved, bool):
        raise fields.bad("retrieved", f"expected true or false, got {shown(retrieved)}")
    loss, latency = fields.get("loss"), data.get("latency_s")
    signals = {
        name: None if value is None else fields.number(f"signals.{name}", value, 0.0, 1.0)
        for name, value in fields.mapping("signals").items()
    }
    costs = {
        name: fields.number(f"signal_costs.{name}", value, 0.0, math.inf)
        for name, value in fields.mapping("signal_costs").items()
        if value is not None
    }
    return Outcome(
        str(query_id),
        fields.whole("tier"),
        fields.whole("round"),
        retrieved,
        fields.text_or_none("answer"),
        None if loss is None else fields.number("loss", loss, 0.0, 1.0),
        fields.number("cost", fields.get("cost"), 0.0, math.inf),
        None if latency is None else fields.number("latency_s", latency, 0.0, math.inf),
        signals,
        costs,
        fields.text_or_none("question"),
        fields.text_or_none("model"),
        {name: value for name, value in data.items() if name not in _KNOWN},
    )
