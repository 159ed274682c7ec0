"""What is known of a signal's quality, as records and as a JSON-plain document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..router.metrics.brier_parts import BrierParts
from ..router.metrics.reliability import Bin
from ..router.signals import Unavailable

__all__ = [
    "BinnedError",
    "Calibration",
    "Measured",
    "SignalQuality",
    "quality_document",
]


@dataclass(frozen=True, slots=True)
class Measured:
    """A number and its 95 % interval; None where it is undefined in most draws."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class BinnedError:
    """A calibration error, in [0, 1], over so many of `bins` bins.

    A draw repeats rows, which makes its bins look worse than they are: the interval lies too high
    where the error is small.
    """

    value: float
    interval: tuple[float, float] | None
    bins: int
    non_empty: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far probabilities are from what came.

    Attributes:
        method: "none" for the values as they are, else the kind of curve: "isotonic" or "beta".
        brier: mean squared error, and `parts`, what it is made of, over equal-width bins.
        log_loss: with probabilities clipped to [1e-7, 1 - 1e-7].
        ece: over equal-width bins; `ace` over equal-mass bins that split no ties.
        mce: the largest gap of an equal-width bin.
        bins: the equal-width bins that have rows, lowest first.
    """

    method: str
    brier: Measured
    parts: BrierParts
    log_loss: Measured
    ece: BinnedError
    ace: BinnedError
    mce: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class SignalQuality:
    """One signal on labeled rows.

    Attributes:
        n: rows on which it is available; `questions` is theirs.
        share_unavailable: of all rows.
        share_correct: of the n rows; None without any.
        auroc: 1/2 is a coin.
        aurc: mean risk over all coverages; `excess_aurc` is what the best ranking would save.
        prr: 1 for the best ranking, 0 for a random one; `prr_half` rejects at most half.
        uncalibrated: of the values in [0, 1] as they are; Unavailable where there are none.
        calibrated: of out-of-fold probabilities.
        curve: (coverage, risk), at most 200 points evenly over the coverages.
        reps: draws behind the intervals.
    """

    name: str
    n: int
    questions: int
    share_unavailable: float
    share_correct: float | None
    auroc: Measured | Unavailable
    aurc: Measured | Unavailable
    excess_aurc: Measured | Unavailable
    prr: Measured | Unavailable
    prr_half: Measured | Unavailable
    uncalibrated: Calibration | Unavailable
    calibrated: Calibration | Unavailable
    curve: tuple[tuple[float, float], ...]
    reps: int


def quality_document(found: Sequence[SignalQuality]) -> dict[str, Any]:
    """The records as JSON-plain data, in their order: {"signals": {name: {...}}}, nothing rounded.

    A number with its interval is {"value", "interval": [lo, hi] | null}, or {"unavailable": reason}
    where it does not exist.
    """
    return {"signals": {one.name: _signal(one) for one in found}}


def _signal(one: SignalQuality) -> dict[str, Any]:
    ranking = ("auroc", "aurc", "excess_aurc", "prr", "prr_half")
    return {
        "n": one.n,
        "questions": one.questions,
        "share_unavailable": one.share_unavailable,
        "share_correct": one.share_correct,
        **{name: _known(getattr(one, name)) for name in ranking},
        "uncalibrated": _known(one.uncalibrated),
        "calibrated": _known(one.calibrated),
        "curve": [list(point) for point in one.curve],
        "reps": one.reps,
    }


def _known(one: Measured | Calibration | Unavailable) -> dict[str, Any]:
    if isinstance(one, Unavailable):
        return {"unavailable": one.reason}
    plain: dict[str, Any] = _plain(asdict(one))
    return plain


def _plain(data: Any) -> Any:
    """Tuples as lists, as JSON would read them back."""
    if isinstance(data, dict):
        return {key: _plain(one) for key, one in data.items()}
    return [_plain(one) for one in data] if isinstance(data, list | tuple) else data
