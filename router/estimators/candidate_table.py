"""The candidates of many answers as one table: a row a token, a column an alternative.

Everything that estimators compute from alternatives is a formula over the rows of this table, and
then a mean, a minimum or a window over the rows of one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING

from ..batch import Batch
from ..hygiene import COVERAGE, Candidates, Checked, Selection, narrowed, with_candidates
from ..making import maker
from ..signals import Detail, Direction, Reading, Signal, Unavailable
from .views import selected

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["CandidateTable", "Formula", "candidate_table", "measured_rows"]

_make_signal = maker(Signal)

Formula = Callable[["Array"], "Array"]
"""From (n, k) logprobs, each row highest first, to (n,) numbers, one a token."""


@dataclass(frozen=True, slots=True, eq=False)
class CandidateTable:
    """The usable tokens of a batch's greedy answers.

    Attributes:
        problems: per record, why it has no rows; None where it has some.
        details: per readable record what its signals report: `k` (the fewest alternatives of its
            tokens; `k_max` where they differ), `captured_mass` (what they sum to on average),
            `coverage`, `filter` and what hygiene changed.
        ends: per readable record the row after its last one, increasing; its first row is the
            end of the record before.
        blocks: rows of equal width k >= 2: their indices, (n,) and ascending, and their
            logprobs, (n, k), highest first.
    """

    problems: tuple[Unavailable | None, ...]
    details: tuple[dict[str, Detail], ...]
    ends: tuple[int, ...]
    blocks: tuple[tuple[NDArray[np.intp], Array], ...]

    @property
    def starts(self) -> tuple[int, ...]:
        """Per readable record its first row."""
        return (0, *self.ends[:-1]) if self.ends else ()

    def measured(self, formula: Formula) -> Array:
        """(rows,): the formula of every row."""
        import numpy as np

        if len(self.blocks) == 1:
            return formula(self.blocks[0][1])
        found = np.empty(self.ends[-1] if self.ends else 0)
        for indices, logprobs in self.blocks:
            found[indices] = formula(logprobs)
        return found

    def log_widths(self) -> Array:
        """(rows,): ln k of every row."""
        import numpy as np

        return self.measured(lambda logprobs: np.full(len(logprobs), np.log(logprobs.shape[1])))

    def means(self, measured: Array) -> Array:
        """(readable records,): the mean over each record's rows."""
        import numpy as np

        if not self.ends:
            return np.empty(0)
        totals: Array = np.add.reduceat(measured, self.starts)
        means: Array = totals / np.diff(self.ends, prepend=0)
        return means

    def minima(self, measured: Array) -> Array:
        """(readable records,): the least of each record's rows."""
        import numpy as np

        if not self.ends:
            return np.empty(0)
        found: Array = np.minimum.reduceat(measured, self.starts)
        return found

    def per_record(self, measured: Array) -> list[Array]:
        """The rows of each readable record."""
        return [measured[start:end] for start, end in zip(self.starts, self.ends, strict=True)]

    def readings(
        self,
        name: str,
        values: Sequence[float],
        raws: Sequence[float],
        direction: Direction,
        details: Iterable[dict[str, Detail]] | None = None,
    ) -> list[Reading]:
        """One reading a record of the batch, from one number a readable record."""
        shown = self.details if details is None else details
        made = map(_make_signal, repeat(name), values, raws, repeat(direction), shown)
        if len(self.details) == len(self.problems):
            return list(made)
        return [next(made) if problem is None else problem for problem in self.problems]


def candidate_table(batch: Batch, content_filter: bool) -> CandidateTable:
    """The table of a batch; a view for `Batch.shared`.

    A record has rows where hygiene finds no fault and at least 90 % of its content tokens have a
    logprob and two alternatives.
    """
    problems: list[Unavailable | None] = []
    readable: list[tuple[Checked, Selection]] = []
    rows: list[Candidates] = []
    widths: list[tuple[int, int]] = []
    ends: list[int] = []
    for base in batch.shared(selected, content_filter, COVERAGE):
        found = base if isinstance(base, Unavailable) else _readable(*base)
        if isinstance(found, Unavailable):
            problems.append(found)
            continue
        checked, chosen = found
        own = [checked.candidates[i] for i in chosen.positions]
        lengths = set(map(len, own))
        problems.append(None)
        readable.append(found)
        widths.append((min(lengths), max(lengths)))
        rows += own
        ends.append(len(rows))
    blocks = _blocks(rows)
    return CandidateTable(
        tuple(problems), tuple(_details(readable, widths, ends, blocks)), tuple(ends), blocks
    )


def measured_rows(batch: Batch, content_filter: bool, formula: Formula) -> Array:
    """(rows,): a formula of every row of the table; a view, so that estimators may share it."""
    return batch.shared(candidate_table, content_filter).measured(formula)


def _readable(base: Checked, chosen: Selection) -> tuple[Checked, Selection] | Unavailable:
    checked = with_candidates(base)
    if isinstance(checked, Unavailable):
        return checked
    narrow = narrowed(checked, chosen, COVERAGE, 2)
    return narrow if isinstance(narrow, Unavailable) else (checked, narrow)


def _blocks(rows: Sequence[Candidates]) -> tuple[tuple[NDArray[np.intp], Array], ...]:
    import numpy as np

    widths = list(map(len, rows))
    distinct = sorted(set(widths))
    if len(distinct) == 1:
        return ((np.arange(len(rows)), _packed(rows, distinct[0])),)
    found = []
    for k in distinct:
        indices = [i for i, width in enumerate(widths) if width == k]
        found.append((np.array(indices), _packed([rows[i] for i in indices], k)))
    return tuple(found)


def _packed(rows: Sequence[Candidates], k: int) -> Array:
    """(n, k), at half the time of `np.array`, which looks at every row's length."""
    import numpy as np

    numbers = chain.from_iterable(rows)
    return np.fromiter(numbers, np.float64, len(rows) * k).reshape(len(rows), k)


def _details(
    readable: Sequence[tuple[Checked, Selection]],
    widths: Sequence[tuple[int, int]],
    ends: Sequence[int],
    blocks: tuple[tuple[NDArray[np.intp], Array], ...],
) -> list[dict[str, Detail]]:
    import numpy as np

    bare = CandidateTable((), (), tuple(ends), blocks)
    masses = bare.means(bare.measured(lambda logprobs: np.exp(logprobs).sum(axis=1))).tolist()
    found = []
    for (checked, chosen), (k, k_max), mass in zip(readable, widths, masses, strict=True):
        details: dict[str, Detail] = {
            "k": k,
            "captured_mass": mass,
            "coverage": chosen.coverage,
            "filter": chosen.filter,
        }
        if k_max != k:
            details["k_max"] = k_max
        details.update(checked.counts())
        found.append(details)
    return found
