"""What gates compare with thresholds: one raw signal, or the calibrated estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .calibrating import CalibratedRung
from .ladders import Ladders
from .paths import RungKind, RungScores

if TYPE_CHECKING:
    from .ladders import Floats

__all__ = ["estimated_scores", "parts_to_buy", "raw_scores", "to_buy_by_kind"]


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
