"""From the signals of an attempt to one estimate: per rung, the preferred signal that is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .decisions import Rung
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
        for name in self.order:
            reading = signals.get(name)
            if isinstance(reading, Signal):
                return _make_estimate(reading.value, name)
        return unavailable_words(self.order, signals)


@dataclass(frozen=True, slots=True)
class RungCalibrators:
    """The calibrators of one rung by signal name, the preferred signal first.

    `round` None stands for every round.
    """

    tier: int
    retrieved: bool
    order: tuple[tuple[str, Calibrator], ...]
    round: int | None = None


class CalibratedAssessor:
    """Turns the preferred available signal of a rung into a probability by its calibrator."""

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
        for name, calibrator in order:
            reading = signals.get(name)
            if isinstance(reading, Signal):
                fingerprint = self._fingerprints[id(calibrator)]
                return _make_estimate(calibrator.probability(reading), name, True, fingerprint)
        return unavailable_words(tuple([name for name, _ in order]), signals)
