"""What a critic is worth on questions that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..router.critic.round_calibration import cross_fitted_rounds
from ..router.critic.within_round import auroc_within
from ..router.errors import UsageError
from ..router.metrics import auroc, brier, ece
from ..router.signals import Unavailable
from .critic_torch_data import CriticRows

__all__ = ["RoundReport", "TargetReport", "report_target"]

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class RoundReport:
    """One round of one target; `mean_p` is the mean of the calibrated probabilities."""

    round: int
    n: int
    base_rate: float
    mean_p: float
    auroc: float | None


@dataclass(frozen=True, slots=True)
class TargetReport:
    """One target on held-out questions, at their natural prior.

    Attributes:
        base_rate: share of positives.
        auroc_within: among states of equal round and number of passages.
        auroc_pooled: among all; `auroc_round` is what the round alone gets of that.
        brier: of the calibrated probabilities, cross-fitted over questions; like `ece`. None where
            there are too few questions to cross-fit.
        accuracy: at .5; beside `always_reject`, what saying no to everything gets.
    """

    target: str
    n: int
    base_rate: float
    auroc_within: float | None
    auroc_pooled: float | None
    auroc_round: float | None
    brier: float | None
    ece: float | None
    accuracy: float | None
    always_reject: float
    rounds: tuple[RoundReport, ...] = ()


def report_target(
    target: str, rows: CriticRows, place: int, scores: Sequence[float]
) -> TargetReport:
    """One target over the rows whose label of it is known; there must be some.

    Args:
        place: of the target in a row's labels.
        scores: in [0, 1], one a row, before calibration.
    """
    known = rows.known(place)
    own = [scores[row] for row in known]
    y = [rows.labels[row][place] or 0 for row in known]
    rounds = [rows.rounds[row] for row in known]
    groups = [rows.groups[row] for row in known]
    p = _cross_fitted(target, own, y, rounds, groups)
    share = sum(y) / len(y)
    return TargetReport(
        target,
        len(y),
        share,
        _number(auroc_within(own, y, [rows.strata[row] for row in known])),
        _number(auroc(own, y)),
        _number(auroc([float(round_) for round_ in rounds], y)),
        None if p is None else _number(brier(p, y)),
        None if p is None else _number(ece(p, y)),
        None
        if p is None
        else sum((one >= 0.5) == bool(label) for one, label in zip(p, y, strict=True)) / len(y),
        1.0 - share,
        () if p is None else _rounds(own, p, y, rounds),
    )


def _cross_fitted(
    target: str,
    scores: Sequence[float],
    labels: Sequence[int],
    rounds: Sequence[int],
    groups: Sequence[str],
) -> tuple[float, ...] | None:
    try:
        return cross_fitted_rounds(scores, labels, rounds, groups, name=target, folds=_FOLDS)
    except UsageError:  # fewer questions than folds, or a fold with one class
        return None


def _rounds(
    scores: Sequence[float], p: Sequence[float], labels: Sequence[int], rounds: Sequence[int]
) -> tuple[RoundReport, ...]:
    found = []
    for round_ in sorted(set(rounds)):
        rows = [row for row, one in enumerate(rounds) if one == round_]
        y = [labels[row] for row in rows]
        found.append(
            RoundReport(
                round_,
                len(rows),
                sum(y) / len(y),
                math.fsum(p[row] for row in rows) / len(rows),
                _number(auroc([scores[row] for row in rows], y)),
            )
        )
    return tuple(found)


def _number(value: float | Unavailable) -> float | None:
    return None if isinstance(value, Unavailable) else value
