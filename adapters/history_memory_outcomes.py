"""Outcomes in memory: rows by query, and what they count for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice

from ..router.decisions import Rung
from ..router.feedback import Correctness, KeptOutcome
from .history_memory_shelf import Shelf
from .history_outcomes import Count, correctness_of, count_of

__all__ = ["Outcomes"]

_Counted = OrderedDict[tuple[str, Rung], tuple[float, Count]]


class Outcomes:
    """Rows of outcome tables.

    Args:
        cap: queries kept.
        max_counted: latest outcomes that are counted for a model on a rung.
        clock: monotonic seconds.
    """

    def __init__(
        self, cap: int, ttl_s: float, max_counted: int, clock: Callable[[], float]
    ) -> None:
        self._ttl_s = ttl_s
        self._max_counted = max_counted
        self._clock = clock
        self._rows: Shelf[tuple[str, str], dict[Rung, KeptOutcome]] = Shelf(cap, ttl_s, clock)
        self._counted: dict[tuple[str, str, Rung], _Counted] = {}

    def keep(self, tenant: str, outcome: KeptOutcome, at: float | None) -> None:
        """Keep or replace a row; `at` is when its life began, now where None."""
        key = (tenant, outcome.query_id)
        rows = dict(self._rows.get(key) or {})
        if outcome.rung in rows:
            self._uncount(tenant, rows[outcome.rung])
        rows[outcome.rung] = outcome
        self._rows.keep(key, rows, at)
        count = count_of(outcome)
        if count is None or self._rows.get(key) is None:
            return
        counted = self._counted.setdefault((tenant, count.model, count.rung), OrderedDict())
        counted[outcome.query_id, outcome.rung] = (self._clock() if at is None else at, count)
        while len(counted) > self._max_counted:
            counted.popitem(last=False)

    def of(self, tenant: str, query_id: str) -> tuple[KeptOutcome, ...]:
        """The rows of a query, by rung."""
        rows = self._rows.get((tenant, query_id)) or {}
        return tuple(rows[rung] for rung in sorted(rows))

    def queries(self, tenant: str) -> list[tuple[int, tuple[KeptOutcome, ...]]]:
        """Number and rows of each query, the one written to longest ago first."""
        return [
            (number, tuple(rows[rung] for rung in sorted(rows)))
            for (owner, _), number, rows in self._rows.items()
            if owner == tenant
        ]

    def forget(self, tenant: str, query_id: str) -> int:
        """Forget the rows of a query; how many there were."""
        rows = self._rows.drop((tenant, query_id)) or {}
        for outcome in rows.values():
            self._uncount(tenant, outcome)
        return len(rows)

    def correctness(self, tenant: str, recent: int) -> Sequence[Correctness]:
        """By model and rung."""
        found = []
        for (owner, model, rung), counted in sorted(self._counted.items()):
            alive = [count for at, count in counted.values() if self._clock() - at < self._ttl_s]
            if owner != tenant or not alive:
                continue
            bins: dict[int, tuple[int, int]] = {}
            for count in alive:
                n, ok = bins.get(count.bin, (0, 0))
                bins[count.bin] = (n + 1, ok + count.ok)
            latest = [count.judged for count in islice(reversed(alive), max(0, recent))]
            found.append(correctness_of(model, rung, bins, latest))
        return found

    def _uncount(self, tenant: str, outcome: KeptOutcome) -> None:
        counted = self._counted.get((tenant, outcome.model, outcome.rung))
        if counted is not None:
            counted.pop((outcome.query_id, outcome.rung), None)
            if not counted:
                del self._counted[tenant, outcome.model, outcome.rung]
