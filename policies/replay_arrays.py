"""How the questions of a replay ended, as columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.errors import UsageError
from .question_counts import by_question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["ReplayArrays"]


@dataclass(frozen=True, slots=True)
class ReplayArrays:
    """How each question of a replay ended, by the questions' names.

    Attributes:
        query_ids: sorted.
        gated: 1 where a gate let the answer through; then `served` is 1 too.
        served: 1 where an answer was given.
        loss: in [0, 1], of what was served; 0 where nothing was.
        cost: signals included.
        latency_s: None where the replay does not know that of every question.
        deferred: 1 where a tier above the first was asked.
        best_p: estimate of the best attempt, served or not; NaN where there is none.
        best_loss: its loss; NaN where nobody has judged it.
        abstention_loss: charged to `system_risk` for each question without an answer.
    """

    query_ids: tuple[str, ...]
    gated: Floats
    served: Floats
    loss: Floats
    cost: Floats
    latency_s: Floats | None
    deferred: Floats
    best_p: Floats
    best_loss: Floats
    abstention_loss: float = 0.0

    @classmethod
    def of(
        cls,
        query_ids: Sequence[str],
        *,
        gated: Sequence[bool],
        served: Sequence[bool],
        loss: Sequence[float | None],
        cost: Sequence[float],
        latency_s: Sequence[float | None],
        deferred: Sequence[bool],
        best_p: Sequence[float | None],
        best_loss: Sequence[float | None],
        abstention_loss: float = 0.0,
    ) -> ReplayArrays:
        """Checked, and sorted by question; rows may come in any order.

        Raises:
            UsageError: no rows, lengths that differ, two rows of a question, something gated that
                was not served, something served whose loss is None or outside [0, 1], or a cost
                that is not finite.
        """
        import numpy as np

        columns = (gated, served, loss, cost, latency_s, deferred, best_p, best_loss)
        if not query_ids or any(len(column) != len(query_ids) for column in columns):
            raise UsageError(
                f"expected one row or more, and every column as long as the {len(query_ids)} "
                f"questions, got lengths {', '.join(str(len(column)) for column in columns)}"
            )
        order = by_question(query_ids)

        def sorted_floats(column: Sequence[float | None]) -> Floats:
            # None becomes NaN.
            found: Floats = np.array(column, dtype=np.float64)[order]
            return found

        names = tuple([query_ids[row] for row in order])
        times = sorted_floats(latency_s)
        arrays = cls(
            names,
            sorted_floats(gated),
            sorted_floats(served),
            np.where(sorted_floats(served) > 0.0, sorted_floats(loss), 0.0),
            sorted_floats(cost),
            None if np.isnan(times).any() else times,
            sorted_floats(deferred),
            sorted_floats(best_p),
            sorted_floats(best_loss),
            abstention_loss,
        )
        _check(arrays)
        return arrays


def _check(arrays: ReplayArrays) -> None:
    import numpy as np

    for name, bad, wanted in (
        ("gated", (arrays.gated > arrays.served), "only what was served to be gated"),
        ("loss", ~((arrays.loss >= 0.0) & (arrays.loss <= 1.0)), "a loss in [0, 1] if served"),
        ("cost", ~np.isfinite(arrays.cost), "a finite cost"),
    ):
        rows = np.flatnonzero(bad)
        if len(rows):
            query_id = arrays.query_ids[int(rows[0])]
            value = getattr(arrays, name)[rows[0]]
            raise UsageError(f"expected {wanted}, got {name} {value} for query {query_id!r}")
