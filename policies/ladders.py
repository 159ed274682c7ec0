"""An outcome table in columns: what searches over many policies read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from ..router.decisions import Rung
from ..router.evidence import FinishReason
from ..router.text import clean_text
from .outcomes import Outcome, OutcomeTable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["Ladders", "ladders_of"]

_CUT = (None, *(reason for reason in get_args(FinishReason) if reason != "stop"))


@dataclass(frozen=True, slots=True)
class Ladders:
    """Every array is (questions, rungs); questions are sorted by id, rungs by tier and round.

    Attributes:
        present: whether the table has the row.
        whole: whether its answer is one that can be served.
        loss: NaN where nobody has judged it, or the row is absent.
        cost: of the answer alone; NaN where the row is absent.
        latency_s: NaN where the table does not tell.
        signals: by name; NaN where unavailable.
        prices: of each signal where it is bought; 0 where it is free.
    """

    queries: tuple[str, ...]
    rungs: tuple[Rung, ...]
    present: Flags
    whole: Flags
    loss: Floats
    cost: Floats
    latency_s: Floats
    signals: Mapping[str, Floats]
    prices: Mapping[str, Floats]

    def place(self, tier: int, round: int = 0) -> int:
        """The column of a rung. Raises KeyError where the table has none."""
        rung = Rung(tier, round, round > 0)
        if rung not in self.rungs:
            raise KeyError(rung)
        return self.rungs.index(rung)

    def some(self, at: Ints) -> Ladders:
        """The questions at these places."""
        return Ladders(
            tuple(self.queries[i] for i in at),
            self.rungs,
            self.present[at],
            self.whole[at],
            self.loss[at],
            self.cost[at],
            self.latency_s[at],
            {name: column[at] for name, column in self.signals.items()},
            {name: column[at] for name, column in self.prices.items()},
        )

    @property
    def tiers(self) -> int:
        """How many tiers there are."""
        return 1 + max(rung.tier for rung in self.rungs)

    @property
    def rounds(self) -> int:
        """The highest round."""
        return max(rung.round for rung in self.rungs)


def ladders_of(table: OutcomeTable) -> Ladders:
    """The table in columns."""
    import numpy as np

    queries = tuple(sorted(table.queries))
    rungs = tuple(sorted({rung for ladder in table.queries.values() for rung in ladder}))
    names, bought = table.signals, table.bought
    column = {rung: place for place, rung in enumerate(rungs)}
    shape = (len(queries), len(rungs))

    def empty() -> Floats:
        return np.full(shape, np.nan)

    present, whole = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    loss, cost, latency = empty(), empty(), empty()
    signals = {name: empty() for name in names}
    prices = {name: np.zeros(shape) for name in names}
    for at, query_id in enumerate(queries):
        for rung, row in table.queries[query_id].items():
            to = at, column[rung]
            present[to], whole[to] = True, _is_whole(row)
            cost[to] = row.cost
            loss[to] = _number(row.loss)
            latency[to] = _number(row.latency_s)
            for name, value in row.signals.items():
                signals[name][to] = _number(value)
            for name, price in _paid(row, bought):
                prices[name][to] = price
    return Ladders(queries, rungs, present, whole, loss, cost, latency, signals, prices)


def _is_whole(row: Outcome) -> bool:
    """Whether the recorded answer could be served; one that the table does not tell could."""
    if row.extra.get("finish_reason", "stop") in _CUT:
        return False
    return row.answer is None or bool(clean_text(row.answer).strip())


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _paid(row: Outcome, bought: frozenset[str]) -> list[tuple[str, float]]:
    return [(n, c) for n, c in row.signal_costs.items() if n in bought and n in row.signals]
