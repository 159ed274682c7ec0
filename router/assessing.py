"""From the signals of an attempt to one estimate: per rung, the preferred signal that is there.

A preferred signal that was read and is Unavailable leaves the estimate to the next one, and the
estimate says so (`Estimate.fallback`). One that was never read, since it has to be bought, is no
such case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .calibration.combining import CombinedCalibrator
from .decisions import Rung
from .errors import UsageError
from .making import maker
from .protocols import Calibrator
from .signals import Estimate, Reading, Signal, Unavailable

__all__ = ["BareAssessor", "CalibratedAssessor", "RungCalibrators", "unavailable_words"]

_make_estimate = maker(Estimate)


def unavailable_words(names: tuple[str, ...], signals: Mapping[str, Reading]) -> Unavailable:
    """Why none of the named signals can be used."""
    reasons = []
    for name in names:
        reading = signals.get(name)
        why = reading.reason if isinstance(reading, Unavailable) else "was not read"
        reasons.append(f"{name}: {why}")
    return Unavailable("; ".join(reasons) or "no signal is configured")


@dataclass(frozen=True, slots=True)
class BareAssessor:
    """Takes the first available signal's value as it is, and says that it is not calibrated."""

    order: tuple[str, ...]

    def assess(self, rung: Rung, signals: Mapping[str, Reading]) -> Estimate | Unavailable:
        """The estimate from the first signal of `order` that is available."""
        fallback: str | None = None
        for name in self.order:
            reading = signals.get(name)
            if isinstance(reading, Signal):
                return _make_estimate(reading.value, name, False, None, fallback)
            if reading is not None:
                fallback = _and(fallback, f"{name}: {reading.reason}")
        return unavailable_words(self.order, signals)


@dataclass(frozen=True, slots=True)
class RungCalibrators:
    """The calibrators of one rung by the name of what they read, the preferred one first.

    `round` None stands for every round.
    """

    tier: int
    retrieved: bool
    order: tuple[tuple[str, Calibrator | CombinedCalibrator], ...]
    round: int | None = None


class CalibratedAssessor:
    """Turns the preferred available signal, or combination of signals, of a rung into a
    probability by its calibrator."""

    def __init__(self, rungs: tuple[RungCalibrators, ...]) -> None:
        self.rungs = rungs
        self._orders = {(r.tier, r.round, r.retrieved): r.order for r in rungs}
        self._fingerprints = {
            id(calibrator): calibrator.fingerprint for rung in rungs for _, calibrator in rung.order
        }

    def assess(self, rung: Rung, signals: Mapping[str, Reading]) -> Estimate | Unavailable:
        """The calibrated estimate; Unavailable on a rung that was never fitted."""
        order = self._orders.get(rung) or self._orders.get((rung.tier, None, rung.retrieved))
        if order is None:
            seen = "with" if rung.retrieved else "without"
            return Unavailable(f"no calibrator was fitted for tier {rung.tier} {seen} passages")
        fallback: str | None = None
        for name, calibrator in order:
            if isinstance(calibrator, CombinedCalibrator):
                p, why = calibrator.read(signals)
            else:
                p, why = _read(name, calibrator, signals.get(name))
            if why is not None:
                fallback = _and(fallback, why)
            if p is not None:
                return _make_estimate(p, name, True, self._fingerprints[id(calibrator)], fallback)
        return _nothing(order, signals, fallback)


def _read(
    name: str, calibrator: Calibrator, reading: Reading | None
) -> tuple[float | None, str | None]:
    """The probability, None where it cannot be had; and why not, where the signal was read."""
    if isinstance(reading, Signal):
        try:
            return calibrator.probability(reading), None
        except UsageError as error:  # it was read in another way than it was fitted
            return None, f"{name}: {error}"
    return None, None if reading is None else f"{name}: {reading.reason}"


def _nothing(
    order: tuple[tuple[str, Calibrator | CombinedCalibrator], ...],
    signals: Mapping[str, Reading],
    fallback: str | None,
) -> Unavailable:
    singles = [name for name, one in order if not isinstance(one, CombinedCalibrator)]
    unread = [f"{name}: was not read" for name in singles if name not in signals]
    words = unread if fallback is None else [fallback, *unread]
    return Unavailable("; ".join(words) or "no signal is configured")


def _and(words: str | None, more: str) -> str:
    """Both, but no reason twice: a signal may be a part of several combinations."""
    if words is None:
        return more
    return words if more in words else f"{words}; {more}"
