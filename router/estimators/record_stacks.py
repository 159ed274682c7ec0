"""Arrays of many records in one: those of records with equally many samples are stacked.

Linear algebra on a stack of small matrices takes a tenth of the time of one call a record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from ..making import maker
from ..signals import Detail, Direction, Reading, Signal, Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "NEEDS_TWO",
    "Stack",
    "Stacked",
    "numbers_of",
    "replaced",
    "stack_by_m",
]

NEEDS_TWO = Unavailable("needs 2 samples")

_make_signal = maker(Signal)

_DECIMALS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The arrays of the records that have M samples.

    Attributes:
        m: how many samples each of these records has, at least 1.
        places: where these records stand in the batch, ascending.
        values: (records, ...), one array a record.
    """

    m: int
    places: tuple[int, ...]
    values: NDArray[Any]


def replaced(stack: Stack, values: NDArray[Any]) -> Stack:
    """The same records with other arrays."""
    return Stack(stack.m, stack.places, values)


Range = Callable[[int], tuple[float, float]]
"""The surest and the least sure `raw` that there can be, by M."""


@dataclass(frozen=True, slots=True, eq=False)
class Stacked:
    """The arrays of a batch.

    Attributes:
        problems: per record, why it is in no stack; None where it is in one.
        stacks: one for each M that occurs.
    """

    problems: tuple[Unavailable | None, ...]
    stacks: tuple[Stack, ...]

    def mapped(self, formula: Callable[[Array], NDArray[Any]]) -> Stacked:
        """The same records with `formula` of their arrays."""
        return Stacked(self.problems, tuple([replaced(s, formula(s.values)) for s in self.stacks]))

    def at_least(self, m: int) -> Stacked:
        """Without the records that have fewer than `m` samples; those need 2, says their reason."""
        problems = list(self.problems)
        for stack in self.stacks:
            if stack.m < m:
                for place in stack.places:
                    problems[place] = NEEDS_TWO
        return Stacked(tuple(problems), tuple([s for s in self.stacks if s.m >= m]))

    def without(self, problem: Unavailable, fits: Callable[[Array], NDArray[np.bool_]]) -> Stacked:
        """Without the records whose arrays do not fit: `fits` says so per record."""
        problems, stacks = list(self.problems), []
        for stack in self.stacks:
            sound = fits(stack.values)
            if sound.all():
                stacks.append(stack)
                continue
            kept = []
            for place, good in zip(stack.places, sound.tolist(), strict=True):
                if good:
                    kept.append(place)
                else:
                    problems[place] = problem
            if kept:
                stacks.append(Stack(stack.m, tuple(kept), stack.values[sound]))
        return Stacked(tuple(problems), tuple(stacks))

    def rows(self) -> list[Any]:
        """Per record its array as nested lists, or why there is none."""
        found: list[Any] = list(self.problems)
        for stack in self.stacks:
            for place, row in zip(stack.places, stack.values.tolist(), strict=True):
                found[place] = row
        return found

    def confidences(
        self, name: str, measure: Callable[[Array], Array], details: Mapping[str, Detail]
    ) -> list[Reading]:
        """One reading a record: `raw` is the measure of its array, in [0, 1], and `value` too."""
        return self._readings(name, "confidence", measure, lambda _: (1.0, 0.0), details)

    def uncertainties(
        self,
        name: str,
        measure: Callable[[Array], Array],
        within: Range,
        details: Mapping[str, Detail],
    ) -> list[Reading]:
        """One reading a record: `raw` is the measure of its array, `value` its place in the range.

        The range runs from the surest `raw` (1) to the least sure (0).
        """
        return self._readings(name, "uncertainty", measure, within, details)

    def _readings(
        self,
        name: str,
        direction: Direction,
        measure: Callable[[Array], Array],
        within: Range,
        details: Mapping[str, Detail],
    ) -> list[Reading]:
        """The details say how many samples there are (`m`), and `one_sample` where it is one.

        `raw` is rounded to 12 decimals: what an eigen-solver or the order of a sum leaves behind
        them would rank records that are equal, and keep identical answers off their exact 0 or 1.
        """
        import numpy as np

        found: list[Any] = list(self.problems)
        for stack in self.stacks:
            raws = np.round(measure(stack.values), _DECIMALS) + 0.0  # which turns -0 into 0
            surest, least = within(stack.m)
            values = np.clip((raws - least) / (surest - least), 0.0, 1.0)
            shown: dict[str, Detail] = {"m": stack.m, **details}
            if stack.m == 1:
                shown["one_sample"] = True
            signals = map(
                _make_signal,
                repeat(name),
                values.tolist(),
                raws.tolist(),
                repeat(direction),
                repeat(shown, len(stack.places)),
            )
            for place, signal in zip(stack.places, signals, strict=True):
                found[place] = signal
        return found


def stack_by_m(
    rows: Sequence[tuple[int, Sequence[Any]] | Unavailable], shape: Callable[[int], tuple[int, ...]]
) -> Stacked:
    """The stacks of records given as (M, nested numbers), whose nesting has the shape of that M."""
    problems = tuple([row if isinstance(row, Unavailable) else None for row in rows])
    groups: dict[int, tuple[list[int], list[Sequence[Any]]]] = {}
    for place, row in enumerate(rows):
        if not isinstance(row, Unavailable):
            places, nested = groups.setdefault(row[0], ([], []))
            places.append(place)
            nested.append(row[1])
    return Stacked(
        problems,
        tuple(
            [
                Stack(m, tuple(places), numbers_of(nested, shape(m)))
                for m, (places, nested) in sorted(groups.items())
            ]
        ),
    )


def numbers_of(nested: Sequence[Sequence[Any]], shape: tuple[int, ...]) -> Array:
    """(records, *shape) from nested sequences of that shape; NaN where a record's are no numbers.

    Half the time of `np.array`, which looks at the length of every inner sequence.
    """
    import numpy as np

    flat: Any = nested
    for _ in shape:
        flat = chain.from_iterable(flat)
    try:
        values = np.fromiter(flat, np.float64, len(nested) * math.prod(shape))
    except (TypeError, ValueError, OverflowError):
        if len(nested) == 1:
            return np.full((1, *shape), np.nan)
        return np.concatenate([numbers_of((one,), shape) for one in nested])
    return values.reshape(len(nested), *shape)
