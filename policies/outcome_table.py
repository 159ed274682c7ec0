"""The records of an outcome table: one row per attempt that was or could have been made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..router.decisions import Rung

__all__ = ["Outcome", "OutcomeTable", "outcome_row"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt gave, or would have given.

    Attributes:
        loss: in [0, 1], 0 is right; None where nobody has judged it.
        cost: of the answer alone, in the table's one currency.
        signals: values in [0, 1], higher is surer; None where unavailable.
        signal_costs: price of the signals that had to be bought; absent means free.
        extra: all other fields, kept as they came; of those of logged traffic, `audited`,
            `propensity` and `group` were checked when the row was read.
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
class _Facts:
    """What all rows of a table have together."""

    tiers: int
    rounds: int
    signals: tuple[str, ...]
    bought: frozenset[str]


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """All rows of a table by question and rung, in the order of first appearance."""

    queries: Mapping[str, Mapping[Rung, Outcome]]
    _facts: _Facts | None = field(default=None, init=False, repr=False, compare=False)

    def row(self, query_id: str, rung: Rung) -> Outcome | None:
        """The row that an attempt on `rung` would have, None where the table lacks it.

        A last search in vain, after which the question has no rows, leaves the passages as they
        were: an attempt after it is the attempt of the round before.
        """
        ladder = self.queries[query_id]
        found = ladder.get(rung)
        if found is not None or not rung.round:
            return found
        last = max([known.round for known in ladder])
        return ladder.get(rung._replace(round=last)) if rung.round > last else None

    @property
    def tiers(self) -> int:
        """How many tiers the table speaks of."""
        return self._known().tiers

    @property
    def rounds(self) -> int:
        """The highest round that the table speaks of; 0 where nothing was retrieved."""
        return self._known().rounds

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of all signals, in the order of first appearance."""
        return self._known().signals

    @property
    def bought(self) -> frozenset[str]:
        """Signals that cost something anywhere in the table, or that rows list under `bought`.

        The others come with the answer. A recording lists what a policy has to buy, since samples
        of a model that charges nothing have to be asked for all the same.
        """
        return self._known().bought

    def rows(self) -> Iterable[Outcome]:
        """Every row."""
        for ladder in self.queries.values():
            yield from ladder.values()

    def only(self, query_ids: Iterable[str]) -> OutcomeTable:
        """The table of these questions alone."""
        return OutcomeTable({query_id: self.queries[query_id] for query_id in query_ids})

    def _known(self) -> _Facts:
        """Found by one walk over the rows, and kept."""
        if self._facts is None:
            object.__setattr__(self, "_facts", _facts(self))
        assert self._facts is not None
        return self._facts


def _facts(table: OutcomeTable) -> _Facts:
    rungs: set[Rung] = set()
    for ladder in table.queries.values():
        rungs.update(ladder)
    signals: dict[str, None] = {}
    bought: set[str] = set()
    for row in table.rows():
        signals.update(dict.fromkeys(row.signals))
        if row.signal_costs:
            bought.update([name for name, cost in row.signal_costs.items() if cost > 0])
        listed = row.extra.get("bought") if row.extra else None
        if isinstance(listed, list):
            bought.update([name for name in row.signals if name in listed])
    tiers, rounds = (max([rung[i] for rung in rungs]) for i in (0, 1))
    return _Facts(1 + tiers, rounds, tuple(signals), frozenset(bought))


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
