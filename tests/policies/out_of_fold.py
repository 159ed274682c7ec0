"""Out-of-fold estimates as if they were recorded signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from surefoot.policies.calibrating import CalibratedRung
from surefoot.policies.outcomes import OutcomeTable
from surefoot.router.decisions import Rung
from surefoot.router.signals import Estimate, Reading, Signal, Unavailable


class OutOfFoldAssessor:
    """Reads the preferred signal's out-of-fold probability, which stands in the table.

    Args:
        orders: names by rung, the preferred one first.
        to_buy: the bought signal within each combination, without which that cannot be had.
    """

    def __init__(
        self,
        orders: Mapping[tuple[int, bool], tuple[str, ...]],
        to_buy: Mapping[str, str] | None = None,
    ) -> None:
        self._orders = orders
        self._to_buy = to_buy or {}

    def assess(self, rung: Rung, signals: Mapping[str, Reading]) -> Estimate | Unavailable:
        """The estimate from the first available signal of the rung's order."""
        for name in self._orders[rung.tier, rung.retrieved]:
            reading = signals.get(name)
            part = signals.get(self._to_buy.get(name, name))
            if isinstance(reading, Signal) and isinstance(part, Signal):
                return Estimate(reading.value, name, True)
        return Unavailable("no signal is available")


def with_out_of_fold(
    table: OutcomeTable, rungs: Sequence[CalibratedRung]
) -> tuple[OutcomeTable, dict[tuple[int, bool], tuple[str, ...]]]:
    """The table with each signal replaced by its out-of-fold probability, and the order per rung.

    Thresholds chosen on probabilities that a calibrator gave to its own training rows would be
    too hopeful. A combination is one more signal, which costs nothing in itself.
    """
    by_rung = {(rung.tier, rung.retrieved): rung for rung in rungs}
    queries = {}
    for query_id, ladder in table.queries.items():
        queries[query_id] = {
            key: replace(
                row,
                signals={
                    name: out.get((query_id, row.round))
                    for name, out in by_rung[row.tier, row.retrieved].out_of_fold.items()
                },
            )
            for key, row in ladder.items()
        }
    orders = {
        key: tuple(fitted.name for fitted in rung.calibrators) for key, rung in by_rung.items()
    }
    return OutcomeTable(queries), orders
