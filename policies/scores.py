"""What gates compare with thresholds: one raw signal, or the calibrated estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..router.assessing import CalibratedAssessor, RungCalibrators
from ..router.errors import UsageError
from ..router.signals import Estimate, Reading, Signal
from .calibrating import CalibratedRung
from .ladders import Ladders
from .outcomes import OutcomeTable
from .paths import RungKind, RungScores

if TYPE_CHECKING:
    from .ladders import Floats

__all__ = [
    "applied_scores",
    "assessor_of",
    "bought_parts",
    "estimated_scores",
    "parts_to_buy",
    "raw_scores",
    "to_buy_by_kind",
    "usable_signals",
    "with_signals",
]


def raw_scores(
    ladders: Ladders, signals: Mapping[RungKind, str], bought: frozenset[str]
) -> RungScores:
    """One signal's own value on each rung; bought wherever it is looked at, if it has a price.

    Args:
        signals: by tier and with passages or without; a rung without one has no score.
        bought: the signals that have to be bought.
    """
    import numpy as np

    shape = ladders.cost.shape
    free, paid, price = (np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape))
    names: list[str | None] = []
    for at, rung in enumerate(ladders.rungs):
        name = signals.get((rung.tier, rung.retrieved))
        names.append(name)
        if name is None:
            continue
        paid[:, at] = ladders.signals[name][:, at]
        if name in bought:
            price[:, at] = ladders.prices[name][:, at]
        else:
            free[:, at] = paid[:, at]
    to_buy = tuple(name if name in bought else None for name in names)
    return RungScores(free, paid, price, to_buy, tuple(names))


def estimated_scores(
    ladders: Ladders, rungs: Sequence[CalibratedRung], bought: frozenset[str]
) -> RungScores:
    """The out-of-fold estimate of each row, before the best signal of its rung is bought and after.

    As the assessor does, the first available calibrator in order of preference is read. No signal
    is ever bought but the one that the rung's best calibrator rests on.
    """
    import numpy as np

    shape = ladders.cost.shape
    free, paid, price = (np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape))
    kinds = {(rung.tier, rung.retrieved): rung for rung in rungs}
    to_buy = parts_to_buy(rungs, bought)
    opened: list[str | None] = []
    for at, rung in enumerate(ladders.rungs):
        calibrated = kinds.get((rung.tier, rung.retrieved))
        if calibrated is None:
            opened.append(None)
            continue
        best = to_buy.get(calibrated.calibrators[0].name)
        opened.append(best)
        if best is not None:
            price[:, at] = ladders.prices[best][:, at]
        for fitted in reversed(calibrated.calibrators):  # the preferred one is written last
            part = to_buy.get(fitted.name)
            known = calibrated.out_of_fold[fitted.name]
            column = _column([known.get((query, rung.round)) for query in ladders.queries])
            if part is None:
                free[:, at] = np.where(np.isnan(column), free[:, at], column)
            if part in (None, best):
                if part is not None:  # it needs what was bought to have been there
                    column = np.where(np.isnan(ladders.signals[part][:, at]), np.nan, column)
                paid[:, at] = np.where(np.isnan(column), paid[:, at], column)
    return RungScores(free, paid, price, tuple(opened), (None,) * len(ladders.rungs))


def _column(values: Sequence[float | None]) -> Floats:
    import numpy as np

    return np.array([np.nan if value is None else value for value in values])


def to_buy_by_kind(ladders: Ladders, scores: RungScores) -> dict[RungKind, str | None]:
    """The signal that is bought on each kind of rung."""
    pairs = zip(ladders.rungs, scores.signal, strict=True)
    return {(rung.tier, rung.retrieved): signal for rung, signal in pairs}


def parts_to_buy(rungs: Sequence[CalibratedRung], bought: frozenset[str]) -> dict[str, str]:
    """What has to be bought before a signal, or a combination, can be had; free ones are absent."""
    found: dict[str, str] = {}
    for rung in rungs:
        for fitted in rung.calibrators:
            for part in fitted.parts:
                if part in bought:
                    found[fitted.name] = part
    return found


def usable_signals(
    table: OutcomeTable, allowed: frozenset[str] | None = None
) -> dict[RungKind, tuple[str, ...]]:
    """The signals of each tier, with passages and without, that tell any two attempts apart.

    Raises:
        UsageError: an allowed one occurs nowhere.
    """
    if allowed is not None and not allowed <= set(table.signals):
        unknown = ", ".join(sorted(allowed - set(table.signals)))
        raise UsageError(
            f"signals: the table has no {unknown}; it has {', '.join(table.signals) or 'none'}"
        )
    values: dict[RungKind, dict[str, set[float]]] = {}
    for row in table.rows():
        kind = values.setdefault((row.tier, row.retrieved), {})
        for name, value in row.signals.items():
            if value is not None and (allowed is None or name in allowed):
                seen = kind.setdefault(name, set())
                if len(seen) < 2:
                    seen.add(value)
    return {
        kind: tuple(sorted(name for name, seen in found.items() if len(seen) > 1))
        for kind, found in values.items()
    }


def applied_scores(
    table: OutcomeTable,
    ladders: Ladders,
    rungs: Sequence[CalibratedRung],
    bought: frozenset[str],
) -> RungScores:
    """The estimates that calibrators fitted elsewhere give these rows, as the loop would read them.

    Before the signal of the rung's best calibrator is bought, and after.
    """
    import numpy as np

    assessor = assessor_of(rungs)
    parts = bought_parts(rungs, bought)
    shape = ladders.cost.shape
    free, paid, price = (np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape))
    column = {rung: at for at, rung in enumerate(ladders.rungs)}
    for at, query_id in enumerate(ladders.queries):
        for rung, row in table.queries[query_id].items():
            readings: dict[str, Reading] = {
                name: Signal(name, value, value)
                for name, value in row.signals.items()
                if value is not None and name not in bought
            }
            place = at, column[rung]
            free[place] = _p(assessor.assess(rung, readings))
            part = parts.get((rung.tier, rung.retrieved))
            value = None if part is None else row.signals.get(part)
            if part is not None and value is not None:
                readings[part] = Signal(part, value, value)
            paid[place] = _p(assessor.assess(rung, readings))
            price[place] = 0.0 if part is None else ladders.prices[part][place]
    opened = tuple(parts.get((rung.tier, rung.retrieved)) for rung in ladders.rungs)
    return RungScores(free, paid, price, opened, (None,) * len(ladders.rungs))


def _p(estimate: object) -> float:
    return estimate.p if isinstance(estimate, Estimate) else float("nan")


def assessor_of(rungs: Sequence[CalibratedRung]) -> CalibratedAssessor:
    """The calibrators as they will run."""
    return CalibratedAssessor(
        tuple(
            RungCalibrators(
                rung.tier, rung.retrieved, tuple((f.name, f.running()) for f in rung.calibrators)
            )
            for rung in rungs
        )
    )


def bought_parts(
    rungs: Sequence[CalibratedRung], bought: frozenset[str]
) -> dict[RungKind, str | None]:
    """What the best calibrator of each rung has to buy."""
    return {
        (rung.tier, rung.retrieved): next(
            (part for part in rung.calibrators[0].parts if part in bought), None
        )
        for rung in rungs
    }


def with_signals(table: OutcomeTable, allowed: frozenset[str] | None) -> OutcomeTable:
    """The table with these signals alone; as it is where None."""
    if allowed is None:
        return table
    return OutcomeTable(
        {
            query_id: {
                rung: replace(
                    row,
                    signals={n: v for n, v in row.signals.items() if n in allowed},
                    signal_costs={n: v for n, v in row.signal_costs.items() if n in allowed},
                )
                for rung, row in ladder.items()
            }
            for query_id, ladder in table.queries.items()
        }
    )
