"""What a fit is asked for other than a certified risk, and what it says it reached."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..router.errors import UsageError
from ..router.risk.targets import RiskTarget

__all__ = [
    "MeanCost",
    "QualityKept",
    "ShareDeferred",
    "Target",
    "TargetReport",
    "risk_report",
]


@dataclass(frozen=True, slots=True)
class QualityKept:
    """Keep this share of the quality of always asking the last tier, at the least cost.

    Attributes:
        share: in (0, 1].
        delta: how often the policy that is chosen may fall short of it, over the draw of the
            labels; in (0, 1).
    """

    share: float
    delta: float = 0.1

    def __post_init__(self) -> None:
        _check("a share of quality kept", self.share, 0.0, 1.0)
        _check_delta(self.delta)


@dataclass(frozen=True, slots=True)
class ShareDeferred:
    """Ask a tier above the first one for this share of the requests, for the most quality.

    Attributes:
        share: in [0, 1].
    """

    share: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise UsageError(f"a share deferred is {self.share}; it must be in [0, 1]")


@dataclass(frozen=True, slots=True)
class MeanCost:
    """Spend at most this much a request in the mean, for the most quality.

    Attributes:
        budget: above 0, in the currency of the outcome table.
        delta: how often the mean may exceed it, over the draw of the questions; in (0, 1).
    """

    budget: float
    delta: float = 0.1

    def __post_init__(self) -> None:
        _check("a mean cost", self.budget, 0.0, math.inf)
        _check_delta(self.delta)


Target = QualityKept | ShareDeferred | MeanCost


@dataclass(frozen=True, slots=True)
class TargetReport:
    """What was asked for and what was had.

    Attributes:
        kind: `quality kept`, `share deferred`, `mean cost`, or the name of a risk.
        target: as it was asked for.
        achieved: the same number on rows that did not choose the policy; None where nothing was
            reached that could be measured.
        interval: of `achieved`, 95 % unless `rows` says otherwise; None where it has none.
        rows: which rows those are.
    """

    kind: str
    target: float
    achieved: float | None
    interval: tuple[float, float] | None
    rows: str

    def to_data(self) -> dict[str, Any]:
        """As it stands in the output of `fit`."""
        return {
            "kind": self.kind,
            "target": self.target,
            "achieved": self.achieved,
            "interval": None if self.interval is None else list(self.interval),
            "rows": self.rows,
        }


def risk_report(
    target: RiskTarget, achieved: float | None, upper: float | None, rows: str
) -> TargetReport:
    """The line of a risk target: its mean loss on the tested rows, with its upper limit.

    Args:
        achieved: None where nothing was certified.
        upper: confidence limit at level 1 - delta.
    """
    interval = None if achieved is None or upper is None else (0.0, upper)
    level = f"{rows}; upper limit at level {1.0 - target.delta:g}"
    return TargetReport(f"{target.kind} risk", target.alpha, achieved, interval, level)


def _check(what: str, number: float, low: float, high: float) -> None:
    if not (low < number <= high and math.isfinite(number)):
        top = "a finite number" if math.isinf(high) else f"at most {high:g}"
        raise UsageError(f"{what} is {number}; it must be above {low:g} and {top}")


def _check_delta(delta: float) -> None:
    if not 0.0 < delta < 1.0:
        raise UsageError(f"delta is {delta}; expected a number between 0 and 1, neither included")
